// What a table's schema must become to take what was found in files. Pure planning: nothing is committed here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/ingestion.h"
#include "schema/type.h"

namespace sluice {

/// Columns that the program fills itself; data may not name its columns so (exact name in any case).
inline constexpr std::string_view kRescuedColumn = "_rescued_data";
bool is_metadata_column(std::string_view name);
/// _rescued_data string, _source_file string, _source_row long, _loaded_at timestamptz, _source_system string, _batch_id string.
/// nullptr: no such metadata column.
TypePtr metadata_column_type(std::string_view name);

struct SchemaChange {
  enum Kind { kAddColumn, kWidenType } kind = kAddColumn;
  std::vector<std::string> path;  ///< from the top: names, "element", "key", "value"; the last one is the column itself
  int parent_id = 0;              ///< kAddColumn: field id of the struct it goes into; 0: top level
  Field field;                    ///< as it shall be; kWidenType: with its id and new type; kAddColumn: id 0, optional
};

struct EvolutionPlan {
  std::vector<SchemaChange> changes;
  std::vector<std::string> texts;     ///< one per change: "add column city string", "widen id int -> long", "add column a.b long"
  std::vector<std::string> refused;   ///< what the table cannot or (modes fixed, rescue) may not become; those values are rescued or fail
  std::vector<std::string> warnings;  ///< names that collide in case or are those of metadata columns, types above kTypeDepthMax
  /// The table's schema with the changes; new fields (and those below) have id 0: give them ids with
  /// assign_field_ids(proposed.fields, metadata.last_column_id).
  Schema proposed;

  bool empty() const { return changes.empty(); }
};

/// What `found` is evidence of. A sample says what inference would choose for a new table: a column of the table that is narrower
/// (int for long) may still hold every value, so nothing is widened. Refused values prove that it does not.
enum class Evidence { kSample, kRefused };

/// Modes evolve and approve plan changes; fixed and rescue only fill `refused`. New columns are optional and come last. A column
/// without a type (nullptr) is passed over. Widenings: int -> long, float -> double, decimal to more digits of the same scale.
EvolutionPlan plan_evolution(const Schema& table, const std::vector<Field>& found, SchemaMode mode, Evidence evidence);

/// Adds a metadata column (a name that metadata_column_type() knows) where the table lacks it: `_rescued_data` when first needed.
EvolutionPlan plan_metadata_column(const Schema& table, std::string_view name);

/// The schema of a new table: found columns that have a type, without names that collide; then `metadata_columns` in order. No ids.
/// Warnings as in a plan. kInvalidInput: unknown metadata column.
struct InitialSchema {
  Schema schema;
  std::vector<std::string> warnings;
};
Result<InitialSchema> initial_schema(const std::vector<Field>& found, const std::vector<std::string>& metadata_columns);

}  // namespace sluice
