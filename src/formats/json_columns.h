// Rows of JSON nodes -> columns of the plan, with what fits nowhere rescued, refused or noted as drift. Not thread-safe.
//
// What goes to `_rescued_data`, as written in the file:
//   {"x": ...}           a key without column (not where its value is null), a value that does not fit column x, a key that comes
//                        again in the same row (the first one stays)
//   {"a.x": ...}         the same for a member of struct a, where the rest of a fits; "a[2].x" within a list, "a.k.x" below key k of a map
//   {"a": {...}}         all of column a, which is then null: where a part of it does not fit, or a map has a key twice
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "formats/json_row.h"
#include "schema/column_writer.h"
#include "schema/inference.h"
#include "schema/name_index.h"

namespace sluice {

/// Why a row breaks the schema; `at` points into the row.
struct SchemaFault {
  const char* at = nullptr;
  std::string reason;
  bool is_row_only = false;  ///< a required column has no value: other rows are not concerned
};

class JsonColumns {
 public:
  explicit JsonColumns(const ReadPlan& plan);

  /// Appends a row. Else: nothing was appended; a required column has no value, or (without plan.rescue) something fits nowhere.
  std::optional<SchemaFault> append(std::span<const JsonNode> nodes);

  RowWriter& rows() { return rows_; }
  const RowWriter& rows() const { return rows_; }
  Drift drift() const;

 private:
  enum class Leftover { kUnknown, kRepeated, kMisfit };
  struct Step {
    std::string_view name;
    int64_t index = -1;  ///< of a list's element; else by name
    bool in_map = false;
  };
  struct PendingLeftover {
    std::vector<Step> path;
    uint32_t position;
    Leftover why;
  };

  SchemaFault required_value_missing(const Field& column) const;
  bool append_member(uint32_t position);
  bool append_carefully(ColumnWriter& column, uint32_t position);
  bool append_value(ColumnWriter& column, uint32_t position);
  bool append_scalar(ColumnWriter& column, const JsonNode& node);
  bool append_number(ColumnWriter& column, std::string_view text);
  bool append_struct(ColumnWriter& column, uint32_t position);
  bool append_list(ColumnWriter& column, uint32_t position);
  bool append_map(ColumnWriter& column, uint32_t position);
  bool leave_over(const std::vector<Step>& path, uint32_t position, Leftover why);
  void note_drift(const std::vector<Step>& path, uint32_t position);

  Schema columns_;
  bool rescue_;
  bool report_drift_;
  InferOptions infer_;
  RowWriter rows_;
  std::span<const JsonNode> nodes_;  ///< of the row in hand
  SchemaFault fault_;
  uint32_t misfit_ = 0;                   ///< a value that did not fit its required column; 0: none
  std::vector<Step> path_;                ///< of the value in hand
  std::vector<PendingLeftover> pending_;  ///< of the column in hand: dropped where all of it is rescued
  std::vector<std::string_view> map_keys_;
  NameIndex drift_names_;
  std::vector<ColumnGuess> drift_;
};

}  // namespace sluice
