// What tests of SQL dumps share: a dump loaded as a file is, and its tables as the converter cuts them out. Not thread-safe.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "formats/sql_extract.h"
#include "formats/sql_format.h"
#include "formats/sql_listing.h"

namespace sluice {

struct LoadedDump {
  std::vector<std::string> columns;  ///< "name type"
  std::vector<std::string> rows;     ///< values joined by '|'; `_rescued_data` last
  std::vector<BadRow> bad_rows;
  std::vector<std::string> warnings;
  std::string error;
};

/// Bytes as hexadecimal digits.
inline std::string shown(const arrow::Scalar& value) {
  if (!value.is_valid || value.type->id() != arrow::Type::BINARY) return value.ToString();
  std::string text;
  for (const unsigned char byte : std::string(static_cast<const arrow::BinaryScalar&>(value).view())) text += fmt::format("{:02X}", byte);
  return text;
}

inline LoadedDump load(const std::string& dump, SqlOptions sql = {}, BadRowAction action = BadRowAction::kFail) {
  Context context;
  LoadedDump loaded;
  const auto blob = make_memory_blob(dump);
  Source source;
  source.sql = sql;
  const auto inferred = sql_format().infer(*blob, 1 << 20, source, {}, context);
  if (!inferred) return {.error = inferred.error().message};
  ReadPlan plan{.sql = sql};
  plan.bad_rows.action = action;
  for (const Field& field : inferred->fields) {
    loaded.columns.push_back(field.name + " " + (field.type ? to_text(*field.type) : "none"));
    if (field.type) plan.columns.fields.push_back(field);
  }
  assign_field_ids(plan.columns.fields, 0);
  loaded.warnings = inferred->warnings;
  auto reader = sql_format().open(*blob, {}, plan, context);
  if (!reader) loaded.error = reader.error().message;
  while (reader) {
    auto block = (*reader)->next(context);
    if (!block) loaded.error = block.error().message;
    if (!block || !*block) break;
    EXPECT_TRUE((*block)->batch->ValidateFull().ok());
    for (int64_t row = 0; row < (*block)->batch->num_rows(); ++row) {
      std::string text;
      for (const auto& column : (*block)->batch->columns()) text += '|' + shown(*column->GetScalar(row).ValueOrDie());
      loaded.rows.push_back(text.substr(1));
    }
    std::ranges::move((*block)->bad_rows, std::back_inserter(loaded.bad_rows));
  }
  return loaded;
}

inline std::vector<SqlTableEntry> list(const std::string& dump) {
  Context context;
  const auto listing = list_sql_tables(*make_memory_blob(dump)->open({}, context), {}, context);
  EXPECT_TRUE(listing) << (listing ? "" : listing.error().message);
  return listing ? listing->tables : std::vector<SqlTableEntry>{};
}

inline std::string text(const std::string& dump, const SqlPiece& piece) {
  return dump.substr(static_cast<size_t>(piece.range.offset), static_cast<size_t>(piece.range.length));
}

/// The table as the converter reads it.
inline std::string extract(const std::string& dump, const SqlTableEntry& table) {
  std::string all = sql_extract_line(guess_sql_dialect(dump));
  const auto place = [](const SqlPiece& piece) { return piece.settings + sql_place_line({piece.line, piece.range.offset}); };
  if (!table.definition.empty()) all += place(table.definition_piece) + table.definition + ";\n";
  for (const SqlPiece& piece : table.rows) all += place(piece) + text(dump, piece) + "\n";
  return all;
}

}  // namespace sluice
