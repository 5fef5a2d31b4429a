#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "formats/csv_format.h"
#include "formats/format.h"
#include "formats/json_format.h"
#include "formats/parquet_format.h"

namespace sluice {
namespace {

using testing::HasSubstr;

Result<const Format*> find(std::string_view path, std::string bytes, std::string format = "auto") {
  Context context;
  Source source;
  source.format = std::move(format);
  return find_format(source, path, *make_memory_blob(std::move(bytes)), context);
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

// Content goes first: exporters that write NDJSON into `.csv` or `.log` would otherwise load as garbage.
TEST(FindFormat, BelievesTheContentFirst) {
  EXPECT_EQ(find("a.csv", " \n\t{\"a\": 1}").value(), &json_format());
  EXPECT_EQ(find("a", "[1]").value(), &json_format());
  EXPECT_EQ(find("a.bin", "\xef\xbb\xbf{}").value(), &json_format());
  EXPECT_EQ(find("a.dat", zstd("{\"a\": 1}\n")).value(), &json_format());
  EXPECT_EQ(find("a.csv", std::string("PAR1\x15\x04\x00", 7)).value(), &parquet_format());
}

// The name decides where the content cannot, in any case and below a compression suffix.
TEST(FindFormat, FallsBackOnTheName) {
  EXPECT_EQ(find("/x/a.csv", "id\n1\n").value(), &csv_format());
  EXPECT_EQ(find("/x/A.CSV.GZ", "id\n1\n").value(), &csv_format());
  EXPECT_EQ(find("/x.json/a.tsv.zst", zstd("id\n1\n")).value(), &tsv_format());
  EXPECT_EQ(find("a.ndjson", "1\n2\n").value(), &json_format());
  EXPECT_EQ(find("a.tar!/b/c.jsonl", "").value(), &json_format());
}

// An empty file is a file without rows, whatever it is called.
TEST(FindFormat, TakesEmptyFiles) {
  EXPECT_EQ(find("a.csv", "").value(), &csv_format());
  EXPECT_TRUE(find("a", ""));
  EXPECT_TRUE(find("a", " \n"));
}

// A Parquet file is read from its end: one that was packed as a whole cannot be, and must say so instead of failing somewhere inside.
TEST(FindFormat, RefusesPackedRandomAccessFiles) {
  EXPECT_THAT(find("a.parquet.zst", zstd(std::string("PAR1\x15\x04\x00", 7))).error().message, HasSubstr("packed as a whole with zstd"));
}

// What the user said is not second-guessed.
TEST(FindFormat, DoesAsTheSourceSays) {
  EXPECT_EQ(find("a.csv", "{}", "csv").value(), &csv_format());
  EXPECT_EQ(find("a.csv", "id", "NDJSON").value(), &json_format());
  EXPECT_EQ(find("a.csv", "id", "jsonl").value(), &json_format());
  EXPECT_EQ(find("a.csv", "id", "tsv").value(), &tsv_format());
  EXPECT_THAT(find("a.csv", "id", "xml").error().message, HasSubstr("unknown format \"xml\""));
}

// A guess would load nonsense: the message says what was seen and the way out.
TEST(FindFormat, RefusesToGuess) {
  EXPECT_THAT(find("a.dat", "id,name\n1,ann\n").error().message, HasSubstr("\"id,name\\x0a1,ann\\x0a\""));
  EXPECT_THAT(find("a.dat", "id,name\n1,ann\n").error().message, HasSubstr("--format"));
  EXPECT_THAT(find("a.csv", std::string("PK\x03\x04\x14\x00", 6)).error().message, HasSubstr("zip"));
  EXPECT_EQ(find("a.csv", "ORC,BZh\n1,2\n").value(), &csv_format());
}

}  // namespace
}  // namespace sluice
