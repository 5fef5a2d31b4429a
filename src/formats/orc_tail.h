// What an ORC file says of itself at its end, looked at before the ORC library and Arrow believe it.
#pragma once

#include <string_view>

#include <arrow/io/interfaces.h>
#include <arrow/status.h>

namespace sluice {

/// The file's postscript asks for no larger buffers than ORC allows: the library takes them without looking whether it got them.
/// Whatever else is wrong with the file is for the library to say.
arrow::Status check_orc_tail(arrow::io::RandomAccessFile& file);

/// The types in a serialized FileTail are such as Arrow makes types of: it ends the process where a decimal has too many digits.
arrow::Status check_orc_types(std::string_view file_tail);

}  // namespace sluice
