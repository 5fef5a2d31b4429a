#include "formats/csv_dialect.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string found(std::string_view file, const CsvOptions& options = {}) { return to_text(find_csv_layout(file, true, options)); }

// A wrong delimiter makes a table of one column, or tears values apart.
TEST(CsvLayout, FindsTheDelimiter) {
  EXPECT_EQ(found("id,name\n1,a\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("id;name\n1;a\n"), "2 columns, delimiter ';'");
  EXPECT_EQ(found("id\tname\n1\ta\n"), "2 columns, delimiter tab");
  EXPECT_EQ(found("id|name\n1|a\n"), "2 columns, delimiter '|'");
  EXPECT_EQ(found("id;name\n1;Doe, John\n2;Roe, Jane\n"), "2 columns, delimiter ';'");
  EXPECT_EQ(found("1;Doe, John\n2;Roe, Jane\n"), "2 columns, delimiter ';', no header");
  EXPECT_EQ(found("a;b,c|d\n\"x;y\",2\n\"p,q\",3\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("name\nann\nbob\n"), "1 column, delimiter ','");
  EXPECT_EQ(found(""), "rows of different lengths, delimiter ','");
}

// What is broken must be told as broken: a dialect that makes a torn file fit would load other rows than were written.
TEST(CsvLayout, DoesNotBendForBrokenFiles) {
  EXPECT_EQ(found("id,name,score\n1,a,1\n2,short\n3,c,3,surplus\n4,d,4\n"), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("id\n1\n2,x\n3\n4,x\n"), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("id\n1\n2,x\n3,y\n"), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("id,name\n1,ann\n2,\"bob\n3,eve\n"), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("id;name\n1;a;b\n2;c\n"), "rows of different lengths, delimiter ';'");
}

// Single quotes quote where double ones do not; an apostrophe is none.
TEST(CsvLayout, FindsQuotesAndEscapes) {
  EXPECT_EQ(found("id,name\n1,'a,b'\n2,'c'\n"), "2 columns, delimiter ',', quote '''");
  EXPECT_EQ(found("id,name\n1,'tis\n2,o'clock\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("id,name\n1,\"it's\"\n2,'x'\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("id,name\n1,\"a \\\"b\\\" c\"\n2,\"d\"\n"), "2 columns, delimiter ',', escape '\\'");
  EXPECT_EQ(found("id,name\n1,\"a \"\"b\"\" c\"\n2,\"d\\\"\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("size\tname\n5\" pipe\tx\n6\"\ty\n"), "2 columns, delimiter tab, no quotes");
}

// The first record is a header unless it looks like the records below it: text over text is one, numbers over numbers are not.
TEST(CsvLayout, FindsTheHeader) {
  EXPECT_TRUE(find_csv_layout("name,city\nann,ulm\n", true, {}).header);
  EXPECT_TRUE(find_csv_layout("name,city\n", true, {}).header);
  EXPECT_TRUE(find_csv_layout("id,2020\n1,a\n2,b\n", true, {}).header);
  EXPECT_TRUE(find_csv_layout(",a\n1,b\n", true, {}).header);
  EXPECT_FALSE(find_csv_layout("1,ann\n2,bob\n", true, {}).header);
  EXPECT_FALSE(find_csv_layout("2024-01-01,x\n2024-01-02,y\n", true, {}).header);
  EXPECT_FALSE(find_csv_layout("1,2\n", true, {}).header);
  EXPECT_FALSE(find_csv_layout("name,city\nann,ulm\n", true, {.header = false}).header);
  // The table's own columns are a header whatever they look like.
  const std::vector<Field> years = {{.id = 1, .name = "2020", .type = make_type(TypeId::kLong)},
                                    {.id = 2, .name = "2021", .type = make_type(TypeId::kLong)}};
  EXPECT_FALSE(find_csv_layout("2020,2021\n1,2\n", true, {}).header);
  EXPECT_TRUE(find_csv_layout("2020,2021\n1,2\n", true, {}, {}, years).header);
}

// Comments and titles are no rows; a header with a hash and a value with one are no comments.
TEST(CsvLayout, FindsCommentsAndSkippedLines) {
  EXPECT_EQ(found("# made by x, today\nid,name\n1,a\n# end\n"), "2 columns, delimiter ',', comments '#'");
  EXPECT_EQ(found("#id,name\n1,a\n2,b\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("tag,n\n#a,1\n#b,2\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("##source=x\n#id\tname\n1\ta\n"), "2 columns, delimiter tab, 1 line(s) skipped");
  EXPECT_EQ(found("Sales report\n\nid;name;n\n1;a;2\n"), "3 columns, delimiter ';', 2 line(s) skipped");
  EXPECT_EQ(found("Sales report\n1;a;2\n2;b;3\n"), "1 column, delimiter ','");  // no header says that the title is none
  EXPECT_EQ(found("Sales report\nid;name\n1;a\n", {.skip = 0}), "1 column, delimiter ','");
}

// Rows of an older table above a newer one are rows that nobody may lose; lines of a title, each of its own kind, are none.
TEST(CsvLayout, SkipsNoTable) {
  EXPECT_EQ(found("id,name\n1,a\n2,b\nid,name,city\n3,c,Oslo\n"), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("a,1\nb,2\nx,y,z\np,q,r\n"), "rows of different lengths, delimiter ',', no header");
  EXPECT_EQ(found("id,a,b\n1,2,3\nTotals\nid,a,b,c\n1,2,3,4\n"), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("Report;2024\n\nid;name;n\n1;a;2\n"), "3 columns, delimiter ';', 2 line(s) skipped");
  EXPECT_EQ(found("Report;2024\nOslo\nby;me\nid;name;n\n1;a;2\n"), "3 columns, delimiter ';', 3 line(s) skipped");
}

// A row that begins with a hash and is taken for a comment is lost: below the header as many fields as the table has make a row, quoted
// delimiters are none, and where lines are skipped the header is the one behind them.
TEST(CsvLayout, TakesNoRowForAComment) {
  EXPECT_EQ(found("id,name\n1,a\n#2,\"b, c\"\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("id,name\n1,a\n#2,\"b\nc\"\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("tag,n\n# heading,1\nx,2\n"), "2 columns, delimiter ','");
  EXPECT_EQ(found("tag,n\n# heading,1\nx,2\nshort\n"), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("name\n# one\ntwo\n"), "1 column, delimiter ','");
  EXPECT_EQ(found("id,name\n1,a\n# it said, \"b, c\"\n"), "2 columns, delimiter ',', comments '#'");
  EXPECT_EQ(found("id,name\n1,a\n#x,\"y, z\n2,b\n"), "2 columns, delimiter ',', comments '#'");
  EXPECT_EQ(found("Title\n# by me; today\nid;name\n1;a\n"), "2 columns, delimiter ';', comments '#', 2 line(s) skipped");
}

// 1,5 read as two fields, or as text, is money lost; "1,2" beside "3,4,5" is a list.
TEST(CsvLayout, FindsTheDecimalComma) {
  EXPECT_EQ(found("n;price\nx;1,5\ny;-2,25\n"), "2 columns, delimiter ';', decimal ','");
  EXPECT_EQ(found("1,5;2,5\n3,5;4,5\n"), "2 columns, delimiter ';', decimal ',', no header");
  EXPECT_EQ(found("n;list\nx;1,2\ny;3,4,5\n"), "2 columns, delimiter ';'");
  EXPECT_EQ(found("n;price\nx;1,5\ny;2.5\n"), "2 columns, delimiter ';'");
  EXPECT_EQ(found("n;price\nx;1\ny;2\n", {.decimal = ','}), "2 columns, delimiter ';', decimal ','");
}

// What was said stands, whatever the file looks like.
TEST(CsvLayout, KeepsWhatIsGiven) {
  EXPECT_EQ(found("id;name\n1;a\n", {.delimiter = ','}), "1 column, delimiter ','");
  EXPECT_EQ(found("id,name\n1,'a'\n", {.quote = '"'}), "2 columns, delimiter ','");
  EXPECT_EQ(found("# x\nid,name\n1,a\n", {.comment = '\0', .skip = 0}), "rows of different lengths, delimiter ','");
  EXPECT_EQ(found("caf\xe9,b\n1,2\n", {.encoding = TextEncoding::kLatin1}), "2 columns, delimiter ','; encoding latin-1");
}

// Prose with commas in a .txt or a file without a telling name must not be loaded as a table.
TEST(CsvLayout, IsSureOnlyOfTables) {
  for (const std::string_view table : {"id,name\n1,ann\n", "a\tb\nx\ty\n", "a;b;c;d\nw;x;y;z\n"}) {
    EXPECT_TRUE(find_csv_layout(table, true, {}).sure) << table;
  }
  for (const std::string_view prose :
       {"Hello, world\nfoo, bar\n", "2024-01-01 10:00:00,123 INFO x\n2024-01-01 10:00:01,7 INFO y\n", "one\n2\n", "id,name\n", ""}) {
    EXPECT_FALSE(find_csv_layout(prose, true, {}).sure) << prose;
  }
}

}  // namespace
}  // namespace sluice
