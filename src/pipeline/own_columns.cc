#include "pipeline/own_columns.h"

#include <fmt/format.h>

#include "pipeline/read_rules.h"
#include "schema/evolution.h"

namespace sluice {

Result<TargetState> own_columns(InputFile& input, const Schema* contract, const ClaimedFile& file, const Ingestion& ingestion,
                                const Source& source, const ColumnRules* rules, Context& context) {
  std::vector<Field> fields;
  TargetState own;
  if (contract) {
    fields = contract->fields;
  } else {
    TRY_ASSIGN(Inferred inferred, infer_columns(input, kOwnSampleBytes, file, ingestion, source, rules, context));
    fields = std::move(inferred.fields);
    own.warnings = std::move(inferred.warnings);
    for (Field& field : fields) {
      if (!field.type) field.type = metadata_column_type(kRescuedColumn);
    }
  }
  TRY_ASSIGN(InitialSchema initial, initial_schema(fields, ingestion.metadata_columns));
  if (rules) TRY(rules->check(initial.schema, /*may_add=*/!contract));
  own.schema = std::move(initial.schema);
  return own;
}

Error columns_never_fit(int readings) {
  return {ErrorCode::kInvalidInput,
          fmt::format("its values did not fit after {} readings, each with the columns that the one before asked for", readings),
          std::string(error_type::kSchemaMismatch)};
}

}  // namespace sluice
