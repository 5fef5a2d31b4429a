#include "iceberg/rest_catalog.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>

#include "base/ids.h"
#include "iceberg/json_fields.h"
#include "iceberg/metadata_file.h"
#include "iceberg/metadata_json.h"
#include "iceberg/rest_config.h"
#include "iceberg/rest_session.h"
#include "net/url.h"
#include "schema/schema_json.h"

namespace sluice {
namespace {

using nlohmann::json;
using Properties = std::map<std::string, std::string>;

constexpr int kReplaysMax = 2;  // of a commit without an answer, where the server remembers Idempotency-Key
constexpr auto kReplayAfter = std::chrono::milliseconds(200);
constexpr int kPagesMax = 10'000;  // of a listing: a server whose pages never end is broken
constexpr std::string_view kStorePrefixes[] = {"s3.", "gcs.", "adls.", "client."};
constexpr std::string_view kHeaderPrefix = "header.";
constexpr std::string_view kAuthKeys[] = {"token",    "credential", "oauth2-server-uri",    "scope",
                                          "audience", "resource",   "token-refresh-enabled"};

bool is_success(const HttpResponse& response) { return response.status >= 200 && response.status < 300; }

Properties store_part(const Properties& of) {
  Properties some;
  for (const auto& [key, value] : of) {
    if (std::ranges::any_of(kStorePrefixes, [&](std::string_view prefix) { return key.starts_with(prefix); })) some[key] = value;
  }
  return some;
}

Properties auth_properties(const Properties& from) {
  Properties some;
  for (const auto& [key, value] : from) {
    if (key.starts_with("rest.") || key.starts_with("client.") || std::ranges::find(kAuthKeys, key) != std::end(kAuthKeys))
      some[key] = value;
  }
  return some;
}

/// A config map of the server: values that are no text are shown as JSON shows them.
Properties text_values(const json& object) {
  Properties properties;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_null()) properties[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return properties;
}

std::shared_ptr<const std::string> body_of(const json& value) {
  return std::make_shared<const std::string>(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

/// A table as LoadTableResult and CommitTableResponse draw it.
Result<LoadedTable> read_table(const TableId& id, const HttpResponse& response, const Properties& store_properties) {
  TRY_ASSIGN(const json answer, parse_json(response.body, fmt::format("table {}", id.text())));
  if (!answer.is_object() || !answer.contains("metadata")) {
    return fail(ErrorCode::kCorruption, fmt::format("table {}: the catalog's answer holds no metadata", id.text()));
  }
  LoadedTable table{.id = id, .properties = store_properties};
  TRY_ASSIGN(table.metadata, table_metadata_from_json(answer["metadata"]));
  if (const auto at = answer.find("metadata-location"); at != answer.end() && at->is_string()) at->get_to(table.metadata_location);
  if (const auto at = answer.find("config"); at != answer.end() && at->is_object()) {
    table.credentials.push_back({"", store_part(text_values(*at))});  // what no longer prefix overrides
  }
  if (const auto at = answer.find("storage-credentials"); at != answer.end() && at->is_array()) {
    for (const json& one : *at) {
      if (!one.is_object() || !one.contains("config") || !one["config"].is_object()) continue;
      table.credentials.push_back({one.value("prefix", ""), store_part(text_values(one["config"]))});
    }
  }
  return table;
}

/// Whether this can be what was asked for just now: without a snapshot, with the columns of the request (their ids are the server's).
bool is_fresh(const TableMetadata& made, const CreateTable& asked) {
  const auto& fields = made.current_schema().fields;
  return made.snapshots.empty() && std::ranges::equal(fields, asked.schema.fields, {}, &Field::name, &Field::name);
}

TableChange with_uuid(const LoadedTable& base, TableChange change) {
  const bool there = std::ranges::any_of(change.requirements, [](const auto& r) { return std::holds_alternative<AssertTableUuid>(r); });
  if (!there) change.requirements.insert(change.requirements.begin(), AssertTableUuid{base.metadata.table_uuid});
  return change;
}

const Snapshot* added_snapshot(const TableChange& change) {
  for (const TableUpdate& update : change.updates) {
    if (const auto* added = std::get_if<AddSnapshot>(&update)) return &added->snapshot;
  }
  return nullptr;
}

/// What the table says of a commit that was sent.
enum class Fate { kLanded, kRefused, kUnknown };

/// `answered_conflict`: the server said 409, so main had moved when it looked.
Fate fate_of(const Snapshot& sent, const TableMetadata& base, const TableMetadata& now, bool answered_conflict) {
  if (now.table_uuid != base.table_uuid) return Fate::kUnknown;
  const Ancestry main = ancestors_of_main(now);
  const auto in_main = [&](int64_t id) { return std::ranges::find(main.snapshots, id, &Snapshot::snapshot_id) != main.snapshots.end(); };
  if (const Snapshot* there = now.find_snapshot(sent.snapshot_id)) {
    // Another attempt of the same batch carries the same snapshot id; each writes a manifest list of its own.
    if (there->manifest_list != sent.manifest_list) return Fate::kRefused;
    return in_main(sent.snapshot_id) ? Fate::kLanded : Fate::kUnknown;  // landed, then rolled back: what it wrote is not ours to delete
  }
  if (answered_conflict) return Fate::kRefused;
  // Absence alone proves nothing: the request may land yet. It cannot where somebody else's snapshot stands on what it requires.
  const Snapshot* before = base.current_snapshot();
  const bool moved = before && now.current_snapshot() && now.current_snapshot()->snapshot_id != before->snapshot_id;
  return moved && in_main(before->snapshot_id) ? Fate::kRefused : Fate::kUnknown;
}

class RestCatalog final : public Catalog {
 public:
  RestCatalog(RestCatalogOptions options, std::unique_ptr<HttpClient> client, std::shared_ptr<RestAuth> auth, Clock& clock)
      : options_(std::move(options)), client_(std::move(client)), auth_(std::move(auth)), clock_(clock) {}

  std::string uri() const override { return fmt::format("rest:{}#{}", shown_url(options_.uri), options_.warehouse); }
  std::string warehouse() const override { return options_.warehouse; }
  bool gives_credentials() const override { return true; }

  Result<LoadedTable> load(const TableId& id, Context& context) override {
    TRY_ASSIGN(const Connected* server, connect(context));
    HttpRequest request{.url = server->config.table_url(id) + "?snapshots=all", .response_bytes_max = kMetadataBytesMax};
    request.headers = vending();
    auto answer = server->session->send(std::move(request), RestEffect::kRead, context);
    const std::string what = fmt::format("loading table {} from {}", id.text(), shown_url(options_.uri));
    if (!answer) return std::unexpected(answer.error().within(what));
    if (is_success(*answer)) return read_table(id, *answer, server->store_properties);
    Error error = error_of(*answer, what);
    if (error.code == ErrorCode::kNotFound && !speaks_iceberg(*answer)) {
      error = {ErrorCode::kUnavailable, error.message + "; no catalog answers there. Check the catalog's `uri`"};
    }
    return std::unexpected(std::move(error));
  }

  Result<LoadedTable> create(const TableId& id, const CreateTable& table, Context& context) override {
    TRY_ASSIGN(const Connected* server, connect(context));
    TRY_ASSIGN(const json body, create_body(id, table));
    // Some servers answer a second creation with 200 and the first one's table.
    auto existing = load(id, context);
    if (existing) return fail(ErrorCode::kConflict, fmt::format("table {} exists already", id.text()));
    if (existing.error().code != ErrorCode::kNotFound) return std::unexpected(existing.error());
    const std::string what = fmt::format("creating table {} at {}", id.text(), shown_url(options_.uri));
    HttpRequest request{.method = "POST", .url = server->config.tables_url(id.ns), .body = body_of(body)};
    request.response_bytes_max = kMetadataBytesMax;
    request.headers = vending();
    name_request(*server, request);
    auto answer = server->session->send(request, RestEffect::kWrite, context);
    if (answer && answer->status == 404) {  // the namespace is missing
      TRY(create_namespace(*server, id.ns, context));
      name_request(*server, request);  // another request: the server may remember its answer to the first
      answer = server->session->send(request, RestEffect::kWrite, context);
    }
    const bool unknown = answer ? answer->status >= 500 : answer.error().code == ErrorCode::kOutcomeUnknown;
    if (unknown) return after_unknown_create(id, answer ? error_of(*answer, what) : answer.error().within(what), context);
    if (!answer) return std::unexpected(answer.error().within(what));
    if (!is_success(*answer)) return std::unexpected(error_of(*answer, what));
    TRY_ASSIGN(LoadedTable made, read_table(id, *answer, server->store_properties));
    if (auto writable = check_writable(made.metadata); !writable) {
      return invalid_input(
          fmt::format("{}: asked for format version {}, got {}. The table is empty: drop it, or upgrade it, then load again", what,
                      kFormatVersionWritten, made.metadata.format_version));
    }
    if (!is_fresh(made.metadata, table)) return fail(ErrorCode::kConflict, fmt::format("table {} was made by somebody else", id.text()));
    return made;
  }

  Result<LoadedTable> commit(const LoadedTable& base, const TableChange& change, Context& context) override {
    TRY(check_writable(base.metadata));
    TRY_ASSIGN(const Connected* server, connect(context));
    HttpRequest request{.method = "POST", .url = server->config.table_url(base.id), .body = body_of(to_json(with_uuid(base, change)))};
    request.response_bytes_max = kMetadataBytesMax;
    name_request(*server, request);
    const std::string what = fmt::format("committing to table {} at {}", base.id.text(), shown_url(options_.uri));
    for (int replay = 0;; ++replay) {
      auto answer = answer_to_commit(base, server->session->send(request, RestEffect::kWrite, context), what);
      if (answer) return answer;
      if (answer.error().code == ErrorCode::kConflict || answer.error().code == ErrorCode::kOutcomeUnknown) {
        const bool again = server->config.idempotency_keys && answer.error().code == ErrorCode::kOutcomeUnknown && replay < kReplaysMax;
        if (again && clock_.sleep(kReplayAfter, context.stop)) continue;
        return find_out(base, change, answer.error(), replay > 0, context);
      }
      if (replay > 0) return find_out(base, change, Error{ErrorCode::kOutcomeUnknown, answer.error().message}, true, context);
      return answer;  // nothing of ours is under way
    }
  }

  Result<std::vector<TableId>> tables(Context& context) override {
    TRY_ASSIGN(const Connected* server, connect(context));
    std::vector<TableId> ids;
    std::vector<std::vector<std::string>> open = {{}};
    std::set<std::vector<std::string>> seen;
    while (!open.empty()) {
      const std::vector<std::string> ns = std::move(open.back());
      open.pop_back();
      if (!ns.empty()) TRY(list_tables(*server, ns, ids, context));
      TRY_ASSIGN(const auto below, list_namespaces(*server, ns, context));
      for (const auto& child : below) {
        // Servers without levels answer with every namespace, whatever the parent.
        const bool deeper = child.size() == ns.size() + 1 && std::equal(ns.begin(), ns.end(), child.begin());
        if (deeper && seen.insert(child).second) open.push_back(child);
      }
    }
    std::ranges::sort(ids, {}, &TableId::text);
    return ids;
  }

 private:
  /// What the first call learns from the server.
  struct Connected {
    RestConfig config;
    std::unique_ptr<RestSession> session;
    Properties store_properties;
  };

  Result<const Connected*> connect(Context& context) {
    const std::lock_guard lock(mutex_);
    if (connected_) return connected_.get();
    RestSession session(*client_, auth_, headers_of(options_.properties), clock_);
    std::string url = options_.uri + "/v1/config";
    if (!options_.warehouse.empty()) url += "?" + encode_pairs({{"warehouse", options_.warehouse}});
    const std::string what = fmt::format("catalog {}", shown_url(options_.uri));
    auto answer = session.send({.url = url}, RestEffect::kRead, context);
    if (!answer) return std::unexpected(answer.error().within(what));
    if (!is_success(*answer)) {
      Error error = error_of(*answer, what + ": /v1/config");
      if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kInvalidInput;  // of the configuration, not of a table
      return std::unexpected(std::move(error));
    }
    auto connected = std::make_unique<Connected>();
    TRY_ASSIGN(const json body, parse_json(answer->body, what + ": /v1/config"));
    TRY_ASSIGN(connected->config, merge_rest_config(options_.uri, options_.properties, body));
    const Properties& merged = connected->config.properties;
    std::shared_ptr<RestAuth> auth = auth_;
    if (auth_properties(merged) != auth_properties(options_.properties)) {
      TRY_ASSIGN(auth, make_rest_auth(merged, options_.uri, *client_, clock_));
    }
    connected->session = std::make_unique<RestSession>(*client_, std::move(auth), headers_of(merged), clock_);
    connected->store_properties = store_part(merged);
    connected_ = std::move(connected);
    return connected_.get();
  }

  static HttpHeaders headers_of(const Properties& properties) {
    HttpHeaders headers;
    for (const auto& [key, value] : properties) {
      if (key.starts_with(kHeaderPrefix)) headers.emplace_back(key.substr(kHeaderPrefix.size()), value);
    }
    return headers;
  }

  /// Asks for credentials of the table's objects, unless the user configured the header otherwise.
  HttpHeaders vending() const {
    constexpr const char* kHeader = "X-Iceberg-Access-Delegation";
    if (options_.properties.contains(std::string(kHeaderPrefix) + kHeader)) return {};
    return {{kHeader, "vended-credentials"}};
  }

  /// A name by which the server recognises a request that is sent again.
  static void name_request(const Connected& server, HttpRequest& request) {
    constexpr const char* kHeader = "Idempotency-Key";
    if (!server.config.idempotency_keys) return;
    std::erase_if(request.headers, [](const auto& header) { return header.first == kHeader; });
    request.headers.emplace_back(kHeader, new_uuid());
  }

  static Result<json> create_body(const TableId& id, const CreateTable& table) {
    Schema schema = table.schema;
    schema.schema_id = 0;
    assign_field_ids(schema.fields, schema.highest_field_id());
    PartitionSpec spec{0, table.partition_fields};
    int next_id = kLastPartitionIdOfNone;
    for (PartitionField& field : spec.fields) field.field_id = ++next_id;
    Properties properties = table.properties;
    std::string& version = properties["format-version"];  // asked for: servers' defaults differ
    if (version.empty()) version = std::to_string(kFormatVersionWritten);
    if (version != std::to_string(kFormatVersionWritten)) {
      return invalid_input(fmt::format("format version {} is not supported yet: tables are made with version 2", version));
    }
    json body = {{"name", id.name},
                 {"schema", to_json(schema)},
                 {"partition-spec", to_json(spec)},
                 {"stage-create", false},
                 {"properties", properties}};
    if (!table.location.empty()) body["location"] = table.location;
    return body;
  }

  /// Each level from the top; that one is there already is no failure.
  Result<void> create_namespace(const Connected& server, const std::vector<std::string>& ns, Context& context) {
    const std::string what = fmt::format("creating namespace {} at {}", TableId{ns, ""}.text(), shown_url(options_.uri));
    if (!server.config.offers(RestEndpoint::kCreateNamespace)) {
      return invalid_input(what + ": this catalog does not make namespaces; make it by the catalog's own means");
    }
    for (size_t levels = 1; levels <= ns.size(); ++levels) {
      const json body = {{"namespace", std::vector(ns.begin(), ns.begin() + static_cast<ptrdiff_t>(levels))},
                         {"properties", json::object()}};
      HttpRequest request{.method = "POST", .url = server.config.namespaces_url(), .body = body_of(body)};
      name_request(server, request);
      auto answer = server.session->send(std::move(request), RestEffect::kWrite, context);
      const bool last = levels == ns.size();
      if (!answer && (last || answer.error().code == ErrorCode::kCancelled)) return std::unexpected(answer.error().within(what));
      // An upper level that a server does not want made shows in the last one.
      if (last && !is_success(*answer) && answer->status != 409) return std::unexpected(error_of(*answer, what));
    }
    return {};
  }

  /// Ours or another worker's: who loads the table may go on in both cases.
  Result<LoadedTable> after_unknown_create(const TableId& id, const Error& error, Context& context) {
    if (load(id, context)) return fail(ErrorCode::kConflict, fmt::format("table {} exists ({})", id.text(), error.message));
    return fail(ErrorCode::kOutcomeUnknown, error.message);
  }

  /// kConflict: definitely refused; kUnavailable: not carried out; kOutcomeUnknown: everything that proves neither.
  static Result<LoadedTable> answer_to_commit(const LoadedTable& base, Result<HttpResponse> answer, const std::string& what) {
    if (!answer) {
      Error error = answer.error().within(what);
      if (error.code == ErrorCode::kCorruption) error.code = ErrorCode::kOutcomeUnknown;  // an answer, but none that can be read
      return std::unexpected(std::move(error));
    }
    if (is_success(*answer)) {
      auto table = read_table(base.id, *answer, base.properties);
      if (!table) return fail(ErrorCode::kOutcomeUnknown, fmt::format("{}: {}", what, table.error().message));
      table->credentials = base.credentials;
      return table;
    }
    Error error = error_of(*answer, what);
    switch (answer->status) {
      case 409: break;
      case 401:
      case 403:
      case 419:
      case 429: error.code = ErrorCode::kUnavailable; break;
      case 404: error.code = speaks_iceberg(*answer) ? ErrorCode::kNotFound : ErrorCode::kOutcomeUnknown; break;
      default: error.code = ErrorCode::kOutcomeUnknown;  // 400 too: some catalogs answer it for plain concurrency
    }
    return std::unexpected(std::move(error));
  }

  /// A refusal is looked into as well: where a gateway repeated the request, 409 answers the repeat and the first one landed.
  Result<LoadedTable> find_out(const LoadedTable& base, const TableChange& change, Error error, bool repeated, Context& context) {
    const bool conflict = error.code == ErrorCode::kConflict;
    const Snapshot* sent = added_snapshot(change);
    if (!sent && conflict && !repeated) return std::unexpected(std::move(error));
    error.code = ErrorCode::kOutcomeUnknown;
    if (!sent) return std::unexpected(std::move(error));
    auto now = load(base.id, context);
    if (!now) return std::unexpected(std::move(error));
    switch (fate_of(*sent, base.metadata, now->metadata, conflict)) {
      case Fate::kLanded: return now;
      case Fate::kRefused: return fail(ErrorCode::kConflict, error.message + (conflict ? "" : "; another commit came first"));
      case Fate::kUnknown: break;
    }
    return std::unexpected(std::move(error));
  }

  /// Every page of a listing; `take` reads one.
  template <class Take>
  Result<void> each_page(const Connected& server, const std::string& url, std::vector<std::pair<std::string, std::string>> query,
                         const std::string& what, Context& context, Take take) {
    query.emplace_back("pageToken", "");
    for (int page = 0; page < kPagesMax; ++page) {
      // An empty token on the first page would ask for pages: servers that have none may give everything at once.
      const std::string text = page == 0 ? encode_pairs({query.begin(), query.end() - 1}) : encode_pairs(query);
      const char* joint = url.find('?') == std::string::npos ? "?" : "&";
      auto answer = server.session->send({.url = text.empty() ? url : url + joint + text}, RestEffect::kRead, context);
      if (!answer) return std::unexpected(answer.error().within(what));
      if (!is_success(*answer)) return std::unexpected(error_of(*answer, what));
      TRY_ASSIGN(const json body, parse_json(answer->body, what));
      try {
        take(body);
      } catch (const json::exception& e) {
        return fail(ErrorCode::kCorruption, fmt::format("{}: {}", what, e.what()));
      }
      const auto next = body.find("next-page-token");
      if (next == body.end() || !next->is_string() || next->get_ref<const std::string&>().empty()) return {};
      query.back().second = next->get<std::string>();
    }
    return fail(ErrorCode::kCorruption, what + ": the listing does not end");
  }

  Result<void> list_tables(const Connected& server, const std::vector<std::string>& ns, std::vector<TableId>& ids, Context& context) {
    const std::string what = fmt::format("listing tables at {}", shown_url(options_.uri));
    return each_page(server, server.config.tables_url(ns), {}, what, context, [&](const json& body) {
      for (const json& one : body.at("identifiers")) {
        ids.push_back({one.at("namespace").get<std::vector<std::string>>(), one.at("name").get<std::string>()});
      }
    });
  }

  Result<std::vector<std::vector<std::string>>> list_namespaces(const Connected& server, const std::vector<std::string>& parent,
                                                                Context& context) {
    std::vector<std::vector<std::string>> namespaces;
    const std::string what = fmt::format("listing namespaces at {}", shown_url(options_.uri));
    std::string url = server.config.namespaces_url();
    if (!parent.empty()) url += "?parent=" + server.config.encoded(parent);
    auto listed = each_page(server, url, {}, what, context, [&](const json& body) {
      for (const json& one : body.at("namespaces")) namespaces.push_back(one.get<std::vector<std::string>>());
    });
    const bool flat =
        !listed && !parent.empty() && (listed.error().code == ErrorCode::kNotFound || listed.error().code == ErrorCode::kInvalidInput);
    if (!listed && !flat) return std::unexpected(listed.error());
    return namespaces;
  }

  const RestCatalogOptions options_;
  const std::unique_ptr<HttpClient> client_;
  const std::shared_ptr<RestAuth> auth_;
  Clock& clock_;
  std::mutex mutex_;
  std::unique_ptr<const Connected> connected_;  // protected by mutex_ until it is set; constant then
};

}  // namespace

Result<std::unique_ptr<Catalog>> make_rest_catalog(RestCatalogOptions options, std::unique_ptr<HttpClient> client, Clock& clock) {
  while (options.uri.ends_with('/')) options.uri.pop_back();
  TRY_ASSIGN(std::shared_ptr<RestAuth> auth, make_rest_auth(options.properties, options.uri, *client, clock));
  return std::make_unique<RestCatalog>(std::move(options), std::move(client), std::move(auth), clock);
}

Result<std::unique_ptr<Catalog>> open_rest_catalog(RestCatalogOptions options, Clock& clock) {
  HttpOptions http;
  if (const auto at = options.properties.find("ssl.cabundle"); at != options.properties.end()) http.ca_file = at->second;
  TRY_ASSIGN(std::unique_ptr<HttpClient> client, make_http_client(http));
  return make_rest_catalog(std::move(options), std::move(client), clock);
}

}  // namespace sluice
