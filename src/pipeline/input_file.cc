#include "pipeline/input_file.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace sluice {
namespace {

constexpr size_t kDrainBlockBytes = 64 * kKiB;

struct FreeHash {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

std::string to_text(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

/// Hashes what passes, in order, once: the first source opened at offset 0 that reads on.
class ContentHash {
 public:
  ContentHash() : state_(XXH3_createState()) { XXH3_128bits_reset(state_.get()); }

  /// Bytes at `offset`. Bytes that were hashed before (a sniff read them) are passed over.
  void add(int64_t offset, std::span<const char> bytes) {
    const int64_t end = offset + static_cast<int64_t>(bytes.size());
    if (offset > hashed_ || end <= hashed_) return;
    const auto fresh = bytes.subspan(static_cast<size_t>(hashed_ - offset));
    XXH3_128bits_update(state_.get(), fresh.data(), fresh.size());
    hashed_ = end;
  }

  int64_t hashed_bytes() const { return hashed_; }

  std::string text() const { return to_text(XXH3_128bits_digest(state_.get())); }

 private:
  std::unique_ptr<XXH3_state_t, FreeHash> state_;
  int64_t hashed_ = 0;
};

class HashingSource final : public ByteSource {
 public:
  HashingSource(std::unique_ptr<ByteSource> source, int64_t offset, ContentHash& hash, const BytesRead& bytes_read)
      : source_(std::move(source)), offset_(offset), hash_(hash), bytes_read_(bytes_read) {}

  Result<size_t> read(std::span<char> into, Context& context) override {
    auto got = source_->read(into, context);
    if (!got) return std::unexpected(as_file_error(std::move(got).error()));
    const int64_t before = hash_.hashed_bytes();
    hash_.add(offset_, into.first(*got));
    offset_ += static_cast<int64_t>(*got);
    if (hash_.hashed_bytes() > before) bytes_read_(hash_.hashed_bytes() - before);
    return got;
  }

 private:
  const std::unique_ptr<ByteSource> source_;
  int64_t offset_;
  ContentHash& hash_;
  const BytesRead& bytes_read_;
};

/// A large file: every source goes to the store, and what it reads is hashed on its way.
class HashingBlob final : public Blob {
 public:
  HashingBlob(std::unique_ptr<Blob> blob, BytesRead bytes_read) : blob_(std::move(blob)), bytes_read_(std::move(bytes_read)) {}

  int64_t size_bytes() const override { return blob_->size_bytes(); }

  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context& context) override {
    auto source = blob_->open(range, context);
    if (!source) return std::unexpected(as_file_error(std::move(source).error()));
    return std::make_unique<HashingSource>(*std::move(source), range.offset, hash_, bytes_read_);
  }

  const ContentHash& hash() const { return hash_; }

 private:
  const std::unique_ptr<Blob> blob_;
  const BytesRead bytes_read_;
  ContentHash hash_;
};

class StoredInput final : public InputFile {
 public:
  StoredInput(std::unique_ptr<HashingBlob> blob, const Format& format) : blob_(std::move(blob)), format_(format) {}
  Blob& blob() override { return *blob_; }
  const Format& format() const override { return format_; }
  Result<void> drain(Context& context) override {
    TRY_ASSIGN(auto rest, blob_->open({blob_->hash().hashed_bytes(), -1}, context));
    std::vector<char> block(kDrainBlockBytes);
    for (;;) {
      TRY_ASSIGN(const size_t got, rest->read(block, context));
      if (got == 0) return {};
    }
  }
  std::string content_hash() const override { return blob_->hash().text(); }
  int64_t bytes_read() const override { return blob_->hash().hashed_bytes(); }

 private:
  const std::unique_ptr<HashingBlob> blob_;
  const Format& format_;
};

/// A small file, held whole.
class WholeInput final : public InputFile {
 public:
  WholeInput(std::unique_ptr<Blob> blob, const Format& format, std::string hash)
      : blob_(std::move(blob)), format_(format), hash_(std::move(hash)) {}
  Blob& blob() override { return *blob_; }
  const Format& format() const override { return format_; }
  Result<void> drain(Context&) override { return {}; }
  std::string content_hash() const override { return hash_; }
  int64_t bytes_read() const override { return blob_->size_bytes(); }

 private:
  const std::unique_ptr<Blob> blob_;
  const Format& format_;
  const std::string hash_;
};

Result<const Format*> with_type(Result<const Format*> format) {
  if (!format && format.error().type.empty() && format.error().code == ErrorCode::kInvalidInput) {
    format.error().type = error_type::kParseError;
  }
  return format;
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
  auto source = blob->open({}, context);
  if (!source) return std::unexpected(as_file_error(std::move(source).error()));
  const auto size = static_cast<size_t>(file.size_bytes);
  if (buffer.size() < size + kBundlePaddingBytes) buffer.resize(2 * size + kBundlePaddingBytes);
  size_t filled = 0;
  for (;;) {  // one byte more than there should be: the read that finds the end also checks the version
    auto got = (*source)->read(std::span(buffer).subspan(filled, size + 1 - filled), context);
    if (!got) return std::unexpected(as_file_error(std::move(got).error()));
    filled += *got;
    if (*got == 0) break;
    if (filled > size) {
      return std::unexpected(Error{ErrorCode::kConflict, "the file grew while it was read", std::string(error_type::kChangedWhileRead)});
    }
  }
  return WholeFile{{buffer.data(), filled}, to_text(XXH3_128bits(buffer.data(), filled))};
}

std::unique_ptr<InputFile> open_whole_file(const WholeFile& file, const Format& format) {
  return std::make_unique<WholeInput>(make_memory_blob(std::string(file.bytes)), format, file.content_hash);
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
    TRY_ASSIGN(const Format* format, recognise(source, file, whole, context));
    return open_whole_file(whole, *format);
  }
  const ObjectInfo object{file.path, file.version, file.size_bytes, file.modified_at};
  auto stored = std::make_unique<HashingBlob>(open_blob(store, object), std::move(bytes_read));
  TRY_ASSIGN(const Format* format, with_type(find_format(source, file.path, *stored, context)));
  return std::make_unique<StoredInput>(std::move(stored), *format);
}

}  // namespace sluice
