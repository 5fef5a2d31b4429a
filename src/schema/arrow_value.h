// Single values of Arrow arrays of any type, as a file brings them: into a column of the table, or as JSON. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/units.h"
#include "schema/column_writer.h"

namespace sluice {

/// Of what has no place in the table, as text: of one value, and of all that one batch brings. Above it the file is refused (TooLarge).
inline constexpr size_t kUnplacedBytesMax = 256 * kMiB;

/// Appends value `row` as JSON, exactly: numbers bare (NaN and infinities as strings), dates and times as ISO 8601, binary as base64,
/// structs and maps as objects, lists as arrays; other types as the text that Arrow shows. Lists and maps end early, within the JSON, once
/// `out` is longer than `bytes_max`: a run length in a file of some kilobytes can stand for hundreds of millions of elements.
void append_json_value(const arrow::Array& values, int64_t row, std::string& out, size_t bytes_max = std::string::npos);

/// What is left over of a value that went into its column but for this part: "a.x", "a[2].x".
struct LeftoverPart {
  std::string path;
  std::string json;
};

/// Appends values to columns of other types, member by member by name.
class ArrowValueAppender {
 public:
  /// True: one value longer; leftovers() then tells of members without a place. False: it does not fit, and the column may hold half of
  /// it: truncate() it. A null always fits. What leaves more over than kUnplacedBytesMax does not fit.
  bool append(ColumnWriter& to, const arrow::Array& from, int64_t row, const std::string& column);

  std::vector<LeftoverPart>& leftovers() { return leftovers_; }
  /// The value did not fit because a string of it is no UTF-8, which no column and no JSON can hold.
  bool met_invalid_text() const { return met_invalid_text_; }

 private:
  bool append_value(ColumnWriter& to, const arrow::Array& from, int64_t row);
  bool append_scalar(ColumnWriter& to, const arrow::Array& from, int64_t row);
  bool append_text(ColumnWriter& to, std::string_view text);
  bool append_struct(ColumnWriter& to, const arrow::Array& from, int64_t row);
  bool append_list(ColumnWriter& to, const arrow::Array& items, int64_t begin, int64_t end);
  bool append_map(ColumnWriter& to, const arrow::Array& from, int64_t row);

  std::string path_;  ///< of the value in hand
  std::vector<LeftoverPart> leftovers_;
  size_t leftover_bytes_ = 0;  ///< of the value in hand, those included that a larger part took in
  bool met_invalid_text_ = false;
};

/// The bytes of a value of any string or binary type.
std::string_view bytes_at(const arrow::Array& values, int64_t row);
/// Begin and end of a list's elements within list_values().
std::pair<int64_t, int64_t> list_range(const arrow::Array& lists, int64_t row);
std::shared_ptr<arrow::Array> list_values(const arrow::Array& lists);

/// The same buffers under another type of the same layout.
std::shared_ptr<arrow::ArrayData> with_type(const arrow::ArrayData& data, const std::shared_ptr<arrow::DataType>& type);

}  // namespace sluice
