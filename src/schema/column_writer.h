// Rows -> Arrow columns in the table's types; both text readers fill their blocks with it. Not thread-safe. It checks that every value
// fits its column exactly; what does not fit is left to the caller, who appends null and rescues the value. How to fill a row:
//
//   int i = rows.find(name);                          // -1: the table has no such column: rows.rescue().add_json(name, raw)
//   if (rows.is_set(i)) ...                           // a key twice in one row: the caller decides
//   ColumnWriter& column = rows.column(i);
//   if (!column.append_number_text(raw)) { column.append_null(); rows.rescue().add_json(name, raw); }
//   ...
//   if (auto missing = rows.finish_row()) ...         // the row was dropped: required column `*missing` has no value
//
//   Nested: if (!column.begin_struct()) misfit; column.member(k).append_...(); column.end_struct();
//           if (!column.begin_list()) misfit; column.element().append_...(); ...; column.end_list();
//           if (!column.begin_map()) misfit; column.key().append_...(); column.value().append_...(); ...; column.end_map();
//   end_...() is false where a required part is missing: what was begun is dropped, as any value that does not fit. To give up a nested
//   value half way: append_null() instead of end_...(). A row that proves broken half way: rollback_row().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/error.h"
#include "base/units.h"
#include "schema/grow_buffer.h"
#include "schema/name_index.h"
#include "schema/rescue_row.h"
#include "schema/scalar_text.h"
#include "schema/type.h"

namespace sluice {

/// A block is full with this many bytes of strings and nested values, though it has fewer rows than it may have.
inline constexpr int64_t kBlockBytesSoftMax = 16 * kMiB;

/// One column or a part of a nested one. append_...: true: one value longer; false: the value does not fit and nothing changed.
class ColumnWriter {
 public:
  explicit ColumnWriter(const Field& field);
  ColumnWriter(ColumnWriter&&) = default;

  TypeId type_id() const { return id_; }
  const Field& field() const { return field_; }
  int64_t length() const { return length_; }
  bool last_is_null() const { return valid_.data()[length_ - 1] == 0; }

  /// Always possible; instead of end_...() it drops what was begun. A null in a required column shows in finish_row() or in the
  /// parent's end_...().
  void append_null();

  /// A JSON true or false. Fits boolean and string.
  bool append_bool(bool value);

  /// A JSON number as written (a string column keeps it so). Fits int and long in range and where whole (1.0, 1e3), float and
  /// double as read_double() says, decimal where exact, string.
  bool append_number_text(std::string_view text);

  /// A JSON integer whose value the caller has already: append_number_text() without reading it again.
  bool append_integer(int64_t value, std::string_view text) {
    if (id_ == TypeId::kLong) {
      values_.push(value);
      return set_valid();
    }
    return append_integer_to_other(value, text);
  }

  /// A JSON number with fraction or exponent whose nearest double the caller has already (not from an integer without either).
  bool append_double(double value, std::string_view text) {
    if (id_ == TypeId::kDouble) {
      values_.push(value);
      return set_valid();
    }
    return append_number_text(text);
  }

  /// A JSON string, unescaped, UTF-8. Fits string, date, time, timestamps, uuid, decimal, binary and fixed (base64), "NaN" and
  /// infinities in float and double. Not boolean, int, long: the input says it is no number.
  bool append_json_string(std::string_view text);

  /// Text without a type of its own (a CSV field), UTF-8: read as the column's type, whatever that is (except nested).
  bool append_text(std::string_view text);

  // Values of files that bring their own types. Each fits a column of that type, and where its text would fit as append_text() says.

  /// Fits float and double as they are; whole numbers, decimal and string by its shortest text.
  bool append_float(float value);
  /// The same; a float column takes only what it can hold exactly.
  bool append_double(double value);
  /// `type` is kDate (days), kTime, kTimestamp or kTimestamptz (microseconds).
  bool append_time(TypeId type, int64_t value);
  /// Fits binary, fixed and uuid of that length; string as base64.
  bool append_bytes(std::string_view bytes);

  /// Struct: fill members at most once each; end_struct() sets the others to null. False (nothing begun): the column is no struct.
  bool begin_struct();
  int find_member(std::string_view name) { return names_.find(name); }  ///< -1: none
  size_t members_count() const { return children_.size(); }
  ColumnWriter& member(size_t index) { return children_[index]; }
  bool is_member_set(size_t index) const { return children_[index].length() > length_; }
  bool end_struct();

  /// List: append each element to element().
  bool begin_list();
  ColumnWriter& element() { return children_[0]; }
  bool end_list();

  /// Map: append to key() and value() in turn.
  bool begin_map();
  ColumnWriter& key() { return children_[0]; }
  ColumnWriter& value() { return children_[1]; }
  bool end_map();

  /// Cuts back to `length` values, also what was begun and not ended.
  void truncate(int64_t length);
  /// Makes room for `values` more; only a matter of speed.
  void reserve(int64_t values);

  /// Hands over what was written and starts anew.
  std::shared_ptr<arrow::ArrayData> take(const std::shared_ptr<arrow::DataType>& type);

  /// Bytes that depend on the values and not only on the number of rows: strings, and all below lists and maps.
  int64_t variable_bytes() const { return children_.empty() ? (width_ == 0 ? values_.size() : 0) : variable_bytes_below(false); }

 private:
  bool set_valid() {
    valid_.push(uint8_t{1});
    ++length_;
    return true;
  }
  template <class T>
  bool append_value(std::optional<T> value) {
    if (!value) return false;
    values_.push(*value);
    return set_valid();
  }
  bool append_string(std::string_view text);
  bool append_bytes_of_base64(std::string_view text);
  bool end_nested(bool complete);
  bool append_integer_to_other(int64_t value, std::string_view text);
  int64_t variable_bytes_below(bool repeated) const;

  Field field_;
  TypeId id_;
  int width_ = 0;  ///< bytes of a value in values_; 0: variable or nested
  int64_t length_ = 0;
  GrowBuffer valid_;    ///< one byte per value, packed by take()
  GrowBuffer values_;   ///< fixed-width values; bytes of strings
  GrowBuffer offsets_;  ///< int32 per value and one more: strings, lists, maps
  std::vector<ColumnWriter> children_;
  NameIndex names_;  ///< of a struct's members
  TimestampParser timestamps_;
  std::string scratch_;  ///< decoded base64
};

/// All columns of a block, and `_rescued_data` as the last one where `rescue`.
class RowWriter {
 public:
  RowWriter(const Schema& columns, bool rescue, int64_t rows_max);
  RowWriter(RowWriter&&) = default;

  size_t columns_count() const { return columns_.size(); }
  /// Position of a column by exact name; -1: none. `_rescued_data` is not found.
  int find(std::string_view name) { return names_.find(name); }
  ColumnWriter& column(size_t index) { return columns_[index]; }
  bool is_set(size_t index) const { return columns_[index].length() > rows_; }
  /// What this row leaves over. Only where `rescue` was asked for; otherwise what is put in is lost.
  RescueRow& rescue() { return rescue_row_; }

  /// Ends the row; columns not set become null. nullopt: done; else the row was rolled back for want of this required column.
  std::optional<size_t> finish_row();
  void rollback_row();

  /// Drops the rows behind the first `rows` (a row in hand too), of which `rows_rescued` have a rescued value.
  void rollback_to(int64_t rows, int64_t rows_rescued);

  int64_t rows() const { return rows_; }                  ///< finished since the last flush
  int64_t rows_rescued() const { return rows_rescued_; }  ///< those of them with a rescued value
  /// Time to flush. Ask after every row: offsets of a block are 32 bits wide.
  bool full() const;

  /// The finished rows as a batch with the Arrow types of arrow_schema.h; starts anew. A row begun and not finished is dropped.
  std::shared_ptr<arrow::RecordBatch> flush();
  const std::shared_ptr<arrow::Schema>& arrow_schema() const { return arrow_schema_; }

 private:
  std::shared_ptr<arrow::Schema> arrow_schema_;
  std::vector<ColumnWriter> columns_;
  std::optional<ColumnWriter> rescued_;
  RescueRow rescue_row_;
  NameIndex names_;
  std::vector<size_t> required_;
  int64_t rows_max_;
  int64_t rows_ = 0;
  int64_t rows_rescued_ = 0;
};

}  // namespace sluice
