#include "archives/zip_pass.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include "archives/member_budget.h"
#include "archives/member_names.h"
#include "archives/window_blob.h"
#include "archives/zip_directory.h"
#include "base/utf8.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr int kStored = 0, kDeflated = 8;
constexpr int64_t kLocalHeaderBytes = 30;
constexpr size_t kInputBytes = 64 * 1024;

std::string version_of(const ZipEntry& entry) { return fmt::format("{}-{:08x}", entry.size_bytes, entry.crc); }

Error broken_member(std::string_view what) {
  return bad_archive(fmt::format("its bytes in the zip archive are broken: {}; the file was not loaded. Send the archive again", what));
}

/// Passes a member's bytes on and holds them against the size and checksum of the directory: what ends otherwise ends in an error.
class CheckedSource : public ByteSource {
 public:
  CheckedSource(std::unique_ptr<ByteSource> packed, const ZipEntry& entry)
      : packed_(std::move(packed)), packed_left_(entry.packed_bytes), size_bytes_(entry.size_bytes), crc_wanted_(entry.crc) {}

  Result<size_t> read(std::span<char> into, Context& context) final {
    TRY(context.check());
    size_t filled = 0;
    while (filled < into.size() && !ended_) {
      TRY_ASSIGN(const size_t count, produce(into.subspan(filled), context));
      crc_ = crc32_z(crc_, reinterpret_cast<const Bytef*>(into.data() + filled), count);
      filled += count;
      produced_ += static_cast<int64_t>(count);
      if (produced_ > size_bytes_) return std::unexpected(broken_member(fmt::format("more than its {} bytes", size_bytes_)));
      if (count == 0) ended_ = true;
    }
    if (!ended_) return filled;
    if (produced_ != size_bytes_) return std::unexpected(broken_member(fmt::format("{} of its {} bytes", produced_, size_bytes_)));
    if (crc_ != crc_wanted_) return std::unexpected(broken_member("wrong checksum"));
    return filled;
  }

 protected:
  /// The next bytes, at least one; 0: the end.
  virtual Result<size_t> produce(std::span<char> into, Context& context) = 0;

  /// Stored bytes of this member; 0: no more.
  Result<size_t> read_packed(std::span<char> into, Context& context) {
    const size_t wanted = std::min(into.size(), static_cast<size_t>(packed_left_));
    if (wanted == 0) return 0;
    TRY_ASSIGN(const size_t count, packed_->read(into.first(wanted), context));
    if (count < wanted) return std::unexpected(broken_member("the archive ends before they do"));
    packed_left_ -= static_cast<int64_t>(count);
    return count;
  }

 private:
  const std::unique_ptr<ByteSource> packed_;
  int64_t packed_left_;
  const int64_t size_bytes_;
  const uint32_t crc_wanted_;
  uLong crc_ = 0;
  int64_t produced_ = 0;
  bool ended_ = false;
};

class StoredSource final : public CheckedSource {
 public:
  using CheckedSource::CheckedSource;

 private:
  Result<size_t> produce(std::span<char> into, Context& context) override { return read_packed(into, context); }
};

class InflatedSource final : public CheckedSource {
 public:
  InflatedSource(std::unique_ptr<ByteSource> packed, const ZipEntry& entry)
      : CheckedSource(std::move(packed), entry), input_(kInputBytes) {}
  ~InflatedSource() override {
    if (started_) inflateEnd(&stream_);
  }
  Result<void> start() {
    started_ = inflateInit2(&stream_, -15) == Z_OK;
    return started_ ? Result<void>{} : fail(ErrorCode::kUnavailable, "no memory for a zip decoder");
  }

 private:
  Result<size_t> produce(std::span<char> into, Context& context) override {
    if (ended_) return 0;
    const size_t room = std::min<size_t>(into.size(), 1 << 30);
    stream_.next_out = reinterpret_cast<Bytef*>(into.data());
    stream_.avail_out = static_cast<uInt>(room);
    while (stream_.avail_out == room && !ended_) {
      if (stream_.avail_in == 0) {
        TRY_ASSIGN(const size_t count, read_packed(input_, context));
        if (count == 0) return std::unexpected(broken_member("they end too early"));
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(count);
      }
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) ended_ = true;
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        return std::unexpected(broken_member(stream_.msg != nullptr ? stream_.msg : "bad data"));
      }
    }
    return room - stream_.avail_out;
  }

  z_stream stream_{};
  std::vector<char> input_;
  bool started_ = false, ended_ = false;
};

/// A deflated member: every source inflates from the beginning.
class DeflatedBlob final : public Blob {
 public:
  DeflatedBlob(Blob& packed, ZipEntry entry) : packed_(packed), entry_(std::move(entry)) {}
  int64_t size_bytes() const override { return entry_.size_bytes; }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    TRY_ASSIGN(auto packed, packed_.open({}, context));
    auto source = std::make_unique<InflatedSource>(std::move(packed), entry_);
    TRY(source->start());
    const bool whole = range.offset == 0 && (range.length < 0 || range.length >= entry_.size_bytes);
    if (whole) return source;
    TRY(pass_over(*source, range.offset, context));
    const int64_t end = range.length < 0 ? entry_.size_bytes : std::min(entry_.size_bytes, range.offset + range.length);
    return std::make_unique<Part>(std::move(source), end - std::min(range.offset, end), end == entry_.size_bytes);
  }

 private:
  class Part final : public ByteSource {
   public:
    Part(std::unique_ptr<ByteSource> source, int64_t left, bool to_end) : source_(std::move(source)), left_(left), to_end_(to_end) {}
    Result<size_t> read(std::span<char> into, Context& context) override {
      const size_t wanted = std::min(into.size(), static_cast<size_t>(left_));
      if (wanted == 0) return 0;
      TRY_ASSIGN(const size_t count, source_->read(into.first(wanted), context));
      left_ -= static_cast<int64_t>(count);
      char beyond = 0;  // behind the last byte the checksum is held against it
      if (left_ == 0 && to_end_) TRY(source_->read({&beyond, 1}, context));
      return count;
    }

   private:
    const std::unique_ptr<ByteSource> source_;
    int64_t left_;
    const bool to_end_;
  };

  static Result<void> pass_over(ByteSource& source, int64_t count, Context& context) {
    std::vector<char> block(static_cast<size_t>(std::min<int64_t>(count, kInputBytes)));
    while (count > 0) {
      const auto wanted = static_cast<size_t>(std::min<int64_t>(count, std::ssize(block)));
      TRY_ASSIGN(const size_t got, source.read(std::span(block).first(wanted), context));
      if (got == 0) return {};
      count -= static_cast<int64_t>(got);
    }
    return {};
  }

  Blob& packed_;
  const ZipEntry entry_;
};

/// A stored member: its range of the archive. Its checksum shows where it is read from its beginning to its end.
class StoredBlob final : public Blob {
 public:
  StoredBlob(Blob& bytes, ZipEntry entry) : bytes_(bytes), entry_(std::move(entry)) {}
  int64_t size_bytes() const override { return entry_.size_bytes; }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    TRY_ASSIGN(auto source, bytes_.open(range, context));
    const bool whole = range.offset == 0 && (range.length < 0 || range.length >= entry_.size_bytes);
    if (!whole) return source;
    return std::make_unique<StoredSource>(std::move(source), entry_);
  }

 private:
  Blob& bytes_;
  const ZipEntry entry_;
};

/// Where the bytes of the entry begin: behind its local header, whose length only that header knows.
class PackedBlob final : public Blob {
 public:
  PackedBlob(Blob& archive, const ZipEntry& entry, int64_t limit)
      : archive_(archive), header_offset_(entry.header_offset), packed_bytes_(entry.packed_bytes), limit_(limit) {}
  int64_t size_bytes() const override { return packed_bytes_; }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    if (data_offset_ < 0) TRY(find_data(context));
    const int64_t begin = std::min(range.offset, packed_bytes_);
    const int64_t length = range.length < 0 ? packed_bytes_ - begin : std::min(range.length, packed_bytes_ - begin);
    return archive_.open({data_offset_ + begin, length}, context);
  }

 private:
  Result<void> find_data(Context& context) {
    auto header = read_exactly(archive_, header_offset_, kLocalHeaderBytes, context);
    if (!header && header.error().type.empty() && header.error().code == ErrorCode::kInvalidInput) {
      return std::unexpected(broken_member("the archive ends before they do"));
    }
    TRY(header);
    if (!header->starts_with(std::string_view("PK\x03\x04", 4))) return std::unexpected(broken_member("no header before them"));
    data_offset_ = header_offset_ + kLocalHeaderBytes + zip_u16(*header, 26) + zip_u16(*header, 28);
    if (data_offset_ > limit_ || packed_bytes_ > limit_ - data_offset_) {
      data_offset_ = -1;
      return std::unexpected(broken_member("they reach into the archive's directory"));
    }
    return {};
  }

  Blob& archive_;
  const int64_t header_offset_, packed_bytes_, limit_;
  int64_t data_offset_ = -1;
};

class ZipPass final : public MemberPass {
 public:
  ZipPass(Blob& archive, std::unique_ptr<ZipDirectory> directory)
      : members_(archive), directory_(std::move(directory)), budget_(archive.size_bytes()) {}

  Result<std::optional<Member>> next(Context& context) override {
    for (;;) {
      TRY(context.check());
      TRY_ASSIGN(auto entry, directory_->next(context));
      if (!entry) return std::nullopt;
      entry_ = *std::move(entry);
      // Many writers forget to say that it is UTF-8.
      const bool as_is = entry_.name_is_utf8 || is_utf8(entry_.raw_name);
      const std::string name = as_is ? entry_.raw_name : from_code_page_437(entry_.raw_name);
      if (name.ends_with('/')) continue;  // a folder
      TRY(budget_.take(entry_.size_bytes));
      Member member{.size_bytes = entry_.size_bytes, .modified_at = entry_.modified_at};
      names_.set_name(member, name);
      const uint32_t kind = entry_.unix_mode & S_IFMT;
      if (member.problem_type.empty() && kind != 0 && kind != S_IFREG) {
        member.problem_type = error_type::kNotAFile;
        member.problem = S_ISLNK(kind) ? "a symbolic link; links in archives are not followed" : "a device, pipe or folder, no file";
      }
      return member;
    }
  }

  Result<std::string> version(Context&) override { return version_of(entry_); }

  Result<MemberBytes> open(const std::string& version, Context&) override {
    if (!version.empty() && version != version_of(entry_)) {
      return std::unexpected(Error{ErrorCode::kConflict, "the archive holds another version of it now; it is looked at again",
                                   std::string(error_type::kChangedWhileRead)});
    }
    if (entry_.encrypted) {
      return std::unexpected(archive_encrypted("it is encrypted in its zip archive; the file was not loaded. Pack it without a password"));
    }
    if (entry_.method != kStored && entry_.method != kDeflated) {
      return std::unexpected(Error{ErrorCode::kInvalidInput,
                                   fmt::format("its zip archive packed it by method {}, which is not known here; the file was not loaded. "
                                               "Pack it again with deflate",
                                               entry_.method),
                                   std::string(error_type::kUnreadable)});
    }
    packed_ = std::make_unique<PackedBlob>(members_, entry_, directory_->begin());
    if (entry_.method == kDeflated) return MemberBytes{std::make_unique<DeflatedBlob>(*packed_, entry_), false};
    if (entry_.packed_bytes != entry_.size_bytes) return std::unexpected(broken_member("two sizes for stored bytes"));
    return MemberBytes{std::make_unique<StoredBlob>(*packed_, entry_), true};
  }

 private:
  WindowBlob members_;
  const std::unique_ptr<ZipDirectory> directory_;
  MemberBudget budget_;
  MemberNames names_;
  ZipEntry entry_;
  std::unique_ptr<Blob> packed_;  // of the member that was opened last
};

}  // namespace

Result<std::unique_ptr<MemberPass>> open_zip(Blob& archive, Context& context) {
  TRY_ASSIGN(auto directory, ZipDirectory::open(archive, context));
  return std::make_unique<ZipPass>(archive, std::move(directory));
}

}  // namespace sluice
