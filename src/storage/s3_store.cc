#include "storage/s3_store.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "net/digest.h"
#include "net/percent.h"
#include "storage/s3_blob.h"
#include "storage/s3_upload.h"
#include "storage/s3_write.h"
#include "storage/s3_xml.h"

namespace sluice {
namespace {

constexpr int64_t kListKeysMax = 1000;  // S3's own limit of a page
constexpr size_t kDeleteKeysMax = 1000;
constexpr int64_t kWholeObjectBytesMax = 2 * kGiB;

std::string quoted_etag(std::string_view etag) { return fmt::format("\"{}\"", etag); }

Error changed_while_read(std::string_view uri, std::string_view version) {
  return {ErrorCode::kConflict,
          fmt::format("reading {}: it is no longer at version {}; it is read again, by this run or the next", uri, version),
          std::string(error_type::kChangedWhileRead)};
}

/// A refused read. Trouble with keys or the bucket is not the object's: it must not be called unreadable for it.
Error read_refusal(const HttpResponse& response, const ReadRequest& request, const S3Options& options) {
  if (response.status == 412) return changed_while_read(request.key, request.version);
  Error error = s3_refusal(response, "reading", request.key, options);
  if (error.code == ErrorCode::kNotFound) {
    error.type = error_type::kVanished;
  } else if (error.code == ErrorCode::kInvalidInput) {
    const bool of_this_object = parse_s3_error(response.body).code == "AccessDenied" || response.status == 400;
    if (!of_this_object) error.code = ErrorCode::kUnavailable;
    error.type = of_this_object ? error_type::kUnreadable : error_type::kUnavailable;
  }
  return error;
}

/// The checksum that a whole object was stored with. Those of a multipart upload ("abc=-5") are not of its bytes.
bool is_damaged(const HttpResponse& response) {
  const std::string_view stored = response.header("x-amz-checksum-crc32c").value_or("");
  const bool of_parts = stored.contains('-') || response.header("x-amz-checksum-type") == "COMPOSITE";
  return !stored.empty() && !of_parts && stored != crc32c_base64(response.body);
}

Result<std::string> body_of(Result<HttpResponse> response, const ReadRequest& request, const S3Options& options) {
  if (!response) return std::unexpected(response.error().within(fmt::format("reading {}", request.key)));
  const ByteRange& range = request.range;
  if (response->status == 416) return std::string();  // the range begins at the object's end or behind it
  if (response->status != 200 && response->status != 206) return std::unexpected(read_refusal(*response, request, options));
  const std::string etag = without_quotes(response->header("etag").value_or(""));
  if (!request.version.empty() && !etag.empty() && etag != request.version) {  // a store that does not know If-Match
    return std::unexpected(changed_while_read(request.key, request.version));
  }
  if (response->status == 206) return std::move(response->body);
  if (is_damaged(*response)) {
    return std::unexpected(Error{ErrorCode::kUnavailable, fmt::format("reading {}: its bytes do not match its checksum", request.key),
                                 std::string(error_type::kUnavailable)});
  }
  // Whole: nobody asked for a range, or the store does not know ranges.
  std::string body = std::move(response->body);
  body.erase(0, static_cast<size_t>(std::min<int64_t>(range.offset, static_cast<int64_t>(body.size()))));
  if (range.length >= 0 && static_cast<int64_t>(body.size()) > range.length) body.resize(static_cast<size_t>(range.length));
  return body;
}

/// How far a listing came, as one of its tokens: the service's own, the last path, and whether byte order held up to here.
struct ListState {
  bool in_byte_order = true;
  std::string token;
  std::string last_path;

  std::string text() const { return fmt::format("{}{}:{}{}", in_byte_order ? '<' : '?', token.size(), token, last_path); }

  static Result<ListState> parse(std::string_view text) {
    ListState state;
    if (text.empty()) return state;
    size_t size = 0;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), size);
    const size_t begin = static_cast<size_t>(end - text.data()) + 1;
    if (error != std::errc() || begin + size > text.size()) return invalid_input("a listing is continued with a token of another one");
    state.in_byte_order = text.front() == '<';
    state.token = text.substr(begin, size);
    state.last_path = text.substr(begin + size);
    return state;
  }
};

}  // namespace

Result<ListPage> S3Store::list(const ListRequest& request, Context& context) {
  TRY_ASSIGN(const S3Address prefix, S3Address::parse(request.prefix));
  std::string query = fmt::format("list-type=2&encoding-type=url&max-keys={}&prefix={}",
                                  std::clamp<int64_t>(request.limit, 1, kListKeysMax), percent_encode(prefix.key));
  if (request.delimiter) query += "&delimiter=%2F";
  TRY_ASSIGN(ListState state, ListState::parse(request.token));
  if (!state.token.empty()) {
    query += "&continuation-token=" + percent_encode(state.token);
  } else if (!request.start_after.empty()) {
    TRY_ASSIGN(const S3Address after, S3Address::parse(request.start_after));
    query += "&start-after=" + percent_encode(after.key);
  }
  TRY_ASSIGN(const HttpResponse response, client_->call({.bucket = prefix.bucket, .query = query}, context));
  if (response.status != 200) {
    Error error = s3_refusal(response, "listing", request.prefix, client_->options());
    if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kInvalidInput;  // of a bucket: an empty prefix is no error
    return std::unexpected(std::move(error));
  }
  const std::string root = fmt::format("{}://{}/", prefix.scheme, prefix.bucket);
  auto page = parse_s3_listing(response.body, root);
  if (!page) return std::unexpected(page.error().within("listing " + request.prefix));
  if (!page->objects.empty()) {
    const bool follows = state.last_path.empty() || state.last_path < page->objects.front().path;
    state.in_byte_order = state.in_byte_order && page->in_byte_order && follows;
    state.last_path = page->objects.back().path;
  }
  page->in_byte_order = state.in_byte_order;
  state.token = page->next_token;
  if (!state.token.empty()) page->next_token = state.text();
  return page;
}

Result<ObjectInfo> S3Store::stat(const Key& key, Context& context) {
  TRY_ASSIGN(ObjectHead found, head(key, context));
  return std::move(found.info);
}

Result<ObjectHead> S3Store::head(const Key& key, Context& context) {
  TRY_ASSIGN(const S3Address address, S3Address::parse(key));
  if (address.key.empty()) return invalid_input(fmt::format("{}: a bucket is no object", key));
  return s3_head(*client_, address, context);
}

void S3Store::read(ReadRequest request, ReadDone done) {
  auto address = S3Address::parse(request.key);
  if (!address) return done(std::unexpected(std::move(address).error()));
  const ByteRange& range = request.range;
  if (range.length == 0) return done(std::string());
  S3Call call{.bucket = address->bucket, .key = address->key};
  const bool whole = range.offset <= 0 && range.length < 0;
  if (whole) {
    call.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  } else {
    const std::string last = range.length < 0 ? "" : std::to_string(range.offset + range.length - 1);
    call.headers.emplace_back("Range", fmt::format("bytes={}-{}", range.offset, last));
  }
  if (!request.version.empty()) call.headers.emplace_back("If-Match", quoted_etag(request.version));
  call.response_bytes_max = kWholeObjectBytesMax;
  Context context{.stop = request.stop};
  client_->send(std::move(call), std::move(context),
                [client = client_, request = std::move(request), done = std::move(done)](Result<HttpResponse> response) {
                  done(body_of(std::move(response), request, client->options()));
                });
}

Result<ObjectInfo> S3Store::put(const Key& key, std::span<const char> bytes, const PutOptions& options, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(const S3Address address, S3Address::parse(key));
  const auto body = std::make_shared<const std::string>(bytes.data(), bytes.size());
  TRY_ASSIGN(ObjectInfo info, s3_put(*client_, address, body, options, context));
  if (options.if_none_match) TRY(probe(address, body, context));
  return info;
}

Result<void> S3Store::probe(const S3Address& address, const std::shared_ptr<const std::string>& bytes, Context& context) {
  if (proof_->has(S3ConditionalWrite::kPut, address.bucket)) return {};
  const auto again = s3_put(*client_, address, bytes, {.if_none_match = true}, context);
  if (again) return std::unexpected(s3_ignores_conditions(*client_, address, "If-None-Match"));
  if (again.error().code != ErrorCode::kConflict) return std::unexpected(again.error());
  proof_->add(S3ConditionalWrite::kPut, address.bucket);
  return {};
}

Result<std::unique_ptr<Upload>> S3Store::start_upload(const Key& key, const PutOptions& options, Context& context) {
  TRY(context.check());
  TRY_ASSIGN(S3Address address, S3Address::parse(key));
  return start_s3_upload(client_, std::move(address), options, proof_);
}

Result<ObjectInfo> S3Store::copy(const Key& from, const Key& to, const PutOptions& options, Context& context) {
  TRY_ASSIGN(const S3Address source, S3Address::parse(from));
  TRY_ASSIGN(const S3Address target, S3Address::parse(to));
  return s3_copy(*client_, source, target, options, context);
}

Result<std::vector<DeleteOutcome>> S3Store::remove(std::span<const VersionedKey> keys, Context& context) {
  std::vector<DeleteOutcome> outcomes;
  std::map<std::string, std::vector<std::string>> at_once;  // by "scheme://bucket/"
  std::map<std::string, Error> faults;                      // by URI
  for (const VersionedKey& key : keys) {
    TRY_ASSIGN(const S3Address address, S3Address::parse(key.key));
    if (key.version.empty() && fits_xml(address.key)) {
      at_once[S3Address{address.scheme, address.bucket, ""}.text()].push_back(address.key);
    } else if (auto removed = remove_one(address, key.version, context); !removed) {
      faults[key.key] = std::move(removed).error();
    }
  }
  for (const auto& [root, names] : at_once) {
    TRY_ASSIGN(const S3Address bucket, S3Address::parse(root));
    for (size_t begin = 0; begin < names.size(); begin += kDeleteKeysMax) {
      TRY(remove_many(bucket, std::span(names).subspan(begin, std::min(kDeleteKeysMax, names.size() - begin)), faults, context));
    }
  }
  for (const VersionedKey& key : keys) {
    const auto fault = faults.find(key.key);
    outcomes.push_back({key.key, fault == faults.end() ? std::nullopt : std::optional(fault->second)});
  }
  return outcomes;
}

Result<void> S3Store::remove_many(const S3Address& bucket, std::span<const std::string> keys, std::map<std::string, Error>& faults,
                                  Context& context) {
  const auto body = std::make_shared<const std::string>(s3_delete_body(keys));
  TRY_ASSIGN(const HttpResponse response,
             client_->call({.method = "POST",
                            .bucket = bucket.bucket,
                            .query = "delete",
                            .headers = {{"Content-MD5", to_base64(bytes_of(md5(*body)))}, {"Content-Type", "application/xml"}},
                            .body = body},
                           context));
  if (response.status == 501 || response.status == 405) {  // some stores have no bulk deletion
    for (const std::string& key : keys) {
      const S3Address address{bucket.scheme, bucket.bucket, key};
      if (auto removed = remove_one(address, "", context); !removed) faults[address.text()] = std::move(removed).error();
    }
    return {};
  }
  if (response.status != 200) return std::unexpected(s3_refusal(response, "deleting", bucket.text(), client_->options()));
  TRY_ASSIGN(const auto failed, parse_s3_delete_result(response.body));
  for (const S3DeleteFault& fault : failed) {
    if (fault.code == "NoSuchKey") continue;
    const std::string uri = S3Address{bucket.scheme, bucket.bucket, fault.key}.text();
    const ErrorCode code = fault.code == "AccessDenied" ? ErrorCode::kInvalidInput : ErrorCode::kUnavailable;
    faults[uri] = Error{code, fmt::format("{}: deleting: {} {}", uri, fault.code, fault.message)};
  }
  return {};
}

/// If-Match on a deletion is not enough: there are stores that ignore it. So the version is looked at first as well.
Result<void> S3Store::remove_one(const S3Address& address, const std::string& version, Context& context) {
  S3Call call{.method = "DELETE", .bucket = address.bucket, .key = address.key};
  if (!version.empty()) {
    const auto head = s3_head(*client_, address, context);
    if (!head && head.error().code == ErrorCode::kNotFound) return {};
    if (!head) return std::unexpected(head.error());
    if (head->info.version != version) {
      return fail(ErrorCode::kConflict, fmt::format("{}: deleting: it is no longer at version {}", address.text(), version));
    }
    call.headers.emplace_back("If-Match", quoted_etag(version));
  }
  TRY_ASSIGN(HttpResponse response, client_->call(call, context));
  if (response.status == 501 && !version.empty()) {
    call.headers.clear();
    TRY_ASSIGN(response, client_->call(call, context));
  }
  if (response.status / 100 == 2 || response.status == 404) return {};
  return std::unexpected(s3_refusal(response, "deleting", address.text(), client_->options()));
}

Result<std::vector<ObjectTag>> S3Store::tags_of(const S3Address& address, Context& context) {
  TRY_ASSIGN(const HttpResponse response, client_->call({.bucket = address.bucket, .key = address.key, .query = "tagging"}, context));
  if (response.status == 200) return parse_s3_tagging(response.body);
  if (parse_s3_error(response.body).code.starts_with("NoSuchTagSet")) return std::vector<ObjectTag>{};  // some stores' word for none
  return std::unexpected(s3_refusal(response, "reading the tags", address.text(), client_->options()));
}

Result<void> S3Store::tag(const VersionedKey& object, const ObjectTag& tag, Context& context) {
  TRY_ASSIGN(const S3Address address, S3Address::parse(object.key));
  TRY_ASSIGN(std::vector<ObjectTag> tags, tags_of(address, context));
  const auto known = std::ranges::find(tags, tag.name, &ObjectTag::name);
  const bool is_set = known != tags.end() && known->value == tag.value;
  if (known == tags.end()) {
    tags.push_back(tag);
  } else {
    known->value = tag.value;
  }
  const auto body = std::make_shared<const std::string>(s3_tagging_body(tags));
  TRY_ASSIGN(const ObjectHead head, s3_head(*client_, address, context));
  if (head.info.version != object.version) {
    return fail(ErrorCode::kConflict, fmt::format("{}: it is no longer at version {}; it is not tagged", object.key, object.version));
  }
  if (is_set) return {};
  TRY_ASSIGN(const HttpResponse response,
             client_->call({.method = "PUT",
                            .bucket = address.bucket,
                            .key = address.key,
                            .query = "tagging",
                            .headers = {{"Content-MD5", to_base64(bytes_of(md5(*body)))}, {"Content-Type", "application/xml"}},
                            .body = body},
                           context));
  if (response.status / 100 == 2) return {};
  return std::unexpected(s3_refusal(response, "tagging", address.text(), client_->options()));
}

std::unique_ptr<Blob> S3Store::open(const ObjectInfo& object) { return make_s3_blob(*this, object); }

Result<void> S3Store::remove_unfinished(const Key& prefix, Context& context) {
  TRY_ASSIGN(const S3Address address, S3Address::parse(prefix));
  TRY(abort_s3_uploads(*client_, address, context));
  return {};
}

}  // namespace sluice
