#include "schema/arrow_value.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/float16.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include "schema/rescue_row.h"
#include "schema/scalar_text.h"

namespace sluice {

using ArrowType = arrow::Type;

namespace {

constexpr int64_t kMillisPerDay = 86'400'000;

template <class Array>
auto value_of(const arrow::Array& values, int64_t row) {
  return static_cast<const Array&>(values).Value(row);
}

/// Any integer type that fits 64 bits with sign.
std::optional<int64_t> integer_at(const arrow::Array& values, int64_t row) {
  switch (values.type_id()) {
    case ArrowType::INT8: return value_of<arrow::Int8Array>(values, row);
    case ArrowType::INT16: return value_of<arrow::Int16Array>(values, row);
    case ArrowType::INT32: return value_of<arrow::Int32Array>(values, row);
    case ArrowType::INT64: return value_of<arrow::Int64Array>(values, row);
    case ArrowType::UINT8: return value_of<arrow::UInt8Array>(values, row);
    case ArrowType::UINT16: return value_of<arrow::UInt16Array>(values, row);
    case ArrowType::UINT32: return value_of<arrow::UInt32Array>(values, row);
    case ArrowType::UINT64: {
      const uint64_t value = value_of<arrow::UInt64Array>(values, row);
      if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return static_cast<int64_t>(value);
      return std::nullopt;
    }
    default: return std::nullopt;
  }
}

struct TimeValue {
  TypeId type = TypeId::kTimestamp;
  int64_t value = 0;        ///< days or microseconds
  int64_t extra_nanos = 0;  ///< what microseconds cannot hold
  bool in_range = true;     ///< false: beyond 64 bits of microseconds
};

TimeValue in_micros(TypeId type, int64_t value, arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::MICRO: return {type, value};
    case arrow::TimeUnit::NANO: {
      int64_t micros = value / 1000, nanos = value % 1000;
      if (nanos < 0) --micros, nanos += 1000;
      return {type, micros, nanos};
    }
    default: {
      const int64_t factor = unit == arrow::TimeUnit::SECOND ? 1'000'000 : 1000;
      int64_t micros = 0;
      const bool overflows = __builtin_mul_overflow(value, factor, &micros);
      return {type, micros, 0, !overflows};
    }
  }
}

std::optional<TimeValue> time_at(const arrow::Array& values, int64_t row) {
  switch (values.type_id()) {
    case ArrowType::DATE32: return TimeValue{TypeId::kDate, value_of<arrow::Date32Array>(values, row)};
    case ArrowType::DATE64: {
      const int64_t millis = value_of<arrow::Date64Array>(values, row);
      return TimeValue{TypeId::kDate, millis / kMillisPerDay - (millis % kMillisPerDay < 0 ? 1 : 0)};
    }
    case ArrowType::TIME32:
      return in_micros(TypeId::kTime, value_of<arrow::Time32Array>(values, row),
                       static_cast<const arrow::Time32Type&>(*values.type()).unit());
    case ArrowType::TIME64:
      return in_micros(TypeId::kTime, value_of<arrow::Time64Array>(values, row),
                       static_cast<const arrow::Time64Type&>(*values.type()).unit());
    case ArrowType::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*values.type());
      return in_micros(type.timezone().empty() ? TypeId::kTimestamp : TypeId::kTimestamptz, value_of<arrow::TimestampArray>(values, row),
                       type.unit());
    }
    default: return std::nullopt;
  }
}

std::string text_of(const TimeValue& time) {
  const auto type = make_type(time.type);
  std::string text = to_text(*type, time.type == TypeId::kDate ? Literal(static_cast<int32_t>(time.value)) : Literal(time.value));
  if (time.extra_nanos == 0) return text;
  // HH:MM:SS[.ffffff] becomes HH:MM:SS.fffffffff; an offset stays behind it.
  const size_t offset = time.type == TypeId::kTimestamptz ? text.rfind('+') : std::string::npos;
  const std::string zone = offset == std::string::npos ? "" : text.substr(offset);
  if (!zone.empty()) text.resize(offset);
  if (const size_t point = text.rfind('.'); point == std::string::npos) {
    text += ".000000";
  } else {
    text.append(6 - (text.size() - point - 1), '0');
  }
  return fmt::format("{}{:03}{}", text, time.extra_nanos, zone);
}

std::optional<std::string> decimal_text(const arrow::Array& values, int64_t row) {
  switch (values.type_id()) {
    case ArrowType::DECIMAL32: return static_cast<const arrow::Decimal32Array&>(values).FormatValue(row);
    case ArrowType::DECIMAL64: return static_cast<const arrow::Decimal64Array&>(values).FormatValue(row);
    case ArrowType::DECIMAL128: return static_cast<const arrow::Decimal128Array&>(values).FormatValue(row);
    case ArrowType::DECIMAL256: return static_cast<const arrow::Decimal256Array&>(values).FormatValue(row);
    default: return std::nullopt;
  }
}

bool is_text(ArrowType::type id) { return id == ArrowType::STRING || id == ArrowType::LARGE_STRING || id == ArrowType::STRING_VIEW; }
bool is_bytes(ArrowType::type id) {
  return id == ArrowType::BINARY || id == ArrowType::LARGE_BINARY || id == ArrowType::BINARY_VIEW || id == ArrowType::FIXED_SIZE_BINARY;
}
bool is_any_list(ArrowType::type id) {
  return id == ArrowType::LIST || id == ArrowType::LARGE_LIST || id == ArrowType::FIXED_SIZE_LIST || id == ArrowType::LIST_VIEW ||
         id == ArrowType::LARGE_LIST_VIEW;
}

/// The array that holds a value's own form: dictionaries and extensions unwrapped. UUIDs stay.
struct Unwrapped {
  std::shared_ptr<arrow::Array> owned;
  const arrow::Array* values;
  int64_t row;
  bool is_uuid = false;
};

Unwrapped unwrap(const arrow::Array& values, int64_t row) {
  if (values.type_id() == ArrowType::DICTIONARY) {
    const auto& codes = static_cast<const arrow::DictionaryArray&>(values);
    return {codes.dictionary(), codes.dictionary().get(), codes.GetValueIndex(row)};
  }
  if (values.type_id() == ArrowType::EXTENSION) {
    const auto& extension = static_cast<const arrow::ExtensionArray&>(values);
    const bool is_uuid = static_cast<const arrow::ExtensionType&>(*values.type()).extension_name() == "arrow.uuid";
    return {extension.storage(), extension.storage().get(), row, is_uuid};
  }
  return {nullptr, &values, row};
}

std::string uuid_text(std::string_view bytes) { return to_text(*make_type(TypeId::kUuid), Literal(std::string(bytes))); }

void append_json_real(double value, const std::string& text, std::string& out) {
  if (std::isfinite(value)) {
    out += text;
  } else {
    append_json_string(text, out);
  }
}

float half_at(const arrow::Array& values, int64_t row) {
  return arrow::util::Float16::FromBits(value_of<arrow::HalfFloatArray>(values, row)).ToFloat();
}

void append_json_object(const arrow::StructArray& values, int64_t row, std::string& out, size_t bytes_max) {
  out += '{';
  for (int i = 0; i < values.num_fields(); ++i) {
    if (i > 0) out += ", ";
    append_json_string(values.type()->field(i)->name(), out);
    out += ": ";
    append_json_value(*values.field(i), row, out, bytes_max);
  }
  out += '}';
}

void append_json_map(const arrow::MapArray& maps, int64_t row, std::string& out, size_t bytes_max) {
  out += '{';
  for (int64_t i = maps.value_offset(row); i < maps.value_offset(row + 1) && out.size() <= bytes_max; ++i) {
    if (out.back() != '{') out += ", ";
    std::string key;
    append_json_value(*maps.keys(), i, key, bytes_max);
    if (key.starts_with('"')) {
      out += key;
    } else {
      append_json_string(key, out);
    }
    out += ": ";
    append_json_value(*maps.items(), i, out, bytes_max);
  }
  out += '}';
}

}  // namespace

std::string_view bytes_at(const arrow::Array& values, int64_t row) {
  switch (values.type_id()) {
    case ArrowType::STRING:
    case ArrowType::BINARY: return static_cast<const arrow::BinaryArray&>(values).GetView(row);
    case ArrowType::LARGE_STRING:
    case ArrowType::LARGE_BINARY: return static_cast<const arrow::LargeBinaryArray&>(values).GetView(row);
    case ArrowType::STRING_VIEW:
    case ArrowType::BINARY_VIEW: return static_cast<const arrow::BinaryViewArray&>(values).GetView(row);
    default: return static_cast<const arrow::FixedSizeBinaryArray&>(values).GetView(row);
  }
}

std::pair<int64_t, int64_t> list_range(const arrow::Array& lists, int64_t row) {
  const auto range = [row](const auto& array) {
    return std::pair<int64_t, int64_t>(array.value_offset(row), array.value_offset(row) + array.value_length(row));
  };
  switch (lists.type_id()) {
    case ArrowType::LARGE_LIST: return range(static_cast<const arrow::LargeListArray&>(lists));
    case ArrowType::FIXED_SIZE_LIST: return range(static_cast<const arrow::FixedSizeListArray&>(lists));
    case ArrowType::LIST_VIEW: return range(static_cast<const arrow::ListViewArray&>(lists));
    case ArrowType::LARGE_LIST_VIEW: return range(static_cast<const arrow::LargeListViewArray&>(lists));
    default: return range(static_cast<const arrow::ListArray&>(lists));
  }
}

std::shared_ptr<arrow::Array> list_values(const arrow::Array& lists) {
  switch (lists.type_id()) {
    case ArrowType::LARGE_LIST: return static_cast<const arrow::LargeListArray&>(lists).values();
    case ArrowType::FIXED_SIZE_LIST: return static_cast<const arrow::FixedSizeListArray&>(lists).values();
    case ArrowType::LIST_VIEW: return static_cast<const arrow::ListViewArray&>(lists).values();
    case ArrowType::LARGE_LIST_VIEW: return static_cast<const arrow::LargeListViewArray&>(lists).values();
    default: return static_cast<const arrow::ListArray&>(lists).values();
  }
}

std::shared_ptr<arrow::ArrayData> with_type(const arrow::ArrayData& data, const std::shared_ptr<arrow::DataType>& type) {
  auto copy = data.Copy();
  copy->type = type;
  for (size_t i = 0; i < copy->child_data.size(); ++i) {
    copy->child_data[i] = with_type(*copy->child_data[i], type->field(static_cast<int>(i))->type());
  }
  return copy;
}

void append_json_value(const arrow::Array& wrapped, int64_t wrapped_row, std::string& out, size_t bytes_max) {
  if (wrapped.IsNull(wrapped_row)) {
    out += "null";
    return;
  }
  const auto [owned, inner, row, is_uuid] = unwrap(wrapped, wrapped_row);
  if (inner != &wrapped && !is_uuid) return append_json_value(*inner, row, out, bytes_max);
  const arrow::Array& values = *inner;
  const ArrowType::type id = values.type_id();
  if (is_uuid) return append_json_string(uuid_text(bytes_at(values, row)), out);
  if (const auto integer = integer_at(values, row)) {
    fmt::format_to(std::back_inserter(out), "{}", *integer);
  } else if (const auto time = time_at(values, row); time && time->in_range) {
    append_json_string(text_of(*time), out);
  } else if (const auto decimal = decimal_text(values, row)) {
    out += *decimal;
  } else if (is_text(id) && arrow::util::ValidateUTF8(bytes_at(values, row))) {
    append_json_string(bytes_at(values, row), out);
  } else if (is_text(id) || is_bytes(id)) {
    append_json_string(encode_base64(bytes_at(values, row)), out);
  } else if (id == ArrowType::BOOL) {
    out += value_of<arrow::BooleanArray>(values, row) ? "true" : "false";
  } else if (id == ArrowType::DOUBLE) {
    const double value = value_of<arrow::DoubleArray>(values, row);
    append_json_real(value, to_text(*make_type(TypeId::kDouble), Literal(value)), out);
  } else if (id == ArrowType::FLOAT || id == ArrowType::HALF_FLOAT) {
    const float value = id == ArrowType::FLOAT ? value_of<arrow::FloatArray>(values, row) : half_at(values, row);
    append_json_real(value, to_text(*make_type(TypeId::kFloat), Literal(value)), out);
  } else if (id == ArrowType::UINT64) {
    fmt::format_to(std::back_inserter(out), "{}", value_of<arrow::UInt64Array>(values, row));
  } else if (id == ArrowType::STRUCT) {
    append_json_object(static_cast<const arrow::StructArray&>(values), row, out, bytes_max);
  } else if (id == ArrowType::MAP) {
    append_json_map(static_cast<const arrow::MapArray&>(values), row, out, bytes_max);
  } else if (is_any_list(id)) {
    const auto elements = list_values(values);
    const auto [begin, end] = list_range(values, row);
    out += '[';
    for (int64_t i = begin; i < end && out.size() <= bytes_max; ++i) {
      if (i > begin) out += ", ";
      append_json_value(*elements, i, out, bytes_max);
    }
    out += ']';
  } else {
    const auto scalar = values.GetScalar(row);
    append_json_string(scalar.ok() ? (*scalar)->ToString() : scalar.status().ToString(), out);
  }
}

bool ArrowValueAppender::append(ColumnWriter& to, const arrow::Array& from, int64_t row, const std::string& column) {
  path_ = column;
  leftovers_.clear();
  leftover_bytes_ = 0;
  met_invalid_text_ = false;
  return append_value(to, from, row);
}

bool ArrowValueAppender::append_value(ColumnWriter& to, const arrow::Array& from, int64_t row) {
  if (from.IsNull(row)) {
    to.append_null();
    return true;
  }
  const ArrowType::type id = from.type_id();
  if (id == ArrowType::STRUCT) return append_struct(to, from, row);
  if (id == ArrowType::MAP) return append_map(to, from, row);
  if (is_any_list(id)) {
    const auto [begin, end] = list_range(from, row);
    return append_list(to, *list_values(from), begin, end);
  }
  return append_scalar(to, from, row);
}

bool ArrowValueAppender::append_text(ColumnWriter& to, std::string_view text) {
  if (arrow::util::ValidateUTF8(text)) return to.append_json_string(text);
  met_invalid_text_ = true;
  return false;
}

bool ArrowValueAppender::append_scalar(ColumnWriter& to, const arrow::Array& wrapped, int64_t wrapped_row) {
  const auto [owned, inner, row, is_uuid] = unwrap(wrapped, wrapped_row);
  if (inner != &wrapped && !is_uuid) return append_value(to, *inner, row);
  const arrow::Array& from = *inner;
  const ArrowType::type id = from.type_id();
  if (is_uuid) {
    const std::string_view bytes = bytes_at(from, row);
    return to.type_id() == TypeId::kString ? to.append_json_string(uuid_text(bytes)) : to.append_bytes(bytes);
  }
  if (const auto integer = integer_at(from, row)) {
    char text[24];
    const auto end = std::to_chars(text, text + sizeof(text), *integer).ptr;
    return to.append_integer(*integer, {text, end});
  }
  if (const auto time = time_at(from, row)) {
    if (!time->in_range) return false;
    if (time->extra_nanos != 0) return to.type_id() == TypeId::kString && to.append_json_string(text_of(*time));
    return to.append_time(time->type, time->value);
  }
  if (const auto decimal = decimal_text(from, row)) return to.append_number_text(*decimal);
  if (is_text(id)) return append_text(to, bytes_at(from, row));
  if (is_bytes(id)) return to.append_bytes(bytes_at(from, row));
  switch (id) {
    case ArrowType::BOOL: return to.append_bool(value_of<arrow::BooleanArray>(from, row));
    case ArrowType::DOUBLE: return to.append_double(value_of<arrow::DoubleArray>(from, row));
    case ArrowType::FLOAT: return to.append_float(value_of<arrow::FloatArray>(from, row));
    case ArrowType::HALF_FLOAT: return to.append_float(half_at(from, row));
    case ArrowType::UINT64: return to.append_number_text(std::to_string(value_of<arrow::UInt64Array>(from, row)));
    default: return false;
  }
}

bool ArrowValueAppender::append_struct(ColumnWriter& to, const arrow::Array& from, int64_t row) {
  if (!to.begin_struct()) return false;
  const auto& structs = static_cast<const arrow::StructArray&>(from);
  const size_t path_size = path_.size();
  for (int i = 0; i < structs.num_fields(); ++i) {
    const auto member_values = structs.field(i);
    if (member_values->IsNull(row)) continue;
    const std::string& name = structs.type()->field(i)->name();
    path_ += '.';
    path_ += name;
    const int index = to.find_member(name);
    bool fits = index >= 0 && !to.is_member_set(static_cast<size_t>(index));
    if (fits) {
      ColumnWriter& member = to.member(static_cast<size_t>(index));
      const int64_t length = member.length();
      const size_t leftovers = leftovers_.size();
      fits = append_value(member, *member_values, row);
      if (!fits) {
        member.truncate(length);
        member.append_null();
        leftovers_.resize(leftovers);
      }
    }
    if (!fits) {
      LeftoverPart& part = leftovers_.emplace_back(path_, "");
      append_json_value(*member_values, row, part.json, kUnplacedBytesMax);
      leftover_bytes_ += sizeof(part) + part.path.size() + part.json.size();
    }
    path_.resize(path_size);
  }
  return !met_invalid_text_ && leftover_bytes_ <= kUnplacedBytesMax && to.end_struct();
}

bool ArrowValueAppender::append_list(ColumnWriter& to, const arrow::Array& items, int64_t begin, int64_t end) {
  if (!to.begin_list()) return false;
  const size_t path_size = path_.size();
  for (int64_t i = begin; i < end; ++i) {
    fmt::format_to(std::back_inserter(path_), "[{}]", i - begin);
    if (!append_value(to.element(), items, i)) return false;
    path_.resize(path_size);
  }
  return to.end_list();
}

bool ArrowValueAppender::append_map(ColumnWriter& to, const arrow::Array& from, int64_t row) {
  if (!to.begin_map()) return false;
  const auto& maps = static_cast<const arrow::MapArray&>(from);
  const size_t path_size = path_.size();
  for (int64_t i = maps.value_offset(row); i < maps.value_offset(row + 1); ++i) {
    if (!append_value(to.key(), *maps.keys(), i)) return false;
    path_ += '.';
    append_json_value(*maps.keys(), i, path_);
    if (!append_value(to.value(), *maps.items(), i)) return false;
    path_.resize(path_size);
  }
  return to.end_map();
}

}  // namespace sluice
