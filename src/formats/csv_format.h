// CSV after RFC 4180, in the dialect that its source says or that is found in each file (csv_dialect.h). Thread-safe.
//
// Strict: a quote inside an unquoted field and text behind a closing quote make a bad row. Lines end with LF, CRLF or CR; a line
// without any character is passed over (in a file of one column too: write `""` there for an empty value). Null tokens are
// compared with unquoted fields only. Column names: see csv_columns.h. A value is never trimmed.
#pragma once

#include "formats/format.h"

namespace sluice {

const Format& csv_format();

/// The same with a tab for the delimiter unless the options name another one.
const Format& tsv_format();

}  // namespace sluice
