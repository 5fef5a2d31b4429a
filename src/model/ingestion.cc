#include "model/ingestion.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/ascii.h"
#include "model/enum_names.h"
#include "model/versioned_json.h"

namespace sluice {
namespace {

using Json = nlohmann::json;

constexpr int kIngestionVersion = 1;

// A property whose name holds one of these words may be a secret. Too much is left out rather than too little.
constexpr std::array<std::string_view, 7> kSecretWords = {"secret", "token", "password", "credential", "key", "authorization", "sas"};

Properties without_secrets(const Properties& properties) {
  Properties open;
  for (const auto& [name, value] : properties) {
    if (!may_be_secret(name)) open.emplace(name, value);
  }
  return open;
}

// A name that this program does not know fails like a wrong type does.
template <class Enum>
Enum enum_at(const Json& json, const char* member, std::optional<Enum> (*parse)(std::string_view)) {
  const auto text = json.at(member).get<std::string>();
  if (const auto value = parse(text)) return *value;
  throw Json::other_error::create(501, std::string(member) + ": '" + text + "' is unknown", nullptr);
}

std::optional<Timestamp> time_at(const Json& json, const char* member) {
  const auto text = get_optional<std::string>(json, member);
  return text ? parse_timestamp(*text) : std::nullopt;
}

/// Absent: not given. Empty: none, as of quotes.
void put_character(Json& json, const char* name, std::optional<char> value) {
  if (value) json[name] = *value == '\0' ? std::string() : std::string(1, *value);
}

std::optional<char> get_character(const Json& json, const char* name) {
  const auto text = get_optional<std::string>(json, name);
  if (!text) return std::nullopt;
  return text->empty() ? '\0' : text->front();
}

Json json_of(const CsvOptions& csv) {
  Json json = {{"encoding", to_string(csv.encoding)}, {"null_tokens", csv.null_tokens}};
  put_character(json, "delimiter", csv.delimiter);
  put_character(json, "quote", csv.quote);
  put_character(json, "escape", csv.escape);
  put_optional(json, "header", csv.header);
  put_character(json, "decimal", csv.decimal);
  put_character(json, "comment", csv.comment);
  put_optional(json, "skip", csv.skip);
  return json;
}

CsvOptions csv_of(const Json& json) {
  CsvOptions csv;
  csv.delimiter = get_character(json, "delimiter");
  csv.quote = get_character(json, "quote");
  csv.escape = get_character(json, "escape");
  csv.header = get_optional<bool>(json, "header");
  if (json.contains("encoding")) csv.encoding = enum_at(json, "encoding", parse_text_encoding);
  csv.decimal = get_character(json, "decimal");
  csv.comment = get_character(json, "comment");
  csv.skip = get_optional<int64_t>(json, "skip");
  json.at("null_tokens").get_to(csv.null_tokens);
  return csv;
}

TextOptions text_of(const Json& json) {
  return {.pattern = json.at("pattern").get<std::string>(), .encoding = enum_at(json, "encoding", parse_text_encoding)};
}

SqlOptions sql_of(const Json& json) {
  return {.table = json.at("table").get<std::string>(), .dialect = enum_at(json, "dialect", parse_sql_dialect)};
}

Json json_of(const Source& source) {
  return {{"id", source.id.text},
          {"paths", source.paths},
          {"store", without_secrets(source.store)},
          {"format", source.format},
          {"csv", json_of(source.csv)},
          {"text", {{"pattern", source.text.pattern}, {"encoding", to_string(source.text.encoding)}}},
          {"sql", {{"table", source.sql.table}, {"dialect", to_string(source.sql.dialect)}}},
          {"source_system", source.source_system}};
}

Source source_of(const Json& json) {
  Source source;
  json.at("id").get_to(source.id.text);
  json.at("paths").get_to(source.paths);
  json.at("store").get_to(source.store);
  json.at("format").get_to(source.format);
  source.csv = csv_of(json.at("csv"));
  if (json.contains("text")) source.text = text_of(json.at("text"));
  if (json.contains("sql")) source.sql = sql_of(json.at("sql"));
  json.at("source_system").get_to(source.source_system);
  return source;
}

Json json_of(const ColumnCheck& check) {
  Json json = {{"required", check.required}, {"in", check.in}, {"pattern", check.pattern}};
  put_optional(json, "min", check.min);
  put_optional(json, "max", check.max);
  return json;
}

ColumnCheck check_of(const Json& json) {
  return {.required = json.at("required").get<bool>(),
          .min = get_optional<std::string>(json, "min"),
          .max = get_optional<std::string>(json, "max"),
          .in = json.at("in").get<std::vector<std::string>>(),
          .pattern = json.at("pattern").get<std::string>()};
}

Json json_of(const ColumnDefinition& column) {
  Json json = {
      {"name", column.name}, {"from", column.from}, {"type", column.type}, {"path_pattern", column.path_pattern}, {"json", column.json}};
  put_optional(json, "value", column.value);
  if (column.check.any()) json["check"] = json_of(column.check);
  return json;
}

ColumnDefinition column_of(const Json& json) {
  ColumnDefinition column{.name = json.at("name").get<std::string>(),
                          .from = json.at("from").get<std::string>(),
                          .type = json.at("type").get<std::string>(),
                          .value = get_optional<std::string>(json, "value"),
                          .path_pattern = json.at("path_pattern").get<std::string>(),
                          .json = json.at("json").get<bool>(),
                          .check = {}};
  if (json.contains("check")) column.check = check_of(json.at("check"));
  return column;
}

Json json_of(const SchemaOptions& schema) {
  Json columns = Json::array();
  for (const ColumnDefinition& column : schema.columns) columns.push_back(json_of(column));
  return {{"mode", to_string(schema.mode)},
          {"contract", schema.contract},
          {"validate", schema.validate},
          {"strict_mode", schema.strict_mode},
          {"columns", std::move(columns)},
          {"hive_partitioning", schema.hive_partitioning},
          {"infer", {{"timestamps", schema.infer.timestamps}, {"numbers_double", schema.infer.numbers_double}}}};
}

SchemaOptions schema_of(const Json& json) {
  SchemaOptions schema;
  schema.mode = enum_at(json, "mode", parse_schema_mode);
  json.at("contract").get_to(schema.contract);
  json.at("validate").get_to(schema.validate);
  json.at("strict_mode").get_to(schema.strict_mode);
  if (const auto columns = json.find("columns"); columns != json.end()) {  // definitions of earlier versions have none
    for (const Json& column : *columns) schema.columns.push_back(column_of(column));
    json.at("hive_partitioning").get_to(schema.hive_partitioning);
  }
  json.at("infer").at("timestamps").get_to(schema.infer.timestamps);
  json.at("infer").at("numbers_double").get_to(schema.infer.numbers_double);
  return schema;
}

Json json_of(const Ready& ready) {
  Json json = {{"min_age_micros", ready.min_age.count()}, {"marker", ready.marker}, {"ignore", ready.ignore}};
  if (ready.modified_after) json["modified_after"] = to_text(*ready.modified_after);
  return json;
}

Ready ready_of(const Json& json) {
  Ready ready;
  ready.min_age = std::chrono::microseconds(json.at("min_age_micros").get<int64_t>());
  json.at("marker").get_to(ready.marker);
  json.at("ignore").get_to(ready.ignore);
  ready.modified_after = time_at(json, "modified_after");
  return ready;
}

Json json_of(const BadRows& bad) {
  Json json = {{"action", to_string(bad.action)}};
  put_optional(json, "rows_max", bad.rows_max);
  put_optional(json, "percent_max", bad.percent_max);
  return json;
}

BadRows bad_rows_of(const Json& json) {
  return {.action = enum_at(json, "action", parse_bad_row_action),
          .rows_max = get_optional<int64_t>(json, "rows_max"),
          .percent_max = get_optional<double>(json, "percent_max")};
}

Disposition disposition_of(const Json& json) {
  return {.kind = enum_at(json, "kind", parse_disposition_kind), .folder = json.at("folder").get<std::string>()};
}

Json json_of(const Disposition& disposition) { return {{"kind", to_string(disposition.kind)}, {"folder", disposition.folder}}; }

Ingestion ingestion_of(const Json& json) {
  Ingestion ingestion;
  json.at("id").get_to(ingestion.id.text);
  json.at("tenant").get_to(ingestion.tenant);
  json.at("name").get_to(ingestion.name);
  for (const Json& source : json.at("sources")) ingestion.sources.push_back(source_of(source));
  const Json& table = json.at("table");
  ingestion.table = {.catalog = table.at("catalog").get<std::string>(),
                     .ns = table.at("namespace").get<std::vector<std::string>>(),
                     .name = table.at("name").get<std::string>()};
  if (const auto parquet = json.find("parquet"); parquet != json.end()) {
    ingestion.parquet = ObjectTarget{parquet->at("prefix").get<std::string>(), parquet->at("store").get<Properties>()};
  }
  json.at("partition_by").get_to(ingestion.partition_by);
  json.at("table_properties").get_to(ingestion.table_properties);
  ingestion.schema = schema_of(json.at("schema"));
  ingestion.on_change = enum_at(json, "on_change", parse_on_change);
  ingestion.on_bad_row = bad_rows_of(json.at("on_bad_row"));
  json.at("tracking").get_to(ingestion.tracking);
  ingestion.ready = ready_of(json.at("ready"));
  if (const auto archives = json.find("archives"); archives != json.end()) {
    archives->at("members").get_to(ingestion.archives.members);
    archives->at("nested").get_to(ingestion.archives.nested);
  }
  if (const auto disposition = json.find("disposition"); disposition != json.end()) {
    ingestion.disposition = {disposition_of(disposition->at("done")), disposition_of(disposition->at("failed"))};
  }
  ingestion.start_from = time_at(json, "start_from");
  json.at("batch").at("files_max").get_to(ingestion.batch.files_max);
  json.at("batch").at("bytes_max").get_to(ingestion.batch.bytes_max);
  ingestion.run_files_max = get_optional<int64_t>(json.at("run"), "files_max");
  json.at("run").at("order").get_to(ingestion.run_order);
  json.at("retry").at("attempts_max").get_to(ingestion.retry_attempts_max);
  json.at("schedule").get_to(ingestion.schedule);
  json.at("timezone").get_to(ingestion.timezone);
  json.at("metadata_columns").get_to(ingestion.metadata_columns);
  json.at("managed_by").get_to(ingestion.managed_by);
  json.at("status").get_to(ingestion.status);
  ingestion.cluster = get_optional<std::string>(json, "cluster").value_or("");
  ingestion.request = get_optional<std::string>(json, "request").value_or("");
  return ingestion;
}

}  // namespace

bool may_be_secret(std::string_view name) {
  const std::string lower = lower_case(name);
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

std::string_view to_string(SchemaMode mode) {
  switch (mode) {
    case SchemaMode::kEvolve: return "evolve";
    case SchemaMode::kFixed: return "fixed";
    case SchemaMode::kRescue: return "rescue";
    case SchemaMode::kApprove: return "approve";
  }
  return "";
}

std::string_view to_string(OnChange on_change) {
  switch (on_change) {
    case OnChange::kAppend: return "append";
    case OnChange::kIgnore: return "ignore";
    case OnChange::kFail: return "fail";
  }
  return "";
}

std::string_view to_string(BadRowAction action) {
  switch (action) {
    case BadRowAction::kFail: return "fail";
    case BadRowAction::kSkip: return "skip";
  }
  return "";
}

std::string_view to_string(DumpDialect dialect) {
  switch (dialect) {
    case DumpDialect::kAuto: return "auto";
    case DumpDialect::kPostgresql: return "postgresql";
    case DumpDialect::kMysql: return "mysql";
    case DumpDialect::kSqlite: return "sqlite";
  }
  return "";
}

std::string_view to_string(Disposition::Kind kind) {
  switch (kind) {
    case Disposition::Kind::kKeep: return "keep";
    case Disposition::Kind::kDelete: return "delete";
    case Disposition::Kind::kMove: return "move";
    case Disposition::Kind::kTag: return "tag";
  }
  return "";
}

std::optional<DumpDialect> parse_sql_dialect(std::string_view text) {
  using enum DumpDialect;
  return parse_enum(text, {kAuto, kPostgresql, kMysql, kSqlite});
}

std::optional<Disposition::Kind> parse_disposition_kind(std::string_view text) {
  using enum Disposition::Kind;
  return parse_enum(text, {kKeep, kDelete, kMove, kTag});
}

std::optional<SchemaMode> parse_schema_mode(std::string_view text) {
  using enum SchemaMode;
  return parse_enum(text, {kEvolve, kFixed, kRescue, kApprove});
}

std::optional<OnChange> parse_on_change(std::string_view text) {
  using enum OnChange;
  return parse_enum(text, {kAppend, kIgnore, kFail});
}

std::optional<BadRowAction> parse_bad_row_action(std::string_view text) {
  using enum BadRowAction;
  return parse_enum(text, {kFail, kSkip});
}

std::string TableRef::text() const {
  std::string text;
  for (const std::string& level : ns) text += level + ".";
  return text + name;
}

std::string Ingestion::target_text() const { return parquet ? parquet->prefix : table.catalog + "." + table.text(); }

std::string to_json(const Ingestion& ingestion) {
  Json sources = Json::array();
  for (const Source& source : ingestion.sources) sources.push_back(json_of(source));
  Json json = {{"v", kIngestionVersion},
               {"id", ingestion.id.text},
               {"tenant", ingestion.tenant},
               {"name", ingestion.name},
               {"sources", std::move(sources)},
               {"table", {{"catalog", ingestion.table.catalog}, {"namespace", ingestion.table.ns}, {"name", ingestion.table.name}}},
               {"partition_by", ingestion.partition_by},
               {"table_properties", ingestion.table_properties},
               {"schema", json_of(ingestion.schema)},
               {"on_change", to_string(ingestion.on_change)},
               {"on_bad_row", json_of(ingestion.on_bad_row)},
               {"tracking", ingestion.tracking},
               {"ready", json_of(ingestion.ready)},
               {"archives", {{"members", ingestion.archives.members}, {"nested", ingestion.archives.nested}}},
               {"batch", {{"files_max", ingestion.batch.files_max}, {"bytes_max", ingestion.batch.bytes_max}}},
               {"run", {{"order", ingestion.run_order}}},
               {"retry", {{"attempts_max", ingestion.retry_attempts_max}}},
               {"schedule", ingestion.schedule},
               {"timezone", ingestion.timezone},
               {"metadata_columns", ingestion.metadata_columns},
               {"managed_by", ingestion.managed_by},
               {"status", ingestion.status}};
  if (ingestion.disposition.any()) {
    json["disposition"] = {{"done", json_of(ingestion.disposition.done)}, {"failed", json_of(ingestion.disposition.failed)}};
  }
  if (ingestion.parquet) json["parquet"] = {{"prefix", ingestion.parquet->prefix}, {"store", without_secrets(ingestion.parquet->store)}};
  if (!ingestion.cluster.empty()) json["cluster"] = ingestion.cluster;
  if (!ingestion.request.empty()) json["request"] = ingestion.request;
  if (ingestion.start_from) json["start_from"] = to_text(*ingestion.start_from);
  put_optional(json["run"], "files_max", ingestion.run_files_max);
  return to_text(json);
}

Result<Ingestion> parse_ingestion(std::string_view json) {
  return read_versioned("definition of an ingestion", json, kIngestionVersion, ingestion_of);
}

}  // namespace sluice
