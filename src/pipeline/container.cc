#include "pipeline/container.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "archives/archive_kind.h"
#include "formats/decompress.h"
#include "formats/sql_extract.h"
#include "formats/sql_format.h"
#include "formats/sql_head.h"
#include "formats/sql_listing.h"
#include "model/file.h"
#include "pipeline/dump_pass.h"

namespace sluice {
namespace {

constexpr int64_t kPackedHeadBytes = 128 * kKiB;  // of most compressed files this gives the first block

std::string packed_format(std::string_view format, Compression packed) {
  std::string text(format);
  switch (packed) {
    case Compression::kNone: return text;
    case Compression::kGzip: return text + ".gz";
    case Compression::kZstd: return text + ".zst";
    case Compression::kBzip2: return text + ".bz2";
    case Compression::kXz: return text + ".xz";
    case Compression::kLz4: return text + ".lz4";
  }
  return text;
}

class ArchiveContainer final : public Container {
 public:
  ArchiveContainer(ArchiveKind kind, Compression packed) : kind_(kind), packed_(packed), format_(packed_format(to_string(kind), packed)) {}
  std::string_view format() const override { return format_; }
  bool is_archive() const override { return true; }
  bool needs_random_access() const override { return kind_ != ArchiveKind::kTar; }
  bool members_apart() const override { return kind_ == ArchiveKind::kZip; }
  Result<std::unique_ptr<MemberPass>> open(Blob& blob, Context& context) const override {
    if (packed_ == Compression::kNone) return open_archive(kind_, blob, context);
    TRY_ASSIGN(auto unpacked, open_decompressed(blob, {}, context));
    return open_tar_stream(std::move(unpacked), blob.size_bytes());
  }

 private:
  const ArchiveKind kind_;
  const Compression packed_;
  const std::string format_;
};

/// A tar around which there is another archive.
class TarInOrder final : public Container {
 public:
  explicit TarInOrder(std::unique_ptr<const Container> tar) : tar_(std::move(tar)) {}
  std::string_view format() const override { return tar_->format(); }
  bool is_archive() const override { return true; }
  bool needs_random_access() const override { return false; }
  bool members_apart() const override { return false; }
  Result<std::unique_ptr<MemberPass>> open(Blob& blob, Context& context) const override {
    TRY_ASSIGN(auto bytes, blob.open({}, context));
    return open_tar_stream(std::move(bytes), blob.size_bytes());
  }

 private:
  const std::unique_ptr<const Container> tar_;
};

std::unique_ptr<const Container> container_of(std::string_view head, std::string_view path, Compression packed) {
  const auto kind = archive_kind_of(head, path);
  // Only a tar is packed as a whole; a zip in a gzip is somebody's mistake, which finding its format will name.
  if (!kind || (packed != Compression::kNone && *kind != ArchiveKind::kTar)) return nullptr;
  return std::make_unique<ArchiveContainer>(*kind, packed);
}

/// The first unpacked bytes of a range; fewer where it is broken, which reading it for its rows will say.
Result<std::string> unpacked_head(Blob& blob, ByteRange range, Context& context) {
  std::string head(kArchiveHeadBytes, '\0');
  const auto read = [&]() -> Result<size_t> {
    TRY_ASSIGN(auto source, open_decompressed(blob, range, context));
    return source->read(head, context);
  };
  const auto got = read();
  if (!got && got.error().code != ErrorCode::kInvalidInput) return std::unexpected(got.error());
  head.resize(got.value_or(0));
  return head;
}

class DumpContainer final : public Container {
 public:
  DumpContainer(const SqlOptions& options, Compression packed)
      : options_(options), packed_(packed), format_(packed_format("sql", packed)) {}
  std::string_view format() const override { return format_; }
  bool is_archive() const override { return false; }
  bool needs_random_access() const override { return true; }  // it is listed first
  bool members_apart() const override { return false; }
  Result<std::unique_ptr<MemberPass>> open(Blob& blob, Context& context) const override {
    return open_sql_dump(blob, packed_ != Compression::kNone, options_, context);
  }

 private:
  const SqlOptions options_;
  const Compression packed_;
  const std::string format_;
};

/// Whether it may be worth a closer look. `head` is that of the unpacked file.
bool may_be_dump(const Source& source, std::string_view path, std::string_view head) {
  if (source.sql.table != kEverySqlTable || sql_extract_dialect(head)) return false;
  return source.format == "sql" || (source.format == "auto" && (may_begin_sql(head) || path.contains(".sql")));
}

/// `head` is that of the unpacked file.
Result<std::unique_ptr<const Container>> find_dump(const Source& source, std::string_view path, std::string_view head, Blob& blob,
                                                   Compression packed, Context& context) {
  if (!may_be_dump(source, path, head)) return nullptr;
  const auto has_tables = [&]() -> Result<bool> {
    TRY_ASSIGN(const Format* format, find_format(source, path, blob, context));
    if (format != &sql_format()) return false;
    TRY_ASSIGN(auto bytes, open_decompressed(blob, {}, context));
    return has_sql_table(std::move(bytes), source.sql, context);
  };
  const auto has = has_tables();
  // What is broken is no container: reading it for its rows says why.
  if (!has && has.error().code != ErrorCode::kInvalidInput) return std::unexpected(has.error());
  if (!has.value_or(false)) return nullptr;
  return std::make_unique<DumpContainer>(source.sql, packed);
}

Result<std::string> packed_head(Blob& blob, Context& context) {
  TRY_ASSIGN(std::string head, unpacked_head(blob, {.offset = 0, .length = kPackedHeadBytes}, context));
  // bzip2 and lz4 have blocks that are larger packed than that.
  if (head.size() < kArchiveHeadBytes && blob.size_bytes() > kPackedHeadBytes) {
    TRY_ASSIGN(head, unpacked_head(blob, {}, context));
  }
  return head;
}

}  // namespace

Result<std::unique_ptr<const Container>> find_container(const Source& source, std::string_view path, Blob& blob, Context& context) {
  std::string head(kArchiveHeadBytes, '\0');
  TRY_ASSIGN(auto bytes, blob.open({.offset = 0, .length = static_cast<int64_t>(kArchiveHeadBytes)}, context));
  TRY_ASSIGN(const size_t got, bytes->read(head, context));
  if (got == 0) return nullptr;  // a file without rows, whatever it is called
  head.resize(got);
  const Compression packed = compression_of(head);
  if (packed != Compression::kNone) {
    TRY_ASSIGN(head, packed_head(blob, context));
  }
  if (auto archive = container_of(head, path, packed)) return archive;
  return find_dump(source, path, head, blob, packed, context);
}

Result<std::unique_ptr<const Container>> find_container(const Source& source, std::string_view path, std::string_view bytes,
                                                        Context& context) {
  if (bytes.empty()) return nullptr;
  const std::string_view head = bytes.substr(0, kArchiveHeadBytes);
  const bool packed = compression_of(bytes) != Compression::kNone;
  if (packed || may_be_dump(source, path, head)) return find_container(source, path, *make_memory_blob(std::string(bytes)), context);
  return container_of(head, path, Compression::kNone);
}

std::unique_ptr<const Container> read_in_order(std::unique_ptr<const Container> container) {
  // One that is compressed has never been read otherwise.
  if (container->format() != to_string(ArchiveKind::kTar)) return container;
  return std::make_unique<TarInOrder>(std::move(container));
}

bool may_have_members(std::string_view format) {
  constexpr std::array<std::string_view, 4> kContainers = {"zip", "tar", "7z", "sql"};
  return std::ranges::find(kContainers, format.substr(0, format.find('.'))) != kContainers.end();
}

Result<std::unique_ptr<Blob>> hold_in_memory(Blob& blob, Context& context) {
  if (blob.size_bytes() > kHeldMemberBytesMax) {
    return std::unexpected(
        Error{ErrorCode::kInvalidInput,
              fmt::format("its {} bytes must be read here and there, but come from an archive that is read from front to "
                          "back, and are above the {} MiB that are held in memory for this; load it without the archive",
                          blob.size_bytes(), kHeldMemberBytesMax / kMiB),
              std::string(error_type::kTooLarge)});
  }
  std::string bytes(static_cast<size_t>(blob.size_bytes()) + 1, '\0');  // one more: reading on to the end is what checks it
  TRY_ASSIGN(auto source, blob.open({}, context));
  TRY_ASSIGN(const size_t got, source->read(bytes, context));
  bytes.resize(got);
  return make_memory_blob(std::move(bytes));
}

}  // namespace sluice
