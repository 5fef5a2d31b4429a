#include "archives/libarchive_pass.h"

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <locale.h>
#include <xxhash.h>

#include "archives/archive_kind.h"
#include "archives/member_budget.h"
#include "archives/member_names.h"
#include "archives/window_blob.h"
#include "base/units.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr size_t kBlockBytes = 128 * kKiB;
constexpr int64_t kTarBlockBytes = 512;
constexpr int64_t kJumpBytesMin = kMiB;  // less is read through: a new range costs a request where the store is far away

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

/// libarchive turns names into text of the thread's locale: UTF-8, whatever the process was started with.
class Utf8Names {
 public:
  Utf8Names() : before_(uselocale(utf8())) {}
  ~Utf8Names() { uselocale(before_); }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  static locale_t utf8() {
    static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
  }
  const locale_t before_;
};

/// The archive's bytes for libarchive: a blob that it may jump in, or a stream.
class Input {
 public:
  explicit Input(Blob& blob) : blob_(&blob), size_bytes_(blob.size_bytes()), block_(kBlockBytes) {}
  Input(std::unique_ptr<ByteSource> source, int64_t stored_bytes)
      : size_bytes_(stored_bytes), source_(std::move(source)), block_(kBlockBytes) {}

  void use(const Context& context) { context_ = context; }
  bool is_blob() const { return blob_ != nullptr; }
  int64_t stored_bytes() const { return size_bytes_; }
  const std::optional<Error>& failure() const { return failure_; }

  la_ssize_t read(archive* a, const void** out) {
    const auto got = try_read();
    if (!got) return fail(a, got.error());
    *out = block_.data();
    position_ += static_cast<int64_t>(*got);
    at_end_ = *got == 0;
    return static_cast<la_ssize_t>(*got);
  }

  /// More bytes were asked for than there are.
  bool at_end() const { return at_end_; }

  /// Answers how far it went: of what a cut archive lacks libarchive must hear.
  la_int64_t skip(la_int64_t count) {
    const int64_t jump = blob_ == nullptr ? 0 : std::min(count, size_bytes_ - position_);
    if (jump < kJumpBytesMin) return 0;
    position_ += jump;
    source_.reset();
    return jump;
  }

  la_int64_t seek(la_int64_t offset, int whence) {
    const int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? position_ : size_bytes_;
    const int64_t to = std::clamp<int64_t>(from + offset, 0, size_bytes_);
    if (to != position_) source_.reset();
    position_ = to;
    return to;
  }

  /// What is left, so that a checksum behind the last member shows.
  Result<void> drain() {
    for (size_t got = 1; got > 0 && blob_ == nullptr;) {
      TRY_ASSIGN(got, try_read());
    }
    return {};
  }

 private:
  Result<size_t> try_read() {
    if (!source_ && position_ >= size_bytes_) return 0;  // jumped to its end
    if (!source_) {
      TRY_ASSIGN(source_, blob_->open({position_, -1}, context_));
    }
    return source_->read(block_, context_);
  }

  la_ssize_t fail(archive* a, const Error& error) {
    failure_ = error;
    archive_set_error(a, EIO, "reading failed");
    return -1;
  }

  Blob* blob_ = nullptr;
  const int64_t size_bytes_;
  std::unique_ptr<ByteSource> source_;
  std::vector<char> block_;
  int64_t position_ = 0;
  bool at_end_ = false;
  Context context_;
  std::optional<Error> failure_;
};

la_ssize_t read_input(archive* a, void* input, const void** out) { return static_cast<Input*>(input)->read(a, out); }
la_int64_t skip_input(archive*, void* input, la_int64_t count) { return static_cast<Input*>(input)->skip(count); }
la_int64_t seek_input(archive*, void* input, la_int64_t offset, int whence) { return static_cast<Input*>(input)->seek(offset, whence); }

/// What tells a member's content: its size and the hash of what was shown to it.
class ContentSum {
 public:
  ContentSum() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }
  void add(const char* bytes, size_t count) {
    XXH3_64bits_update(state_.get(), bytes, count);
    size_bytes_ += count;
  }
  std::string version() const { return fmt::format("{}-{:016x}", size_bytes_, XXH3_64bits_digest(state_.get())); }

 private:
  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  const std::unique_ptr<XXH3_state_t, FreeState> state_;
  size_t size_bytes_ = 0;
};

class LibarchivePass final : public MemberPass {
 public:
  LibarchivePass(ArchiveKind kind, std::unique_ptr<Input> input)
      : kind_(kind), input_(std::move(input)), budget_(input_->stored_bytes()), archive_(archive_read_new()) {}

  Result<void> open() {
    const Utf8Names utf8;
    if (!archive_) return fail(ErrorCode::kUnavailable, "no memory to read an archive");
    archive_read_support_filter_none(archive_.get());
    if (kind_ == ArchiveKind::kTar) archive_read_support_format_tar(archive_.get());
    if (kind_ == ArchiveKind::kSevenZip) archive_read_support_format_7zip(archive_.get());
    archive_read_set_callback_data(archive_.get(), input_.get());
    archive_read_set_read_callback(archive_.get(), read_input);
    archive_read_set_skip_callback(archive_.get(), skip_input);
    if (kind_ == ArchiveKind::kSevenZip) archive_read_set_seek_callback(archive_.get(), seek_input);
    return {};  // the first bytes are read by the first next(), which has a context
  }

  Result<std::optional<Member>> next(Context& context) override {
    const Utf8Names utf8;
    input_->use(context);
    if (!opened_ && archive_read_open1(archive_.get()) != ARCHIVE_OK) return std::unexpected(failure());
    opened_ = true;
    ++number_;
    for (;;) {
      TRY(context.check());
      const int status = archive_read_next_header(archive_.get(), &entry_);
      if (status == ARCHIVE_EOF) {
        if (kind_ == ArchiveKind::kTar) TRY(check_end_of_tar());
        if (auto drained = input_->drain(); !drained) return std::unexpected(of_archive(drained.error()));
        return std::nullopt;
      }
      if (status < ARCHIVE_WARN) return std::unexpected(failure());
      const bool is_link = archive_entry_hardlink(entry_) != nullptr;
      if (!is_link && archive_entry_filetype(entry_) == AE_IFDIR) continue;
      return member(is_link);
    }
  }

  Result<std::string> version(Context& context) override {
    TRY_ASSIGN(auto bytes, open({}, context));
    std::vector<char> block(kBlockBytes);
    TRY_ASSIGN(auto source, bytes.blob->open({}, context));
    ContentSum sum;
    for (size_t got = block.size(); got == block.size();) {
      TRY_ASSIGN(got, source->read(block, context));
      sum.add(block.data(), got);
    }
    return sum.version();
  }

  Result<MemberBytes> open(const std::string& version, Context& context) override {
    input_->use(context);
    if (archive_entry_is_data_encrypted(entry_) != 0) {
      return std::unexpected(archive_encrypted("it is encrypted in its archive; the file was not loaded. Pack it without a password"));
    }
    return MemberBytes{make_once_blob(std::make_unique<MemberSource>(*this, version), size_bytes_), /*random_access=*/false,
                       /*comes_once=*/size_bytes_ > kReopenBytesMax};
  }

 private:
  /// The bytes of the member at hand, hashed on their way.
  class MemberSource final : public ByteSource {
   public:
    MemberSource(LibarchivePass& pass, std::string version)
        : pass_(pass), number_(pass.number_), version_(std::move(version)), left_(pass.size_bytes_) {}

    Result<size_t> read(std::span<char> into, Context& context) override {
      if (number_ != pass_.number_) return fail(ErrorCode::kConflict, "the archive was read on");
      pass_.input_->use(context);
      size_t filled = 0;
      while (filled < into.size() && left_ > 0) {
        TRY(context.check());
        const auto wanted = std::min(into.size() - filled, static_cast<size_t>(left_));
        const la_ssize_t got = archive_read_data(pass_.archive_.get(), into.data() + filled, wanted);
        if (got < 0) return std::unexpected(pass_.failure());
        if (got == 0) return std::unexpected(bad_archive(fmt::format("its archive holds {} bytes less of it than it says", left_)));
        sum_.add(into.data() + filled, static_cast<size_t>(got));
        filled += static_cast<size_t>(got);
        left_ -= got;
      }
      // Before the last bytes are handed out: nobody may take them for the version that was asked for.
      if (left_ == 0 && !version_.empty() && sum_.version() != version_) {
        return std::unexpected(Error{ErrorCode::kConflict, "the archive holds another version of it now; it is looked at again",
                                     std::string(error_type::kChangedWhileRead)});
      }
      return filled;
    }

   private:
    LibarchivePass& pass_;
    const int64_t number_;
    const std::string version_;
    int64_t left_;
    ContentSum sum_;
  };

  Result<std::optional<Member>> member(bool is_link) {
    size_bytes_ = is_link ? 0 : std::max<int64_t>(0, archive_entry_size(entry_));
    TRY(budget_.take(size_bytes_));
    Member found{.size_bytes = size_bytes_};
    if (archive_entry_mtime_is_set(entry_)) {
      found.modified_at = {static_cast<int64_t>(archive_entry_mtime(entry_)) * 1'000'000 + archive_entry_mtime_nsec(entry_) / 1000};
    }
    const char* name = archive_entry_pathname_utf8(entry_);
    if (name == nullptr) name = archive_entry_pathname(entry_);
    names_.set_name(found, name == nullptr ? "" : name);
    const auto kind = archive_entry_filetype(entry_);
    if (found.problem_type.empty() && (is_link || kind != AE_IFREG)) {
      found.problem_type = error_type::kNotAFile;
      found.problem = is_link || kind == AE_IFLNK ? "a link; links in archives are not followed" : "a device or pipe, no file";
    }
    return found;
  }

  /// libarchive takes the end of the bytes for the end of the archive wherever a header could follow. A tar ends with two blocks of zeros,
  /// of which some writers leave out one; with none it was cut between two members. Around a compressed tar its own end proves that it is
  /// whole.
  Result<void> check_end_of_tar() const {
    if (!input_->at_end()) return {};
    const int64_t behind_last = archive_filter_bytes(archive_.get(), 0) - archive_read_header_position(archive_.get());
    if (behind_last == kTarBlockBytes || (behind_last == 0 && !input_->is_blob())) return {};
    return std::unexpected(
        bad_archive("broken tar archive: the two blocks of zeros that end a tar are missing; it was cut off. Send it again; if its writer "
                    "leaves them out, add them (truncate -s +1024 FILE) or compress it (gzip FILE)"));
  }

  /// What went wrong: in the bytes below, or in what libarchive made of them.
  Error failure() {
    if (input_->failure()) return of_archive(*input_->failure());
    const char* said = archive_error_string(archive_.get());
    const std::string_view reason = said == nullptr ? "bad data" : said;
    // Asked of an archive whose format it has not recognised, libarchive 3.6 reads beyond its table of formats.
    const bool may_be_encrypted = kind_ == ArchiveKind::kSevenZip && archive_format(archive_.get()) != 0;
    if (may_be_encrypted && archive_read_has_encrypted_entries(archive_.get()) > 0) {
      return archive_encrypted("the archive is encrypted; nothing in it was loaded. Pack it without a password");
    }
    return bad_archive(fmt::format("broken {} archive: {}; it was cut off or is damaged. Send it again", to_string(kind_), reason));
  }

  /// A compressed stream around the tar is the archive's own.
  static Error of_archive(Error error) {
    if (error.type != error_type::kParseError) return error;
    return bad_archive(fmt::format("the archive is broken: {}; it was cut off or is damaged. Send it again", error.message));
  }

  const ArchiveKind kind_;
  const std::unique_ptr<Input> input_;
  MemberBudget budget_;
  MemberNames names_;
  const std::unique_ptr<archive, FreeArchive> archive_;
  archive_entry* entry_ = nullptr;  // of the archive
  int64_t size_bytes_ = 0;          // of the member at hand
  int64_t number_ = 0;              // of it
  bool opened_ = false;
};

Result<std::unique_ptr<MemberPass>> open_pass(ArchiveKind kind, std::unique_ptr<Input> input) {
  auto pass = std::make_unique<LibarchivePass>(kind, std::move(input));
  TRY(pass->open());
  return pass;
}

}  // namespace

Result<std::unique_ptr<MemberPass>> open_tar(Blob& archive) { return open_pass(ArchiveKind::kTar, std::make_unique<Input>(archive)); }

Result<std::unique_ptr<MemberPass>> open_tar_stream(std::unique_ptr<ByteSource> source, int64_t stored_bytes) {
  return open_pass(ArchiveKind::kTar, std::make_unique<Input>(std::move(source), stored_bytes));
}

Result<std::unique_ptr<MemberPass>> open_seven_zip(Blob& archive) {
  return open_pass(ArchiveKind::kSevenZip, std::make_unique<Input>(archive));
}

}  // namespace sluice
