#include "config/ingestion_yaml.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "config/column_yaml.h"
#include "config/dispositions.h"
#include "config/fields.h"
#include "config/object_target.h"
#include "config/validate.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 4> kStoreProperties = {"s3.", "gcs.", "adls.", "client."};

/// A path of the file as an absolute URI; relative ones start at the file's folder.
Result<std::string> absolute_in(const YamlFile& file, const std::string& path) {
  if (path.empty() || is_local(path) || !scheme_of(path).empty()) return absolute_uri(path);
  return absolute_uri(file.folder + "/" + path);
}

Result<void> read_csv(YamlMap& map, CsvOptions& csv) {
  TRY(map.apply("delimiter", parse_character, csv.delimiter));
  TRY(map.apply("quote", parse_character_or_none, csv.quote));
  TRY(map.apply("escape", parse_character_or_none, csv.escape));
  TRY(map.apply("header", parse_switch, csv.header));
  TRY(map.apply("encoding", read_encoding, csv.encoding));
  TRY(map.apply("decimal", read_decimal_mark, csv.decimal));
  TRY(map.apply("comment", parse_character_or_none, csv.comment));
  TRY(map.apply("skip", parse_count, csv.skip));
  return map.apply_texts("null_tokens", csv.null_tokens);
}

Result<void> read_plain_text(YamlMap& map, TextOptions& text) {
  TRY(map.apply_text("pattern", text.pattern));
  return map.apply("encoding", read_encoding, text.encoding);
}

Result<void> read_sql(YamlMap& map, SqlOptions& sql) {
  TRY(map.apply_text("table", sql.table));
  return map.apply("dialect", read_sql_dialect, sql.dialect);
}

Result<Source> read_source(const YamlFile& file, const YAML::Node& node) {
  TRY_ASSIGN(YamlMap map, YamlMap::open(file, node, "source"));
  Source source;
  TRY(map.apply_text("id", source.id.text));
  const std::optional<YAML::Node> paths = map.take("paths");
  if (!paths || (paths->IsSequence() && paths->size() == 0))
    return std::unexpected(map.error("source: paths is missing: name a folder, a file or a glob"));
  TRY_ASSIGN(const std::vector<std::string> texts, read_texts(file, *paths, "paths"));
  for (size_t i = 0; i < texts.size(); ++i) {
    Result<std::string> uri = absolute_in(file, texts[i]);
    const YAML::Mark mark = paths->IsSequence() ? (*paths)[i].Mark() : paths->Mark();
    if (!uri) return std::unexpected(error_at(file, mark, fmt::format("paths: {}", uri.error().message)));
    source.paths.push_back(*std::move(uri));
  }
  TRY(map.apply("format", read_format, source.format));
  TRY(map.apply_map("csv", [&](YamlMap& csv) { return read_csv(csv, source.csv); }));
  TRY(map.apply_map("text", [&](YamlMap& text) { return read_plain_text(text, source.text); }));
  TRY(map.apply_map("json", [](YamlMap&) { return Result<void>(); }));
  TRY(map.apply_map("sql", [&](YamlMap& sql) { return read_sql(sql, source.sql); }));
  TRY(map.apply_text("source_system", source.source_system));
  TRY_ASSIGN(source.store, map.take_prefixed(kStoreProperties));
  TRY(map.finish());
  return source;
}

Result<void> read_sources(YamlMap& map, std::vector<Source>& into) {
  const std::optional<YAML::Node> one = map.take("source");
  const std::optional<YAML::Node> several = map.take("sources");
  if (one && several) {
    return std::unexpected(
        error_at(map.file(), several->Mark(), "source and sources are both given: keep one, a source goes into the list"));
  }
  if (!one && !several) return std::unexpected(map.error("source is missing: write source: {paths: [...]}"));
  if (one && one->IsSequence()) return std::unexpected(error_at(map.file(), one->Mark(), "source: for a list write sources:"));
  if (one || several->IsMap()) {
    TRY_ASSIGN(Source source, read_source(map.file(), one ? *one : *several));
    into.push_back(std::move(source));
    return {};
  }
  if (!several->IsSequence()) return std::unexpected(error_at(map.file(), several->Mark(), "sources: expected a list of maps"));
  for (const YAML::Node& node : *several) {
    TRY_ASSIGN(Source source, read_source(map.file(), node));
    into.push_back(std::move(source));
  }
  return {};
}

Result<void> read_infer(YamlMap& map, InferOptions& infer) {
  TRY(map.apply_switch("timestamps", infer.timestamps));
  return map.apply(
      "numbers",
      [](std::string_view text) -> Result<bool> {
        if (text != "double" && text != "auto") return invalid_input(fmt::format("\"{}\" is no kind of number: auto | double", text));
        return text == "double";
      },
      infer.numbers_double);
}

Result<void> read_schema(YamlMap& map, SchemaOptions& schema) {
  TRY(map.apply("mode", read_schema_mode, schema.mode));
  const YamlFile& file = map.file();
  TRY(map.apply(
      "contract",
      [&file](const std::string& path) -> Result<std::string> {
        TRY_ASSIGN(const std::string uri, absolute_in(file, path));
        return local_path(uri);
      },
      schema.contract));
  TRY(map.apply_switch("validate", schema.validate));
  TRY(map.apply_switch("strict_mode", schema.strict_mode));
  TRY(map.apply_switch("hive_partitioning", schema.hive_partitioning));
  TRY(read_columns(map, schema.columns));
  return map.apply_map("infer", [&](YamlMap& infer) { return read_infer(infer, schema.infer); });
}

Result<void> read_ready(YamlMap& map, Ready& ready) {
  TRY(map.apply("min_age", parse_duration, ready.min_age));
  TRY(map.apply_text("marker", ready.marker));
  TRY(map.apply_texts("ignore", ready.ignore));
  return map.apply("modified_after", read_instant, ready.modified_after);
}

Result<void> read_bad_rows(YamlMap& map, BadRows& bad) {
  TRY(map.apply("action", read_bad_row_action, bad.action));
  return map.apply(
      "max",
      [&bad](std::string_view text) -> Result<BadRows> {
        TRY(parse_bad_rows_max(text, bad));
        return bad;
      },
      bad);
}

Result<void> read_rows(YamlMap& map, Ingestion& ingestion, std::vector<std::string>& warnings) {
  TRY(map.apply_map("schema", [&](YamlMap& schema) { return read_schema(schema, ingestion.schema); }));
  if (!map.has("on_change") && !ingestion.parquet) {
    warnings.push_back(
        fmt::format("ingestion \"{}\": on_change is not set: a loaded file whose content changes is loaded again beside its "
                    "old rows (append); set on_change: append | ignore | fail",
                    ingestion.name));
  }
  TRY(map.apply("on_change", read_on_change, ingestion.on_change));
  TRY(map.apply_map("on_bad_row", [&](YamlMap& bad) { return read_bad_rows(bad, ingestion.on_bad_row); }));
  if (const std::optional<YAML::Node> columns = map.take("metadata_columns")) {
    TRY_ASSIGN(ingestion.metadata_columns, read_texts(map.file(), *columns, "metadata_columns"));
    for (size_t i = 0; i < ingestion.metadata_columns.size(); ++i) {
      const Result<std::string> column = read_metadata_column(ingestion.metadata_columns[i]);
      const YAML::Mark mark = columns->IsSequence() ? (*columns)[i].Mark() : columns->Mark();
      if (!column) return std::unexpected(error_at(map.file(), mark, fmt::format("metadata_columns: {}", column.error().message)));
    }
  }
  return {};
}

Result<void> read_work(YamlMap& map, Ingestion& ingestion) {
  TRY(map.apply_switch("tracking", ingestion.tracking));
  TRY(map.apply_map("ready", [&](YamlMap& ready) { return read_ready(ready, ingestion.ready); }));
  TRY(map.apply_map("archives", [&](YamlMap& archives) -> Result<void> {
    TRY(archives.apply_texts("members", ingestion.archives.members));
    return archives.apply_switch("nested", ingestion.archives.nested);
  }));
  TRY(map.apply(
      "start_from",
      [&](std::string_view text) -> Result<std::optional<Timestamp>> {
        ingestion.start_from_now = text == "now";
        if (ingestion.start_from_now) return std::nullopt;
        TRY_ASSIGN(const Timestamp time, read_instant(text));
        return time;
      },
      ingestion.start_from));
  TRY(map.apply_map("batch", [&](YamlMap& batch) -> Result<void> {
    TRY(batch.apply("files_max", parse_count, ingestion.batch.files_max));
    return batch.apply("bytes_max", parse_size_bytes, ingestion.batch.bytes_max);
  }));
  TRY(map.apply_map("run", [&](YamlMap& run) -> Result<void> {
    TRY(run.apply("files_max", parse_count, ingestion.run_files_max));
    return run.apply("order", read_order, ingestion.run_order);
  }));
  return map.apply_map("retry", [&](YamlMap& retry) { return retry.apply("attempts_max", parse_attempts, ingestion.retry_attempts_max); });
}

/// `parquet: PREFIX`, or `parquet: {prefix: PREFIX, s3.endpoint: ...}`.
Result<void> read_parquet(YamlMap& map, Ingestion& ingestion) {
  const std::optional<YAML::Node> node = map.take("parquet");
  if (!node) return {};
  std::string prefix;
  Properties store;
  if (node->IsMap()) {
    TRY_ASSIGN(YamlMap parquet, YamlMap::open(map.file(), *node, "parquet"));
    TRY(parquet.apply_text("prefix", prefix));
    TRY_ASSIGN(store, parquet.take_prefixed(kStoreProperties));
    TRY(parquet.finish());
  } else {
    TRY_ASSIGN(prefix, read_text(map.file(), *node, "parquet"));
  }
  Result<ObjectTarget> target = [&]() -> Result<ObjectTarget> {
    TRY_ASSIGN(const std::string uri, absolute_in(map.file(), prefix));
    return read_object_target(uri);
  }();
  if (!target) return std::unexpected(error_at(map.file(), node->Mark(), "parquet: " + target.error().message));
  target->store = std::move(store);
  take_object_target(*std::move(target), ingestion);
  return {};
}

Result<void> read_properties(YamlMap& map, Ingestion& ingestion) {
  return map.apply_map("table_properties", [&](YamlMap& properties) -> Result<void> {
    for (const auto& [key, value] : properties.take_rest()) {
      TRY_ASSIGN(ingestion.table_properties[key], read_text(properties.file(), value, key));
    }
    return {};
  });
}

/// Where files go after the load. A request stands in no folder: it has no relative paths.
Result<void> read_dispositions(YamlMap& map, Dispositions& dispositions) {
  const YamlFile& file = map.file();
  const auto absolute = [&file](const std::string& path) -> Result<std::string> {
    if (file.trusted || is_local(path) || !scheme_of(path).empty()) return absolute_in(file, path);
    return invalid_input(fmt::format("move:{}: name an absolute folder, or s3://BUCKET/PREFIX", path));
  };
  const auto read = [&](std::string_view text) { return read_disposition(text, absolute); };
  TRY(map.apply("done", read, dispositions.done));
  return map.apply("failed", read, dispositions.failed);
}

/// Keys of later versions: their defaults are accepted, so that a file can spell them out.
Result<void> read_reserved(YamlMap& map) {
  TRY(map.reserve("sort_by", ""));
  TRY(map.apply_map("write", [](YamlMap& write) { return write.reserve("mode", "append"); }));
  TRY(map.reserve("branch", "main"));
  return map.reserve("format_version", "2");
}

}  // namespace

Result<Ingestion> read_ingestion(const YamlFile& file, const std::string& name, const YAML::Node& node,
                                 std::span<const std::string> catalogs, std::vector<std::string>& warnings) {
  TRY_ASSIGN(YamlMap map, YamlMap::open(file, node, fmt::format("ingestion \"{}\"", name)));
  Ingestion ingestion;
  ingestion.name = name;
  ingestion.managed_by = "file";
  if (!map.has("table") && !map.has("parquet"))
    return std::unexpected(map.error(fmt::format("ingestion \"{}\": table is missing: write table: NAMESPACE.NAME", name)));
  TRY(read_parquet(map, ingestion));
  TRY(map.apply("table", [&](std::string_view text) { return parse_table_ref(text, catalogs); }, ingestion.table));
  TRY(read_sources(map, ingestion.sources));
  TRY(map.apply_texts("partition_by", ingestion.partition_by));
  TRY(read_properties(map, ingestion));
  TRY(read_rows(map, ingestion, warnings));
  TRY(read_work(map, ingestion));
  TRY(map.apply_map("disposition", [&](YamlMap& disposition) { return read_dispositions(disposition, ingestion.disposition); }));
  TRY(map.apply_text("schedule", ingestion.schedule));
  TRY(map.apply_text("timezone", ingestion.timezone));
  TRY(read_reserved(map));
  TRY(map.finish());
  if (Result<void> valid = validate(ingestion); !valid) {
    return std::unexpected(map.error(fmt::format("ingestion \"{}\": {}", name, valid.error().message)));
  }
  return ingestion;
}

}  // namespace sluice
