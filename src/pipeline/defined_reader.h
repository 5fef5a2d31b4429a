// Reads a file whose columns are defined: its reader fills a plan of the file's own fields, and what comes is made into the table's
// columns. Nothing behind a Reader knows of definitions: parts of large files, members, both sinks and drift work as ever.
#pragma once

#include <memory>

#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "pipeline/defined_columns.h"

namespace sluice {

/// DefinedColumns::bind(), or nullptr where nothing is defined.
Result<std::shared_ptr<const DefinedColumns>> define_columns(const std::shared_ptr<const ColumnRules>& rules, const ReadPlan& plan,
                                                             const Format& format, const ClaimedFile& file);

/// Format::open(), with rows as of `plan`, to which `defined` (or nullptr) was bound.
Result<std::unique_ptr<Reader>> open_reader(const std::shared_ptr<const DefinedColumns>& defined, const ReadPlan& plan,
                                            const Format& format, Blob& blob, ByteRange split, Context& context);

}  // namespace sluice
