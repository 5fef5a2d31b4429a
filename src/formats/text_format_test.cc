#include "formats/text_format.h"

#include <string>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/line_pattern.h"
#include "formats/line_scanner.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct LoadedText {
  std::vector<std::string> rows;  ///< values joined by '|'
  std::vector<BadRow> bad_rows;
  std::optional<Error> error;
};

/// The table is what inference makes of the file.
LoadedText load_text(const std::string& file, const TextOptions& options = {}, BadRowAction action = BadRowAction::kFail,
                     int64_t block_rows_max = 1000) {
  Context context;
  const auto blob = make_memory_blob(file);
  Source source;
  source.text = options;
  LoadedText loaded;
  const auto inferred = text_format().infer(*blob, kMiB, source, {}, context);
  if (!inferred) {
    loaded.error = inferred.error();
    return loaded;
  }
  ReadPlan plan{.block_rows_max = block_rows_max};
  plan.text = options;
  plan.bad_rows.action = action;
  for (const Field& field : inferred->fields) plan.columns.fields.push_back(field);
  auto reader = text_format().open(*blob, {}, plan, context);
  if (!reader) loaded.error = reader.error();
  while (reader) {
    auto block = (*reader)->next(context);
    if (!block) loaded.error = block.error();
    if (!block || !*block) break;
    EXPECT_TRUE((*block)->batch->ValidateFull().ok());
    EXPECT_LE((*block)->batch->num_rows(), block_rows_max);
    for (int64_t row = 0; row < (*block)->batch->num_rows(); ++row) {
      std::string text;
      for (const auto& column : (*block)->batch->columns()) text += '|' + column->GetScalar(row).ValueOrDie()->ToString();
      loaded.rows.push_back(text.substr(1));
    }
    std::ranges::move((*block)->bad_rows, std::back_inserter(loaded.bad_rows));
  }
  return loaded;
}

// A line is a row, an empty one too; its number is the editor's, its text is untouched. A line without an end is one.
TEST(TextFormat, GivesNumberAndTextOfEachLine) {
  EXPECT_THAT(load_text("a,b\r\n\n \"x\" \n7").rows, ElementsAre("1|a,b|null", "2||null", "3| \"x\" |null", "4|7|null"));
  EXPECT_THAT(load_text("\xef\xbb\xbf"
                        "a\n")
                  .rows,
              ElementsAre("1|a|null"));
  EXPECT_THAT(load_text("").rows, IsEmpty());
}

// Lines must neither be lost nor doubled where a block of bytes or of rows ends.
TEST(TextFormat, GivesTheSameRowsForEveryBlockSize) {
  std::string file;
  for (int i = 0; i < 50; ++i) file += fmt::format("line {} ä{}", i, i % 3 == 0 ? "\r\n" : i % 3 == 1 ? "\n\n" : "\n");
  const LoadedText expected = load_text(file);
  EXPECT_EQ(load_text(file, {}, BadRowAction::kFail, 1).rows, expected.rows);
  for (size_t block_bytes = 1; block_bytes < 40; ++block_bytes) {
    Context context;
    LineScanner scanner(make_memory_blob(file)->open({}, context).value(), TextEncoding::kAuto, {.block_bytes = block_bytes});
    size_t lines = 0;
    while (scanner.next(context).value()) {
      ASSERT_EQ(fmt::format("{}|{}|null", scanner.line(), scanner.text()), expected.rows.at(lines++));
      ASSERT_EQ(file.substr(static_cast<size_t>(scanner.byte()), scanner.text().size()), scanner.text());
    }
    ASSERT_EQ(lines, expected.rows.size());
  }
}

// Logs come in the encoding of the machine that wrote them; places stay those of the file as it is stored.
TEST(TextFormat, ReadsOtherEncodings) {
  EXPECT_THAT(load_text("caf\xe9\nstra\xdf"
                        "e\n")
                  .rows,
              ElementsAre("1|café|null", "2|straße|null"));
  const std::string utf16(
      "\xff\xfe"
      "a\0\n\0\xe4\0\n\0b\0",
      12);
  EXPECT_THAT(load_text(utf16).rows, ElementsAre("1|a|null", "2|ä|null", "3|b|null"));
  Context context;
  LineScanner scanner(open_utf16(make_memory_blob(utf16)->open({}, context).value(), TextEncoding::kUtf16le, false),
                      TextEncoding::kUtf16le);
  std::vector<int64_t> bytes;
  while (scanner.next(context).value()) bytes.push_back(scanner.byte());
  EXPECT_THAT(bytes, ElementsAre(2, 6, 10));
  // ASCII as far as was looked, and windows-1252 behind it.
  const LoadedText late = load_text(std::string(100'000, 'x') + "\n\xe9\n");
  ASSERT_EQ(late.rows.size(), 2u);
  EXPECT_EQ(late.rows[1], "2|é|null");
}

// A line with broken bytes costs itself only, and its place is told.
TEST(TextFormat, BrokenBytesMakeABadRow) {
  const std::string file = "ok \xc3\xa4\nbad \xff\nok\n";
  const LoadedText failed = load_text(file);
  EXPECT_EQ(failed.error.value().message, "line 2: invalid UTF-8 (byte 6); allow such rows with --on-bad-row=skip");
  EXPECT_EQ(failed.error->type, "ParseError");
  const LoadedText skipped = load_text(file, {}, BadRowAction::kSkip);
  EXPECT_THAT(skipped.rows, ElementsAre("1|ok ä|null", "3|ok|null"));
  ASSERT_EQ(skipped.bad_rows.size(), 1u);
  EXPECT_EQ(skipped.bad_rows[0].line, 2);
}

// Named groups are columns with types of their own; a group that took no part is null, and a line that does not match is told.
TEST(TextFormat, NamedGroupsAreColumns) {
  const TextOptions options{.pattern = R"(^(?<at>\S+) (?<level>[A-Z]+)(?: (?<ms>\d+)ms)?)"};
  const std::string file = "2024-01-01T10:00:00 INFO 12ms done\n\nnonsense\n2024-01-01T10:00:01 WARN\n";
  const LoadedText skipped = load_text(file, options, BadRowAction::kSkip);
  EXPECT_THAT(skipped.rows, ElementsAre("1|2024-01-01 10:00:00.000000|INFO|12|null", "4|2024-01-01 10:00:01.000000|WARN|null|null"));
  ASSERT_EQ(skipped.bad_rows.size(), 1u);
  EXPECT_EQ(skipped.bad_rows[0].reason, "the pattern does not match this line");
  EXPECT_EQ(skipped.bad_rows[0].text, "nonsense");
  EXPECT_EQ(load_text(file, options).error.value().message,
            "line 3: the pattern does not match this line (byte 36); allow such rows with --on-bad-row=skip");
}

// A pattern that would backtrack for years must cost the line and not the run.
TEST(TextFormat, APatternGivesUpOnALine) {
  const TextOptions options{.pattern = R"(^(?<a>(x+x+)+)y)"};
  const LoadedText loaded = load_text("xxy\n" + std::string(5'000, 'x') + "\nxxy\n", options, BadRowAction::kSkip);
  EXPECT_THAT(loaded.rows, ElementsAre("1|xx|null", "3|xx|null"));
  ASSERT_EQ(loaded.bad_rows.size(), 1u);
  EXPECT_THAT(loaded.bad_rows[0].reason, HasSubstr("gives up on this line"));
}

// A broken pattern is said before a file is touched, with the place; one without groups would give no column.
TEST(LinePattern, SaysWhatIsWrongWithIt) {
  EXPECT_THAT(LinePattern::compile("(?<a>x").error().message, HasSubstr("at character 7"));
  EXPECT_THAT(LinePattern::compile("x+").error().message, HasSubstr("no named group"));
  EXPECT_THAT(LinePattern::compile(std::string(20'000, 'x')).error().message, HasSubstr("above the limit"));
  EXPECT_THAT(LinePattern::compile("(?<b>x)(?<a>y)").value().names(), ElementsAre("b", "a"));
}

// A line without end must not take the machine's memory.
TEST(LineScanner, HoldsOneLineUpToTheLimit) {
  Context context;
  LineScanner scanner(make_memory_blob("ab\n" + std::string(1'000, 'x'))->open({}, context).value(), TextEncoding::kUtf8,
                      {.block_bytes = 16, .line_bytes_max = 100});
  EXPECT_TRUE(scanner.next(context).value());
  const auto too_long = scanner.next(context);
  EXPECT_EQ(too_long.error().type, "TooLarge");
  EXPECT_EQ(too_long.error().message, "line 2: a line above 100 bytes (byte 3)");
}

}  // namespace
}  // namespace sluice
