#include "formats/csv_scanner.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;

/// Everything a scanner says about a file as text, one line a record: `line@byte|field|field`, quoted fields in <>, problems behind '!'.
std::string scan(const std::string& file, CsvDialect dialect = {}, CsvScanLimits limits = {}) {
  Context context;
  CsvScanner scanner(make_memory_blob(file)->open({}, context).value(), dialect, limits);
  std::string out;
  for (;;) {
    const auto found = scanner.next(context);
    if (!found) return out + fmt::format("{}: {}\n", found.error().type, found.error().message);
    if (!*found) return out;
    out += fmt::format("{}@{}", scanner.line(), scanner.byte());
    for (const CsvField& field : scanner.fields()) {
      out += field.quoted ? fmt::format("|<{}>", field.text) : fmt::format("|{}", field.text);
    }
    if (!scanner.problem().reason.empty()) out += fmt::format("!{} at {}", scanner.problem().reason, scanner.problem().byte);
    out += '\n';
  }
}

struct ScannerCase {
  std::string_view name, file, expected;
};

const ScannerCase kCases[] = {
    {"plain", "a,b\nc,d\n", "1@0|a|b\n2@4|c|d\n"},
    {"no line end at the end", "a,b\nc,d", "1@0|a|b\n2@4|c|d\n"},
    {"crlf", "a,b\r\nc,d\r\n", "1@0|a|b\n2@5|c|d\n"},
    {"cr", "a,b\rc,d\r", "1@0|a|b\n2@4|c|d\n"},
    {"mixed line ends", "a\rb\nc\r\nd", "1@0|a\n2@2|b\n3@4|c\n4@7|d\n"},
    {"empty file", "", ""},
    {"empty fields", ",\n,,\n", "1@0||\n2@2|||\n"},
    {"empty last field at the end", "a,", "1@0|a|\n"},
    {"quoted", "\"a\",\"b,c\"\n", "1@0|<a>|<b,c>\n"},
    {"quoted empty", "\"\",\n", "1@0|<>|\n"},
    {"doubled quotes", "\"a\"\"b\",\"\"\"\"\n\"\"\"c\"\"\"", "1@0|<a\"b>|<\">\n2@12|<\"c\">\n"},
    {"newlines in quotes", "\"a\nb\",1\nc,2\n", "1@0|<a\nb>|1\n3@8|c|2\n"},
    {"crlf in quotes", "\"a\r\nb\r\",1\r\nc,2\r\n", "1@0|<a\r\nb\r>|1\n4@11|c|2\n"},
    {"quote closed at the end", "\"a\"", "1@0|<a>\n"},
    {"blank lines", "\n\na\n\r\n\nb\n\n", "3@2|a\n6@7|b\n"},
    {"quoted empty line is a row", "\"\"\n", "1@0|<>\n"},
    {"spaces stay", " a , b \n \n", "1@0| a | b \n2@8| \n"},
    {"byte order mark",
     "\xef\xbb\xbf"
     "a,b\n",
     "1@3|a|b\n"},
    {"byte order mark and quotes", "\xef\xbb\xbf\"a\"\n", "1@3|<a>\n"},
    {"byte order mark alone", "\xef\xbb\xbf", ""},
    {"utf-16",
     "\xff\xfe"
     "a",
     "ParseError: line 1: the file is UTF-16 by its first bytes, but is read as another encoding (byte 0)\n"},
    {"quote inside", "a\"b,c\nd,e\n", "1@0|a\"b|c!a quote inside an unquoted field at 1\n2@6|d|e\n"},
    {"space before a quote", "a, \"b\"\n", "1@0|a| \"b\"!a quote inside an unquoted field at 3\n"},
    {"text behind a quote", "\"a\"b\"c,d\ne,f\n", "1@0|<a>|d!text after a closing quote at 3\n2@9|e|f\n"},
    {"space behind a quote", "\"a\" ,b\n", "1@0|<a>|b!text after a closing quote at 3\n"},
    {"open quote", "a,b\n\"c\nd\ne", "1@0|a|b\nParseError: line 2: the quote that opens here is never closed (byte 4)\n"},
    {"open quote below another field", "\"x\ny\",\"c\nd", "ParseError: line 2: the quote that opens here is never closed (byte 6)\n"},
    {"open quote as the last byte", "a,\"", "ParseError: line 1: the quote that opens here is never closed (byte 2)\n"},
    {"doubled quote at the end", "\"a\"\"", "ParseError: line 1: the quote that opens here is never closed (byte 0)\n"},
    {"non-ascii", "\xc3\xa4,\xe2\x82\xac,\xf0\x9f\x8d\x80\n", "1@0|\xc3\xa4|\xe2\x82\xac|\xf0\x9f\x8d\x80\n"},
    {"invalid utf-8", "ab,c\nd\xff,e\nf,g\n", "1@0|ab|c\n2@5|d\xff|e!invalid UTF-8 at 6\n3@10|f|g\n"},
    {"utf-8 cut by the delimiter", "\xe2\x82,a\n", "1@0|\xe2\x82|a!invalid UTF-8 at 0\n"},
    {"utf-8 cut by the end", "a,\xe2\x82", "1@0|a|\xe2\x82!invalid UTF-8 at 2\n"},
    {"utf-8 overlong", "\xc3\xa4\xc0\x80\n", "1@0|\xc3\xa4\xc0\x80!invalid UTF-8 at 2\n"},
};

// Each line of RFC 4180 and each dialect quirk, with its exact place.
TEST(CsvScanner, CutsFilesAfterRfc4180) {
  for (const ScannerCase& c : kCases) EXPECT_EQ(scan(std::string(c.file)), c.expected) << c.name;
}

// A block border inside a quote, a CRLF, a doubled quote or a character once changed the result: every block size must say the same.
TEST(CsvScanner, SaysTheSameForEveryBlockSize) {
  for (const ScannerCase& c : kCases) {
    for (size_t block_bytes = 1; block_bytes <= 70; ++block_bytes) {
      ASSERT_EQ(scan(std::string(c.file), {}, {.block_bytes = block_bytes}), c.expected) << c.name << " in blocks of " << block_bytes;
    }
  }
}

// The bit masks cover 64 bytes: what stands at their border must not be lost or taken twice, wherever it lies.
TEST(CsvScanner, FindsEveryCaseAtEveryOffset) {
  for (const ScannerCase& c : kCases) {
    if (c.file.starts_with("\xef") || c.file.starts_with("\xff") || c.file.starts_with('\n')) continue;
    for (size_t shift = 1; shift <= 66; ++shift) {
      // A first row of `shift` bytes moves everything else.
      const std::string file = std::string(shift, 'x') + "\n" + std::string(c.file);
      const std::string shifted = scan(file);
      ASSERT_EQ(shifted, scan(file, {}, {.block_bytes = 7})) << c.name << " shifted by " << shift;
      ASSERT_EQ(std::ranges::count(shifted, '@'), std::ranges::count(c.expected, '@') + 1) << c.name << " shifted by " << shift;
    }
  }
}

// Semicolons, tabs, other quotes and no quotes at all.
TEST(CsvScanner, KeepsToTheDialect) {
  EXPECT_EQ(scan("a;b,c\n", {.delimiter = ';'}), "1@0|a|b,c\n");
  EXPECT_EQ(scan("a\t\"b\tc\"\n", {.delimiter = '\t'}), "1@0|a|<b\tc>\n");
  EXPECT_EQ(scan("'a,''b','\"'\n", {.quote = '\''}), "1@0|<a,'b>|<\">\n");
  EXPECT_EQ(scan("\"a,b\"\n", {.quote = '\0'}), "1@0|\"a|b\"\n");
  EXPECT_EQ(scan(std::string("a\0b,\0\n", 6), {.quote = '\0'}), std::string("1@0|a\0b|\0\n", 10));
}

// Where the comment sign was only found, a line with it may be a row after all: a bad one, not nothing. Quotes count as in a row, but one
// that prose leaves open must not take the lines behind it along.
TEST(CsvScanner, TellsRowsFromFoundComments) {
  const std::string file =
      "# of, the, top\n# a,b\nid,x\n# end\n1,a\n#2,\"b,\nc\"\n#,\"open\n3,d\n# \xff\n# \"a\", b, c\n#4,e\n5,\xc3\xa4\n#,\"open";
  const std::string expected =
      "3@21|id|x\n5@32|1|a\n"
      "6@36|#2|<b,\nc>!it begins like a comment, but has as many fields as a row; --comment says which it is at 36\n"
      "9@54|3|d\n"
      "12@74|#4|e!it begins like a comment, but has as many fields as a row; --comment says which it is at 74\n"
      "13@79|5|\xc3\xa4\n";
  for (size_t block_bytes = 1; block_bytes <= 150; ++block_bytes) {
    ASSERT_EQ(scan(file, {.comment = '#', .row_fields = 2, .encoding = TextEncoding::kAuto}, {.block_bytes = block_bytes}), expected)
        << block_bytes;
  }
  EXPECT_EQ(scan("a,b\n#1,2\n", {.comment = '#'}), "1@0|a|b\n");
}

// A delimiter that is also the quote or half a character makes nonsense of every file.
TEST(CsvDialect, RefusesWhatCannotBeTold) {
  EXPECT_TRUE((CsvDialect{}.check()));
  EXPECT_TRUE((CsvDialect{.delimiter = '\t', .quote = '\0'}.check()));
  EXPECT_FALSE((CsvDialect{.delimiter = '"'}.check()));
  EXPECT_FALSE((CsvDialect{.delimiter = '\n'}.check()));
  EXPECT_FALSE((CsvDialect{.delimiter = '\xe2'}.check()));
  EXPECT_FALSE((CsvDialect{.delimiter = '\0'}.check()));
  EXPECT_FALSE((CsvDialect{.quote = '\r'}.check()));
}

/// Endless bytes of one character behind a beginning; counts what was taken.
class EndlessSource final : public ByteSource {
 public:
  EndlessSource(std::string begin, int64_t& taken) : begin_(std::move(begin)), taken_(taken) {}
  Result<size_t> read(std::span<char> into, Context&) override {
    std::ranges::fill(into, 'x');
    std::ranges::copy(begin_.substr(0, into.size()), into.begin());
    begin_.erase(0, into.size());
    taken_ += static_cast<int64_t>(into.size());
    return into.size();
  }

 private:
  std::string begin_;
  int64_t& taken_;
};

// A missing close quote in a 5 GB file must not be buffered whole: it is refused once the limit is passed.
TEST(CsvScanner, RefusesARecordAboveTheLimitInBoundedMemory) {
  Context context;
  for (const std::string begin : {"a,b\n\"never closed, ", "a,b\nno line end"}) {
    int64_t taken = 0;
    CsvScanner scanner(std::make_unique<EndlessSource>(begin, taken), {}, {.block_bytes = 4096, .record_bytes_max = 100'000});
    ASSERT_TRUE(scanner.next(context).value());
    const auto found = scanner.next(context);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().type, "TooLarge");
    EXPECT_EQ(found.error().line, 2);
    EXPECT_EQ(found.error().byte, 4);
    EXPECT_EQ(found.error().message.find("may not be closed") != std::string::npos, begin.contains('"'));
    EXPECT_LT(taken, 300'000);
  }
}

// The limit must not depend on where blocks end: exactly at it a record passes, one byte above it does not.
TEST(CsvScanner, TakesARecordAtTheLimit) {
  for (const std::string line_end : {"", "\n", "\r\n"}) {
    for (size_t block_bytes : {1, 7, 10, 11, 12, 64, 1000}) {
      const CsvScanLimits limits{.block_bytes = block_bytes, .record_bytes_max = 10};
      EXPECT_THAT(scan("a\n\"345678\",0" + line_end, {}, limits), HasSubstr("2@2|<345678>|0")) << block_bytes;
      EXPECT_THAT(scan("a\n\"3456789\",0" + line_end, {}, limits), HasSubstr("TooLarge")) << block_bytes;
    }
  }
}

// A skipped line or a comment above the limit was passed over in large blocks and an error in small ones.
TEST(CsvScanner, RefusesPassedLinesAboveTheLimitWhateverTheBlockSize) {
  for (const size_t block_bytes : {1, 2, 7, 64, 4096}) {
    for (const std::string& line_end : {std::string("\n"), std::string("\r"), std::string("\r\n"), std::string()}) {
      const CsvScanLimits limits{.block_bytes = block_bytes, .record_bytes_max = 10};
      const CsvDialect skipping{.skip_lines = 1}, commented{.comment = '#'};
      EXPECT_THAT(scan("12345678901" + line_end, skipping, limits), HasSubstr("TooLarge")) << block_bytes;
      EXPECT_EQ(scan("1234567890" + line_end, skipping, limits), "") << block_bytes;
      EXPECT_THAT(scan("#2345678901" + line_end, commented, limits), HasSubstr("TooLarge")) << block_bytes;
      EXPECT_EQ(scan("#234567890" + line_end, commented, limits), "") << block_bytes;
    }
  }
}

// A line of delimiters alone must not cost 24 bytes for each of them.
TEST(CsvScanner, CountsButDoesNotKeepFieldsAboveTheLimit) {
  Context context;
  CsvScanner scanner(make_memory_blob(std::string(100'000, ',') + ",\"a\"\"b\"")->open({}, context).value(), {});
  ASSERT_TRUE(scanner.next(context).value());
  EXPECT_EQ(scanner.field_count(), 100'002u);
  EXPECT_EQ(scanner.fields().size(), kCsvFieldsMax);
}

// A sample ends inside a record: that record says nothing about types, and its open quote is no error.
TEST(CsvScanner, DropsTheRecordThatASampleCuts) {
  EXPECT_EQ(scan("a,b\nc,", {}, {.is_sample = true}), "1@0|a|b\n");
  EXPECT_EQ(scan("a,b\n\"c", {}, {.is_sample = true}), "1@0|a|b\n");
  EXPECT_EQ(scan("a,b\n\"c\"", {}, {.is_sample = true}), "1@0|a|b\n");
  EXPECT_EQ(scan("a,b\nc,d\n", {}, {.is_sample = true}), "1@0|a|b\n2@4|c|d\n");
}

/// Fails at its second read.
class BrokenSource final : public ByteSource {
 public:
  Result<size_t> read(std::span<char> into, Context&) override {
    if (++reads_ > 1) return fail(ErrorCode::kUnavailable, "timed out");
    std::ranges::fill(into, '\n');
    into[0] = 'a';
    return into.size();
  }

 private:
  int reads_ = 0;
};

// A source that fails must never look like one that ends.
TEST(CsvScanner, PassesOnErrorsOfTheSource) {
  Context context;
  CsvScanner scanner(std::make_unique<BrokenSource>(), {});
  ASSERT_TRUE(scanner.next(context).value());
  EXPECT_EQ(scanner.next(context).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace sluice
