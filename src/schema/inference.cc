#include "schema/inference.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "schema/scalar_text.h"
#include "schema/type.h"

namespace sluice {
namespace {

/// Scalar kinds as bits: what a column has seen is their union, so the order of values does not matter.
enum Kind : uint32_t {
  kBool = 1,
  kLong = 2,
  kBigInteger = 4,   ///< beyond 64 bits, up to 38 digits
  kHugeInteger = 8,  ///< more digits
  kDouble = 16,
  kNotFinite = 32,  ///< NaN and infinities as text
  kDate = 64,
  kTimestamp = 128,
  kTimestamptz = 256,
  kText = 512,
};
constexpr uint32_t kNumbers = kLong | kBigInteger | kHugeInteger | kDouble;
constexpr uint8_t kScalarShape = 1, kStructShape = 2, kListShape = 3;
constexpr int kIntDigitsMax = 10, kLongDigitsMax = 19;

bool is_integer(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

Kind integer_kind(std::string_view text) {
  if (read_long(text)) return kLong;
  return read_decimal(text, kDecimalDigitsMax, 0) ? kBigInteger : kHugeInteger;
}

Kind time_kind(std::string_view text) {
  switch (classify_time(text)) {
    case TimeText::kDate: return kDate;
    case TimeText::kTimestamp: return kTimestamp;
    case TimeText::kTimestamptz: return kTimestamptz;
    case TimeText::kNone: break;
  }
  return kText;
}

/// Text that stands for NaN or an infinity.
bool is_not_finite(std::string_view text) {
  return text.size() >= 3 && text.size() <= 9 && !std::any_of(text.begin(), text.end(), is_digit) && read_double(text).has_value();
}

/// Digits before the point (without leading zeros) and after it (without trailing ones); an exponent makes the scale too large to fit.
std::pair<int, int> decimal_digits(std::string_view number) {
  if (!number.empty() && (number[0] == '-' || number[0] == '+')) number.remove_prefix(1);
  if (number.find_first_of("eE") != std::string_view::npos) return {0, kDecimalDigitsMax + 1};
  const size_t point = std::min(number.find('.'), number.size());
  std::string_view whole = number.substr(0, point);
  std::string_view fraction = point < number.size() ? number.substr(point + 1) : std::string_view();
  while (!whole.empty() && whole[0] == '0') whole.remove_prefix(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  const auto clamp = [](size_t count) { return static_cast<int>(std::min<size_t>(count, kDecimalDigitsMax + 1)); };
  return {clamp(whole.size()), clamp(fraction.size())};
}

bool is_whole(TypeId id) { return id == TypeId::kInt || id == TypeId::kLong; }
bool is_floating(TypeId id) { return id == TypeId::kFloat || id == TypeId::kDouble; }

/// Digits of an exact number type: before the point, after it.
std::pair<int, int> exact_digits(const Type& type) {
  if (type.id == TypeId::kDecimal) return {type.precision - type.scale, type.scale};
  return {type.id == TypeId::kInt ? kIntDigitsMax : kLongDigitsMax, 0};
}

TypePtr merge_numbers(const Type& a, const Type& b) {
  if (is_floating(a.id) || is_floating(b.id)) return make_type(TypeId::kDouble);
  if (is_whole(a.id) && is_whole(b.id)) return make_type(TypeId::kLong);
  const auto [whole_a, scale_a] = exact_digits(a);
  const auto [whole_b, scale_b] = exact_digits(b);
  const int scale = std::max(scale_a, scale_b);
  const int precision = std::max(whole_a, whole_b) + scale;
  return precision <= kDecimalDigitsMax ? make_decimal(precision, scale) : make_type(TypeId::kString);
}

TypePtr merge_nested(const TypePtr& a, const TypePtr& b) {
  switch (a->id) {
    case TypeId::kStruct: return make_struct(merge_fields(a->fields, b->fields));
    case TypeId::kList: return make_list(merge_types(a->fields[0].type, b->fields[0].type));
    default:
      if (!same_type(*a->fields[0].type, *b->fields[0].type)) return a;
      return make_map(a->fields[0].type, merge_types(a->fields[1].type, b->fields[1].type));
  }
}

}  // namespace

bool is_code(std::string_view text) {
  if (text.starts_with('+')) return text.size() > 1 && (is_digit(text[1]) || text[1] == '.');
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && is_digit(text[1]);
}

bool is_number(TypeId id) { return is_whole(id) || is_floating(id) || id == TypeId::kDecimal; }

ColumnGuess::ColumnGuess(const InferOptions& options, bool exact_decimals) : options_(options), exact_decimals_(exact_decimals) {}
ColumnGuess::~ColumnGuess() = default;
ColumnGuess::ColumnGuess(ColumnGuess&&) noexcept = default;
ColumnGuess& ColumnGuess::operator=(ColumnGuess&&) noexcept = default;

void ColumnGuess::see_scalar(uint32_t kind) {
  kinds_ |= kind;
  ++scalars_;
  if (first_shape_ == 0) first_shape_ = kScalarShape;
}

void ColumnGuess::see_number(uint32_t kind, std::string_view number) {
  see_scalar(kind);
  if (!exact_decimals_) return;
  const auto [whole, scale] = decimal_digits(number);
  whole_digits_max_ = std::max(whole_digits_max_, whole);
  scale_max_ = std::max(scale_max_, scale);
}

void ColumnGuess::see_bool() { see_scalar(kBool); }
void ColumnGuess::see_integer_text(std::string_view digits) { see_number(integer_kind(digits), digits); }
void ColumnGuess::see_number_text(std::string_view number) { see_number(kDouble, number); }

void ColumnGuess::see_string(std::string_view text) {
  if (is_not_finite(text)) return see_scalar(kNotFinite);
  see_scalar(options_.timestamps ? time_kind(text) : kText);
}

void ColumnGuess::see_text(std::string_view text) {
  if (text.empty()) return see_scalar(kText);
  if (read_bool(text)) return see_scalar(kBool);
  if (!is_code(text)) {
    if (is_integer(text)) return see_integer_text(text);
    const bool may_be_number = is_digit(text[0]) || text[0] == '-' || text[0] == '.';
    if (may_be_number && !is_not_finite(text) && read_double(text)) return see_number_text(text);
  }
  see_string(text);
}

StructGuess& ColumnGuess::see_struct() {
  ++structs_;
  if (first_shape_ == 0) first_shape_ = kStructShape;
  if (!members_) members_ = std::make_unique<StructGuess>(options_);
  return *members_;
}

ColumnGuess& ColumnGuess::see_list() {
  ++lists_;
  if (first_shape_ == 0) first_shape_ = kListShape;
  if (!element_) element_ = std::make_unique<ColumnGuess>(options_);
  return *element_;
}

void ColumnGuess::merge(const ColumnGuess& other) {
  kinds_ |= other.kinds_;
  whole_digits_max_ = std::max(whole_digits_max_, other.whole_digits_max_);
  scale_max_ = std::max(scale_max_, other.scale_max_);
  scalars_ += other.scalars_;
  structs_ += other.structs_;
  lists_ += other.lists_;
  if (first_shape_ == 0) first_shape_ = other.first_shape_;
  if (other.members_) {
    if (!members_) members_ = std::make_unique<StructGuess>(options_);
    members_->merge(*other.members_);
  }
  if (other.element_) {
    if (!element_) element_ = std::make_unique<ColumnGuess>(options_);
    element_->merge(*other.element_);
  }
}

TypePtr ColumnGuess::number_type() const {
  if (options_.numbers_double || (kinds_ & kNotFinite) != 0) return make_type(TypeId::kDouble);
  if (exact_decimals_ && whole_digits_max_ + scale_max_ <= kDecimalDigitsMax) {
    return make_decimal(std::max(whole_digits_max_ + scale_max_, 1), scale_max_);
  }
  if ((kinds_ & kDouble) != 0) return make_type(TypeId::kDouble);
  if ((kinds_ & kHugeInteger) != 0) return make_type(TypeId::kString);
  if ((kinds_ & kBigInteger) != 0) return make_decimal(kDecimalDigitsMax, 0);
  return make_type(TypeId::kLong);
}

TypePtr ColumnGuess::scalar_type() const {
  if (kinds_ == 0) return nullptr;
  if ((kinds_ & kNumbers) != 0 && (kinds_ & ~(kNumbers | kNotFinite)) == 0) return number_type();
  switch (kinds_) {
    case kBool: return make_type(TypeId::kBoolean);
    case kDate: return make_type(TypeId::kDate);
    case kTimestamp: return make_type(TypeId::kTimestamp);
    case kTimestamptz: return make_type(TypeId::kTimestamptz);
    default: return make_type(TypeId::kString);
  }
}

TypePtr ColumnGuess::struct_type() const {
  if (!members_) return nullptr;
  std::vector<Field> fields = members_->fields();
  std::erase_if(fields, [](const Field& field) { return field.type == nullptr; });
  return fields.empty() ? nullptr : make_struct(std::move(fields));
}

TypePtr ColumnGuess::list_type() const {
  TypePtr element = element_ ? element_->type() : nullptr;
  return element ? make_list(std::move(element)) : nullptr;
}

TypePtr ColumnGuess::type() const {
  struct Shape {
    int64_t count;
    bool first;
    TypePtr type;
  };
  Shape shapes[] = {{scalars_, first_shape_ == kScalarShape, scalar_type()},
                    {structs_, first_shape_ == kStructShape, struct_type()},
                    {lists_, first_shape_ == kListShape, list_type()}};
  std::stable_sort(std::begin(shapes), std::end(shapes),
                   [](const Shape& a, const Shape& b) { return std::pair(a.count, a.first) > std::pair(b.count, b.first); });
  for (Shape& shape : shapes) {
    if (shape.type) return shape.type;
  }
  return nullptr;
}

ColumnGuess& StructGuess::member(std::string_view name, bool exact_decimals) {
  const int found = names_.find(name);
  if (found >= 0) return members_[static_cast<size_t>(found)];
  if (members_.size() >= kStructMembersMax) {
    overflowed_ = true;
    overflow_ = ColumnGuess(options_);
    return overflow_;
  }
  names_.add(name);
  return members_.emplace_back(options_, exact_decimals);
}

void StructGuess::merge(const StructGuess& other) {
  for (size_t i = 0; i < other.members_.size(); ++i)
    member(other.names_.name(i), other.members_[i].exact_decimals()).merge(other.members_[i]);
  overflowed_ = overflowed_ || other.overflowed_;
}

std::vector<Field> StructGuess::fields() const {
  std::vector<Field> fields;
  for (size_t i = 0; i < members_.size(); ++i) fields.push_back({.name = names_.name(i), .type = members_[i].type()});
  return fields;
}

TypePtr merge_types(const TypePtr& a, const TypePtr& b) {
  if (!a || !b) return a ? a : b;
  if (a->is_nested() || b->is_nested()) return a->id == b->id ? merge_nested(a, b) : a;
  if (same_type(*a, *b)) return a;
  if (is_number(a->id) && is_number(b->id)) return merge_numbers(*a, *b);
  return make_type(TypeId::kString);
}

std::vector<Field> merge_fields(std::vector<Field> a, const std::vector<Field>& b) {
  std::unordered_map<std::string, size_t> positions;
  for (size_t i = 0; i < a.size(); ++i) positions.emplace(a[i].name, i);
  for (const Field& field : b) {
    const auto [found, added] = positions.emplace(field.name, a.size());
    if (added) {
      a.push_back(field);
    } else {
      a[found->second].type = merge_types(a[found->second].type, field.type);
    }
  }
  return a;
}

}  // namespace sluice
