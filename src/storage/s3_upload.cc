#include "storage/s3_upload.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include "base/ids.h"
#include "net/digest.h"
#include "net/percent.h"
#include "storage/s3_original.h"
#include "storage/s3_xml.h"

namespace sluice {
namespace {

constexpr std::chrono::seconds kCleanUpMax{5};
constexpr int64_t kCopyPartBytes = 512 * kMiB;  // S3 copies up to 5 GiB at once; smaller parts go on after a fault

/// For cleaning up behind a failure: also when the run was stopped, but not for long. What stays is swept.
Context brief_context(S3Client& client) { return {.deadline = client.clock().now() + kCleanUpMax}; }

/// A multipart upload by its id.
struct Multipart {
  S3Address address;
  std::string id;
  std::string token;
  PutOptions options;
};

/// `more` headers of the object, beside those of the options.
Result<Multipart> begin_multipart(S3Client& client, const S3Address& address, const PutOptions& options, const HttpHeaders& more,
                                  Context& context) {
  Multipart multipart{address, "", new_uuid(), options};
  HttpHeaders headers = s3_object_headers(options, multipart.token);
  headers.insert(headers.end(), more.begin(), more.end());
  // Harmless to repeat: an upload whose id was lost on the way is swept like any other that nobody completed.
  TRY_ASSIGN(
      const HttpResponse response,
      client.call({.method = "POST", .bucket = address.bucket, .key = address.key, .query = "uploads", .headers = std::move(headers)},
                  context));
  if (response.status != 200) return std::unexpected(s3_refusal(response, "beginning an upload", address.text(), client.options()));
  TRY_ASSIGN(multipart.id, parse_s3_upload_id(response.body));
  return multipart;
}

S3Call part_call(const Multipart& multipart, size_t number) {
  return {.method = "PUT",
          .bucket = multipart.address.bucket,
          .key = multipart.address.key,
          .query = fmt::format("partNumber={}&uploadId={}", number, percent_encode(multipart.id))};
}

Result<ObjectInfo> complete_multipart(S3Client& client, const Multipart& multipart, std::span<const S3Part> parts, int64_t size_bytes,
                                      Context& context) {
  S3Write write{.call = {.method = "POST",
                         .bucket = multipart.address.bucket,
                         .key = multipart.address.key,
                         .query = "uploadId=" + percent_encode(multipart.id),
                         .headers = {{"Content-Type", "application/xml"}},
                         .body = std::make_shared<const std::string>(s3_complete_body(parts)),
                         .repeatable = false},
                .address = multipart.address,
                .token = multipart.token,
                .size_bytes = size_bytes,
                .etag_of = [](const HttpResponse& response) { return parse_s3_etag(response.body); }};
  add_s3_condition(write.call.headers, multipart.options);
  return carry_out(client, write, context);
}

Result<void> abort_multipart(S3Client& client, const S3Address& address, const std::string& id, Context& context) {
  TRY_ASSIGN(
      const HttpResponse response,
      client.call({.method = "DELETE", .bucket = address.bucket, .key = address.key, .query = "uploadId=" + percent_encode(id)}, context));
  if (response.status / 100 == 2 || response.status == 404) return {};
  return std::unexpected(s3_refusal(response, "ending an upload", address.text(), client.options()));
}

/// Parts on their way, shared with the requests that carry them.
struct PartsUnderWay {
  std::mutex mutex;
  std::condition_variable_any changed;
  int count = 0;
  std::vector<S3Part> done;
  std::optional<Error> error;
};

Result<ObjectInfo> copy_with_headers(S3Client& client, const S3Address& from, const S3Address& to, const ObjectInfo& source,
                                     const PutOptions& options, const HttpHeaders& headers, Context& context);

class S3Upload final : public Upload {
 public:
  S3Upload(std::shared_ptr<S3Client> client, S3Address address, PutOptions options, std::shared_ptr<S3ConditionProof> proof)
      : client_(std::move(client)), address_(std::move(address)), options_(std::move(options)), proof_(std::move(proof)) {}
  ~S3Upload() override { drop_quietly(); }

  Result<void> write(std::span<const char> bytes, Context& context) override {
    TRY(check_usable());
    TRY(context.check());
    size_bytes_ += static_cast<int64_t>(bytes.size());
    while (!bytes.empty()) {
      const auto room = static_cast<size_t>(part_bytes()) - buffer_.size();
      const size_t count = std::min(room, bytes.size());
      buffer_.append(bytes.data(), count);
      bytes = bytes.subspan(count);
      if (count == room && !bytes.empty()) TRY(send_part(context));
    }
    return {};
  }

  Result<ObjectInfo> complete(Context& context) override {
    TRY(check_usable());
    TRY(context.check());
    Result<ObjectInfo> info = multipart_ ? complete_parts(context) : complete_at_once(context);
    over_ = true;
    // A refused upload keeps its parts; after an unknown outcome they may be the object: the sweep decides later.
    if (!info && info.error().code != ErrorCode::kOutcomeUnknown) drop_quietly();
    multipart_.reset();
    return info;
  }

  Result<void> abort(Context& context) override { return drop(context); }

 private:
  int64_t part_bytes() const { return kS3PartBytes << std::min<size_t>(part_count_ / kS3PartsPerSize, 9); }

  Result<void> check_usable() const {
    if (!over_) return {};
    return fail(ErrorCode::kConflict, fmt::format("writing {}: this upload is already over", address_.text()));
  }

  Result<ObjectInfo> complete_at_once(Context& context) {
    return s3_put(*client_, address_, std::make_shared<const std::string>(std::move(buffer_)), options_, context);
  }

  Result<ObjectInfo> complete_parts(Context& context) {
    if (!buffer_.empty()) TRY(send_part(context));
    TRY(wait_for_parts(0, context));
    TRY_ASSIGN(ObjectInfo info, complete_multipart(*client_, *multipart_, parts_->done, size_bytes_, context));
    if (options_.if_none_match) TRY(prove_condition(info, context));
    return info;
  }

  /// A copy of the object onto itself must be refused. Bytes alone: what it carries does not matter.
  Result<void> prove_condition(const ObjectInfo& complete, Context& context) {
    if (proof_->has(S3ConditionalWrite::kCompleteUpload, address_.bucket)) return {};
    const auto again = copy_with_headers(*client_, address_, address_, complete, {.if_none_match = true}, {}, context);
    if (again) return std::unexpected(s3_ignores_conditions(*client_, address_, "If-None-Match at the completion of an upload"));
    if (again.error().code != ErrorCode::kConflict) return std::unexpected(again.error());
    proof_->add(S3ConditionalWrite::kCompleteUpload, address_.bucket);
    return {};
  }

  /// Sends the buffer as the next part once fewer than the most are under way.
  Result<void> send_part(Context& context) {
    if (!multipart_) {
      TRY_ASSIGN(multipart_, begin_multipart(*client_, address_, options_, {{"x-amz-checksum-algorithm", "CRC32C"}}, context));
    }
    TRY(wait_for_parts(kS3PartsUnderWayMax - 1, context));
    const auto body = std::make_shared<const std::string>(std::exchange(buffer_, {}));
    S3Call call = part_call(*multipart_, ++part_count_);
    std::string checksum = crc32c_base64(*body);
    call.headers.emplace_back("x-amz-checksum-crc32c", checksum);
    call.body = body;
    {
      std::lock_guard lock(parts_->mutex);
      ++parts_->count;
      parts_->done.push_back({"", std::move(checksum)});
    }
    Context stoppable = context;
    stoppable.stop = stop_.get_token();  // of the upload: a part ends with it, not with the call that happened to send it
    client_->send(std::move(call), stoppable,
                  [parts = parts_, number = part_count_, uri = address_.text(), client = client_](Result<HttpResponse> response) {
                    std::lock_guard lock(parts->mutex);
                    --parts->count;
                    if (response && response->status != 200) {
                      response = std::unexpected(s3_refusal(*response, "writing a part", uri, client->options()));
                    }
                    if (response) {
                      parts->done[number - 1].etag = without_quotes(response->header("etag").value_or(""));
                    } else if (!parts->error) {
                      parts->error = std::move(response).error();
                      if (parts->error->code == ErrorCode::kNotFound) parts->error->code = ErrorCode::kUnavailable;  // somebody ended it
                    }
                    parts->changed.notify_all();
                  });
    return {};
  }

  Result<void> wait_for_parts(int at_most, Context& context) {
    std::unique_lock lock(parts_->mutex);
    parts_->changed.wait(lock, context.stop, [&] { return parts_->count <= at_most || parts_->error; });
    TRY(context.check());
    if (parts_->error) return std::unexpected(*parts_->error);
    return {};
  }

  void drop_quietly() {
    Context context = brief_context(*client_);
    (void)drop(context);
  }

  Result<void> drop(Context& context) {
    over_ = true;
    buffer_ = {};
    if (!multipart_) return {};
    // A part that arrives after the end of its upload would stay: none may be under way any more.
    stop_.request_stop();
    {
      std::unique_lock lock(parts_->mutex);
      parts_->changed.wait(lock, [&] { return parts_->count == 0; });
    }
    const Multipart multipart = *std::exchange(multipart_, std::nullopt);
    return abort_multipart(*client_, multipart.address, multipart.id, context);
  }

  const std::shared_ptr<S3Client> client_;
  const S3Address address_;
  const PutOptions options_;
  const std::shared_ptr<S3ConditionProof> proof_;
  const std::shared_ptr<PartsUnderWay> parts_ = std::make_shared<PartsUnderWay>();
  std::stop_source stop_;
  std::optional<Multipart> multipart_;
  std::string buffer_;
  size_t part_count_ = 0;
  int64_t size_bytes_ = 0;
  bool over_ = false;
};

Result<S3Part> copy_part(S3Client& client, const Multipart& multipart, size_t number, const S3Address& from, const ObjectInfo& source,
                         Context& context) {
  const int64_t begin = static_cast<int64_t>(number - 1) * kCopyPartBytes;
  const int64_t end = std::min(begin + kCopyPartBytes, source.size_bytes);
  S3Call call = part_call(multipart, number);
  call.headers = {{"x-amz-copy-source", "/" + from.bucket + "/" + percent_encode_path(from.key)},
                  {"x-amz-copy-source-if-match", "\"" + source.version + "\""},
                  {"x-amz-copy-source-range", fmt::format("bytes={}-{}", begin, end - 1)}};
  TRY_ASSIGN(const HttpResponse response, client.call(std::move(call), context));
  if (response.status != 200)
    return std::unexpected(s3_refusal(response, "copying it to " + multipart.address.text(), from.text(), client.options()));
  TRY_ASSIGN(std::string etag, parse_s3_etag(response.body));
  return S3Part{std::move(etag), ""};
}

Result<ObjectInfo> put_with_headers(S3Client& client, const S3Address& address, std::shared_ptr<const std::string> bytes,
                                    const PutOptions& options, const HttpHeaders& more, Context& context) {
  S3Write write{
      .call = {.method = "PUT", .bucket = address.bucket, .key = address.key, .body = bytes, .repeatable = false},
      .address = address,
      .token = new_uuid(),
      .size_bytes = static_cast<int64_t>(bytes->size()),
      .etag_of = [](const HttpResponse& response) -> Result<std::string> { return without_quotes(response.header("etag").value_or("")); }};
  write.call.headers = s3_object_headers(options, write.token);
  write.call.headers.insert(write.call.headers.end(), more.begin(), more.end());
  write.call.headers.emplace_back("x-amz-checksum-crc32c", crc32c_base64(*bytes));
  add_s3_condition(write.call.headers, options);
  return carry_out(client, write, context);
}

Result<ObjectInfo> copy_with_headers(S3Client& client, const S3Address& from, const S3Address& to, const ObjectInfo& source,
                                     const PutOptions& options, const HttpHeaders& headers, Context& context) {
  if (source.size_bytes == 0) return put_with_headers(client, to, std::make_shared<const std::string>(), options, headers, context);
  TRY_ASSIGN(const Multipart multipart, begin_multipart(client, to, options, headers, context));
  const auto finished = [&]() -> Result<ObjectInfo> {
    std::vector<S3Part> parts;
    for (int64_t done = 0; done < source.size_bytes; done += kCopyPartBytes) {
      TRY_ASSIGN(S3Part part, copy_part(client, multipart, parts.size() + 1, from, source, context));
      parts.push_back(std::move(part));
    }
    return complete_multipart(client, multipart, parts, source.size_bytes, context);
  }();
  if (!finished && finished.error().code != ErrorCode::kOutcomeUnknown) {
    Context brief = brief_context(client);
    (void)abort_multipart(client, to, multipart.id, brief);
  }
  return finished;
}

}  // namespace

Result<ObjectInfo> s3_put(S3Client& client, const S3Address& address, std::shared_ptr<const std::string> bytes, const PutOptions& options,
                          Context& context) {
  return put_with_headers(client, address, std::move(bytes), options, {{"Content-Type", "application/octet-stream"}}, context);
}

std::unique_ptr<Upload> start_s3_upload(std::shared_ptr<S3Client> client, S3Address address, PutOptions options,
                                        std::shared_ptr<S3ConditionProof> proof) {
  return std::make_unique<S3Upload>(std::move(client), std::move(address), std::move(options), std::move(proof));
}

Error s3_ignores_conditions(const S3Client& client, const S3Address& address, std::string_view what) {
  return {ErrorCode::kInvalidInput,
          fmt::format("the S3 service {} ignores {}: two writers of one table would both win. It cannot hold a warehouse",
                      s3_url(client.options(), address.bucket, "", ""), what)};
}

Result<ObjectInfo> s3_copy(S3Client& client, const S3Address& from, const S3Address& to, const PutOptions& options, Context& context) {
  TRY_ASSIGN(const S3Original source, s3_original(client, from, context));
  if (!source.tagging.empty()) {
    HttpHeaders with_tags = source.headers;
    with_tags.emplace_back("x-amz-tagging", source.tagging);
    auto copied = copy_with_headers(client, from, to, source.info, options, with_tags, context);
    // Who may read tags need not be allowed to write them; a refusal for another reason is repeated below.
    const bool is_refused = !copied && copied.error().code == ErrorCode::kInvalidInput;
    if (!is_refused) return copied;
  }
  return copy_with_headers(client, from, to, source.info, options, source.headers, context);
}

Result<int64_t> abort_s3_uploads(S3Client& client, const S3Address& prefix, Context& context) {
  int64_t ended = 0;
  std::string markers;
  do {
    const std::string query = fmt::format("uploads&encoding-type=url&prefix={}{}", percent_encode(prefix.key), markers);
    TRY_ASSIGN(const HttpResponse response, client.call({.bucket = prefix.bucket, .query = query}, context));
    // Not everybody may list them, and not every service can: then a rule of the bucket has to end them.
    if (response.status == 403 || response.status == 405 || response.status == 501) return ended;
    if (response.status != 200) return std::unexpected(s3_refusal(response, "listing unfinished uploads", prefix.text(), client.options()));
    TRY_ASSIGN(const S3UnfinishedUploads uploads, parse_s3_uploads(response.body));
    for (const S3UnfinishedUploads::Entry& entry : uploads.entries) {
      if (!entry.key.starts_with(prefix.key)) continue;  // stores that do not know the parameter list everything
      TRY(abort_multipart(client, {prefix.scheme, prefix.bucket, entry.key}, entry.upload_id, context));
      ++ended;
    }
    markers = uploads.next_key_marker.empty() ? ""
                                              : fmt::format("&key-marker={}&upload-id-marker={}", percent_encode(uploads.next_key_marker),
                                                            percent_encode(uploads.next_id_marker));
  } while (!markers.empty());
  return ended;
}

}  // namespace sluice
