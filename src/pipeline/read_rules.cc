#include "pipeline/read_rules.h"

#include <fmt/format.h>

#include "base/units.h"
#include "schema/contract.h"
#include "schema/evolution.h"

namespace sluice {
namespace {

constexpr int64_t kHeaderSampleBytes = 256 * kKiB;

}  // namespace

Error explain(Error error, const ClaimedFile& file) {
  error.message = fmt::format("{}: {}", short_name(file), error.message);
  const bool says_so_itself = error.message.contains("was not loaded");
  if (error.type == error_type::kSchemaMismatch && !says_so_itself) {
    error.message += "; the file was not loaded. Repair it, or change what the table takes (--schema-mode, the contract), and run again";
  } else if (error.type == error_type::kTooLarge && !says_so_itself) {
    error.message += "; the file was not loaded. The limit is fixed: make it smaller or split it, and run again";
  } else if (error.type == error_type::kParseError && error.code == ErrorCode::kInvalidInput) {
    error.message += "; the file was not loaded";
    const bool names_a_place = error.line > 0 || error.byte >= 0;
    if (names_a_place) error.message += ". Fix it and run again";
  }
  return error;
}

FileOutcome outcome_of(std::string_view type, int released_before) {
  const bool may_pass = type == error_type::kChangedWhileRead || type == error_type::kUnavailable;
  if (may_pass && released_before < kReleasesMax) return FileOutcome::kReleased;
  const bool is_none = type == error_type::kVanished || type == error_type::kNotAFile || type == error_type::kBadName;
  return is_none ? FileOutcome::kSkipped : FileOutcome::kFailed;
}

ReadPlan read_plan(const TargetState& target, const Ingestion& ingestion, const Source& source, bool has_contract) {
  ReadPlan plan;
  plan.columns.schema_id = target.schema.schema_id;
  for (const Field& field : target.schema.fields) {
    if (is_metadata_column(field.name)) continue;
    plan.columns.fields.push_back(field);
    if (has_contract) plan.typed_by_user.push_back(field.name);
  }
  const SchemaMode mode = ingestion.schema.mode;
  plan.rescue = mode != SchemaMode::kFixed;
  plan.report_drift = (mode == SchemaMode::kEvolve || mode == SchemaMode::kApprove) && !has_contract;
  plan.infer = ingestion.schema.infer;
  plan.bad_rows = ingestion.on_bad_row;
  plan.csv = source.csv;
  plan.json = source.json;
  plan.text = source.text;
  plan.sql = source.sql;
  return plan;
}

Result<Inferred> infer_columns(InputFile& input, int64_t sample_bytes, const ClaimedFile& file, const Ingestion& ingestion,
                               const Source& source, const ColumnRules* rules, Context& context) {
  TRY_ASSIGN(Inferred inferred, input.format().infer(input.blob(), sample_bytes, source, ingestion.schema.infer, context));
  return rules ? rules->table_columns(std::move(inferred), file) : std::move(inferred);
}

Result<std::optional<std::string>> header_mismatch(InputFile& input, const Schema& contract, const ClaimedFile& file,
                                                   const Ingestion& ingestion, const Source& source, const ColumnRules* rules,
                                                   Context& context) {
  TRY_ASSIGN(const Inferred inferred, infer_columns(input, kHeaderSampleBytes, file, ingestion, source, rules, context));
  if (inferred.header.empty()) return std::nullopt;
  const bool keys_may_miss = input.format().name() == "json";
  return check_header(contract, inferred.header, keys_may_miss);
}

}  // namespace sluice
