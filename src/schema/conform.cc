#include "schema/conform.h"

#include <algorithm>
#include <ranges>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include "base/utf8.h"
#include "model/file.h"
#include "schema/array_rows.h"
#include "schema/arrow_schema.h"
#include "schema/evolution.h"

namespace sluice {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using DataPtr = std::shared_ptr<arrow::ArrayData>;

Error schema_mismatch(std::string message) {
  return {ErrorCode::kInvalidInput, std::move(message), std::string(error_type::kSchemaMismatch)};
}

Result<ArrayPtr> checked(arrow::Result<ArrayPtr> made) {
  if (made.ok()) return *std::move(made);
  return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + made.status().ToString());
}

void make_optional(Field& field);

TypePtr optional_parts(const Type& type) {
  auto copy = std::make_shared<Type>(type);
  for (size_t i = 0; i < copy->fields.size(); ++i) {
    make_optional(copy->fields[i]);
    if (type.id == TypeId::kMap && i == 0) copy->fields[i].required = true;  // a key
  }
  return copy;
}

void make_optional(Field& field) {
  field.id = 0;
  field.required = false;
  if (field.type->is_nested()) field.type = optional_parts(*field.type);
}

/// Whether arrays of the file's type can serve as they are, with the table's type put on them. Required parts of nested types are
/// checked value by value.
bool is_same(const arrow::DataType& from, const Type& to) {
  const auto same_part = [&](int i) {
    const Field& part = to.fields[static_cast<size_t>(i)];
    const bool is_key = to.id == TypeId::kMap && i == 0;
    return (is_key || !part.required) && is_same(*from.field(i)->type(), *part.type);
  };
  switch (to.id) {
    case TypeId::kStruct:
      if (from.id() != arrow::Type::STRUCT || from.num_fields() != static_cast<int>(to.fields.size())) return false;
      for (int i = 0; i < from.num_fields(); ++i) {
        if (from.field(i)->name() != to.fields[static_cast<size_t>(i)].name || !same_part(i)) return false;
      }
      return true;
    case TypeId::kList: return from.id() == arrow::Type::LIST && same_part(0);
    case TypeId::kMap: {
      if (from.id() != arrow::Type::MAP) return false;
      const auto& map = static_cast<const arrow::MapType&>(from);
      return !to.fields[1].required && is_same(*map.key_type(), *to.fields[0].type) && is_same(*map.item_type(), *to.fields[1].type);
    }
    case TypeId::kTimestamptz: {
      if (from.id() != arrow::Type::TIMESTAMP) return false;
      const auto& timestamp = static_cast<const arrow::TimestampType&>(from);
      return timestamp.unit() == arrow::TimeUnit::MICRO && !timestamp.timezone().empty();
    }
    default: return from.Equals(*to_arrow(to));
  }
}

bool holds_valid_text(const arrow::ArrayData& data) {
  if (data.type->id() == arrow::Type::STRING && data.length > 0) {
    const auto* offsets = data.GetValues<int32_t>(1);
    const int32_t begin = offsets[0], end = offsets[data.length];
    const uint8_t* text = data.buffers[2] ? data.buffers[2]->data() : nullptr;
    if (begin == end) return true;
    if (!arrow::util::ValidateUTF8(text + begin, end - begin)) return false;
    for (int64_t i = 1; i < data.length; ++i) {  // no character lies across two values
      if (offsets[i] < end && (text[offsets[i]] & 0xC0) == 0x80) return false;
    }
  }
  return std::ranges::all_of(data.child_data, [](const DataPtr& child) { return holds_valid_text(*child); });
}

}  // namespace

std::vector<Field> found_columns(const arrow::Schema& file) {
  std::vector<Field> found;
  for (const auto& column : file.fields()) {
    auto type = from_arrow(*column->type());
    Field field{.name = column->name(), .type = type ? *std::move(type) : nullptr};
    if (field.type) make_optional(field);
    found.push_back(std::move(field));
  }
  return found;
}

Result<BatchConformer> BatchConformer::bind(const arrow::Schema& file, const Schema& table, bool rescue) {
  arrow::util::InitializeUTF8();
  BatchConformer conformer;
  conformer.table_ = table;
  conformer.rescue_ = rescue;
  conformer.found_ = found_columns(file);
  std::vector<bool> taken(static_cast<size_t>(file.num_fields()));
  for (const Field& field : table.fields) {
    Column& column = conformer.columns_.emplace_back();
    const auto& found = conformer.found_;
    const auto at = std::ranges::find(found, field.name, &Field::name);
    if (at == found.end()) {
      if (!field.required) continue;
      return std::unexpected(schema_mismatch(fmt::format("the file lacks the required column \"{}\"", field.name)));
    }
    column.source = static_cast<int>(at - found.begin());
    column.as_it_is = is_same(*file.field(column.source)->type(), *field.type);
    taken[static_cast<size_t>(column.source)] = true;
  }
  for (size_t i = 0; i < taken.size(); ++i) {
    if (taken[i]) continue;
    if (!rescue) return std::unexpected(schema_mismatch(fmt::format("the table has no column \"{}\"", conformer.found_[i].name)));
    conformer.unknown_.push_back(static_cast<int>(i));
  }
  Schema all = table;
  if (rescue) all.fields.push_back({.name = std::string(kRescuedColumn), .type = make_type(TypeId::kString)});
  conformer.arrow_schema_ = to_arrow(all);
  return conformer;
}

Result<ConformedBatch> BatchConformer::conform(const arrow::RecordBatch& batch, int64_t first_row) {
  batch_rows_ = batch.num_rows();
  first_row_ = first_row;
  rescued_.clear();
  misfits_.clear();
  unplaced_bytes_ = 0;
  failure_.reset();
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const int source = columns_[i].source;
    auto array = source >= 0 ? convert(i, batch.column(source))
                             : checked(arrow::MakeArrayOfNull(arrow_schema_->field(static_cast<int>(i))->type(), batch_rows_));
    TRY(array);
    if (failure_) return std::unexpected(std::move(*failure_));
    arrays.push_back(*std::move(array));
  }
  std::string json;
  for (const int index : unknown_) {
    const arrow::Array& values = *batch.column(index);
    for (int64_t row = 0; row < batch_rows_; ++row) {
      if (values.IsNull(row)) continue;
      json.clear();
      append_json_value(values, row, json, kUnplacedBytesMax);
      leave_over(row, found_[static_cast<size_t>(index)].name, json);
      if (failure_) return std::unexpected(std::move(*failure_));
    }
  }

  ConformedBatch result;
  const std::vector<int64_t> rows = describe_misfits(batch);
  if (failure_) return std::unexpected(std::move(*failure_));
  if (rescue_) {
    TRY_ASSIGN(auto rescued, rescued_column(batch_rows_, result.rows_rescued));
    arrays.push_back(std::move(rescued));
  }
  for (size_t i = 0; i < arrays.size(); ++i) {
    if (!rows.empty()) {
      TRY_ASSIGN(arrays[i], without_rows(arrays[i], rows));
    }
    if (i < table_.fields.size() && table_.fields[i].required) arrays[i] = without_bitmap(*arrays[i]);
  }
  result.misfits = std::move(misfits_);
  result.batch = arrow::RecordBatch::Make(arrow_schema_, batch_rows_ - static_cast<int64_t>(rows.size()), std::move(arrays));
  return result;
}

/// The rows of misfits_, each once and in order; says what they held, for the quarantine.
std::vector<int64_t> BatchConformer::describe_misfits(const arrow::RecordBatch& batch) {
  std::ranges::stable_sort(misfits_, {}, &MisfitRow::row);
  const auto repeated = std::ranges::unique(misfits_, {}, &MisfitRow::row);  // the first reason is enough
  misfits_.erase(repeated.begin(), repeated.end());
  std::vector<int64_t> rows;
  for (MisfitRow& misfit : misfits_) {
    rows.push_back(misfit.row);
    append_json_row(batch, misfit.row, misfit.json);
    count_unplaced(misfit.row, misfit.json.size());
    if (failure_) break;
    if (!rescued_.empty()) rescued_[static_cast<size_t>(misfit.row)].clear();
  }
  return rows;
}

Result<ArrayPtr> BatchConformer::convert(size_t index, const ArrayPtr& from) {
  const Field& field = table_.fields[index];
  const auto& type = arrow_schema_->field(static_cast<int>(index))->type();
  Column& column = columns_[index];
  if (column.as_it_is && holds_valid_text(*from->data())) {
    DataPtr data = with_type(*from->data(), type);
    if (field.required) find_missing(*from, field);
    return arrow::MakeArray(data);
  }
  Field optional = field;
  optional.required = false;  // what is missing is found here, with its row
  ColumnWriter writer(optional);
  writer.reserve(batch_rows_);
  std::string json;
  for (int64_t row = 0; row < batch_rows_; ++row) {
    const int64_t length = writer.length();
    if (appender_.append(writer, *from, row, field.name)) {
      for (const LeftoverPart& part : appender_.leftovers()) leave_over(row, part.path, part.json);
      if (failure_) return ArrayPtr();
      column.refused |= !appender_.leftovers().empty();
      if (field.required && from->IsNull(row)) add_misfit(row, fmt::format("required column \"{}\" has no value", field.name));
      continue;
    }
    writer.truncate(length);
    writer.append_null();
    column.refused = true;
    if (appender_.met_invalid_text()) {
      add_misfit(row, fmt::format("column \"{}\": invalid UTF-8", field.name));
      continue;
    }
    json.clear();
    append_json_value(*from, row, json, kUnplacedBytesMax);
    const std::string reason = fmt::format("column \"{}\": {} does not fit {}", field.name, shown_text(json), to_text(*field.type));
    if (field.required) {
      add_misfit(row, "required " + reason);
    } else if (rescue_) {
      leave_over(row, field.name, json);
      if (failure_) return ArrayPtr();
    } else {
      failure_ = schema_mismatch(fmt::format("row {}: {}", first_row_ + row + 1, reason));
      return ArrayPtr();
    }
  }
  return arrow::MakeArray(writer.take(type));
}

void BatchConformer::find_missing(const arrow::Array& values, const Field& field) {
  if (values.null_count() == 0) return;
  for (int64_t row = 0; row < values.length(); ++row) {
    if (values.IsNull(row)) add_misfit(row, fmt::format("required column \"{}\" has no value", field.name));
  }
}

void BatchConformer::leave_over(int64_t row, const std::string& path, std::string_view json) {
  if (!rescue_) {
    if (!failure_) {
      failure_ = schema_mismatch(fmt::format("row {}: {}: {} has no place in the table", first_row_ + row + 1, path, shown_text(json)));
    }
    return;
  }
  if (rescued_.empty()) rescued_.resize(static_cast<size_t>(batch_rows_));
  count_unplaced(row, json.size());
  if (!failure_) rescued_[static_cast<size_t>(row)].add_json(path, json);
}

void BatchConformer::count_unplaced(int64_t row, size_t bytes) {
  unplaced_bytes_ += bytes;
  if (unplaced_bytes_ <= kUnplacedBytesMax || failure_) return;
  failure_ = Error{ErrorCode::kInvalidInput,
                   fmt::format("row {}: what has no place in the table takes more than {} MiB as text: give the table a column of its type",
                               first_row_ + row + 1, kUnplacedBytesMax / kMiB),
                   std::string(error_type::kTooLarge)};
}

void BatchConformer::add_misfit(int64_t row, std::string reason) { misfits_.push_back({row, std::move(reason), ""}); }

Result<ArrayPtr> BatchConformer::rescued_column(int64_t rows, int64_t& rows_rescued) {
  if (rescued_.empty()) return checked(arrow::MakeArrayOfNull(arrow::utf8(), rows));
  arrow::StringBuilder builder;
  arrow::Status status;
  for (RescueRow& row : rescued_) {
    if (!status.ok()) break;
    rows_rescued += !row.empty();
    status = row.empty() ? builder.AppendNull() : builder.Append(row.text());
  }
  if (!status.ok()) return fail(ErrorCode::kUnavailable, "arranging rows for the table: " + status.ToString());
  return checked(builder.Finish());
}

std::vector<Field> BatchConformer::drift() const {
  std::vector<Field> drift;
  for (const int index : unknown_) {
    const Field& field = found_[static_cast<size_t>(index)];
    if (field.type) drift.push_back(field);
  }
  for (const Column& column : columns_) {
    if (column.refused && found_[static_cast<size_t>(column.source)].type) drift.push_back(found_[static_cast<size_t>(column.source)]);
  }
  return drift;
}

}  // namespace sluice
