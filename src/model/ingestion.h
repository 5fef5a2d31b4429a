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
#include "model/column_definition.h"
#include "model/text_encoding.h"

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

/// How CSV files are written. What is not given is found in each file (formats/csv_dialect.h).
struct CsvOptions {
  std::optional<char> delimiter;
  std::optional<char> quote;   ///< '\0': nothing quotes
  std::optional<char> escape;  ///< before a quote inside quotes; '\0': only a doubled quote stands for one
  std::optional<bool> header;
  TextEncoding encoding = TextEncoding::kAuto;
  std::optional<char> decimal;                  ///< '.' or ','
  std::optional<char> comment;                  ///< lines that begin with it are passed over; '\0': none are
  std::optional<int64_t> skip;                  ///< lines before the first record
  std::vector<std::string> null_tokens = {""};  ///< unquoted fields that mean null
};

/// Plain text: one row a line.
struct TextOptions {
  std::string pattern;  ///< a regular expression whose named groups are the columns; empty: the line itself is
  TextEncoding encoding = TextEncoding::kAuto;
};

struct JsonOptions {};

enum class DumpDialect { kAuto, kPostgresql, kMysql, kSqlite };
std::string_view to_string(DumpDialect dialect);
std::optional<DumpDialect> parse_sql_dialect(std::string_view text);

struct SqlOptions {
  std::string table;                         ///< of a dump: "users" or "public.users"; empty: the only one with rows
  DumpDialect dialect = DumpDialect::kAuto;  ///< auto: as the dump's head says
};

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
  std::string format = "auto";  ///< auto | json | csv | tsv | text | parquet | avro | orc | sql
  CsvOptions csv;
  JsonOptions json;
  TextOptions text;
  SqlOptions sql;
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
  std::vector<ColumnDefinition> columns;  ///< by definition; all other columns are as found in the files
  bool hive_partitioning = false;         ///< folders named key=value are columns
};

struct Ready {
  std::chrono::microseconds min_age{0};
  std::string marker;  ///< load a folder's files only once this name lies beside them; empty: at once
  std::vector<std::string> ignore = {"_*", ".*", "*.tmp"};
  std::optional<Timestamp> modified_after;
};

/// Which members of archives are files to load.
struct ArchiveOptions {
  std::vector<std::string> members;  ///< globs; without "/" over their last name, else over all of it; empty: every member
  bool nested = false;               ///< an archive in an archive is opened, too (one level)
};

/// What becomes of a source file after its load.
struct Disposition {
  enum class Kind { kKeep, kDelete, kMove, kTag };
  Kind kind = Kind::kKeep;
  std::string folder;  ///< kMove: absolute URI, ending in "/"

  bool operator==(const Disposition&) const = default;
};

std::string_view to_string(Disposition::Kind kind);
std::optional<Disposition::Kind> parse_disposition_kind(std::string_view text);

struct Dispositions {
  Disposition done;    ///< of files whose present version was loaded
  Disposition failed;  ///< of files that failed as often as they are tried

  bool any() const { return done.kind != Disposition::Kind::kKeep || failed.kind != Disposition::Kind::kKeep; }
  bool operator==(const Dispositions&) const = default;
};

struct BatchLimits {
  int64_t files_max = 10'000;
  int64_t bytes_max = kGiB;
};
/// Of Parquet objects: a batch has no snapshot to share, and what is done is known to be done when it ends.
inline constexpr BatchLimits kObjectBatchLimits{64, 256 * kMiB};

/// Where each file becomes a Parquet object of its own (rule S).
struct ObjectTarget {
  std::string prefix;  ///< absolute URI of a folder, without a final slash: "s3://bucket/prefix", "file:///data/out"
  Properties store;

  bool operator==(const ObjectTarget&) const = default;
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
  TableRef table;                         ///< empty where `parquet` is given
  std::optional<ObjectTarget> parquet;    ///< objects instead of a table
  std::vector<std::string> partition_by;  ///< "day(ts)", "bucket(16, id)", "city"
  Properties table_properties;
  SchemaOptions schema;
  OnChange on_change = OnChange::kAppend;
  BadRows on_bad_row;
  bool tracking = true;
  Ready ready;
  std::optional<Timestamp> start_from;  ///< earlier files are SKIPPED "Baseline"
  ArchiveOptions archives;
  Dispositions disposition;
  bool start_from_now = false;  ///< not stored: start_from is to become the time of the ingestion's first registration
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

  std::string target_text() const;  ///< for people: "catalog.ns.name", or the prefix of the objects
};

/// Serialized form for the ledger's `ingestions.definition` ({"v": 1, ...}); secrets of `store` are left out.
std::string to_json(const Ingestion& ingestion);
Result<Ingestion> parse_ingestion(std::string_view json);

}  // namespace sluice
