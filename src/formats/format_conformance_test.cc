// One suite over all formats: what Reader promises (base/byte_source.h, formats/format.h) holds for every one of them.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "formats/avro_format.h"
#include "formats/csv_format.h"
#include "formats/json_format.h"
#include "formats/orc_format.h"
#include "formats/parquet_format.h"
#include "formats/sql_format.h"
#include "formats/text_format.h"
#include "model/file.h"

namespace sluice {
namespace {

constexpr int64_t kRows = 96'000;
constexpr int64_t kRowsTogether = 8'000;  // in a row group, a stripe, a block
constexpr int64_t kBlockRows = 16 * 1024;
constexpr int64_t kReadAheadBytesMax = 4 * kMiB;    // what a reader has taken from the store and not given out
constexpr int64_t kReadTwiceBytesMax = 256 * kKiB;  // magic numbers, footers
constexpr int64_t kBlockBytesMax = 32 * kMiB;       // of Arrow's memory, for one block and the next

std::string word_of(int64_t row) {
  return fmt::format("{:0>10}{}", row * 7919 % kRows, std::string(90, static_cast<char>('a' + row % 26)));
}

std::string lines_of(const std::function<std::string(int64_t)>& line) {
  std::string lines;
  for (int64_t row = 0; row < kRows; ++row) lines += line(row) + "\n";
  return lines;
}

std::shared_ptr<arrow::Table> table_of_rows() {
  arrow::Int64Builder ids;
  arrow::StringBuilder words;
  for (int64_t row = 0; row < kRows; ++row) {
    EXPECT_TRUE(ids.Append(row).ok() && words.Append(word_of(row)).ok());
  }
  const auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("word", arrow::utf8())});
  return arrow::Table::Make(schema, {ids.Finish().ValueOrDie(), words.Finish().ValueOrDie()});
}

std::string as_parquet() {
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  EXPECT_TRUE(parquet::arrow::WriteTable(*table_of_rows(), arrow::default_memory_pool(), sink, kRowsTogether).ok());
  return sink->Finish().ValueOrDie()->ToString();
}

std::string as_orc() {
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  arrow::adapters::orc::WriteOptions options;
  options.batch_size = 1024;
  options.stripe_size = kMiB;
  const auto writer = arrow::adapters::orc::ORCFileWriter::Open(sink.get(), options).ValueOrDie();
  EXPECT_TRUE(writer->Write(*table_of_rows()).ok() && writer->Close().ok());
  return sink->Finish().ValueOrDie()->ToString();
}

std::string avro_long(int64_t value) {
  std::string bytes;
  auto rest = static_cast<uint64_t>(value) << 1;
  for (; rest >= 0x80; rest >>= 7) bytes += static_cast<char>(rest | 0x80);
  return bytes + static_cast<char>(rest);
}

std::string avro_text(std::string_view text) { return avro_long(static_cast<int64_t>(text.size())).append(text); }

std::string as_avro() {
  constexpr std::string_view kSchema =
      R"({"type":"record","name":"row","fields":[{"name":"id","type":"long"},{"name":"word","type":"string"}]})";
  const std::string sync(16, '#');
  std::string file = "Obj\x01" + avro_long(1) + avro_text("avro.schema") + avro_text(kSchema) + avro_long(0) + sync;
  for (int64_t begin = 0; begin < kRows; begin += kRowsTogether) {
    std::string block;
    for (int64_t row = begin; row < begin + kRowsTogether; ++row) block += avro_long(row) + avro_text(word_of(row));
    file += avro_long(kRowsTogether) + avro_text(block) + sync;
  }
  return file;
}

std::string as_sql() {
  return "CREATE TABLE public.rows (\n    id bigint,\n    word text\n);\nCOPY public.rows (id, word) FROM stdin;\n" +
         lines_of([](int64_t row) { return fmt::format("{}\t{}", row, word_of(row)); }) + "\\.\n";
}

/// What goes wrong with a store's bytes, once so many of them were read.
enum class Trouble { kNone, kStopRequested, kUnavailable, kEndsEarly };

/// A file in memory that counts what is read of it.
class WatchedBlob final : public Blob {
 public:
  WatchedBlob(const std::string& bytes, Trouble trouble, int64_t after_bytes)
      : bytes_(bytes), trouble_(trouble), after_bytes_(after_bytes) {}

  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_.size()); }
  Result<std::unique_ptr<ByteSource>> open(ByteRange range, Context&) override {
    const auto end = range.length < 0 ? bytes_.size() : std::min(bytes_.size(), static_cast<size_t>(range.offset + range.length));
    return std::make_unique<Source>(*this, static_cast<size_t>(range.offset), end);
  }
  Context context() const { return {.stop = stop_.get_token()}; }
  int64_t bytes_read() const { return bytes_read_; }

 private:
  class Source final : public ByteSource {
   public:
    Source(WatchedBlob& blob, size_t at, size_t end) : blob_(blob), at_(at), end_(end) {}
    Result<size_t> read(std::span<char> into, Context&) override {
      if (blob_.bytes_read_ >= blob_.after_bytes_) {
        if (blob_.trouble_ == Trouble::kStopRequested) blob_.stop_.request_stop();
        if (blob_.trouble_ == Trouble::kUnavailable) return fail(ErrorCode::kUnavailable, "the store is away");
        if (blob_.trouble_ == Trouble::kEndsEarly) return 0;
      }
      const size_t count = blob_.bytes_.copy(into.data(), std::min(into.size(), end_ - at_), at_);
      at_ += count;
      blob_.bytes_read_ += static_cast<int64_t>(count);
      return count;
    }

   private:
    WatchedBlob& blob_;
    size_t at_, end_;
  };

  const std::string& bytes_;
  const Trouble trouble_;
  const int64_t after_bytes_;
  std::stop_source stop_;
  int64_t bytes_read_ = 0;
};

struct FormatCase {
  friend void PrintTo(const FormatCase& format, std::ostream* out) { *out << format.name; }

  std::string name;
  const Format& (*format)();
  std::string (*file)();
};

class FormatConformanceTest : public testing::TestWithParam<FormatCase> {
 protected:
  const std::string& file() const {
    static std::map<std::string, std::string> files;
    std::string& file = files[GetParam().name];
    if (file.empty()) file = GetParam().file();
    return file;
  }

  ReadPlan plan() const {
    Context context;
    const auto blob = make_memory_blob(file());
    ReadPlan plan;
    plan.columns.fields = GetParam().format().infer(*blob, kMiB, Source{}, {}, context).value().fields;
    plan.block_rows_max = kBlockRows;
    plan.sql.table = "rows";  // else the dump is read twice, first for its tables
    for (size_t i = 0; i < plan.columns.fields.size(); ++i) plan.columns.fields[i].id = static_cast<int>(i) + 1;
    return plan;
  }

  /// The rows of the file, shown block by block; or the error that ended it.
  Result<int64_t> read(WatchedBlob& blob, const std::function<void(const RowBlock&, int64_t rows)>& see = [](const RowBlock&, int64_t) {}) {
    Context context = blob.context();
    TRY_ASSIGN(const auto reader, GetParam().format().open(blob, {}, plan(), context));
    int64_t rows = 0;
    for (;;) {
      TRY_ASSIGN(const auto block, reader->next(context));
      if (!block) return rows;
      EXPECT_EQ(block->first_row, rows);
      rows += block->batch->num_rows();
      see(*block, rows);
    }
  }

  /// The error of a file whose trouble comes in its middle.
  Error error_of(Trouble trouble) {
    WatchedBlob blob(file(), trouble, static_cast<int64_t>(file().size()) / 2);
    const auto rows = read(blob);
    EXPECT_FALSE(rows) << *rows << " rows, as if nothing had happened";
    EXPECT_LE(blob.bytes_read(), static_cast<int64_t>(file().size()) / 2 + kReadAheadBytesMax);
    return rows ? Error{} : rows.error();
  }
};

// Prevents a large file from being held in memory: a reader takes little more from the store than it has given out, and a block is small.
TEST_P(FormatConformanceTest, HoldsAsMuchAsItsLimits) {
  WatchedBlob blob(file(), Trouble::kNone, 0);
  const double row_bytes = static_cast<double>(file().size()) / kRows;
  const int64_t allocated_before = arrow::default_memory_pool()->bytes_allocated();
  int64_t blocks = 0;
  const auto rows = read(blob, [&](const RowBlock& block, int64_t rows_given) {
    ++blocks;
    EXPECT_LE(block.batch->num_rows(), kBlockRows);
    EXPECT_LE(arrow::util::TotalBufferSize(*block.batch), kBlockBytesMax);
    EXPECT_LE(arrow::default_memory_pool()->bytes_allocated() - allocated_before, kBlockBytesMax);
    EXPECT_LE(blob.bytes_read(), static_cast<int64_t>(static_cast<double>(rows_given) * row_bytes) + kReadAheadBytesMax);
  });
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(*rows, kRows);
  EXPECT_GE(blocks, 3);
  EXPECT_LE(blob.bytes_read(), blob.size_bytes() + kReadTwiceBytesMax);
}

// Prevents a worker that is told to stop from reading its file to the end first, and a stop from being taken for a broken file.
TEST_P(FormatConformanceTest, StopsInTheMiddleOnRequest) {
  const Error error = error_of(Trouble::kStopRequested);
  EXPECT_EQ(error.code, ErrorCode::kCancelled) << error.message;
}

// Prevents a store that is away for a minute from failing the file for good, as a broken one.
TEST_P(FormatConformanceTest, PassesOnWhatTheStoreSays) {
  const Error error = error_of(Trouble::kUnavailable);
  EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.message;
  EXPECT_THAT(error.message, testing::HasSubstr("the store is away"));
}

/// The formats that say where they end. Lines end anywhere: there only the blob can tell, and does (base/byte_source.h).
class DelimitedFormatTest : public FormatConformanceTest {};

// Prevents half of a file from being loaded as if it were all of it, where a store gives fewer bytes than it said.
TEST_P(DelimitedFormatTest, RefusesAFileThatEndsEarly) {
  const Error error = error_of(Trouble::kEndsEarly);
  EXPECT_TRUE(error.code == ErrorCode::kInvalidInput || error.code == ErrorCode::kConflict) << error.message;
  EXPECT_THAT(error.type, testing::AnyOf(error_type::kParseError, error_type::kChangedWhileRead)) << error.message;
}

std::string as_json() {
  return lines_of([](int64_t row) { return fmt::format(R"({{"id":{},"word":"{}"}})", row, word_of(row)); });
}
std::string as_csv() {
  return "id,word\n" + lines_of([](int64_t row) { return fmt::format("{},{}", row, word_of(row)); });
}
std::string as_tsv() {
  return "id\tword\n" + lines_of([](int64_t row) { return fmt::format("{}\t{}", row, word_of(row)); });
}
std::string as_text() { return lines_of(word_of); }

const FormatCase kDelimited[] = {
    {"parquet", parquet_format, as_parquet}, {"avro", avro_format, as_avro}, {"orc", orc_format, as_orc}, {"sql", sql_format, as_sql}};
const FormatCase kLines[] = {
    {"json", json_format, as_json}, {"csv", csv_format, as_csv}, {"tsv", tsv_format, as_tsv}, {"text", text_format, as_text}};

std::string name_of(const testing::TestParamInfo<FormatCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Lines, FormatConformanceTest, testing::ValuesIn(kLines), name_of);
INSTANTIATE_TEST_SUITE_P(Delimited, FormatConformanceTest, testing::ValuesIn(kDelimited), name_of);
INSTANTIATE_TEST_SUITE_P(Delimited, DelimitedFormatTest, testing::ValuesIn(kDelimited), name_of);

}  // namespace
}  // namespace sluice
