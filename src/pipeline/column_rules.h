// Columns by definition: from what files hold to what the table gets. Readers know only the names that a file gives its fields; everything
// here is about names and types, rows are for defined_reader.h. Immutable and thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/format.h"
#include "formats/text_pattern.h"
#include "model/column_definition.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "schema/type.h"

namespace sluice {

/// A definition, read.
struct ColumnRule {
  ColumnDefinition definition;
  TypePtr type;                             ///< of the column; nullptr: as found
  std::optional<TextPattern> path_pattern;  ///< copy it to match

  const std::string& name() const { return definition.name; }
  /// The files' field that becomes the column. Not for columns of one value per file.
  const std::string& field() const { return definition.from.empty() ? definition.name : definition.from; }
};

/// One value for all rows of a file: a constant, a part of its path, or a folder named key=value.
struct FileColumn {
  std::string name;                 ///< of the table's column
  std::string field;                ///< the same, or the folder's key: no field of that name is read
  std::optional<std::string> text;  ///< nullopt: null
  TypePtr type;                     ///< by definition, or as a CSV field would be; nullptr: a null, and nothing defined
};

class ColumnRules {
 public:
  /// nullptr: nothing is defined. kInvalidInput names the column.
  static Result<std::shared_ptr<const ColumnRules>> make(const SchemaOptions& schema);

  const ColumnRule* find(std::string_view column) const;
  const std::vector<ColumnRule>& all() const { return rules_; }
  /// The rule whose column is made from that field of the files under another name; nullptr: none takes it.
  const ColumnRule* renames(std::string_view field) const;
  /// Contracts name all columns that there may be.
  bool has_contract() const { return has_contract_; }

  /// SchemaMismatch: a path_pattern is not found in the file's path.
  Result<std::vector<FileColumn>> columns_of(const ClaimedFile& file) const;

  /// What was inferred of a file's fields, said of the table's columns: header and fields. Where the file has a column at all, those follow
  /// that it lacks and whose type is defined, and those of one value per file. Errors as columns_of().
  Result<Inferred> table_columns(Inferred found, const ClaimedFile& file) const;

  /// The table's column that a field seen while reading belongs to; nullopt: none that it could change. `table` has the columns that are.
  std::optional<Field> drifted(Field field, const Schema& table, std::span<const FileColumn> of_file) const;

  /// Columns that these files bring, known before any of them is read, and that `table` lacks or has with a narrower type.
  std::vector<Field> missing_columns(const Schema& table, std::span<const ClaimedFile> files) const;

  /// Whether the definitions fit the table as it is: types, checks, constants. `may_add`: columns that it lacks may still come.
  /// kInvalidInput names the column and the way out.
  Result<void> check(const Schema& table, bool may_add) const;

 private:
  Result<void> check_column(const ColumnRule& rule, const Field& column) const;
  Result<void> check_absent(const ColumnRule& rule, const Schema& table, bool may_add) const;
  TypePtr type_of(const std::string& text) const;

  std::vector<ColumnRule> rules_;
  bool hive_ = false, has_contract_ = false;
  InferOptions infer_;
};

/// Of a file whose columns do not fit the definitions or the table.
Error schema_mismatch(std::string message);

/// One definition for itself: names, type, patterns, checks. kInvalidInput.
Result<ColumnRule> read_column_rule(const ColumnDefinition& definition);
/// That `rules` does not take a name or a field twice, the last one being new.
Result<void> check_last_rule(std::span<const ColumnDefinition> definitions);

}  // namespace sluice
