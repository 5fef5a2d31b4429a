// Columns by definition, as sluice.yaml, REST bodies and `--column` write them.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "config/yaml_reader.h"
#include "model/column_definition.h"

namespace sluice {

/// The list below `columns`, where there is one. kInvalidInput with the place of the column that is wrong, or is there twice.
Result<void> read_columns(YamlMap& schema, std::vector<ColumnDefinition>& into);

/// One column as on the command line: "name: amount, type: 'decimal(12,2)'", with or without braces. It joins those before it.
Result<void> read_column_text(const std::string& text, std::vector<ColumnDefinition>& into);

}  // namespace sluice
