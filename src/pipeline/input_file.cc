#include "pipeline/input_file.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

namespace sluice {
namespace {

constexpr size_t kDrainBlockBytes = 64 * kKiB;
constexpr int64_t kHeadBytes = 128 * kKiB;  // that telling container and format share

struct FreeHash {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

std::string to_text(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

/// Hashes what passes, each piece in order and once, whoever reads it. Thread-safe.
class ContentHash {
 public:
  explicit ContentHash(int64_t size_bytes)
      : size_bytes_(size_bytes),
        piece_bytes_(size_bytes > 2 * kHashPieceBytes ? kHashPieceBytes : std::max<int64_t>(size_bytes, 1)),
        pieces_(static_cast<size_t>(std::max<int64_t>(1, (size_bytes + piece_bytes_ - 1) / piece_bytes_))) {}

  /// Bytes at `offset`; returns how many of them are new. Bytes that were hashed before (a sniff read them) are passed over.
  int64_t add(int64_t offset, std::span<const char> bytes) {
    int64_t fresh = 0;
    while (!bytes.empty() && offset < size_bytes_) {
      const int64_t in_piece = offset % piece_bytes_;
      const auto part = bytes.first(std::min(bytes.size(), static_cast<size_t>(piece_bytes_ - in_piece)));
      fresh += add_to(pieces_[static_cast<size_t>(offset / piece_bytes_)], in_piece, part);
      offset += std::ssize(part);
      bytes = bytes.subspan(part.size());
    }
    return fresh;
  }

  /// What nobody has brought yet, the first of it; nullopt: nothing.
  std::optional<ByteRange> missing() {
    for (size_t i = 0; i < pieces_.size(); ++i) {
      std::lock_guard lock(pieces_[i].mutex);
      const int64_t begin = static_cast<int64_t>(i) * piece_bytes_, end = std::min(begin + piece_bytes_, size_bytes_);
      if (begin + pieces_[i].hashed < end) return ByteRange{begin + pieces_[i].hashed, end - begin - pieces_[i].hashed};
    }
    return std::nullopt;
  }

  std::string text() {
    if (pieces_.size() == 1) return to_text(pieces_[0].digest());
    std::unique_ptr<XXH3_state_t, FreeHash> all(XXH3_createState());
    XXH3_128bits_reset(all.get());
    for (Piece& piece : pieces_) {
      XXH128_canonical_t canonical;
      XXH128_canonicalFromHash(&canonical, piece.digest());
      XXH3_128bits_update(all.get(), &canonical, sizeof(canonical));
    }
    return to_text(XXH3_128bits_digest(all.get()));
  }

 private:
  struct Piece {
    std::mutex mutex;
    std::unique_ptr<XXH3_state_t, FreeHash> state;
    int64_t hashed = 0;

    XXH128_hash_t digest() const { return state ? XXH3_128bits_digest(state.get()) : XXH3_128bits(nullptr, 0); }
  };

  static int64_t add_to(Piece& piece, int64_t offset, std::span<const char> bytes) {
    std::lock_guard lock(piece.mutex);
    const int64_t end = offset + std::ssize(bytes);
    if (offset > piece.hashed || end <= piece.hashed) return 0;
    const auto fresh = bytes.subspan(static_cast<size_t>(piece.hashed - offset));
    if (!piece.state) {
      piece.state.reset(XXH3_createState());
      XXH3_128bits_reset(piece.state.get());
    }
    XXH3_128bits_update(piece.state.get(), fresh.data(), fresh.size());
    piece.hashed = end;
    return std::ssize(fresh);
  }

  const int64_t size_bytes_, piece_bytes_;
  std::vector<Piece> pieces_;  // sized once: a Piece does not move
};

/// What the readers of a large file share.
struct SharedHash {
  ContentHash hash;
  const BytesRead bytes_read;
  std::atomic<bool> read_through = false;  // one source gave all bytes and its end
};

class HashingSource final : public ByteSource {
 public:
  HashingSource(std::unique_ptr<ByteSource> source, int64_t offset, bool is_whole, SharedHash& shared)
      : source_(std::move(source)), offset_(offset), is_whole_(is_whole), shared_(shared) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    auto got = source_->read(into, context);
    if (!got) return std::unexpected(as_file_error(std::move(got).error()));
    const int64_t fresh = shared_.hash.add(offset_, into.first(*got));
    offset_ += static_cast<int64_t>(*got);
    if (fresh > 0) shared_.bytes_read(fresh);
    if (is_whole_ && *got < into.size()) shared_.read_through = true;
    return got;
  }

 private:
  const std::unique_ptr<ByteSource> source_;
  int64_t offset_;
  const bool is_whole_;
  SharedHash& shared_;
};

/// Every source goes to the store, and what it reads is hashed on its way.
class HashingBlob final : public Blob {
 public:
  HashingBlob(std::unique_ptr<Blob> blob, SharedHash& shared) : blob_(std::move(blob)), shared_(shared) {}

  int64_t size_bytes() const override { return blob_->size_bytes(); }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    auto source = blob_->open(range, context);
    if (!source) return std::unexpected(as_file_error(std::move(source).error()));
    const bool is_whole = range.offset == 0 && (range.length < 0 || range.length >= size_bytes());
    return std::make_unique<HashingSource>(*std::move(source), range.offset, is_whole, shared_);
  }

 private:
  const std::unique_ptr<Blob> blob_;
  SharedHash& shared_;
};

/// A blob whose first bytes are here already.
class HeadBlob final : public Blob {
 public:
  HeadBlob(std::string head, Blob& rest) : head_(std::move(head)), rest_(rest) {}
  int64_t size_bytes() const override { return rest_.size_bytes(); }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    const bool here = range.length >= 0 && range.offset + range.length <= std::ssize(head_);
    const bool all_here = std::ssize(head_) == rest_.size_bytes();
    return here || all_here ? make_memory_blob(head_)->open(range, context) : rest_.open(range, context);
  }

 private:
  const std::string head_;
  Blob& rest_;
};

class StoredInput final : public InputFile {
 public:
  using OpenAnother = std::function<std::unique_ptr<Blob>()>;

  StoredInput(std::unique_ptr<Blob> blob, OpenAnother open_another, BytesRead bytes_read)
      : open_another_(std::move(open_another)),
        size_bytes_(blob->size_bytes()),
        shared_{ContentHash(size_bytes_), std::move(bytes_read)},
        blob_(std::move(blob), shared_) {}
  /// Of a member.
  StoredInput(MemberBytes bytes, BytesRead bytes_read) : StoredInput(std::move(bytes.blob), nullptr, std::move(bytes_read)) {
    is_member_ = true;
    comes_once_ = bytes.comes_once;
    has_checksum_ = bytes.random_access;
  }

  /// Before anything else.
  Result<void> recognise(const Source& source, std::string_view path, Context& context);

  Blob& blob() override { return blob_; }
  std::unique_ptr<Blob> another_blob() override { return std::make_unique<HashingBlob>(open_another_(), shared_); }
  const Container* container() const override { return container_.get(); }
  const Format& format() const override { return *format_; }
  bool comes_once() const override { return comes_once_; }
  bool needs_random_access() const { return container_ ? container_->needs_random_access() : format_->needs_random_access(); }
  /// The same with all bytes in memory.
  Result<std::unique_ptr<InputFile>> held(Context& context);
  Result<void> drain(Context& context) override {
    // The archive's checksum is held against what is read from beginning to end, which a reader that jumps about has not done.
    if (has_checksum_ && !shared_.read_through) TRY(read_all({}, context));
    while (const auto range = shared_.hash.missing()) TRY(read_all(*range, context));
    return {};
  }
  std::string content_hash() const override { return shared_.hash.text(); }
  int64_t bytes_read() const override { return size_bytes_; }

 private:
  Result<void> read_all(ByteRange range, Context& context) {
    std::vector<char> block(kDrainBlockBytes);
    TRY_ASSIGN(auto source, blob_.open(range, context));
    for (size_t got = 1; got > 0;) {
      TRY_ASSIGN(got, source->read(block, context));
    }
    return {};
  }

  const OpenAnother open_another_;
  bool is_member_ = false;
  bool comes_once_ = false;
  bool has_checksum_ = false;  // a member's that is read in place
  const int64_t size_bytes_;
  mutable SharedHash shared_;
  HashingBlob blob_;
  std::unique_ptr<const Container> container_;
  const Format* format_ = nullptr;
};

/// A file held whole.
class WholeInput final : public InputFile {
 public:
  WholeInput(std::unique_ptr<Blob> blob, const Format* format, std::unique_ptr<const Container> container, std::string hash)
      : blob_(std::move(blob)), format_(format), container_(std::move(container)), hash_(std::move(hash)) {}
  const Container* container() const override { return container_.get(); }
  Blob& blob() override { return *blob_; }
  std::unique_ptr<Blob> another_blob() override { return nullptr; }
  const Format& format() const override { return *format_; }
  Result<void> drain(Context&) override { return {}; }
  std::string content_hash() const override { return hash_; }
  int64_t bytes_read() const override { return blob_->size_bytes(); }

 private:
  const std::unique_ptr<Blob> blob_;
  const Format* const format_;
  const std::unique_ptr<const Container> container_;
  const std::string hash_;
};

Result<const Format*> with_type(Result<const Format*> format) {
  if (!format && format.error().type.empty() && format.error().code == ErrorCode::kInvalidInput) {
    format.error().type = error_type::kParseError;
  }
  return format;
}

void make_room(std::vector<char>& buffer, size_t size) {
  if (buffer.size() < size + kBundlePaddingBytes) buffer.resize(2 * size + kBundlePaddingBytes);
}

WholeFile in_buffer(const std::vector<char>& buffer, size_t size) {
  return {{buffer.data(), size}, to_text(XXH3_128bits(buffer.data(), size))};
}

Result<std::string> read_head(Blob& blob, Context& context) {
  std::string head(static_cast<size_t>(std::min(kHeadBytes, blob.size_bytes())), '\0');
  TRY_ASSIGN(auto source, blob.open({.offset = 0, .length = std::ssize(head)}, context));
  TRY_ASSIGN(const size_t got, source->read(head, context));
  head.resize(got);
  return head;
}

Result<void> StoredInput::recognise(const Source& source, std::string_view path, Context& context) {
  TRY_ASSIGN(std::string head, read_head(blob_, context));
  HeadBlob sniffed(std::move(head), blob_);
  TRY_ASSIGN(container_, find_container(source, path, sniffed, context));
  // All of it is read to be listed, for its own archive's checksum: better on the way than after it.
  if (container_ && is_member_) container_ = read_in_order(std::move(container_));
  if (container_) return {};
  TRY_ASSIGN(format_, with_type(find_format(source, path, sniffed, context)));
  return {};
}

Result<std::unique_ptr<InputFile>> StoredInput::held(Context& context) {
  TRY_ASSIGN(auto bytes, hold_in_memory(blob_, context));
  return std::make_unique<WholeInput>(std::move(bytes), format_, std::move(container_), content_hash());
}

/// One byte more than there should be is asked for: the read that finds the end also checks what there is to check.
Result<WholeFile> read_whole(Blob& blob, const ClaimedFile& file, std::vector<char>& buffer, Context& context) {
  auto source = blob.open({}, context);
  if (!source) return std::unexpected(as_file_error(std::move(source).error()));
  const auto size = static_cast<size_t>(file.size_bytes);
  make_room(buffer, size);
  size_t filled = 0;
  for (;;) {
    auto got = (*source)->read(std::span(buffer).subspan(filled, size + 1 - filled), context);
    if (!got) return std::unexpected(as_file_error(std::move(got).error()));
    filled += *got;
    if (*got == 0) break;
    if (filled > size) {
      return std::unexpected(Error{ErrorCode::kConflict, "the file grew while it was read", std::string(error_type::kChangedWhileRead)});
    }
  }
  return in_buffer(buffer, filled);
}

}  // namespace

Error as_file_error(Error error) {
  if (!error.type.empty()) return error;
  switch (error.code) {
    case ErrorCode::kConflict: error.type = error_type::kChangedWhileRead; break;
    case ErrorCode::kNotFound: error.type = error_type::kVanished; break;
    case ErrorCode::kUnavailable:
    case ErrorCode::kOutcomeUnknown: error.type = error_type::kUnavailable; break;
    case ErrorCode::kInvalidInput: error.type = error_type::kUnreadable; break;
    case ErrorCode::kCorruption: error.type = error_type::kUnreadable; break;
    case ErrorCode::kCancelled: break;
  }
  return error;
}

Result<WholeFile> read_whole_file(ObjectStore& store, const ClaimedFile& file, std::vector<char>& buffer, Context& context) {
  const auto blob = open_blob(store, {file.path, file.version, file.size_bytes, file.modified_at});
  return read_whole(*blob, file, buffer, context);
}

Result<WholeFile> read_whole_member(Blob& blob, const ClaimedFile& file, std::vector<char>& buffer, Context& context) {
  if (blob.size_bytes() != file.size_bytes) {
    return std::unexpected(Error{ErrorCode::kConflict, "the archive holds another version of it now; it is looked at again",
                                 std::string(error_type::kChangedWhileRead)});
  }
  return read_whole(blob, file, buffer, context);
}

WholeFile hold_whole_file(std::string_view bytes, std::vector<char>& buffer) {
  make_room(buffer, bytes.size());
  std::ranges::copy(bytes, buffer.begin());
  return in_buffer(buffer, bytes.size());
}

std::unique_ptr<InputFile> open_whole_file(const WholeFile& file, const Format& format) {
  return std::make_unique<WholeInput>(make_memory_blob(std::string(file.bytes)), &format, nullptr, file.content_hash);
}

Result<std::unique_ptr<InputFile>> open_recognised(const WholeFile& whole, const Source& source, const ClaimedFile& file,
                                                   Context& context) {
  TRY_ASSIGN(auto container, find_container(source, file.path, whole.bytes, context));
  if (container) {
    return std::make_unique<WholeInput>(make_memory_blob(std::string(whole.bytes)), nullptr, std::move(container), whole.content_hash);
  }
  TRY_ASSIGN(const Format* format, recognise(source, file, whole, context));
  return open_whole_file(whole, *format);
}

Result<const Format*> recognise(const Source& source, const ClaimedFile& file, const WholeFile& whole, Context& context) {
  return with_type(find_format(source, file.path, whole.bytes, context));
}

Result<std::unique_ptr<InputFile>> open_input(ObjectStore& store, const Source& source, const ClaimedFile& file, BytesRead bytes_read,
                                              Context& context) {
  if (file.size_bytes <= kWholeFileBytesMax) {
    std::vector<char> buffer;
    TRY_ASSIGN(const WholeFile whole, read_whole_file(store, file, buffer, context));
    bytes_read(std::ssize(whole.bytes));
    return open_recognised(whole, source, file, context);
  }
  const ObjectInfo object{file.path, file.version, file.size_bytes, file.modified_at};
  const auto open = [&store, object] { return open_blob(store, object); };
  auto stored = std::make_unique<StoredInput>(open(), open, std::move(bytes_read));
  TRY(stored->recognise(source, file.path, context));
  return stored;
}

Result<std::unique_ptr<InputFile>> open_member(MemberBytes bytes, const Source& source, const ClaimedFile& file, BytesRead bytes_read,
                                               Context& context) {
  if (file.size_bytes <= kWholeFileBytesMax) {
    std::vector<char> buffer;
    TRY_ASSIGN(const WholeFile whole, read_whole_member(*bytes.blob, file, buffer, context));
    bytes_read(std::ssize(whole.bytes));
    return open_recognised(whole, source, file, context);
  }
  const bool random_access = bytes.random_access;
  auto stored = std::make_unique<StoredInput>(std::move(bytes), std::move(bytes_read));
  TRY(stored->recognise(source, file.path, context));
  if (!stored->needs_random_access() || random_access) return stored;
  return stored->held(context);
}

}  // namespace sluice
