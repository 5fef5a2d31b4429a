// An ingestion: where files come from, how to read them, which table they go to, when. The one value that flags, sluice.yaml and
// REST bodies build. Values only.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/units.h"

namespace sluice {

enum class SchemaMode { kEvolve, kFixed, kRescue, kApprove };
enum class OnChange { kAppend, kIgnore, kFail };
enum class BadRowAction { kFail, kSkip };

std::string_view to_string(SchemaMode mode);
std::string_view to_string(OnChange on_change);
std::string_view to_string(BadRowAction action);
std::optional<SchemaMode> parse_schema_mode(std::string_view text);
std::optional<OnChange> parse_on_change(std::string_view text);
std::optional<BadRowAction> parse_bad_row_action(std::string_view text);

struct CsvOptions {
  char delimiter = ',';
  char quote = '"';
  bool header = true;
  std::vector<std::string> null_tokens = {""};  ///< unquoted fields that mean null
};

struct JsonOptions {};

/// Switches of inference (design, section 5).
struct InferOptions {
  bool timestamps = true;       ///< false: ISO 8601 text stays string
  bool numbers_double = false;  ///< numbers: double
};

/// Properties of a store or a catalog, by Iceberg's own names ("s3.endpoint"). Values may be secrets: never printed.
using Properties = std::map<std::string, std::string>;

/// Whether a property's name says that its value may be a secret ("s3.secret-access-key"). Rather too often than too seldom.
bool may_be_secret(std::string_view name);

struct Source {
  SourceId id;
  std::vector<std::string> paths;  ///< absolute URIs or local paths with globs; a bare folder means everything below it
  Properties store;
  std::string format = "auto";  ///< auto | json | csv | tsv | parquet | avro | orc
  CsvOptions csv;
  JsonOptions json;
  std::string source_system;
};

/// Which rows may be bad before a file is.
struct BadRows {
  BadRowAction action = BadRowAction::kFail;
  std::optional<int64_t> rows_max;    ///< per file; nullopt: no limit
  std::optional<double> percent_max;  ///< of a file's rows
};

struct SchemaOptions {
  SchemaMode mode = SchemaMode::kEvolve;
  std::string contract;  ///< path of a contract file; empty: none
  bool validate = true;  ///< compare each file's header with the contract
  bool strict_mode = false;
  InferOptions infer;
};

struct Ready {
  std::chrono::microseconds min_age{0};
  std::string marker;  ///< load a folder's files only once this name lies beside them; empty: at once
  std::vector<std::string> ignore = {"_*", ".*", "*.tmp"};
  std::optional<Timestamp> modified_after;
};

struct BatchLimits {
  int64_t files_max = 10'000;
  int64_t bytes_max = kGiB;
};

struct TableRef {
  std::string catalog = "local";
  std::vector<std::string> ns;
  std::string name;

  std::string text() const;  ///< "ns.name", without the catalog
};

struct Ingestion {
  IngestionId id;  ///< set by the ledger
  std::string tenant = "default";
  std::string name;
  std::vector<Source> sources;
  TableRef table;
  std::vector<std::string> partition_by;  ///< "day(ts)", "bucket(16, id)", "city"
  Properties table_properties;
  SchemaOptions schema;
  OnChange on_change = OnChange::kAppend;
  BadRows on_bad_row;
  bool tracking = true;
  Ready ready;
  std::optional<Timestamp> start_from;  ///< earlier files are SKIPPED "Baseline"
  bool start_from_now = false;          ///< not stored: start_from is to become the time of the ingestion's first registration
  BatchLimits batch;
  std::optional<int64_t> run_files_max;
  std::string run_order = "name";  ///< name | time
  int retry_attempts_max = 3;
  std::string schedule, timezone = "UTC";
  std::vector<std::string> metadata_columns = {"_source_file"};
  std::string managed_by = "cli";  ///< cli | file | api
  std::string status = "ACTIVE";   ///< ACTIVE | PAUSED | DELETED
  std::string cluster;             ///< a label of the caller's, shown as `cluster_id`
  std::string request;             ///< the body that made it over the REST API, JSON without secrets; empty: made otherwise
  std::string sealed;              ///< secrets of the sources, encrypted; stored beside the definition, never part of its JSON
};

/// Serialized form for the ledger's `ingestions.definition` ({"v": 1, ...}); secrets of `store` are left out.
std::string to_json(const Ingestion& ingestion);
Result<Ingestion> parse_ingestion(std::string_view json);

}  // namespace sluice
