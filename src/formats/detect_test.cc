#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "formats/csv_format.h"
#include "formats/format.h"
#include "formats/json_format.h"
#include "formats/parquet_format.h"
#include "formats/text_format.h"

namespace sluice {
namespace {

using testing::HasSubstr;

Result<const Format*> find(std::string_view path, std::string bytes, std::string format = "auto") {
  Context context;
  Source source;
  source.format = std::move(format);
  return find_format(source, path, *make_memory_blob(std::move(bytes)), context);
}

std::string packed_zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

// Content goes first: exporters that write NDJSON into `.csv` or `.log` would otherwise load as garbage.
TEST(FindFormat, BelievesTheContentFirst) {
  EXPECT_EQ(find("a.csv", " \n\t{\"a\": 1}").value(), &json_format());
  EXPECT_EQ(find("a", "[1]").value(), &json_format());
  EXPECT_EQ(find("a.bin", "\xef\xbb\xbf{}").value(), &json_format());
  EXPECT_EQ(find("a.dat", packed_zstd("{\"a\": 1}\n")).value(), &json_format());
  EXPECT_EQ(find("a.csv", std::string("PAR1\x15\x04\x00", 7)).value(), &parquet_format());
}

// Log lines often begin with a bracket: taken for JSON, every one of them would be a bad row.
TEST(FindFormat, TakesLogsForText) {
  EXPECT_EQ(find("a.log", "[2026-11-26 10:00:00] INFO started\n[2026-11-26 10:00:01] INFO on\n").value(), &text_format());
  EXPECT_EQ(find("a.log", "[error] no disk\n").value(), &text_format());
  EXPECT_EQ(find("a.log", "[1234] pid\n[1235] pid\n").value(), &text_format());
  EXPECT_EQ(find("a.log", "[\n  {\"a\": 1}\n]\n").value(), &json_format());
  EXPECT_EQ(find("a.log", "[1, 2]\n").value(), &json_format());
  EXPECT_EQ(find("a.json", "[error]\n").value(), &json_format());
}

// Who gives a pattern for lines has lines: braces at the beginning of one are no JSON. Other files of the folder stay what they are.
TEST(FindFormat, TakesWhatHasAPatternForText) {
  Context context;
  Source source;
  source.text.pattern = "(?<all>.*)";
  const auto by_pattern = [&](std::string_view path) {
    return find_format(source, path, *make_memory_blob("{main} a,b\n{main} c,d\n"), context).value();
  };
  EXPECT_EQ(by_pattern("a.log"), &text_format());
  EXPECT_EQ(by_pattern("a"), &text_format());
  EXPECT_EQ(by_pattern("a.json"), &json_format());
}

// The name decides where the content cannot, in any case and below a compression suffix.
TEST(FindFormat, FallsBackOnTheName) {
  EXPECT_EQ(find("/x/a.csv", "id\n1\n").value(), &csv_format());
  EXPECT_EQ(find("/x/A.CSV.GZ", "id\n1\n").value(), &csv_format());
  EXPECT_EQ(find("/x.json/a.tsv.zst", packed_zstd("id\n1\n")).value(), &tsv_format());
  EXPECT_EQ(find("a.ndjson", "1\n2\n").value(), &json_format());
  EXPECT_EQ(find("a.tar!/b/c.jsonl", "").value(), &json_format());
}

// An empty file is a file without rows, whatever it is called: readers of formats with a magic number would refuse it.
TEST(FindFormat, TakesEmptyFiles) {
  EXPECT_EQ(find("a.csv", "").value(), &csv_format());
  EXPECT_TRUE(find("a", ""));
  EXPECT_TRUE(find("a", " \n"));
  for (const std::string_view path : {"a.parquet", "a.avro", "a.orc", "a.parquet.gz", "a.tar", "a.zip", "a.7z", "a.tar.gz"}) {
    EXPECT_EQ(find(path, "").value(), &json_format()) << path;
    EXPECT_EQ(find(path, packed_zstd("")).value(), &json_format()) << path;
  }
  EXPECT_EQ(find("a.parquet", "", "parquet").value(), &parquet_format());
}

// A Parquet file is read from its end: one that was packed as a whole cannot be, and must say so instead of failing somewhere inside.
TEST(FindFormat, RefusesPackedRandomAccessFiles) {
  EXPECT_THAT(find("a.parquet.zst", packed_zstd(std::string("PAR1\x15\x04\x00", 7))).error().message,
              HasSubstr("packed as a whole with zstd"));
}

// What the user said is not second-guessed.
TEST(FindFormat, DoesAsTheSourceSays) {
  EXPECT_EQ(find("a.csv", "{}", "csv").value(), &csv_format());
  EXPECT_EQ(find("a.csv", "id", "NDJSON").value(), &json_format());
  EXPECT_EQ(find("a.csv", "id", "jsonl").value(), &json_format());
  EXPECT_EQ(find("a.csv", "id", "tsv").value(), &tsv_format());
  EXPECT_THAT(find("a.csv", "id", "xml").error().message, HasSubstr("unknown format \"xml\""));
}

// A table is a table under any name, UTF-16 too; .txt and .log are text only where the content is nothing else.
TEST(FindFormat, SeesTablesWhateverTheirName) {
  EXPECT_EQ(find("a.dat", "id,name\n1,ann\n").value(), &csv_format());
  EXPECT_EQ(find("a.txt", "id;price\n1;2,5\n").value(), &csv_format());
  EXPECT_EQ(find("a.tsv", "id,name\n1,ann\n").value(), &csv_format());
  EXPECT_EQ(find("a", std::string("\xff\xfei\0,\0n\0\n\0001\0,\0002\0\n\0", 18)).value(), &csv_format());
  EXPECT_EQ(find("a.txt", "Hello, world\nfoo, bar\n").value(), &text_format());
  EXPECT_EQ(find("a.log.gz", "2024-01-01 10:00:00,123 INFO x\n2024-01-01 10:00:01,7 INFO y\n").value(), &text_format());
  EXPECT_EQ(find("a.log", "{\"a\": 1}").value(), &json_format());
  EXPECT_EQ(find("a.csv", "a line\n", "text").value(), &text_format());
}

// Without a reason nobody can tell why a file was read the way it was.
TEST(ExplainFormat, SaysWhatAndWhy) {
  Context context;
  const auto explain = [&](std::string_view path, std::string bytes, std::string format = "auto") {
    Source source;
    source.format = std::move(format);
    return explain_format(source, path, *make_memory_blob(std::move(bytes)), context).value();
  };
  EXPECT_EQ(explain("data.dat", "id;x;n\n1;2,5;a\n"), "csv (content: 3 columns, delimiter ';', decimal ',')");
  EXPECT_EQ(explain("a.csv", "1\t2\n3\t4\n"), "csv (name: 2 columns, delimiter tab, no header)");
  EXPECT_EQ(explain("a.log", "x\n"), "text (name: lines)");
  EXPECT_EQ(explain("a.csv", "{}"), "json (content)");
  EXPECT_EQ(explain("a.bin", "a\n", "csv"), "csv (given: 1 column, delimiter ',')");
}

// A guess would load nonsense: the message says what was seen and the way out.
TEST(FindFormat, RefusesToGuess) {
  EXPECT_THAT(find("a.dat", "Hello, world\nfoo, bar\n").error().message, HasSubstr("\"Hello, world\\x0afoo, bar\\x0a\""));
  EXPECT_THAT(find("a.dat", "Hello, world\nfoo, bar\n").error().message, HasSubstr("--format"));
  EXPECT_THAT(find("a.csv", std::string("PK\x03\x04\x14\x00", 6)).error().message, HasSubstr("zip"));
  EXPECT_EQ(find("a.csv", "ORC,BZh\n1,2\n").value(), &csv_format());
}

}  // namespace
}  // namespace sluice
