#include "iceberg/avro.h"

#include <gmock/gmock.h>

#include <limits>

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr std::string_view kSchema = R"({"type":"record","name":"r","fields":[{"name":"n","type":"long","field-id":7},)"
                                     R"({"name":"t","type":["null","string"],"default":null,"field-id":8},)"
                                     R"({"name":"a","type":{"type":"array","items":"int","element-id":9},"field-id":10}]})";

std::string record(int64_t number, std::optional<std::string> text) {
  AvroEncoder out;
  out.put_long(number);
  out.put_branch(text ? 1 : 0);
  if (text) out.put_bytes(*text);
  out.put_long(2);
  out.put_int(-1), out.put_int(1);
  out.put_long(0);
  return out.bytes();
}

std::string file_of(int records) {
  AvroWriter writer(kSchema, {{"key", "value"}});
  for (int i = 0; i < records; ++i) writer.append(record(i, i % 2 ? std::optional("text " + std::to_string(i)) : std::nullopt));
  return *writer.finish();
}

/// The stored bytes of a file with this schema, one block of `records` records, uncompressed unless `codec` says otherwise.
std::string raw_file(std::string_view schema, int64_t records, std::string_view block, std::string_view codec = "null") {
  AvroEncoder out;
  out.put_fixed(std::string_view("Obj\x01", 4));
  out.put_long(2);
  out.put_bytes("avro.schema"), out.put_bytes(schema);
  out.put_bytes("avro.codec"), out.put_bytes(codec);
  out.put_long(0);
  out.put_fixed("0123456789abcdef");
  out.put_long(records);
  out.put_bytes(block);
  out.put_fixed("0123456789abcdef");
  return out.bytes();
}

/// Reads everything; the number of records, or the first error's message.
std::string outcome(std::string_view bytes) {
  auto reader = AvroReader::open(bytes);
  if (!reader) return reader.error().message;
  AvroValue value;
  for (int records = 0;; ++records) {
    auto more = reader->next(value);
    if (!more) return more.error().message;
    if (!*more) return std::to_string(records) + " records";
  }
}

// Prevents numbers that lose bits or sign on their way: sequence numbers and counts would be wrong without an error.
TEST(Avro, EveryLongSurvives) {
  for (const int64_t number : {int64_t{0}, int64_t{-1}, int64_t{63}, int64_t{64}, int64_t{-65}, std::numeric_limits<int64_t>::max(),
                               std::numeric_limits<int64_t>::min()}) {
    AvroEncoder out;
    out.put_long(number);
    const std::string file = raw_file(R"("long")", 1, out.bytes());
    auto reader = AvroReader::open(file);
    ASSERT_TRUE(reader);
    AvroValue value;
    ASSERT_TRUE(reader->next(value));
    EXPECT_EQ(std::get<int64_t>(value.value), number);
  }
}

// Prevents records lost or repeated where a block ends: 20,000 records need several blocks.
TEST(Avro, ReadsBackWhatItWroteOverManyBlocks) {
  const std::string file = file_of(20'000);
  auto reader = AvroReader::open(file);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->metadata().at("key"), "value");
  EXPECT_EQ(reader->schema().fields[2].id, 10);
  AvroValue value;
  int64_t next = 0;
  while (true) {
    auto more = reader->next(value);
    ASSERT_TRUE(more) << more.error().message;
    if (!*more) break;
    const auto& fields = *value.items();
    EXPECT_EQ(std::get<int64_t>(fields[0].value), next);
    EXPECT_EQ(fields[1].is_null(), next % 2 == 0);
    EXPECT_EQ(fields[2].items()->size(), 2U);
    ++next;
  }
  EXPECT_EQ(next, 20'000);
}

// Prevents a half-uploaded manifest from being read as a shorter one: every cut is an error, save the ones between blocks.
TEST(Avro, RefusesEveryTruncation) {
  const std::string file = file_of(50);
  for (size_t length = 0; length < file.size(); ++length) {
    const std::string said = outcome(std::string_view(file).substr(0, length));
    EXPECT_THAT(said, testing::AnyOf(HasSubstr("Avro"), testing::Eq("0 records"))) << "cut at " << length;
  }
  EXPECT_EQ(outcome(file), "50 records");
}

// Prevents a hostile or damaged file from taking all memory: counts are bounded by the bytes that stand behind them.
TEST(Avro, RefusesMoreValuesThanItsBytesCanMean) {
  AvroEncoder nulls;
  nulls.put_long(int64_t{1} << 40);
  EXPECT_THAT(outcome(raw_file(R"({"type":"array","items":"null"})", 1, nulls.bytes())), HasSubstr("more values than its bytes"));
  EXPECT_THAT(outcome(raw_file(R"("null")", int64_t{1} << 50, "")), HasSubstr("more values than its bytes"));
  AvroEncoder text;
  text.put_long(int64_t{1} << 60);
  EXPECT_THAT(outcome(raw_file(R"("string")", 1, text.bytes())), HasSubstr("ends inside a value"));
}

// Prevents a stack overflow by a schema that is short but tall: names stack one level per definition.
TEST(Avro, RefusesATallSchemaBuiltFromNames) {
  std::string schema = R"([{"type":"record","name":"r0","fields":[]})";
  for (int i = 1; i < 200; ++i) {
    schema +=
        R"(,{"type":"record","name":"r)" + std::to_string(i) + R"(","fields":[{"name":"x","type":"r)" + std::to_string(i - 1) + R"("}]})";
  }
  auto parsed = parse_avro_schema(schema + "]");
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message, HasSubstr("nested too deep"));
  EXPECT_FALSE(parse_avro_schema(R"({"type":"record","name":"r","fields":[{"name":"x","type":"r"}]})"));
}

// Prevents that manifests of writers with another codec cannot be read: Java and Spark offer all four.
TEST(Avro, ReadsSnappyAndNamesAnUnknownCodec) {
  // Raw snappy of 12 zigzagged ones: length 12, a literal of one byte, a copy of eleven from offset one; then four bytes of CRC.
  const std::string block("\x0c\x00\x02\x1d\x01\x72\x86\xe2\xfe", 9);
  EXPECT_EQ(outcome(raw_file(R"("int")", 12, block, "snappy")), "12 records");
  EXPECT_THAT(outcome(raw_file(R"("int")", 12, block.substr(0, 5) + "____", "snappy")), HasSubstr("checksum"));
  EXPECT_THAT(outcome(raw_file(R"("int")", 1, "x", "lzma")), HasSubstr("lzma"));
}

}  // namespace
}  // namespace sluice
