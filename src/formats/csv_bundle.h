// Small CSV files read into common blocks (see Bundle): only files that are written in the ordinary way (csv_dialect.h) and in which every
// record fits the table's columns.
#pragma once

#include <memory>
#include <optional>

#include "formats/csv_scanner.h"
#include "formats/format.h"

namespace sluice {

/// `delimiter`: unless the options name another; nullopt: found in each file. nullptr: the options ask for what only a reader does.
std::unique_ptr<Bundle> make_csv_bundle(const ReadPlan& plan, std::optional<char> delimiter);

}  // namespace sluice
