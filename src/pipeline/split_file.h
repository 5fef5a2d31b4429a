// A large file that several threads read at once, each a part of it. This is what they share; who reads what is for the file stage.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/format.h"
#include "model/file.h"
#include "pipeline/defined_columns.h"
#include "pipeline/input_file.h"

namespace sluice {

struct SplitFile {
  size_t index = 0;  ///< in the batch
  std::unique_ptr<InputFile> input;
  ReadPlan plan;
  std::shared_ptr<const DefinedColumns> defined;  ///< nullptr: columns are as found
  std::vector<ByteRange> parts;                   ///< in file order
  int64_t started_micros = 0;

  /// Something in it wants the one reader that knows lines, limits and bad rows: no part need be read further.
  std::atomic<bool> given_up = false;

  // Protected by the file stage's mutex.
  size_t unfinished = 0;
  int64_t rows = 0, rows_rescued = 0;
  std::vector<Field> drift;
};

/// Into how many parts a file of a batch is best cut: its share of the batch's bytes, in threads. 1: not at all.
int64_t parts_wanted(int64_t size_bytes, int64_t batch_bytes, int threads);

/// Neighbours joined until at most `count` ranges are left, of about equal length.
std::vector<ByteRange> join_ranges(const std::vector<ByteRange>& ranges, int64_t count);

}  // namespace sluice
