#include "formats/csv_format.h"

#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "formats/csv_columns.h"
#include "formats/csv_reader.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Schema table(std::vector<std::pair<std::string, TypePtr>> columns) {
  Schema schema;
  for (auto& [name, type] : columns) {
    schema.fields.push_back({.id = static_cast<int>(schema.fields.size()) + 1, .name = name, .type = type});
  }
  return schema;
}

TypePtr type(std::string_view text) { return parse_type(text).value(); }

struct Loaded {
  std::vector<std::string> rows;  ///< values joined by '|', "null" as such; `_rescued_data` last
  std::vector<BadRow> bad_rows;
  int64_t rows_rescued = 0;
  std::vector<std::string> drift;  ///< "name type"
  std::optional<Error> error;
};

Loaded drain(Result<std::unique_ptr<Reader>> reader) {
  Context context;
  Loaded loaded;
  while (reader) {
    auto block = (*reader)->next(context);
    if (!block) loaded.error = block.error();
    if (!block || !*block) break;
    EXPECT_EQ((*block)->first_row, static_cast<int64_t>(loaded.rows.size()));
    const arrow::RecordBatch& batch = *(*block)->batch;
    EXPECT_TRUE(batch.ValidateFull().ok());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string text;
      for (const auto& column : batch.columns()) {
        text += '|' + column->GetScalar(row).ValueOrDie()->ToString();
      }
      loaded.rows.push_back(text.substr(1));
    }
    loaded.rows_rescued += (*block)->rows_rescued;
    std::ranges::move((*block)->bad_rows, std::back_inserter(loaded.bad_rows));
  }
  if (!reader) {
    loaded.error = reader.error();
    return loaded;
  }
  for (const Field& field : (*reader)->drift().columns) loaded.drift.push_back(fmt::format("{} {}", field.name, to_text(*field.type)));
  return loaded;
}

Loaded load_file(const std::string& file, const ReadPlan& plan, const Format& format = csv_format()) {
  Context context;
  auto blob = make_memory_blob(file);
  const auto splits = format.split(*blob, plan, context).value();
  EXPECT_EQ(splits.size(), 1u);
  return drain(format.open(*blob, splits.at(0), plan, context));
}

Inferred infer(const std::string& file, const CsvOptions& csv = {}, int64_t sample_bytes = kMiB) {
  Context context;
  Source source;
  source.csv = csv;
  return csv_format().infer(*make_memory_blob(file), sample_bytes, source, {}, context).value();
}

std::vector<std::string> texts(const std::vector<Field>& fields) {
  std::vector<std::string> out;
  for (const Field& field : fields) out.push_back(fmt::format("{} {}", field.name, field.type ? to_text(*field.type) : "?"));
  return out;
}

ReadPlan people() { return {.columns = table({{"id", type("long")}, {"name", type("string")}, {"score", type("double")}})}; }

ReadPlan skipping(ReadPlan plan) {
  plan.bad_rows.action = BadRowAction::kSkip;
  return plan;
}

// Every primitive type is read from text; one that is read as another would change values silently.
TEST(CsvFormat, ReadsEveryPrimitiveType) {
  const ReadPlan plan{.columns = table({{"b", type("boolean")},
                                        {"i", type("int")},
                                        {"l", type("long")},
                                        {"f", type("float")},
                                        {"d", type("double")},
                                        {"n", type("decimal(9,2)")},
                                        {"day", type("date")},
                                        {"t", type("time")},
                                        {"ts", type("timestamp")},
                                        {"tz", type("timestamptz")},
                                        {"s", type("string")}})};
  const Loaded loaded = load_file(
      "b,i,l,f,d,n,day,t,ts,tz,s\n"
      "true,-7,9000000000,1.5,0.1,12.30,2024-02-29,23:59:59.5,2024-02-29T10:00:00,2024-02-29T10:00:00+02:00,x\n",
      plan);
  ASSERT_FALSE(loaded.error) << loaded.error->message;
  EXPECT_THAT(loaded.rows, ElementsAre("true|-7|9000000000|1.5|0.1|12.30|2024-02-29|23:59:59.500000|2024-02-29 10:00:00.000000|"
                                       "2024-02-29 08:00:00.000000Z|x|null"));
}

// Columns follow the header's names, whatever their order; a column that the file lacks is null.
TEST(CsvFormat, MatchesColumnsByName) {
  EXPECT_THAT(load_file("score,id\n1.5,1\n,2\n", people()).rows, ElementsAre("1|null|1.5|null", "2|null|null|null"));
}

// Without a header the position decides; surplus fields are kept under generated names.
TEST(CsvFormat, MatchesColumnsByPositionWithoutAHeader) {
  ReadPlan plan = people();
  plan.csv.header = false;
  EXPECT_THAT(load_file("1,ann,1.5,x\n2,bob,,\n", plan).rows, ElementsAre("1|ann|1.5|{\"column_4\": \"x\"}", "2|bob|null|null"));
  EXPECT_THAT(load_file("1\n", plan).rows, ElementsAre("1|null|null|null"));
  EXPECT_THAT(load_file("1,a\n2\n", plan).error.value().message, HasSubstr("line 2: expected 2 fields, found 1"));
}

// A quoted token is text: `"NULL"` typed by a person called Null must not vanish, and "" is an empty string, not null.
TEST(CsvFormat, TakesOnlyUnquotedTokensForNull) {
  ReadPlan plan{.columns = table({{"a", type("string")}, {"b", type("long")}})};
  EXPECT_THAT(load_file("a,b\n,\n\"\",1\nNULL,2\n", plan).rows, ElementsAre("null|null|null", "|1|null", "NULL|2|null"));
  plan.csv.null_tokens = {"NULL", "\\N"};
  EXPECT_THAT(load_file("a,b\nNULL,\\N\n\"NULL\",\"\\N\"\n,3\nNULLS,4\n", plan).rows,
              ElementsAre("null|null|null", "NULL|null|{\"b\": \"\\\\N\"}", "|3|null", "NULLS|4|null"));
}

// What fits nowhere is kept, never dropped, and reported with the type that would admit it.
TEST(CsvFormat, RescuesWhatDoesNotFit) {
  ReadPlan plan{.columns = table({{"id", type("int")}, {"price", type("decimal(5,2)")}, {"tags", type("list<string>")}})};
  plan.report_drift = true;
  const Loaded loaded = load_file("id,price,tags,city,none\n1,1.25,,Ulm,\n3000000000,1.255,\"[\"\"a\"\"]\",\"a\"\"b\nc\",\n2,x,,,\n", plan);
  ASSERT_FALSE(loaded.error) << loaded.error->message;
  EXPECT_THAT(loaded.rows, ElementsAre(R"(1|1.25|null|{"city": "Ulm"})",
                                       R"(null|null|null|{"id": "3000000000", "price": "1.255", "tags": "[\"a\"]", "city": "a\"b\nc"})",
                                       R"(2|null|null|{"price": "x"})"));
  EXPECT_EQ(loaded.rows_rescued, 3);
  EXPECT_THAT(loaded.drift, ElementsAre("id long", "price string", "tags string", "city string"));
  plan.report_drift = false;
  EXPECT_THAT(load_file("id,city\n1,Ulm\n", plan).drift, IsEmpty());
}

// Mode fixed: the table is law; the message must name the column, the value and the place.
TEST(CsvFormat, RefusesWhatDoesNotFitWithoutRescue) {
  ReadPlan plan = people();
  plan.rescue = false;
  EXPECT_THAT(load_file("id,name,score\n1,ann,1.5\n", plan).rows, ElementsAre("1|ann|1.5"));
  const Loaded misfit = load_file("id,name,score\n1,ann,1.5\nx1,bob,2\n", plan);
  EXPECT_EQ(misfit.error.value().type, "SchemaMismatch");
  EXPECT_EQ(misfit.error->line, 3);
  EXPECT_EQ(misfit.error->byte, 24);
  EXPECT_EQ(misfit.error->message, R"(line 3: column "id": "x1" does not fit long (byte 24))");
  const Loaded unknown = load_file("id,city\n", plan);
  EXPECT_EQ(unknown.error.value().type, "SchemaMismatch");
  EXPECT_EQ(unknown.error->message, R"(line 1: the table has no column "city" (byte 0))");
}

// Prevents: a postcode or a phone number that loses its leading zero or plus because the values before it looked like numbers, and one that
// is refused although a contract or a definition says that it is a number.
TEST(CsvFormat, KeepsCodesOutOfNumbersUnlessTheUserSaysSo) {
  ReadPlan plan{.columns = table({{"i", type("int")}, {"l", type("long")}, {"d", type("double")}, {"x", type("decimal(9,2)")}})};
  plan.report_drift = true;
  const std::string codes = "i,l,d,x\n01,+49,+.5,007\n-01,00,-00.5,+1\n";
  const Loaded found = load_file(codes, plan);
  EXPECT_THAT(found.rows, ElementsAre(R"(null|null|null|null|{"i": "01", "l": "+49", "d": "+.5", "x": "007"})",
                                      R"(null|null|null|null|{"i": "-01", "l": "00", "d": "-00.5", "x": "+1"})"));
  EXPECT_THAT(found.drift, ElementsAre("i string", "l string", "d string", "x string"));
  EXPECT_THAT(load_file("i,l,d,x\n0,-0,0.5,-0.5\n10,1e+3,+inf,0\n", plan).rows, ElementsAre("0|0|0.5|-0.50|null", "10|1000|inf|0.00|null"));
  EXPECT_THAT(load_file("d;x\n0,5;01,5\n", plan).rows, ElementsAre(R"(null|null|0.5|null|{"x": "01,5"})"));
  plan.rescue = false;
  EXPECT_EQ(load_file(codes, plan).error.value().message, R"(line 2: column "i": "01" does not fit int (byte 8))");
  plan.typed_by_user = {"i", "l", "d", "x"};
  EXPECT_THAT(load_file(codes, plan).rows, ElementsAre("1|49|0.5|7.00", "-1|0|-0.5|1.00"));
}

// A required column without a value must not become null in the table.
TEST(CsvFormat, HoldsRequiredColumns) {
  ReadPlan plan = skipping(people());
  plan.columns.fields[0].required = true;
  const Loaded loaded = load_file("id,name\n1,ann\n,bob\nx,eve\n", plan);
  EXPECT_THAT(loaded.rows, ElementsAre("1|ann|null|null"));
  ASSERT_EQ(loaded.bad_rows.size(), 2u);
  EXPECT_EQ(loaded.bad_rows[0].reason, R"(required column "id" has no value)");
  EXPECT_EQ(loaded.bad_rows[1].reason, R"(required column "id": "x" does not fit long)");
  EXPECT_EQ(load_file("name\nann\n", plan).error.value().message, R"(line 1: the file lacks the required column "id" (byte 0))");
}

// Ragged rows: the place must be the physical line and the byte where the row begins, also behind newlines in quotes.
TEST(CsvFormat, ReportsRaggedRowsWithTheirPlace) {
  const std::string file = "id,name,score\n1,\"a\nb\",1\n2,short\n3,c,3,surplus\n\n4,d,4\n";
  const Loaded failed = load_file(file, people());
  EXPECT_EQ(failed.error.value().message, "line 4: expected 3 fields, found 2 (byte 24); allow such rows with --on-bad-row=skip");
  EXPECT_EQ(failed.error->type, "ParseError");
  EXPECT_EQ(failed.error->line, 4);
  EXPECT_EQ(failed.error->byte, 24);

  const Loaded skipped = load_file(file, skipping(people()));
  ASSERT_FALSE(skipped.error);
  EXPECT_THAT(skipped.rows, ElementsAre("1|a\nb|1|null", "4|d|4|null"));
  ASSERT_EQ(skipped.bad_rows.size(), 2u);
  EXPECT_EQ(skipped.bad_rows[0].line, 4);
  EXPECT_EQ(skipped.bad_rows[0].byte, 24);
  EXPECT_EQ(skipped.bad_rows[0].text, "2,short");
  EXPECT_EQ(skipped.bad_rows[1].line, 5);
  EXPECT_EQ(skipped.bad_rows[1].reason, "expected 3 fields, found 4");
}

// Broken quotes and broken UTF-8 cost their own row only, and the reason names the exact byte.
TEST(CsvFormat, SkipsBrokenRowsAlone) {
  const std::string file = "id,name,score\n1,a\"b,1\n2,\"c\"d,2\n3,e\xff,3\n4,f,4\n";
  ReadPlan plan = skipping(people());
  plan.csv.encoding = TextEncoding::kUtf8;
  const Loaded loaded = load_file(file, plan);
  EXPECT_THAT(loaded.rows, ElementsAre("4|f|4|null"));
  ASSERT_EQ(loaded.bad_rows.size(), 3u);
  EXPECT_EQ(loaded.bad_rows[0].reason, "a quote inside an unquoted field at byte 17");
  EXPECT_EQ(loaded.bad_rows[1].reason, "text after a closing quote at byte 27");
  EXPECT_EQ(loaded.bad_rows[2].reason, "invalid UTF-8 at byte 34");
  EXPECT_EQ(loaded.bad_rows[2].byte, 31);
  EXPECT_EQ(load_file(file, people()).error.value().byte, 17);
}

// An open quote swallows the rest of the file: with `skip` too the file is broken, for nobody knows what it hides.
TEST(CsvFormat, FailsOnAnOpenQuoteThoughBadRowsAreSkipped) {
  const Loaded loaded = load_file("id,name\n1,ann\n2,\"bob\n3,eve\n", skipping(people()));
  EXPECT_EQ(loaded.error.value().message, "line 3: the quote that opens here is never closed (byte 16)");
  EXPECT_EQ(loaded.error->type, "ParseError");
}

// The limits on bad rows: the count stops at once, the percentage is known at the end.
TEST(CsvFormat, KeepsToTheLimitsOnBadRows) {
  const std::string file = "id\n1\n2,x\n3\n4,x\n";
  ReadPlan plan = skipping(people());
  plan.bad_rows.rows_max = 2;
  EXPECT_FALSE(load_file(file, plan).error);
  plan.bad_rows.rows_max = 1;
  EXPECT_EQ(load_file(file, plan).error.value().message,
            "more than 1 bad rows; the last one: line 5: expected 1 fields, found 2 (byte 11)");
  plan.bad_rows.rows_max.reset();
  plan.bad_rows.percent_max = 50;
  EXPECT_FALSE(load_file(file, plan).error);
  plan.bad_rows.percent_max = 49.5;
  EXPECT_EQ(load_file(file, plan).error.value().message, "2 of 4 rows are bad (50.00%), above the limit of 49.5%");
}

// Files without rows are no error: an exporter with nothing to say still writes its header, or nothing.
TEST(CsvFormat, ReadsFilesWithoutRows) {
  for (const std::string file : {"", "\n\n", "\xef\xbb\xbf", "id,name", "id,name\n", "id,name\r\n\r\n"}) {
    const Loaded loaded = load_file(file, people());
    EXPECT_FALSE(loaded.error) << file;
    EXPECT_THAT(loaded.rows, IsEmpty());
    EXPECT_EQ(infer(file).rows, 0);
  }
  EXPECT_THAT(texts(infer("id,name").fields), ElementsAre("id ?", "name ?"));
}

// A byte order mark must not become part of the first column's name.
TEST(CsvFormat, PassesOverTheByteOrderMark) {
  EXPECT_THAT(load_file("\xef\xbb\xbfid,name\n1,a\n", people()).rows, ElementsAre("1|a|null|null"));
  EXPECT_THAT(infer("\xef\xbb\xbf\"id\"\n1\n").header, ElementsAre("id"));
}

// Two columns of one name must not fill one place, nor take the name of a third.
TEST(CsvColumnNames, AreUnique) {
  const std::vector<std::string> header = {"a", "a", "a_2", "", "a", "column_4", "", ""};
  EXPECT_THAT(csv_column_names(header), ElementsAre("a", "a_3", "a_2", "column_4_2", "a_4", "column_4", "column_7", "column_8"));
}

// Bug: the second of two columns of one name overwrites the first, or is lost.
TEST(CsvFormat, RescuesARepeatedColumn) {
  EXPECT_THAT(load_file("id,id\n1,2\n", people()).rows, ElementsAre(R"(1|null|null|{"id_2": "2"})"));
}

// A cut upload must fail the file, though every row before the cut is good; inference may still use those.
TEST(CsvFormat, RefusesATruncatedCompressedFile) {
  std::string file = "id\n";
  for (int i = 0; i < 100'000; ++i) file += fmt::format("{}\n", i * 7919);
  std::string stored(ZSTD_compressBound(file.size()), '\0');
  stored.resize(ZSTD_compress(stored.data(), stored.size(), file.data(), file.size(), 1));
  EXPECT_EQ(load_file(stored, people()).rows.size(), 100'000u);
  const Loaded cut = load_file(stored.substr(0, stored.size() - 10), people());
  EXPECT_EQ(cut.error.value().type, "ParseError");
  EXPECT_THAT(cut.error->message, HasSubstr("truncated zstd stream after"));
  EXPECT_GT(infer(stored, {}, 65'536).rows, 100);
}

// Blocks end at the row limit and at every reading block: rows must neither be lost nor doubled there.
TEST(CsvFormat, GivesTheSameRowsForEveryBlockSize) {
  std::string file = "id,name,score\n";
  for (int i = 0; i < 60; ++i) {
    file += fmt::format("{},{},{}\r\n", i, i % 3 == 0 ? "\"x\"\"\r\ny\"" : "z\xc3\xa4", i % 7 == 0 ? "bad" : "0.5");
  }
  file += "1,2\n";
  ReadPlan plan = skipping(people());
  plan.report_drift = true;
  const Loaded expected = load_file(file, plan);
  ASSERT_EQ(expected.rows.size(), 60u);
  for (size_t block_bytes = 1; block_bytes < 100; block_bytes += 3) {
    Context context;
    plan.block_rows_max = static_cast<int64_t>(block_bytes % 11) + 1;
    auto source = make_memory_blob(file)->open({}, context).value();
    const Loaded loaded = drain(CsvReader::open(std::move(source), {}, plan, context, {.block_bytes = block_bytes}));
    ASSERT_EQ(loaded.rows, expected.rows);
    ASSERT_EQ(loaded.bad_rows.size(), 1u);
    ASSERT_EQ(loaded.bad_rows[0].line, expected.bad_rows[0].line);
    ASSERT_EQ(loaded.rows_rescued, expected.rows_rescued);
    ASSERT_EQ(loaded.drift, expected.drift);
  }
}

// Many bad rows must come in several blocks: their texts are held in memory.
TEST(CsvFormat, BoundsTheBadRowsOfABlock) {
  std::string file = "id\n";
  for (int i = 0; i < 1000; ++i) file += "1,2\n";
  Context context;
  auto blob = make_memory_blob(file);
  auto reader = csv_format().open(*blob, {}, skipping(people()), context).value();
  size_t total = 0;
  while (auto block = reader->next(context).value()) {
    EXPECT_LE(block->bad_rows.size(), 256u);
    total += block->bad_rows.size();
  }
  EXPECT_EQ(total, 1000u);
}

// Types from text; null tokens say nothing; rows that do not parse are passed over.
TEST(CsvInfer, FindsTypesAndTheHeaderAsWritten) {
  const Inferred inferred = infer("id,name,score,when,flag,none,name\n1,a,1.5,2024-01-01,true,,x\nragged\n2,,2,,,,\n");
  EXPECT_THAT(inferred.header, ElementsAre("id", "name", "score", "when", "flag", "none", "name"));
  EXPECT_THAT(texts(inferred.fields),
              ElementsAre("id long", "name string", "score double", "when date", "flag boolean", "none ?", "name_2 string"));
  EXPECT_EQ(inferred.rows, 2);
}

// Bug: the first line of data becomes the header.
TEST(CsvInfer, NamesColumnsOfAFileWithoutHeader) {
  const Inferred inferred = infer("1;a\n2;b\n", {.delimiter = ';', .header = false});
  EXPECT_THAT(inferred.header, IsEmpty());
  EXPECT_THAT(texts(inferred.fields), ElementsAre("column_1 long", "column_2 string"));
}

// A sample that cuts a row or a quote must not fail, and one shorter than the header must grow.
TEST(CsvInfer, ReadsOnlyASample) {
  std::string file = "id,name\n";
  for (int i = 0; i < 40'000; ++i) file += fmt::format("{},\"x\ny\"\n", i);
  const Inferred sample = infer(file, {}, 100'000);
  EXPECT_GT(sample.rows, 1000);
  EXPECT_LT(sample.rows, 40'000);
  const Inferred grown = infer(std::string(200'000, 'h') + "\n1\n", {}, 1);
  EXPECT_EQ(grown.rows, 1);
}

// Broken from the start is an error; broken behind good rows is left to the reader.
TEST(CsvInfer, FailsOnlyWhereTheFileIsBrokenFromItsStart) {
  Context context;
  EXPECT_FALSE(csv_format().infer(*make_memory_blob("id\n\"1\n2\n"), kMiB, {}, {}, context));
  EXPECT_FALSE(csv_format().infer(*make_memory_blob("i\"d\n1\n"), kMiB, {}, {}, context));
  EXPECT_EQ(infer("id\n1\n\"2\n").rows, 1);
}

// A dialect that cannot be told is refused when the file is opened, not read as nonsense.
TEST(CsvFormat, RefusesAnImpossibleDialect) {
  ReadPlan plan = people();
  plan.csv.delimiter = '"';
  EXPECT_EQ(load_file("id\n", plan).error.value().code, ErrorCode::kInvalidInput);
}

// Bug: TSV fields are cut at commas.
TEST(TsvFormat, SeparatesByTabs) {
  EXPECT_THAT(load_file("id\tname\n1\ta,b\n", people(), tsv_format()).rows, ElementsAre("1|a,b|null|null"));
}

}  // namespace
}  // namespace sluice
