#include "formats/orc_format.h"

#include <arrow/adapters/orc/adapter.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/test_bytes.h"
#include "model/file.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr int64_t kDecimals = 7777;

/// kDecimals decimals of precision 17, uncompressed: what the footer says lies there plainly, as Protocol Buffers.
std::string plain_file() {
  const auto type = arrow::decimal128(17, 3);
  arrow::Decimal128Builder builder(type);
  for (int64_t row = 0; row < kDecimals; ++row) EXPECT_TRUE(builder.Append(arrow::Decimal128(row)).ok());
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("d", type)}), {builder.Finish().ValueOrDie()});
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  arrow::adapters::orc::WriteOptions options;
  options.compression = arrow::Compression::UNCOMPRESSED;
  const auto writer = arrow::adapters::orc::ORCFileWriter::Open(sink.get(), options).ValueOrDie();
  EXPECT_TRUE(writer->Write(*table).ok() && writer->Close().ok());
  return sink->Finish().ValueOrDie()->ToString();
}

/// The last field of its kind in the file's tail with another number of as many bytes; `before` is what stands in front of it.
std::string with_number(std::string file, std::string_view before, uint64_t number, uint64_t written) {
  const std::string old = std::string(before) + varint(number);
  const size_t at = file.rfind(old);
  EXPECT_NE(at, std::string::npos);
  return file.replace(at, old.size(), std::string(before) + varint(written));
}

/// How many rows there are, or what is wrong.
Result<int64_t> count_rows(std::string file) {
  const auto blob = make_memory_blob(std::move(file));
  Context context;
  ReadPlan plan;
  plan.columns.fields = {{.id = 1, .name = "d", .type = *parse_type("decimal(17, 3)")}};
  TRY_ASSIGN(auto reader, orc_format().open(*blob, {}, plan, context));
  for (int64_t rows = 0;;) {
    TRY_ASSIGN(const auto block, reader->next(context));
    if (!block) return rows;
    rows += block->batch->num_rows();
  }
}

// A footer whose counts do not agree: rows would be missing from a LOADED file.
TEST(OrcFormat, RefusesRowsThatDoNotAddUp) {
  const std::string file = plain_file();
  EXPECT_EQ(count_rows(file).value(), kDecimals);
  const auto refused = count_rows(with_number(file, "\x30", kDecimals, kDecimals + 1));  // Footer.numberOfRows
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, "ParseError");
  EXPECT_THAT(refused.error().message, HasSubstr("the stripes hold 7777 rows, and the file says 7778"));
}

// A precision that the values exceed: the table's data file would hold numbers that its column's type does not have.
TEST(OrcFormat, RefusesDecimalsAboveTheirPrecision) {
  const auto refused = count_rows(with_number(plain_file(), "\x28", 17, 3));  // Type.precision
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, "ParseError");
  EXPECT_THAT(refused.error().message, HasSubstr("does not fit in precision"));
}

// A stripe that lies elsewhere: the library would ask the store for bytes behind the file's end.
TEST(OrcFormat, RefusesStripesOutsideOfTheFile) {
  std::string file = plain_file();
  size_t at = file.rfind("\x08\x03\x10");  // StripeInformation: offset is 3, indexLength
  ASSERT_NE(at, std::string::npos);
  at = file.find('\x18', at);  // dataLength, to the largest number of as many bytes
  for (++at; (file.at(at) & 0x80) != 0; ++at) file[at] = '\xff';
  file[at] = '\x7f';
  const auto refused = count_rows(file);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, "ParseError");
  EXPECT_THAT(refused.error().message, HasSubstr("stripe 0 lies outside of the file"));
}

// More digits than a decimal can have: the library writes behind its buffer.
TEST(OrcFormat, RefusesDecimalsBeyondTheirLimit) {
  const std::string file = plain_file();
  const auto refused = count_rows(with_number(file, "\x28", 17, 48));  // Type.precision
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, "ParseError");
  EXPECT_THAT(refused.error().message, HasSubstr("a decimal of 48 digits, above ORC's limit of 38"));
}

// Half an upload must fail, and say so: every cut of the file.
TEST(OrcFormat, RefusesBrokenFiles) {
  const std::string file = plain_file();
  for (size_t cut = 0; cut < file.size(); cut += 97) {
    const auto rows = count_rows(file.substr(0, cut));
    ASSERT_FALSE(rows) << cut;
    EXPECT_EQ(rows.error().type, "ParseError") << cut;
    EXPECT_THAT(rows.error().message, HasSubstr("ORC")) << cut;
  }
}

}  // namespace
}  // namespace sluice
