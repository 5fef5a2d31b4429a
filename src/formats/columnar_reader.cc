#include "formats/columnar_reader.h"

#include <algorithm>
#include <utility>

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include "formats/bad_row_tally.h"
#include "model/file.h"
#include "schema/conform.h"

namespace sluice {
namespace {

bool names_are_text(const arrow::FieldVector& fields) {
  for (const auto& field : fields) {
    if (!arrow::util::ValidateUTF8(field->name()) || !names_are_text(field->type()->fields())) return false;
  }
  return true;
}

Result<void> check_names(const arrow::Schema& schema) {
  arrow::util::InitializeUTF8();
  if (names_are_text(schema.fields())) return {};
  return std::unexpected(Error{ErrorCode::kInvalidInput, "the name of a column is invalid UTF-8", std::string(error_type::kParseError)});
}

bool is_to_be_checked(const arrow::DataType& type) {
  return type.id() == arrow::Type::DICTIONARY || arrow::is_decimal(type.id()) ||
         std::ranges::any_of(type.fields(), [](const auto& field) { return is_to_be_checked(*field->type()); });
}

class ColumnarReader final : public Reader {
 public:
  ColumnarReader(std::unique_ptr<BatchFeed> feed, BatchConformer conformer, const ReadPlan& plan)
      : feed_(std::move(feed)), conformer_(std::move(conformer)), report_drift_(plan.report_drift), tally_(plan.bad_rows) {}

  Result<std::optional<RowBlock>> next(Context& context) override {
    TRY(context.check());
    TRY_ASSIGN(const auto batch, feed_->next(context));
    if (batch == nullptr) {
      TRY(tally_.check_percentage(good_rows_));
      return std::nullopt;
    }
    TRY_ASSIGN(ConformedBatch conformed, conformer_.conform(*batch, file_rows_));
    RowBlock block{.batch = std::move(conformed.batch), .first_row = good_rows_, .rows_rescued = conformed.rows_rescued};
    for (MisfitRow& misfit : conformed.misfits) {
      const int64_t number = file_rows_ + misfit.row + 1;
      Error fault{ErrorCode::kInvalidInput, fmt::format("row {}: {}", number, misfit.reason), std::string(error_type::kParseError), number};
      TRY(tally_.add(std::move(fault), {.line = number, .reason = std::move(misfit.reason), .text = std::move(misfit.json)}, block));
    }
    file_rows_ += batch->num_rows();
    good_rows_ += block.batch->num_rows();
    return block;
  }

  Drift drift() const override { return {report_drift_ ? conformer_.drift() : std::vector<Field>()}; }

 private:
  const std::unique_ptr<BatchFeed> feed_;
  BatchConformer conformer_;
  const bool report_drift_;
  BadRowTally tally_;
  int64_t file_rows_ = 0, good_rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<Reader>> make_columnar_reader(std::unique_ptr<BatchFeed> feed, const ReadPlan& plan) {
  TRY(check_names(*feed->schema()));
  TRY_ASSIGN(auto conformer, BatchConformer::bind(*feed->schema(), plan.columns, plan.rescue));
  return std::make_unique<ColumnarReader>(std::move(feed), std::move(conformer), plan);
}

arrow::Status check_values(const arrow::RecordBatch& batch) {
  for (const auto& column : batch.columns()) {
    if (is_to_be_checked(*column->type())) ARROW_RETURN_NOT_OK(column->ValidateFull());
  }
  return arrow::Status::OK();
}

Result<Inferred> infer_from_schema(const arrow::Schema& schema, int64_t rows) {
  TRY(check_names(schema));
  Inferred inferred{.fields = found_columns(schema), .header = {}, .rows = rows};
  for (const Field& field : inferred.fields) inferred.header.push_back(field.name);
  return inferred;
}

}  // namespace sluice
