// A REST catalog in memory for tests, strict about what it is sent: it compares what a change requires and nothing else, carries changes
// out as the specification says, and can be told to lose answers or to refuse. Thread-safe.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/ids.h"
#include "iceberg/metadata_json.h"
#include "iceberg/table_change.h"
#include "net/scripted_http.h"
#include "schema/schema_json.h"

namespace sluice {

struct FakeRestOptions {
  std::string warehouse = "mem://lake";
  nlohmann::json config = {{"defaults", nlohmann::json::object()}, {"overrides", nlohmann::json::object()}};
  std::string prefix;                                            ///< as it stands in URLs
  nlohmann::json table_answer_extra = nlohmann::json::object();  ///< "config", "storage-credentials"
  int format_version_made = kFormatVersionWritten;
  bool keeps_history = true;  ///< false: only the snapshots that a ref names are shown after a commit (as Nessie does)
};

class FakeRestServer {
 public:
  using Answer = Result<HttpResponse>;

  explicit FakeRestServer(Clock& clock, FakeRestOptions options = {}) : options_(std::move(options)), clock_(clock) {}

  /// Before a request is carried out: an answer instead of that.
  std::function<std::optional<Answer>(const HttpRequest&)> instead = [](const HttpRequest&) { return std::nullopt; };
  /// After it was carried out: another answer than the true one.
  std::function<std::optional<Answer>(const HttpRequest&)> lose = [](const HttpRequest&) { return std::nullopt; };

  std::unique_ptr<HttpClient> client() {
    return std::make_unique<ScriptedHttp>([this](const HttpRequest& request) { return answer(request); });
  }

  Answer answer(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (auto other = instead(request)) return *std::move(other);
    HttpResponse response = carry_out(request);
    if (auto other = lose(request)) return *std::move(other);
    return response;
  }

  std::vector<HttpRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// Requests of this method whose URL ends so.
  int64_t count(std::string_view method, std::string_view url_end) const {
    const std::lock_guard lock(mutex_);
    int64_t count = 0;
    for (const HttpRequest& one : requests_) count += one.method == method && one.url.ends_with(url_end);
    return count;
  }

  static HttpResponse reply(int status, const nlohmann::json& body) {
    return {status, {{"Content-Type", "application/json"}}, body.dump()};
  }
  static HttpResponse refuse(int status, const std::string& type, const std::string& message = "refused") {
    return reply(status, {{"error", {{"message", message}, {"type", type}, {"code", status}}}});
  }

  /// Without a lock and unrecorded: for `instead` and `lose`, which hold it.
  HttpResponse carry_out(const HttpRequest& request) {
    const std::string url = request.url.substr(request.url.find("/v1/") + 4);
    const std::string path = url.substr(0, url.find('?'));
    if (path == "config") return reply(200, options_.config);
    const std::string root = options_.prefix.empty() ? "namespaces" : options_.prefix + "/namespaces";
    if (!path.starts_with(root)) return {404, {}, "no such page"};
    const std::string rest = path.substr(root.size());
    if (rest.empty()) return request.method == "POST" ? make_namespace(request) : list_namespaces();
    const size_t tables = rest.find("/tables");
    if (tables == std::string::npos) return {404, {}, "no such page"};
    const std::string ns = rest.substr(1, tables - 1);
    const std::string name = rest.size() > tables + 8 ? rest.substr(tables + 8) : "";
    if (name.empty()) return request.method == "POST" ? create(ns, request) : list_tables(ns);
    return request.method == "POST" ? commit(ns + "/" + name, request) : load(ns + "/" + name);
  }

 private:
  using json = nlohmann::json;

  HttpResponse make_namespace(const HttpRequest& request) {
    const json body = json::parse(*request.body);
    std::string ns;
    for (const json& level : body.at("namespace")) ns += (ns.empty() ? "" : "%1F") + level.get<std::string>();
    if (!namespaces_.insert(ns).second) return refuse(409, "AlreadyExistsException");
    return reply(200, body);
  }

  static json levels_of(std::string ns) {
    json levels = json::array();
    for (size_t at; (at = ns.find("%1F")) != std::string::npos; ns.erase(0, at + 3)) levels.push_back(ns.substr(0, at));
    levels.push_back(ns);
    return levels;
  }

  HttpResponse list_namespaces() const {
    json list = json::array();
    for (const std::string& ns : namespaces_) list.push_back(levels_of(ns));
    return reply(200, {{"namespaces", list}});
  }

  /// One table a page.
  HttpResponse list_tables(const std::string& ns) const {
    if (!namespaces_.contains(ns)) return refuse(404, "NoSuchNamespaceException");
    const std::string& url = requests_.back().url;
    const size_t token = url.find("pageToken=");
    auto at = token == std::string::npos ? tables_.lower_bound(ns + "/") : tables_.upper_bound(ns + "/" + url.substr(token + 10));
    json list = json::array(), next;
    if (at != tables_.end() && at->first.starts_with(ns + "/")) {
      const std::string name = at->first.substr(ns.size() + 1);
      list.push_back({{"namespace", levels_of(ns)}, {"name", name}});
      next = name;
    }
    return reply(200, {{"identifiers", list}, {"next-page-token", next}});
  }

  HttpResponse create(const std::string& ns, const HttpRequest& request) {
    const json body = json::parse(*request.body);
    const std::string name = body.at("name").get<std::string>();
    if (!namespaces_.contains(ns)) return refuse(404, "NoSuchNamespaceException");
    if (tables_.contains(ns + "/" + name)) return refuse(409, "AlreadyExistsException");
    auto properties = body.at("properties").get<std::map<std::string, std::string>>();
    properties.erase("format-version");
    std::string place = ns;
    for (size_t at; (at = place.find("%1F")) != std::string::npos;) place.replace(at, 3, "/");
    const std::string location = body.value("location", options_.warehouse + "/" + place + "/" + name);
    TableMetadata table = new_table_metadata(new_uuid(), location, *schema_from_json(body.at("schema")),
                                             *partition_spec_from_json(body.at("partition-spec")), std::move(properties), clock_.now());
    tables_[ns + "/" + name] = {std::move(table), location + "/metadata/00000-" + new_uuid() + ".metadata.json"};
    return load(ns + "/" + name);
  }

  HttpResponse load(const std::string& key) const {
    const auto at = tables_.find(key);
    if (at == tables_.end()) return refuse(404, "NoSuchTableException", "Table does not exist: " + key);
    json body = {{"metadata", json::parse(*write_table_metadata(at->second.metadata))}, {"metadata-location", at->second.file}};
    body["metadata"]["format-version"] = options_.format_version_made;
    body.update(options_.table_answer_extra);
    return reply(200, body);
  }

  HttpResponse commit(const std::string& key, const HttpRequest& request) {
    const auto at = tables_.find(key);
    if (at == tables_.end()) return refuse(404, "NoSuchTableException", "Table does not exist: " + key);
    Table& table = at->second;
    auto changed = apply(table.metadata, change_from(json::parse(*request.body)), clock_.now());
    if (!changed) {
      const bool conflict = changed.error().code == ErrorCode::kConflict;
      return refuse(conflict ? 409 : 400, conflict ? "CommitFailedException" : "ValidationException", changed.error().message);
    }
    (void)log_previous_metadata(*changed, table.metadata, table.file);
    if (!options_.keeps_history) {
      std::erase_if(changed->snapshots, [&](const Snapshot& snapshot) {
        return std::ranges::none_of(changed->refs, [&](const auto& ref) { return ref.second.snapshot_id == snapshot.snapshot_id; });
      });
    }
    table = {*std::move(changed), table.metadata.location + "/metadata/00001-" + new_uuid() + ".metadata.json"};
    return load(key);
  }

  /// Every key that the specification asks for must be there: at() throws where it is not.
  static TableChange change_from(const json& body) {
    TableChange change;
    for (const json& r : body.at("requirements")) change.requirements.push_back(requirement_from(r));
    for (const json& u : body.at("updates")) change.updates.push_back(update_from(u));
    return change;
  }

  static TableRequirement requirement_from(const json& r) {
    const std::string type = r.at("type");
    if (type == "assert-table-uuid") return AssertTableUuid{r.at("uuid")};
    if (type == "assert-ref-snapshot-id") {
      const json& id = r.at("snapshot-id");
      return AssertRefSnapshotId{r.at("ref"), id.is_null() ? std::nullopt : std::optional(id.get<int64_t>())};
    }
    if (type == "assert-current-schema-id") return AssertCurrentSchemaId{r.at("current-schema-id")};
    if (type == "assert-last-assigned-field-id") return AssertLastAssignedFieldId{r.at("last-assigned-field-id")};
    if (type == "assert-default-spec-id") return AssertDefaultSpecId{r.at("default-spec-id")};
    if (type == "assert-last-assigned-partition-id") return AssertLastAssignedPartitionId{r.at("last-assigned-partition-id")};
    if (type == "assert-default-sort-order-id") return AssertDefaultSortOrderId{r.at("default-sort-order-id")};
    throw std::runtime_error("no such requirement: " + type);
  }

  static TableUpdate update_from(const json& u) {
    const std::string action = u.at("action");
    if (action == "add-snapshot") return AddSnapshot{*snapshot_from_json(u.at("snapshot"))};
    if (action == "set-snapshot-ref") return SetSnapshotRef{u.at("ref-name"), *snapshot_ref_from_json(u)};
    if (action == "remove-snapshot-ref") return RemoveSnapshotRef{u.at("ref-name")};
    if (action == "set-properties") return SetProperties{u.at("updates")};
    if (action == "remove-properties") return RemoveProperties{u.at("removals")};
    if (action == "add-schema") return AddSchema{*schema_from_json(u.at("schema"))};
    if (action == "set-current-schema") return SetCurrentSchema{u.at("schema-id")};
    if (action == "add-spec") return AddSpec{*partition_spec_from_json(u.at("spec"))};
    if (action == "set-default-spec") return SetDefaultSpec{u.at("spec-id")};
    if (action == "set-location") return SetLocation{u.at("location")};
    throw std::runtime_error("no such update: " + action);
  }

  struct Table {
    TableMetadata metadata;
    std::string file;
  };

  const FakeRestOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::vector<HttpRequest> requests_;
  std::set<std::string> namespaces_;
  std::map<std::string, Table> tables_;
};

}  // namespace sluice
