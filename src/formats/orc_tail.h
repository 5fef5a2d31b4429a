// What an ORC file says of itself at its very end, looked at before the ORC library believes it.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/status.h>

namespace sluice {

/// The file's postscript asks for no larger buffers than ORC allows: the library takes them without looking whether it got them.
/// Whatever else is wrong with the file is for the library to say.
arrow::Status check_orc_tail(arrow::io::RandomAccessFile& file);

}  // namespace sluice
