// Small CSV files read into common blocks (see Bundle): only files in which every record fits the table's columns.
#pragma once

#include <memory>

#include "formats/csv_scanner.h"
#include "formats/format.h"

namespace sluice {

std::unique_ptr<Bundle> make_csv_bundle(const ReadPlan& plan, const CsvDialect& dialect);

}  // namespace sluice
