// Characters of text files in other encodings than UTF-8: finding out which it is, and turning them into UTF-8. Single-byte text is read
// as it lies and each record is turned afterwards, so that places stay places of the file; UTF-16 is turned while it is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "model/text_encoding.h"

namespace sluice {

constexpr bool is_single_byte(TextEncoding encoding) { return encoding == TextEncoding::kLatin1 || encoding == TextEncoding::kWindows1252; }
constexpr bool is_utf16(TextEncoding encoding) { return encoding == TextEncoding::kUtf16le || encoding == TextEncoding::kUtf16be; }

/// What a file's first bytes say. A byte order mark settles it. Without one: UTF-16 by the zeros that it has in every other byte;
/// windows-1252 where more bytes break UTF-8 than there are characters of several bytes; kAuto where all is ASCII so far; else UTF-8.
TextEncoding guess_encoding(std::string_view head);

/// What a file is read in: as asked for, where that says all; else as its head says. kUtf16 becomes one of the two.
TextEncoding encoding_of(TextEncoding asked, std::string_view head);

/// The same for one record of a file that was ASCII before: is it windows-1252? Not where it is valid UTF-8.
bool is_windows_1252(std::string_view record);

/// Appends single-byte text as UTF-8. Returns where the first byte stands that the encoding does not have (it becomes U+FFFD);
/// text.size() where there is none.
size_t append_single_byte(TextEncoding encoding, std::string_view text, std::string& out);

/// UTF-16 as UTF-8, byte order mark included. Half a character is an error ("ParseError", with line and byte of the stored text): a lone
/// surrogate, and an odd byte at the end unless the source is a sample. Holds one block.
std::unique_ptr<ByteSource> open_utf16(std::unique_ptr<ByteSource> source, TextEncoding encoding, bool is_sample);

/// How many bytes UTF-8 text took in UTF-16.
int64_t utf16_bytes(std::string_view utf8);

/// Bytes that were read ahead, then the rest of their source.
std::unique_ptr<ByteSource> put_before(std::string head, std::unique_ptr<ByteSource> rest);

}  // namespace sluice
