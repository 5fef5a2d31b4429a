#include "formats/text_decoding.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/units.h"
#include "base/utf8.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kUtf16BlockBytes = 64 * kKiB;  // of UTF-16; at most 1.5 times as many of UTF-8
constexpr size_t kZerosLooked = 4 * kKiB;       // of a head, for UTF-16 without a mark
constexpr size_t kZerosPerMille = 200;          // of its characters: delimiters, digits and line ends alone are more
constexpr uint32_t kReplacement = 0xFFFD;

/// 0x80 to 0x9F of windows-1252; 0: not in use.
constexpr std::array<uint16_t, 32> kWindows1252High = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
    0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178};

bool is_unused(unsigned char byte) { return byte >= 0x80 && byte < 0xA0 && kWindows1252High[byte - 0x80] == 0; }

struct HighBytes {
  size_t characters = 0;  ///< of several bytes, valid
  size_t broken = 0;      ///< bytes that belong to none
  bool unused = false;    ///< one of those that windows-1252 does not have
};

/// `cut`: the text may end within a character.
HighBytes count_high_bytes(std::string_view text, bool cut) {
  HighBytes count;
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      uint64_t word = 0x80;
      if (at + sizeof(word) <= text.size()) std::memcpy(&word, text.data() + at, sizeof(word));
      at += (word & 0x8080808080808080u) == 0 ? sizeof(word) : 1;
      continue;
    }
    count.unused |= is_unused(byte);
    const CodePoint point = code_point_at(text, at);
    if (point.valid) {
      ++count.characters;
    } else if (!cut || text.size() - at >= 4) {
      ++count.broken;
    }
    at += point.length;
  }
  return count;
}

TextEncoding utf16_without_mark(std::string_view head) {
  head = head.substr(0, kZerosLooked);
  size_t even = 0, odd = 0;
  for (size_t i = 0; i < head.size(); ++i) (i % 2 == 0 ? even : odd) += head[i] == '\0';
  const size_t enough = std::max<size_t>(2, head.size() / 2 * kZerosPerMille / 1000);
  if (odd >= enough && even == 0) return TextEncoding::kUtf16le;
  if (even >= enough && odd == 0) return TextEncoding::kUtf16be;
  return TextEncoding::kAuto;
}

class Utf16Source final : public ByteSource {
 public:
  Utf16Source(std::unique_ptr<ByteSource> source, bool big_endian, bool is_sample)
      : source_(std::move(source)), big_endian_(big_endian), is_sample_(is_sample), block_(kUtf16BlockBytes) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    size_t filled = 0;
    while (filled < into.size()) {
      if (used_ == text_.size()) {
        if (ended_) break;
        TRY(decode_block(context));
        continue;
      }
      const size_t count = std::min(into.size() - filled, text_.size() - used_);
      std::memcpy(into.data() + filled, text_.data() + used_, count);
      filled += count, used_ += count;
    }
    return filled;
  }

 private:
  Result<void> decode_block(Context& context) {
    TRY(context.check());
    TRY_ASSIGN(const size_t count, source_->read(block_, context));
    ended_ = count < block_.size();
    text_.clear();
    used_ = 0;
    size_t at = 0;
    for (; at + 1 < count; at += 2) TRY(take(unit_at(at), at));
    if (ended_ && !is_sample_) {
      if (high_ != 0) return std::unexpected(broken("the last character lacks its second half (a lone surrogate)", at));
      if (at < count) return std::unexpected(broken("an odd byte at the end of UTF-16 text", at));
    }
    byte_ += static_cast<int64_t>(at);
    return {};
  }

  uint32_t unit_at(size_t at) const {
    const auto first = static_cast<unsigned char>(block_[at]), second = static_cast<unsigned char>(block_[at + 1]);
    return big_endian_ ? uint32_t{first} << 8 | second : uint32_t{second} << 8 | first;
  }

  Result<void> take(uint32_t unit, size_t at) {
    const bool is_high = unit >= 0xD800 && unit < 0xDC00, is_low = unit >= 0xDC00 && unit < 0xE000;
    if (is_low != (high_ != 0)) return std::unexpected(broken("half a character (a lone surrogate)", at));
    if (is_high) {
      high_ = unit;
      return {};
    }
    append_utf8(is_low ? 0x10000 + ((high_ - 0xD800) << 10) + (unit - 0xDC00) : unit, text_);
    high_ = 0;
    line_ += unit == '\n';
    return {};
  }

  Error broken(std::string_view what, size_t at) const {
    const int64_t byte = byte_ + static_cast<int64_t>(at);
    return {ErrorCode::kInvalidInput, fmt::format("line {}: {} (byte {})", line_, what, byte), std::string(error_type::kParseError), line_,
            byte};
  }

  const std::unique_ptr<ByteSource> source_;
  const bool big_endian_, is_sample_;
  std::vector<char> block_;
  std::string text_;
  size_t used_ = 0;    ///< of text_
  uint32_t high_ = 0;  ///< the first half of a character
  int64_t byte_ = 0, line_ = 1;
  bool ended_ = false;
};

class JoinedSource final : public ByteSource {
 public:
  JoinedSource(std::string head, std::unique_ptr<ByteSource> rest) : head_(std::move(head)), rest_(std::move(rest)) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    const size_t count = std::min(into.size(), head_.size() - used_);
    std::memcpy(into.data(), head_.data() + used_, count);
    used_ += count;
    if (count == into.size()) return count;
    TRY_ASSIGN(const size_t more, rest_->read(into.subspan(count), context));
    return count + more;
  }

 private:
  const std::string head_;
  size_t used_ = 0;
  const std::unique_ptr<ByteSource> rest_;
};

}  // namespace

TextEncoding guess_encoding(std::string_view head) {
  if (head.starts_with("\xef\xbb\xbf")) return TextEncoding::kUtf8;
  if (head.starts_with("\xff\xfe")) return TextEncoding::kUtf16le;
  if (head.starts_with("\xfe\xff")) return TextEncoding::kUtf16be;
  if (const TextEncoding utf16 = utf16_without_mark(head); utf16 != TextEncoding::kAuto) return utf16;
  const HighBytes high = count_high_bytes(head, true);
  if (high.characters == 0 && high.broken == 0) return TextEncoding::kAuto;
  return high.broken > high.characters && !high.unused ? TextEncoding::kWindows1252 : TextEncoding::kUtf8;
}

TextEncoding encoding_of(TextEncoding asked, std::string_view head) {
  if (asked == TextEncoding::kAuto) return guess_encoding(head);
  if (asked != TextEncoding::kUtf16) return asked;
  const TextEncoding found = guess_encoding(head);
  return found == TextEncoding::kUtf16be ? found : TextEncoding::kUtf16le;
}

bool is_windows_1252(std::string_view record) {
  const HighBytes high = count_high_bytes(record, false);
  return high.broken > high.characters && !high.unused;
}

size_t append_single_byte(TextEncoding encoding, std::string_view text, std::string& out) {
  size_t first_unused = text.size();
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    uint32_t code = byte;
    if (encoding == TextEncoding::kWindows1252 && byte >= 0x80 && byte < 0xA0) {
      code = kWindows1252High[byte - 0x80];
      if (code == 0) {
        code = kReplacement;
        first_unused = std::min(first_unused, i);
      }
    }
    append_utf8(code, out);
  }
  return first_unused;
}

std::unique_ptr<ByteSource> open_utf16(std::unique_ptr<ByteSource> source, TextEncoding encoding, bool is_sample) {
  return std::make_unique<Utf16Source>(std::move(source), encoding == TextEncoding::kUtf16be, is_sample);
}

int64_t utf16_bytes(std::string_view utf8) {
  int64_t units = 0;
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    units += (byte & 0xC0) != 0x80;  // each character once
    units += byte >= 0xF0;           // those beyond 16 bits twice
  }
  return 2 * units;
}

std::unique_ptr<ByteSource> put_before(std::string head, std::unique_ptr<ByteSource> rest) {
  return std::make_unique<JoinedSource>(std::move(head), std::move(rest));
}

}  // namespace sluice
