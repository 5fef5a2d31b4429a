#include "formats/avro_columns.h"

#include <algorithm>
#include <array>
#include <utility>

#include <arrow/extension/uuid.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include "model/file.h"
#include "schema/arrow_value.h"
#include "schema/type.h"

namespace sluice {
namespace {

constexpr int64_t kDecimalBytes = 16;
constexpr int64_t kUuidBytes = 16;

std::unexpected<Error> bad_column(std::string message) {
  return std::unexpected(Error{ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kParseError)});
}

/// How values of a type are kept: the type that a ColumnWriter fills, and the Arrow type of the same layout that they mean.
struct Shape {
  TypePtr filled;
  std::shared_ptr<arrow::DataType> meant;
};

Shape shape_of(const AvroType& type);

Shape timestamps(arrow::TimeUnit::type unit, bool is_instant) {
  return {make_type(TypeId::kLong), is_instant ? arrow::timestamp(unit, "UTC") : arrow::timestamp(unit)};
}

Shape shape_of_long(const std::string& logical) {
  if (logical == "time-micros") return {make_type(TypeId::kLong), arrow::time64(arrow::TimeUnit::MICRO)};
  if (logical == "timestamp-millis") return timestamps(arrow::TimeUnit::MILLI, true);
  if (logical == "timestamp-micros") return timestamps(arrow::TimeUnit::MICRO, true);
  if (logical == "timestamp-nanos") return timestamps(arrow::TimeUnit::NANO, true);
  if (logical == "local-timestamp-millis") return timestamps(arrow::TimeUnit::MILLI, false);
  if (logical == "local-timestamp-micros") return timestamps(arrow::TimeUnit::MICRO, false);
  if (logical == "local-timestamp-nanos") return timestamps(arrow::TimeUnit::NANO, false);
  return {make_type(TypeId::kLong), arrow::int64()};
}

/// How many a time of day counts at most; 0: the type is none.
int64_t ticks_of_a_day(const AvroType& type) {
  constexpr int64_t kMillisecondsOfADay = 86'400'000;
  if (type.kind == AvroType::kInt && type.logical == "time-millis") return kMillisecondsOfADay;
  if (type.kind == AvroType::kLong && type.logical == "time-micros") return kMillisecondsOfADay * 1000;
  return 0;
}

bool is_decimal(const AvroType& type) { return type.logical == "decimal" && type.precision > 0 && type.precision <= kDecimalDigitsMax; }

Shape shape_of_members(const std::vector<std::pair<std::string, const AvroType*>>& members) {
  std::vector<Field> filled;
  arrow::FieldVector meant;
  for (const auto& [name, type] : members) {
    Shape shape = shape_of(*type);
    filled.push_back({.name = name, .type = shape.filled});
    meant.push_back(arrow::field(name, shape.meant));
  }
  return {make_struct(std::move(filled)), arrow::struct_(meant)};
}

bool is_null(const AvroType& type) { return type.kind == AvroType::kNull; }

/// The branches of a union that have values, with the names of their members.
std::vector<std::pair<std::string, const AvroType*>> branches_of(const AvroType& type) {
  std::vector<std::pair<std::string, const AvroType*>> branches;
  for (const AvroField& branch : type.fields) {
    if (!is_null(*branch.type)) branches.emplace_back(fmt::format("member{}", branches.size()), branch.type.get());
  }
  return branches;
}

/// Branches that one plain number can hold: the wider of the two; else nullptr.
const AvroType* number_of(const std::vector<std::pair<std::string, const AvroType*>>& branches) {
  const AvroType* widest = nullptr;
  for (const auto& [name, type] : branches) {
    const bool whole = type->kind == AvroType::kInt || type->kind == AvroType::kLong;
    const bool real = type->kind == AvroType::kFloat || type->kind == AvroType::kDouble;
    if (!type->logical.empty() || (!whole && !real)) return nullptr;
    if (widest != nullptr && (widest->kind == AvroType::kInt || widest->kind == AvroType::kLong) != whole) return nullptr;
    if (widest == nullptr || type->kind == AvroType::kLong || type->kind == AvroType::kDouble) widest = type;
  }
  return widest;
}

Shape shape_of_union(const AvroType& type) {
  const auto branches = branches_of(type);
  if (branches.empty()) return {make_type(TypeId::kString), arrow::utf8()};
  if (branches.size() == 1) return shape_of(*branches[0].second);
  if (const AvroType* number = number_of(branches)) return shape_of(*number);
  return shape_of_members(branches);
}

Shape shape_of_record(const AvroType& type) {
  std::vector<std::pair<std::string, const AvroType*>> members;
  for (const AvroField& field : type.fields) {
    if (!is_null(*field.type)) members.emplace_back(field.name, field.type.get());
  }
  return shape_of_members(members);
}

Shape shape_of(const AvroType& type) {
  const auto decimal = [&] { return Shape{make_fixed(kDecimalBytes), arrow::decimal128(type.precision, type.scale)}; };
  switch (type.kind) {
    case AvroType::kBoolean: return {make_type(TypeId::kBoolean), arrow::boolean()};
    case AvroType::kInt:
      if (type.logical == "date") return {make_type(TypeId::kInt), arrow::date32()};
      if (type.logical == "time-millis") return {make_type(TypeId::kInt), arrow::time32(arrow::TimeUnit::MILLI)};
      return {make_type(TypeId::kInt), arrow::int32()};
    case AvroType::kLong: return shape_of_long(type.logical);
    case AvroType::kFloat: return {make_type(TypeId::kFloat), arrow::float32()};
    case AvroType::kDouble: return {make_type(TypeId::kDouble), arrow::float64()};
    case AvroType::kBytes: return is_decimal(type) ? decimal() : Shape{make_type(TypeId::kBinary), arrow::binary()};
    case AvroType::kNull:
    case AvroType::kEnum:
    case AvroType::kString: return {make_type(TypeId::kString), arrow::utf8()};
    case AvroType::kFixed:
      if (is_decimal(type)) return decimal();
      if (type.logical == "uuid" && type.size == kUuidBytes) return {make_type(TypeId::kUuid), arrow::extension::uuid()};
      return {make_fixed(static_cast<int>(type.size)), arrow::fixed_size_binary(static_cast<int>(type.size))};
    case AvroType::kArray: {
      Shape element = shape_of(*type.fields[0].type);
      return {make_list(element.filled), arrow::list(arrow::field("element", element.meant))};
    }
    case AvroType::kMap: {
      Shape value = shape_of(*type.fields[0].type);
      return {make_map(make_type(TypeId::kString), value.filled), arrow::map(arrow::utf8(), value.meant)};
    }
    case AvroType::kUnion: return shape_of_union(type);
    case AvroType::kRecord: return shape_of_record(type);
  }
  return {make_type(TypeId::kString), arrow::utf8()};
}

}  // namespace

Result<AvroColumns> AvroColumns::open(const AvroTypePtr& schema, int64_t rows_max) {
  if (schema->kind != AvroType::kRecord) return bad_column("the schema of the Avro file is no record");
  AvroColumns columns;
  columns.type_ = schema;
  const Shape shape = shape_of_record(*schema);
  columns.schema_ = arrow::schema(shape.meant->fields());
  columns.rows_.emplace(Schema{.fields = shape.filled->fields}, /*rescue=*/false, rows_max);
  return columns;
}

Result<void> AvroColumns::append(AvroDecoder& in) {
  TRY(in.count_value());
  size_t column = 0;
  for (const AvroField& field : type_->fields) {
    if (is_null(*field.type)) {
      TRY(in.count_value());
      continue;
    }
    TRY(append_value(rows_->column(column++), *field.type, in));
  }
  rows_->finish_row();
  return {};
}

std::shared_ptr<arrow::RecordBatch> AvroColumns::flush() {
  const auto filled = rows_->flush();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int i = 0; i < filled->num_columns(); ++i) columns.push_back(with_type(*filled->column_data(i), schema_->field(i)->type()));
  return arrow::RecordBatch::Make(schema_, filled->num_rows(), std::move(columns));
}

Result<void> AvroColumns::append_value(ColumnWriter& to, const AvroType& type, AvroDecoder& in) {
  if (type.kind == AvroType::kUnion) return append_union(to, type, in);
  TRY(in.count_value());
  bool fits = true;
  switch (type.kind) {
    case AvroType::kNull: to.append_null(); break;
    case AvroType::kBoolean: {
      TRY_ASSIGN(const bool value, in.read_boolean());
      fits = to.append_bool(value);
      break;
    }
    case AvroType::kInt:
    case AvroType::kLong: {
      TRY_ASSIGN(const int64_t value, in.read_long());
      if (const int64_t ticks = ticks_of_a_day(type); ticks != 0 && (value < 0 || value >= ticks))
        return bad_column("a time lies outside the day");
      fits = to.append_integer(value, {});
      break;
    }
    case AvroType::kFloat: {
      TRY_ASSIGN(const float value, in.read_float());
      fits = to.append_float(value);
      break;
    }
    case AvroType::kDouble: {
      TRY_ASSIGN(const double value, in.read_double());
      fits = to.append_double(value);
      break;
    }
    case AvroType::kBytes: {
      TRY_ASSIGN(const auto bytes, in.read_bytes());
      if (is_decimal(type)) return append_decimal(to, type, bytes);
      fits = to.append_bytes(bytes);
      break;
    }
    case AvroType::kString: {
      TRY_ASSIGN(const auto text, in.read_bytes());
      fits = to.append_json_string(text);
      break;
    }
    case AvroType::kFixed: {
      TRY_ASSIGN(const auto bytes, in.read_exactly(type.size));
      if (is_decimal(type)) return append_decimal(to, type, bytes);
      fits = to.append_bytes(bytes);
      break;
    }
    case AvroType::kEnum: {
      TRY_ASSIGN(const int64_t index, in.read_long());
      if (index < 0 || static_cast<uint64_t>(index) >= type.symbols.size())
        return bad_column("an enum names a symbol that it does not have");
      fits = to.append_json_string(type.symbols[static_cast<size_t>(index)]);
      break;
    }
    case AvroType::kRecord: return append_record(to, type, in);
    case AvroType::kArray: return append_array(to, type, in);
    case AvroType::kMap: return append_map(to, type, in);
    case AvroType::kUnion: break;
  }
  if (!fits) return bad_column("a number is out of the range of its type, or text above 2 GiB");
  return {};
}

Result<void> AvroColumns::append_record(ColumnWriter& to, const AvroType& type, AvroDecoder& in) {
  to.begin_struct();
  size_t member = 0;
  for (const AvroField& field : type.fields) {
    if (is_null(*field.type)) {
      TRY(in.count_value());
      continue;
    }
    TRY(append_value(to.member(member++), *field.type, in));
  }
  to.end_struct();
  return {};
}

Result<void> AvroColumns::append_union(ColumnWriter& to, const AvroType& type, AvroDecoder& in) {
  TRY_ASSIGN(const size_t branch, in.read_branch(type));
  const AvroType& chosen = *type.fields[branch].type;
  if (is_null(chosen)) {
    TRY(in.count_value());
    to.append_null();
    return {};
  }
  const bool only_null_beside = type.fields.size() == 2 && is_null(*type.fields[1 - branch].type);
  if (only_null_beside) return append_value(to, chosen, in);
  const auto branches = branches_of(type);
  if (branches.size() == 1 || number_of(branches) != nullptr) return append_value(to, chosen, in);
  to.begin_struct();
  const auto nulls = std::count_if(type.fields.begin(), type.fields.begin() + static_cast<int64_t>(branch),
                                   [](const AvroField& f) { return is_null(*f.type); });
  TRY(append_value(to.member(branch - static_cast<size_t>(nulls)), chosen, in));
  to.end_struct();
  return {};
}

Result<void> AvroColumns::append_array(ColumnWriter& to, const AvroType& type, AvroDecoder& in) {
  to.begin_list();
  while (true) {
    TRY_ASSIGN(const int64_t count, in.read_item_count());
    if (count == 0) break;
    for (int64_t i = 0; i < count; ++i) TRY(append_value(to.element(), *type.fields[0].type, in));
  }
  to.end_list();
  return {};
}

Result<void> AvroColumns::append_map(ColumnWriter& to, const AvroType& type, AvroDecoder& in) {
  to.begin_map();
  while (true) {
    TRY_ASSIGN(const int64_t count, in.read_item_count());
    if (count == 0) break;
    for (int64_t i = 0; i < count; ++i) {
      TRY_ASSIGN(const auto key, in.read_bytes());
      to.key().append_json_string(key);
      TRY(append_value(to.value(), *type.fields[0].type, in));
    }
  }
  to.end_map();
  return {};
}

/// Two's complement of any length, into Arrow's 16 bytes, lowest first.
Result<void> AvroColumns::append_decimal(ColumnWriter& to, const AvroType& type, std::string_view big_endian) {
  const bool negative = !big_endian.empty() && (big_endian.front() & 0x80) != 0;
  const char fill = negative ? '\xff' : '\0';
  std::array<char, kDecimalBytes> bytes;
  bytes.fill(fill);
  size_t at = 0;
  for (auto byte = big_endian.rbegin(); byte != big_endian.rend(); ++byte, ++at) {
    if (at < bytes.size()) {
      bytes[at] = *byte;
    } else if (*byte != fill) {
      return bad_column("a decimal is longer than its precision");
    }
  }
  if (big_endian.size() > bytes.size() && ((bytes.back() & 0x80) != 0) != negative)
    return bad_column("a decimal is longer than its precision");
  if (!arrow::Decimal128(reinterpret_cast<const uint8_t*>(bytes.data())).FitsInPrecision(type.precision)) {
    return bad_column("a decimal is longer than its precision");
  }
  to.append_bytes({bytes.data(), bytes.size()});
  return {};
}

}  // namespace sluice
