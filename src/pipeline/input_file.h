// One claimed file, opened for reading at exactly its claimed version: its format, its bytes and their hash. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "base/units.h"
#include "formats/format.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "pipeline/container.h"
#include "storage/object_store.h"

namespace sluice {

/// A file up to this size is read once, whole: sniffing, inference and reading share the bytes (and one open).
inline constexpr int64_t kWholeFileBytesMax = kMiB;

/// The content hash of files up to twice this size is that of all their bytes; of larger ones it is the hash of the hashes of their pieces
/// of this size, so that several threads can take it.
inline constexpr int64_t kHashPieceBytes = 32 * kMiB;

/// Hears how many stored bytes were read, for the progress bar.
using BytesRead = std::function<void(int64_t bytes)>;

class InputFile {
 public:
  virtual ~InputFile() = default;
  virtual Blob& blob() = 0;
  /// The same version again, for another thread; what it reads counts for the hash, too. Thread-safe. Large files only.
  virtual std::unique_ptr<Blob> another_blob() = 0;
  /// Not null: it has members instead of rows, and no format.
  virtual const Container* container() const { return nullptr; }
  virtual const Format& format() const = 0;
  /// It can be read to its end one time only (MemberBytes).
  virtual bool comes_once() const { return false; }
  /// Reads what its reader left unread (bytes behind the last row), so that the hash covers all and the version was checked at the end.
  virtual Result<void> drain(Context& context) = 0;
  /// xxh3-128 of the stored bytes (see kHashPieceBytes), hexadecimal; after drain().
  virtual std::string content_hash() const = 0;
  virtual int64_t bytes_read() const = 0;
};

/// A small file as stored: its bytes lie in the buffer it was read into, with kBundlePaddingBytes behind.
struct WholeFile {
  std::string_view bytes;
  std::string content_hash;
};

/// Reads a file of at most kWholeFileBytesMax at its claimed version; `buffer` grows as needed and serves one file after the other. Errors
/// as open_input's.
Result<WholeFile> read_whole_file(ObjectStore& store, const ClaimedFile& file, std::vector<char>& buffer, Context& context);
/// The same of bytes that were read before.
WholeFile hold_whole_file(std::string_view bytes, std::vector<char>& buffer);
/// Opens a copy of it.
std::unique_ptr<InputFile> open_whole_file(const WholeFile& file, const Format& format);

/// Opens a copy of it as what it turns out to be: a container, or rows.
Result<std::unique_ptr<InputFile>> open_recognised(const WholeFile& whole, const Source& source, const ClaimedFile& file, Context& context);

/// find_format(), with an error that has a type.
Result<const Format*> recognise(const Source& source, const ClaimedFile& file, const WholeFile& whole, Context& context);

/// Errors carry a type of model/file.h: Vanished (gone), ChangedWhileRead (at another version), Unreadable, Unavailable, ParseError
/// (format not recognised).
Result<std::unique_ptr<InputFile>> open_input(ObjectStore& store, const Source& source, const ClaimedFile& file, BytesRead bytes_read,
                                              Context& context);

/// read_whole_file() for a member: its bytes come from its archive.
Result<WholeFile> read_whole_member(Blob& blob, const ClaimedFile& file, std::vector<char>& buffer, Context& context);
/// open_input() for a member of any size. What must be read here and there is held in memory where its archive cannot: TooLarge.
Result<std::unique_ptr<InputFile>> open_member(MemberBytes bytes, const Source& source, const ClaimedFile& file, BytesRead bytes_read,
                                               Context& context);

/// Gives an error of the store, met while a file was opened or read, the type it has for the ledger.
Error as_file_error(Error error);

}  // namespace sluice
