#include "formats/csv_bundle.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <arrow/record_batch.h>

#include "formats/csv_columns.h"
#include "formats/csv_reader.h"
#include "formats/decompress.h"
#include "schema/column_writer.h"

namespace sluice {
namespace {

class ViewSource final : public ByteSource {
 public:
  explicit ViewSource(std::string_view bytes) : left_(bytes) {}

  Result<size_t> read(std::span<char> into, Context&) override {
    const size_t count = std::min(into.size(), left_.size());
    std::memcpy(into.data(), left_.data(), count);
    left_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view left_;
};

class CsvBundle final : public Bundle {
 public:
  CsvBundle(const ReadPlan& plan, const CsvDialect& dialect)
      : plan_(plan), dialect_(dialect), null_tokens_(plan.csv.null_tokens), rows_(plan.columns, plan.rescue, plan.block_rows_max) {}

  std::optional<int64_t> add(std::string_view bytes, Context& context) override {
    const int64_t before = rows_.rows();
    if (append_all(bytes, context)) return rows_.rows() - before;
    rows_.rollback_to(before, 0);
    return std::nullopt;
  }
  int64_t rows() const override { return rows_.rows(); }
  bool full() const override { return rows_.full(); }
  std::shared_ptr<arrow::RecordBatch> take() override { return rows_.flush(); }

 private:
  /// False: something is not as it should be; some rows may have been appended.
  bool append_all(std::string_view bytes, Context& context) {
    if (compression_of(bytes) != Compression::kNone) return false;
    CsvScanner scanner(std::make_unique<ViewSource>(bytes), dialect_, {.block_bytes = bytes.size() + 1});
    bool bound = false;
    for (;;) {
      const auto found = scanner.next(context);
      if (!found || !scanner.problem().reason.empty()) return false;
      if (!*found) return true;
      if (!bound) {
        bound = plan_.csv.header ? bind_by_name(scanner) : bind_by_position(scanner);
        if (!bound) return false;
        if (plan_.csv.header) continue;
      }
      if (!append_record(scanner)) return false;
    }
  }

  /// Most files have the header of the file before.
  bool bind_by_name(const CsvScanner& scanner) {
    if (header_ == scanner.raw() && !targets_.empty()) return true;
    targets_.clear();
    const auto header = take_csv_header(scanner);
    if (!header) return false;
    for (const std::string& name : csv_column_names(*header)) targets_.push_back(rows_.find(name));
    header_ = scanner.raw();
    if (has_all_columns()) return true;
    targets_.clear();
    return false;
  }

  bool bind_by_position(const CsvScanner& scanner) {
    targets_.clear();
    if (scanner.field_count() > plan_.columns.fields.size()) return false;
    for (size_t i = 0; i < scanner.field_count(); ++i) targets_.push_back(static_cast<int>(i));
    return has_all_columns();
  }

  /// The table has every column of the file, and the file those that the table requires.
  bool has_all_columns() const {
    if (std::ranges::find(targets_, -1) != targets_.end()) return false;
    for (size_t i = 0; i < plan_.columns.fields.size(); ++i) {
      if (plan_.columns.fields[i].required && std::ranges::find(targets_, static_cast<int>(i)) == targets_.end()) return false;
    }
    return true;
  }

  bool append_record(const CsvScanner& scanner) {
    const std::span<const CsvField> fields = scanner.fields();
    if (scanner.field_count() != targets_.size() || fields.size() != targets_.size()) return false;
    for (size_t i = 0; i < fields.size(); ++i) {
      ColumnWriter& column = rows_.column(static_cast<size_t>(targets_[i]));
      if (null_tokens_.contains(fields[i])) {
        column.append_null();
      } else if (!column.append_text(fields[i].text)) {
        return false;
      }
    }
    return !rows_.finish_row();
  }

  const ReadPlan plan_;
  const CsvDialect dialect_;
  const CsvNullTokens null_tokens_;
  RowWriter rows_;
  std::string header_;        ///< as written
  std::vector<int> targets_;  ///< the table's column for each of the file's
};

}  // namespace

std::unique_ptr<Bundle> make_csv_bundle(const ReadPlan& plan, const CsvDialect& dialect) {
  if (!dialect.check()) return nullptr;  // a reader says what is wrong with it
  return std::make_unique<CsvBundle>(plan, dialect);
}

}  // namespace sluice
