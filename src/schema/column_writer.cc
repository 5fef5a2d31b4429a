#include "schema/column_writer.h"

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "schema/arrow_schema.h"
#include "schema/evolution.h"

namespace sluice {
namespace {

/// Arrow's 32-bit offsets end here.
constexpr int64_t kOffsetMax = std::numeric_limits<int32_t>::max();

int width_of(const Type& type) {
  switch (type.id) {
    case TypeId::kBoolean: return 1;
    case TypeId::kInt:
    case TypeId::kFloat:
    case TypeId::kDate: return 4;
    case TypeId::kLong:
    case TypeId::kDouble:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestamptz: return 8;
    case TypeId::kDecimal:
    case TypeId::kUuid: return 16;
    case TypeId::kFixed: return type.length;
    default: return 0;
  }
}

bool has_offsets(TypeId id) { return id == TypeId::kString || id == TypeId::kBinary || id == TypeId::kList || id == TypeId::kMap; }

/// One bit per byte that is not zero; the number of zeros comes out as `zeros`.
std::shared_ptr<arrow::Buffer> pack_bits(const GrowBuffer& bytes, int64_t count, int64_t& zeros) {
  GrowBuffer bits;
  bits.reserve(count / 8 + 1);
  const uint8_t* data = bytes.data();
  zeros = 0;
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, data + i, sizeof(eight));
    // Bytes are 0 or 1: the product gathers their low bits, first byte lowest, in the top byte.
    const uint8_t packed = static_cast<uint8_t>((eight * 0x0102040810204080ULL) >> 56);
    if (packed != 0xFF) zeros += 8 - std::popcount(packed);
    bits.push(packed);
  }
  uint8_t last = 0;
  for (int64_t k = i; k < count; ++k) {
    last = static_cast<uint8_t>(last | (data[k] << (k - i)));
    zeros += data[k] == 0;
  }
  if (i < count) bits.push(last);
  return bits.take();
}

/// The integer that a number's text is, though written with fraction or exponent: "1.0", "1e3".
std::optional<int64_t> read_whole(std::string_view text) {
  if (const auto value = read_long(text)) return value;
  const std::optional<Int128> value = read_decimal(text, 19, 0);
  if (!value || *value < std::numeric_limits<int64_t>::min() || *value > std::numeric_limits<int64_t>::max()) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<int32_t> read_whole_int(std::string_view text) {
  const std::optional<int64_t> value = read_whole(text);
  if (!value || *value < std::numeric_limits<int32_t>::min() || *value > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return static_cast<int32_t>(*value);
}

}  // namespace

ColumnWriter::ColumnWriter(const Field& field) : field_(field), id_(field.type->id), width_(width_of(*field.type)) {
  if (has_offsets(id_)) offsets_.push(int32_t{0});
  for (const Field& part : field_.type->fields) {
    children_.emplace_back(part);
    names_.add(part.name);
  }
}

void ColumnWriter::append_null() {
  if (!children_.empty()) truncate(length_);
  if (has_offsets(id_)) {
    offsets_.push(offsets_.at<int32_t>(length_));
  } else if (id_ == TypeId::kStruct) {
    for (ColumnWriter& child : children_) child.append_null();
  } else {
    values_.append_zeros(width_);
  }
  valid_.push(uint8_t{0});
  ++length_;
}

bool ColumnWriter::append_bool(bool value) {
  if (id_ == TypeId::kBoolean) {
    values_.push(static_cast<uint8_t>(value));
    return set_valid();
  }
  return id_ == TypeId::kString && append_string(value ? "true" : "false");
}

bool ColumnWriter::append_string(std::string_view text) {
  if (values_.size() + static_cast<int64_t>(text.size()) > kOffsetMax) return false;
  values_.append(text.data(), static_cast<int64_t>(text.size()));
  offsets_.push(static_cast<int32_t>(values_.size()));
  return set_valid();
}

bool ColumnWriter::append_number_text(std::string_view text) {
  switch (id_) {
    case TypeId::kInt: return append_value(read_whole_int(text));
    case TypeId::kLong: return append_value(read_whole(text));
    case TypeId::kFloat: return append_value(read_float(text));
    case TypeId::kDouble: return append_value(read_double(text));
    case TypeId::kDecimal: return append_value(read_decimal(text, field_.type->precision, field_.type->scale));
    case TypeId::kString: return append_string(text);
    default: return false;
  }
}

bool ColumnWriter::append_integer_to_other(int64_t value, std::string_view text) {
  switch (id_) {
    case TypeId::kInt:
      if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) return false;
      values_.push(static_cast<int32_t>(value));
      return set_valid();
    case TypeId::kDouble: {
      constexpr int64_t kExactMax = int64_t{1} << std::numeric_limits<double>::digits;
      if (value > kExactMax || value < -kExactMax) return append_number_text(text);
      values_.push(static_cast<double>(value));
      return set_valid();
    }
    default: return append_number_text(text);
  }
}

bool ColumnWriter::append_bytes_of_base64(std::string_view text) {
  scratch_.clear();
  if (!decode_base64(text, scratch_)) return false;
  if (id_ == TypeId::kBinary) return append_string(scratch_);
  if (static_cast<int>(scratch_.size()) != width_) return false;
  values_.append(scratch_.data(), width_);
  return set_valid();
}

bool ColumnWriter::append_json_string(std::string_view text) {
  switch (id_) {
    case TypeId::kString: return append_string(text);
    case TypeId::kDate: return append_value(read_date(text));
    case TypeId::kTime: return append_value(read_time(text));
    case TypeId::kTimestamp: return append_value(timestamps_.read_timestamp(text));
    case TypeId::kTimestamptz: return append_value(timestamps_.read_timestamptz(text));
    case TypeId::kDecimal: return append_value(read_decimal(text, field_.type->precision, field_.type->scale));
    case TypeId::kUuid: {
      uint8_t bytes[16];
      if (!read_uuid(text, bytes)) return false;
      values_.append(bytes, sizeof(bytes));
      return set_valid();
    }
    case TypeId::kFixed:
    case TypeId::kBinary: return append_bytes_of_base64(text);
    case TypeId::kFloat:
    case TypeId::kDouble: {
      // JSON has no numbers for these; writers put them into strings.
      const std::optional<double> value = read_double(text);
      if (!value || std::isfinite(*value)) return false;
      return append_number_text(text);
    }
    default: return false;
  }
}

bool ColumnWriter::append_text(std::string_view text) {
  switch (id_) {
    case TypeId::kBoolean: {
      const std::optional<bool> value = read_bool(text);
      return value && append_bool(*value);
    }
    case TypeId::kInt:
    case TypeId::kLong:
    case TypeId::kFloat:
    case TypeId::kDouble: return append_number_text(text);
    default: return append_json_string(text);
  }
}

bool ColumnWriter::begin_struct() { return id_ == TypeId::kStruct; }

bool ColumnWriter::end_struct() {
  bool complete = true;
  for (ColumnWriter& child : children_) {
    if (child.length() == length_) child.append_null();
    complete = complete && !(child.field_.required && child.last_is_null());
  }
  return end_nested(complete);
}

bool ColumnWriter::begin_list() { return id_ == TypeId::kList; }

bool ColumnWriter::end_list() {
  const ColumnWriter& element = children_[0];
  bool complete = true;
  if (element.field_.required) {
    for (int64_t i = offsets_.at<int32_t>(length_); i < element.length(); ++i) complete = complete && element.valid_.data()[i] != 0;
  }
  return end_nested(complete);
}

bool ColumnWriter::begin_map() { return id_ == TypeId::kMap; }

bool ColumnWriter::end_map() {
  const ColumnWriter& key = children_[0];
  const ColumnWriter& value = children_[1];
  bool complete = key.length() == value.length();
  for (int64_t i = offsets_.at<int32_t>(length_); complete && i < key.length(); ++i) {
    complete = key.valid_.data()[i] != 0 && !(value.field_.required && value.valid_.data()[i] == 0);
  }
  return end_nested(complete);
}

bool ColumnWriter::end_nested(bool complete) {
  if (!complete) {
    truncate(length_);
    return false;
  }
  if (has_offsets(id_)) offsets_.push(static_cast<int32_t>(children_[0].length()));
  return set_valid();
}

void ColumnWriter::truncate(int64_t length) {
  if (has_offsets(id_)) {
    const int64_t end = offsets_.at<int32_t>(length);
    offsets_.truncate((length + 1) * static_cast<int64_t>(sizeof(int32_t)));
    if (children_.empty()) values_.truncate(end);
    for (ColumnWriter& child : children_) child.truncate(end);
  } else if (id_ == TypeId::kStruct) {
    for (ColumnWriter& child : children_) child.truncate(length);
  } else {
    values_.truncate(length * width_);
  }
  valid_.truncate(length);
  length_ = length;
}

void ColumnWriter::reserve(int64_t values) {
  valid_.reserve(values);
  values_.reserve(values * width_);
  if (has_offsets(id_)) offsets_.reserve(values * static_cast<int64_t>(sizeof(int32_t)));
  if (id_ == TypeId::kStruct) {
    for (ColumnWriter& child : children_) child.reserve(values);
  }
}

std::shared_ptr<arrow::ArrayData> ColumnWriter::take(const std::shared_ptr<arrow::DataType>& type) {
  int64_t null_count = 0;
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {pack_bits(valid_, length_, null_count)};
  // What is required is null only below a null parent, which says so itself; Parquet writers refuse a bitmap here.
  if (field_.required) null_count = 0;
  if (null_count == 0) buffers[0] = nullptr;
  valid_.truncate(0);
  if (has_offsets(id_)) buffers.push_back(offsets_.take());
  if (id_ == TypeId::kBoolean) {
    int64_t falses = 0;
    buffers.push_back(pack_bits(values_, length_, falses));
    values_.truncate(0);
  } else if (children_.empty() && id_ != TypeId::kStruct) {
    buffers.push_back(values_.take());
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> parts;
  if (id_ == TypeId::kMap) {
    // Arrow keeps a map's keys and values in one struct array.
    const std::shared_ptr<arrow::DataType>& entries = type->field(0)->type();
    const int64_t entries_count = children_[0].length();
    auto keys = children_[0].take(entries->field(0)->type());
    auto values = children_[1].take(entries->field(1)->type());
    parts.push_back(arrow::ArrayData::Make(entries, entries_count, {nullptr}, {std::move(keys), std::move(values)}, 0));
  } else {
    for (size_t i = 0; i < children_.size(); ++i) parts.push_back(children_[i].take(type->field(static_cast<int>(i))->type()));
  }
  const int64_t length = std::exchange(length_, 0);
  if (has_offsets(id_)) offsets_.push(int32_t{0});
  return arrow::ArrayData::Make(type, length, std::move(buffers), std::move(parts), null_count);
}

int64_t ColumnWriter::variable_bytes_below(bool repeated) const {
  const bool opens_repetition = id_ == TypeId::kList || id_ == TypeId::kMap;
  int64_t bytes = repeated || width_ == 0 ? values_.size() : 0;
  if (repeated) bytes += valid_.size() + offsets_.size();
  for (const ColumnWriter& child : children_) bytes += child.variable_bytes_below(repeated || opens_repetition);
  return bytes;
}

RowWriter::RowWriter(const Schema& columns, bool rescue, int64_t rows_max) : rows_max_(rows_max) {
  Schema all = columns;
  if (rescue) all.fields.push_back({.name = std::string(kRescuedColumn), .type = make_type(TypeId::kString)});
  arrow_schema_ = to_arrow(all);
  for (const Field& field : columns.fields) {
    if (field.required) required_.push_back(columns_.size());
    columns_.emplace_back(field);
    names_.add(field.name);
  }
  if (rescue) rescued_.emplace(all.fields.back());
}

std::optional<size_t> RowWriter::finish_row() {
  for (ColumnWriter& column : columns_) {
    if (column.length() == rows_) column.append_null();
  }
  for (size_t index : required_) {
    if (!columns_[index].last_is_null()) continue;
    rollback_row();
    return index;
  }
  if (rescued_) {
    if (rescue_row_.empty()) {
      rescued_->append_null();
    } else {
      rescued_->append_text(rescue_row_.text());
      ++rows_rescued_;
    }
  }
  rescue_row_.clear();
  ++rows_;
  return std::nullopt;
}

void RowWriter::rollback_row() {
  for (ColumnWriter& column : columns_) column.truncate(rows_);
  rescue_row_.clear();
}

void RowWriter::rollback_to(int64_t rows, int64_t rows_rescued) {
  rows_ = rows;
  rows_rescued_ = rows_rescued;
  if (rescued_) rescued_->truncate(rows);
  rollback_row();
}

bool RowWriter::full() const {
  if (rows_ >= rows_max_) return true;
  int64_t bytes = 0;
  for (const ColumnWriter& column : columns_) bytes += column.variable_bytes();
  if (rescued_) bytes += rescued_->variable_bytes();
  return bytes >= kBlockBytesSoftMax;
}

std::shared_ptr<arrow::RecordBatch> RowWriter::flush() {
  rollback_row();
  std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
  for (ColumnWriter& column : columns_) arrays.push_back(column.take(arrow_schema_->field(static_cast<int>(arrays.size()))->type()));
  if (rescued_) arrays.push_back(rescued_->take(arrow::utf8()));
  const int64_t rows = std::exchange(rows_, 0);
  rows_rescued_ = 0;
  return arrow::RecordBatch::Make(arrow_schema_, rows, std::move(arrays));
}

}  // namespace sluice
