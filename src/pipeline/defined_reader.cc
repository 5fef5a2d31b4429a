#include "pipeline/defined_reader.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "formats/bad_row_tally.h"
#include "model/file.h"
#include "schema/array_rows.h"
#include "schema/arrow_schema.h"
#include "schema/arrow_value.h"
#include "schema/evolution.h"
#include "schema/rescue_members.h"

namespace sluice {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

Error out_of_memory(const arrow::Status& status) { return {ErrorCode::kUnavailable, "arranging rows for the table: " + status.ToString()}; }

Result<ArrayPtr> checked(arrow::Result<ArrayPtr> made) {
  if (!made.ok()) return std::unexpected(out_of_memory(made.status()));
  return *std::move(made);
}

Result<ArrayPtr> finished(arrow::ArrayBuilder& builder) { return checked(builder.Finish()); }

/// One row as many times as asked for.
Result<ArrayPtr> repeated(const arrow::Array& value, int64_t rows) {
  auto scalar = value.GetScalar(0);
  if (!scalar.ok()) return std::unexpected(out_of_memory(scalar.status()));
  return checked(arrow::MakeArrayFromScalar(**scalar, rows));
}

/// Text that is JSON already stays; other text becomes a JSON string.
Result<ArrayPtr> as_json_text(const arrow::StringArray& values) {
  arrow::StringBuilder builder;
  arrow::Status status;
  std::string json;
  for (int64_t row = 0; row < values.length() && status.ok(); ++row) {
    if (values.IsNull(row)) {
      status = builder.AppendNull();
      continue;
    }
    const std::string_view text = values.GetView(row);
    json.clear();
    if (!nlohmann::json::accept(text)) append_json_string(text, json);
    status = builder.Append(json.empty() ? text : json);
  }
  if (!status.ok()) return std::unexpected(out_of_memory(status));
  return finished(builder);
}

/// What the reader left over of the rows of one block: part of it becomes values of columns, the rest stays.
class Leftovers {
 public:
  Leftovers(const DefinedColumns& defined, int64_t first_row) : defined_(defined), first_row_(first_row) {
    for (size_t i = 0; i < defined.columns().size(); ++i) {
      const DefinedColumn& column = defined.columns()[i];
      if (column.kind == DefinedColumn::kJsonText) takers_.push_back({i, &column, ColumnWriter(optional(i)), std::nullopt});
      if (column.kind == DefinedColumn::kTakenUp) takers_.push_back({i, &column, ColumnWriter(optional(i)), ArrowValueAppender()});
    }
  }

  /// Fills the takers' columns among `arrays`, and returns `_rescued_data`.
  Result<ArrayPtr> take(const arrow::RecordBatch& batch, arrow::ArrayVector& arrays) {
    const ArrayPtr last = batch.columns().back();
    if (last->null_count() == batch.num_rows() && defined_.rescued_of_file().empty()) {
      TRY(take_nothing(batch, arrays));
      return last;
    }
    const auto& left = static_cast<const arrow::StringArray&>(*last);
    arrow::StringBuilder rescued;
    arrow::Status status;
    for (int64_t row = 0; row < batch.num_rows() && status.ok(); ++row) {
      TRY(take_row(batch, row, left.IsNull(row) ? std::string_view() : left.GetView(row)));
      status = rest_.empty() ? rescued.AppendNull() : rescued.Append("{" + rest_ + "}");
    }
    if (!status.ok()) return std::unexpected(out_of_memory(status));
    for (Taker& taker : takers_) arrays[taker.index] = arrow::MakeArray(taker.writer.take(arrow_type(taker.index)));
    return finished(rescued);
  }

 private:
  struct Taker {
    size_t index;
    const DefinedColumn* column;
    ColumnWriter writer;
    std::optional<ArrowValueAppender> others;  ///< kTakenUp: values that the reader has read
  };

  Field optional(size_t index) const {
    Field field = defined_.plan().columns.fields[index];
    field.required = false;
    return field;
  }
  std::shared_ptr<arrow::DataType> arrow_type(size_t index) const { return to_arrow(*defined_.plan().columns.fields[index].type); }

  Result<void> take_nothing(const arrow::RecordBatch& batch, arrow::ArrayVector& arrays) {
    for (const Taker& taker : takers_) {
      if (taker.others) {
        arrays[taker.index] = batch.column(taker.column->source);
      } else {
        TRY_ASSIGN(arrays[taker.index], checked(arrow::MakeArrayOfNull(arrow_type(taker.index), batch.num_rows())));
      }
    }
    return {};
  }

  Result<void> take_row(const arrow::RecordBatch& batch, int64_t row, std::string_view left) {
    rest_ = defined_.rescued_of_file();
    for (const RescueMember& member : rescue_members(left)) {
      if (is_taken(member, row)) continue;
      if (!defined_.plan().rescue) {
        return std::unexpected(no_place(member, row));
      }
      rest_ += rest_.empty() ? "" : ", ";
      rest_ += member.key;
      rest_ += ": ";
      rest_ += member.json;
    }
    for (Taker& taker : takers_) {
      if (taker.writer.length() > row) continue;
      if (taker.others) {
        taker.others->append(taker.writer, *batch.column(taker.column->source), row, "");
      } else {
        taker.writer.append_null();
      }
    }
    return {};
  }

  Error no_place(const RescueMember& member, int64_t row) const {
    std::string why = "has no place in the table, to which mode fixed adds nothing (evolve gives it a column, rescue keeps it beside)";
    for (const Taker& taker : takers_) {
      if (taker.column->key == member.key) why = "does not fit " + to_text(*defined_.plan().columns.fields[taker.index].type);
    }
    return {ErrorCode::kInvalidInput,
            fmt::format("row {}: column {}: {} {}", first_row_ + row + 1, member.key, shown_text(member.json), why),
            std::string(error_type::kSchemaMismatch)};
  }

  bool is_taken(const RescueMember& member, int64_t row) {
    for (Taker& taker : takers_) {
      if (taker.column->key != member.key || taker.writer.length() > row) continue;
      if (!taker.others) return taker.writer.append_text(member.json);
      const auto text = read_json_string(member.json, scratch_);
      return text && taker.writer.append_text(*text);
    }
    return false;
  }

  const DefinedColumns& defined_;
  const int64_t first_row_;
  std::vector<Taker> takers_;
  std::string rest_, scratch_;  ///< of the row in hand
};

Error has_no_column(const std::string& column) {
  return {ErrorCode::kInvalidInput, fmt::format("required column \"{}\": the file has no such field", column),
          std::string(error_type::kSchemaMismatch)};
}

class DefinedReader final : public Reader {
 public:
  DefinedReader(std::shared_ptr<const DefinedColumns> defined, std::unique_ptr<Reader> reader)
      : defined_(std::move(defined)), reader_(std::move(reader)), tally_(defined_->plan().bad_rows) {
    Schema columns = defined_->plan().columns;
    if (defined_->plan().rescue) columns.fields.push_back({.name = std::string(kRescuedColumn), .type = make_type(TypeId::kString)});
    schema_ = to_arrow(columns);
    for (const DefinedColumn& column : defined_->columns()) checkers_.push_back(column.checker);
  }

  Result<std::optional<RowBlock>> next(Context& context) override {
    TRY_ASSIGN(auto from, reader_->next(context));
    if (!from) {
      const auto missing = good_rows_ > 0 ? defined_->missing_column(reader_->drift()) : std::nullopt;
      if (missing) return std::unexpected(has_no_column(*missing));
      TRY(tally_.check_percentage(good_rows_));
      return std::nullopt;
    }
    RowBlock block;
    for (BadRow& row : from->bad_rows) {
      Error fault{ErrorCode::kInvalidInput, fmt::format("line {}: {}", row.line, row.reason), std::string(error_type::kParseError),
                  row.line};
      TRY(tally_.add(std::move(fault), std::move(row), block));
    }
    TRY_ASSIGN(arrow::ArrayVector arrays, table_columns(*from));
    TRY(leave_out_bad_rows(from->first_row, from->batch->num_rows(), arrays, block));
    block.first_row = good_rows_;
    good_rows_ += block.batch->num_rows();
    if (defined_->plan().rescue) {
      const arrow::Array& rescued = *block.batch->columns().back();
      block.rows_rescued = rescued.length() - rescued.null_count();
    }
    return block;
  }

  Drift drift() const override { return defined_->plan().report_drift ? defined_->drift(reader_->drift()) : Drift{}; }

 private:
  Result<arrow::ArrayVector> table_columns(const RowBlock& from) {
    const int64_t rows = from.batch->num_rows();
    arrow::ArrayVector arrays;
    for (const DefinedColumn& column : defined_->columns()) {
      const auto type = schema_->field(static_cast<int>(arrays.size()))->type();
      Result<ArrayPtr> made = nullptr;
      switch (column.kind) {
        case DefinedColumn::kField: made = from.batch->column(column.source); break;
        case DefinedColumn::kTextJson:
          made = as_json_text(static_cast<const arrow::StringArray&>(*from.batch->column(column.source)));
          break;
        case DefinedColumn::kOfFile: made = repeated(*column.value, rows); break;
        case DefinedColumn::kNull: made = checked(arrow::MakeArrayOfNull(type, rows)); break;
        case DefinedColumn::kTakenUp:
        case DefinedColumn::kJsonText: break;  // with the leftovers
      }
      TRY(made);
      arrays.push_back(*std::move(made));
    }
    if (!defined_->file_plan().rescue) return arrays;
    ArrayPtr rescued = from.batch->columns().back();
    if (defined_->takes_leftovers()) {
      TRY_ASSIGN(rescued, Leftovers(*defined_, from.first_row).take(*from.batch, arrays));
    }
    if (defined_->plan().rescue) arrays.push_back(std::move(rescued));
    return arrays;
  }

  struct Fault {
    int64_t row;
    std::string reason;
  };

  /// The first one of each row, in their order.
  std::vector<Fault> find_faults(int64_t rows, const arrow::ArrayVector& arrays) {
    std::vector<Fault> faults;
    for (size_t i = 0; i < checkers_.size(); ++i) {
      const Field& field = defined_->plan().columns.fields[i];
      const bool may_miss = field.required && defined_->columns()[i].kind != DefinedColumn::kField && arrays[i]->null_count() > 0;
      if (!checkers_[i] && !may_miss) continue;
      for (int64_t row = 0; row < rows; ++row) {
        if (may_miss && arrays[i]->IsNull(row)) {
          faults.push_back({row, fmt::format("required column \"{}\" has no value", field.name)});
        } else if (checkers_[i]) {
          if (auto reason = checkers_[i]->fault(*arrays[i], row)) faults.push_back({row, *std::move(reason)});
        }
      }
    }
    std::ranges::stable_sort(faults, {}, &Fault::row);
    const auto repeated_rows = std::ranges::unique(faults, {}, &Fault::row);
    faults.erase(repeated_rows.begin(), repeated_rows.end());
    return faults;
  }

  /// Makes the block's batch of those that are good. Rows are counted from 1, without those that could not be read.
  Result<void> leave_out_bad_rows(int64_t first_row, int64_t rows, arrow::ArrayVector& arrays, RowBlock& block) {
    const std::vector<Fault> faults = find_faults(rows, arrays);
    std::vector<int64_t> bad;
    if (!faults.empty()) {
      const auto batch = arrow::RecordBatch::Make(schema_, rows, arrays);
      for (const Fault& fault : faults) {
        bad.push_back(fault.row);
        const std::string reason = fmt::format("row {}: {}", first_row + fault.row + 1, fault.reason);
        BadRow row{.reason = reason};
        append_json_row(*batch, fault.row, row.text);
        TRY(tally_.add({ErrorCode::kInvalidInput, reason, std::string(error_type::kParseError)}, std::move(row), block));
      }
    }
    for (size_t i = 0; i < arrays.size(); ++i) {
      if (!bad.empty()) {
        TRY_ASSIGN(arrays[i], without_rows(arrays[i], bad));
      }
      if (i < checkers_.size() && defined_->plan().columns.fields[i].required) arrays[i] = without_bitmap(*arrays[i]);
    }
    block.batch = arrow::RecordBatch::Make(schema_, rows - std::ssize(bad), std::move(arrays));
    return {};
  }

  const std::shared_ptr<const DefinedColumns> defined_;
  const std::unique_ptr<Reader> reader_;
  BadRowTally tally_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::optional<ColumnChecker>> checkers_;  ///< of the plan's columns
  int64_t good_rows_ = 0;
};

}  // namespace

Result<std::shared_ptr<const DefinedColumns>> define_columns(const std::shared_ptr<const ColumnRules>& rules, const ReadPlan& plan,
                                                             const Format& format, const ClaimedFile& file) {
  if (!rules) return nullptr;
  return DefinedColumns::bind(rules, plan, format, file);
}

Result<std::unique_ptr<Reader>> open_reader(const std::shared_ptr<const DefinedColumns>& defined, const ReadPlan& plan,
                                            const Format& format, Blob& blob, ByteRange split, Context& context) {
  if (!defined) return format.open(blob, split, plan, context);
  TRY_ASSIGN(auto reader, format.open(blob, split, defined->file_plan(), context));
  return std::make_unique<DefinedReader>(defined, std::move(reader));
}

}  // namespace sluice
