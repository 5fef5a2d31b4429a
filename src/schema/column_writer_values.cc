// ColumnWriter: values that come with a type of their own.
#include <cmath>
#include <string>

#include "schema/column_writer.h"
#include "schema/literal.h"

namespace sluice {

bool ColumnWriter::append_float(float value) {
  if (id_ == TypeId::kFloat) return append_value(std::optional(value));
  if (id_ == TypeId::kDouble) return append_value(std::optional(static_cast<double>(value)));
  const std::string text = to_text(*make_type(TypeId::kFloat), Literal(value));
  return std::isfinite(value) || id_ == TypeId::kString ? append_number_text(text) : append_json_string(text);
}

bool ColumnWriter::append_double(double value) {
  if (id_ == TypeId::kDouble) return append_value(std::optional(value));
  if (id_ == TypeId::kFloat) {
    const auto narrow = static_cast<float>(value);
    if (!std::isnan(value) && static_cast<double>(narrow) != value) return false;
    return append_value(std::optional(narrow));
  }
  const std::string text = to_text(*make_type(TypeId::kDouble), Literal(value));
  return std::isfinite(value) || id_ == TypeId::kString ? append_number_text(text) : append_json_string(text);
}

bool ColumnWriter::append_time(TypeId type, int64_t value) {
  if (type == id_ && type == TypeId::kDate) return append_value(std::optional(static_cast<int32_t>(value)));
  if (type == id_) return append_value(std::optional(value));
  const Literal literal = type == TypeId::kDate ? Literal(static_cast<int32_t>(value)) : Literal(value);
  return append_json_string(to_text(*make_type(type), literal));
}

bool ColumnWriter::append_bytes(std::string_view bytes) {
  switch (id_) {
    case TypeId::kBinary: return append_string(bytes);
    case TypeId::kString: return append_string(encode_base64(bytes));
    case TypeId::kFixed:
    case TypeId::kUuid:
      if (static_cast<int>(bytes.size()) != width_) return false;
      values_.append(bytes.data(), width_);
      return set_valid();
    default: return false;
  }
}

}  // namespace sluice
