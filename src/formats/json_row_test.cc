#include "formats/json_row.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/format.h"

namespace sluice {
namespace {

std::optional<JsonFault> read(JsonRowReader& reader, std::string& storage, std::string_view row) {
  // Hostile bytes behind the row: a reader that strays into the padding takes them for JSON.
  storage = std::string(row) + ",\"}]" + std::string(kJsonPaddingBytes, '}');
  return reader.read(std::string_view(storage).substr(0, row.size()));
}

std::string verdict(std::string_view row) {
  JsonRowReader reader;
  std::string storage;
  const auto fault = read(reader, storage, row);
  return fault ? std::to_string(fault->at) + ": " + fault->reason : "ok";
}

std::string nested(int arrays) {
  // The row's object is one level itself.
  return "{\"a\":" + std::string(static_cast<size_t>(arrays), '[') + std::string(static_cast<size_t>(arrays), ']') + "}";
}

/// The first member's text.
std::string text_of(std::string_view row) {
  JsonRowReader reader;
  std::string storage;
  if (read(reader, storage, row)) return "refused";
  return std::string(reader.nodes()[1].text);
}

// Prevents: legal JSON refused.
TEST(JsonRow, AcceptsWhatRfc8259Allows) {
  const std::vector<std::string> rows = {
      "{}",
      " \t{ \"a\" : 1 , \"b\" : [ ] } \r",
      "{\n  \"a\": {\n  }\n}",
      R"({"":0})",
      R"({"a":0,"b":-0,"c":-0.0,"d":1e5,"e":1E+5,"f":1.5e-300,"g":123456789012345678901234567890})",
      R"({"a":1e999,"b":-1e-999,"c":0.1234567890123456789012345678901234567890})",
      R"({"a":true,"b":false,"c":null})",
      R"({"a":"\"\\\/\b\f\n\r\t\u0000\u00e4\uD83D\uDE00"})",
      R"({"a":"äöü€😀"})",
      "{\"a\":\"\x7f\"}",
      R"({"a":[[],[{}],[1,"x",null,true,{"b":[]}]]})",
      R"({"a":1,"a":2})",
      R"({"a\"b":1,"c\\":2})",
      nested(63),
  };
  for (const auto& row : rows) EXPECT_EQ(verdict(row), "ok") << row;
}

// Prevents: garbage passing because on-demand parsing looks only at what it is asked for; wrong or missing place of a fault.
TEST(JsonRow, RefusesWhatRfc8259Forbids) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "0: the text ends where a value was expected"},
      {"{", "1: the text ends inside an object"},
      {R"({"a")", "4: the text ends inside an object"},
      {R"({"a":)", "5: the text ends inside an object"},
      {R"({"a":1)", "6: the text ends inside an object"},
      {R"({"a":[1,2)", "9: the text ends inside an array"},
      {R"({"a":{"b":1})", "12: the text ends inside an object"},
      {R"({"a":[{})", "8: the text ends inside an array"},
      {R"({"a":[{}})", "8: expected ',' or ']'"},
      {R"({"a":"x)", "7: the text ends inside the string that begins 2 bytes before"},
      {R"({"a":1}})", "7: text after the end of the row"},
      {R"({"a":1} x)", "8: text after the end of the row"},
      {R"({"a":1}{"a":2})", "7: text after the end of the row"},
      {R"({"a":1,})", "7: expected a name in double quotes"},
      {R"({,"a":1})", "1: expected a name in double quotes"},
      {R"({"a":1,,"b":2})", "7: expected a name in double quotes"},
      {R"({"a":1 "b":2})", "7: expected ',' or '}'"},
      {R"({"a" 1})", "5: expected ':'"},
      {R"({"a"::1})", "5: expected a value"},
      {R"({"a":"b":1})", "8: expected ',' or '}'"},
      {R"({"a":})", "5: expected a value"},
      {R"({a:1})", "1: expected a name in double quotes"},
      {R"({'a':1})", "1: expected a name in double quotes"},
      {R"({1:1})", "1: expected a name in double quotes"},
      {R"({"a":[1,]})", "8: expected a value"},
      {R"({"a":[,1]})", "6: expected a value"},
      {R"({"a":[1 2]})", "8: expected ',' or ']'"},
      {R"({"a":[1}})", "7: expected ',' or ']'"},
      {R"({"a":{"b":1]})", "11: expected ',' or '}'"},
      {R"({"a":[)", "6: the text ends inside an array"},
      {R"({"a":tru})", "5: expected a value"},
      {R"({"a":truex})", "5: expected a value"},
      {R"({"a":True})", "5: expected a value"},
      {R"({"a":nul})", "5: expected a value"},
      {R"({"a":NaN})", "5: expected a value"},
      {R"({"a":Infinity})", "5: expected a value"},
      {R"({"a":-Infinity})", "5: not a JSON number"},
      {R"({"a":01})", "5: not a JSON number"},
      {R"({"a":-})", "5: not a JSON number"},
      {R"({"a":+1})", "5: expected a value"},
      {R"({"a":.5})", "5: expected a value"},
      {R"({"a":1.})", "5: not a JSON number"},
      {R"({"a":1e})", "5: not a JSON number"},
      {R"({"a":1e+})", "5: not a JSON number"},
      {R"({"a":0x1F})", "5: not a JSON number"},
      {R"({"a":1_000})", "5: not a JSON number"},
      {R"({"a":1"b"})", "6: expected ',' or '}'"},
      {R"({"a":"b"c})", "8: expected ',' or '}'"},
      {R"({"a":"b""c"})", "8: expected ',' or '}'"},
      {R"({"a":1/*c*/})", "5: not a JSON number"},
      {R"({"a":1} // c)", "8: text after the end of the row"},
      {"{\"a\":\"x\ty\"}", "7: control character 0x09 in a string must be escaped"},
      {"{\"a\":\"x\ny\"}", "7: control character 0x0a in a string must be escaped"},
      {std::string("{\"a\":\"x\0y\"}", 11), "7: control character 0x00 in a string must be escaped"},
      {std::string("{\"a\":1\0}", 8), "5: not a JSON number"},
      {R"({"a":"\x41"})", "6: broken escape in a string (or half a surrogate pair)"},
      {R"({"a":"\u12"})", "6: broken escape in a string (or half a surrogate pair)"},
      {R"({"a":"\u12g4"})", "6: broken escape in a string (or half a surrogate pair)"},
      {R"({"a":"\uD83D"})", "6: broken escape in a string (or half a surrogate pair)"},
      {R"({"a":"\uDE00"})", "6: broken escape in a string (or half a surrogate pair)"},
      {R"({"a":"\uDE00\uD83D"})", "6: broken escape in a string (or half a surrogate pair)"},
      {R"({"a":"\uD83D\u0041"})", "6: broken escape in a string (or half a surrogate pair)"},
      {R"({"\uD83D":1})", "2: broken escape in a string (or half a surrogate pair)"},
      {"{\"a\":\"\xC3\"}", "6: invalid UTF-8"},
      {"{\"a\":\"\xC0\xAF\"}", "6: invalid UTF-8"},
      {"{\"a\":\"\xE0\x80\x80\"}", "6: invalid UTF-8"},
      {"{\"a\":\"\xED\xA0\x80\"}", "6: invalid UTF-8"},
      {"{\"a\":\"\xF5\x80\x80\x80\"}", "6: invalid UTF-8"},
      {"{\"a\":\"x\xFFy\"}", "7: invalid UTF-8"},
      {"{\"\x80\":1}", "2: invalid UTF-8"},
      {"{\"a\":1}\xFF", "7: invalid UTF-8"},
      {"\xEF\xBB\xBF{\"a\":1}", "0: expected a value"},
      {"[1]", "0: a row must be an object, this is an array"},
      {"1", "0: a row must be an object, this is a number"},
      {" \"x\"", "1: a row must be an object, this is a string"},
      {"null", "0: a row must be an object, this is null"},
      {"true", "0: a row must be an object, this is a boolean"},
      {nested(64), "68: nested deeper than 64 levels"},
      {nested(5000), "68: nested deeper than 64 levels"},
  };
  for (const auto& [row, expected] : rows) EXPECT_EQ(verdict(row), expected) << row.substr(0, 200);
}

// Prevents: numbers that lose digits on their way to decimal and string columns.
TEST(JsonRow, KeepsNumbersAsWritten) {
  EXPECT_EQ(text_of(R"({"a": 123456789012345678901234567890 })"), "123456789012345678901234567890");
  EXPECT_EQ(text_of(R"({"a":1.10,"b":1})"), "1.10");
  EXPECT_EQ(text_of(R"({"a":-0})"), "-0");
}

// Prevents: wrong characters for escapes, views into a buffer that moved while the row's other strings were unescaped.
TEST(JsonRow, UndoesEscapes) {
  EXPECT_EQ(text_of(R"({"a":"\"\\\/\b\f\n\r\t"})"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(text_of(R"({"a":"\u0041\u00e4\u20AC\uD83D\uDE00"})"), "Aä€😀");
  EXPECT_EQ(text_of(R"({"a":"\u0000"})"), std::string(1, '\0'));
  JsonRowReader reader;
  std::string storage;
  ASSERT_FALSE(read(reader, storage, R"({"k\u0041":"x\ny","plain":"\\","k\n":"0123456789012345678901234567890123456789\t"})"));
  const auto nodes = reader.nodes();
  ASSERT_EQ(nodes.size(), 4U);
  EXPECT_EQ(nodes[1].key, "kA");
  EXPECT_EQ(nodes[1].text, "x\ny");
  EXPECT_EQ(nodes[2].key, "plain");
  EXPECT_EQ(nodes[2].text, "\\");
  EXPECT_EQ(nodes[3].key, "k\n");
  EXPECT_EQ(nodes[3].text, "0123456789012345678901234567890123456789\t");
}

// Prevents: wrong extents of nested values, which would rescue half a value or read members of another one.
TEST(JsonRow, ListsValuesWithTheirExtent) {
  JsonRowReader reader;
  std::string storage;
  ASSERT_FALSE(read(reader, storage, R"({"a":{"b":[1,{"c":"}]\""}]},"d":[] , "e":-1.5e3 ,"f":null})"));
  const auto nodes = reader.nodes();
  ASSERT_EQ(nodes.size(), 9U);
  EXPECT_EQ(nodes[0].after, 9U);
  EXPECT_EQ(nodes[1].key, "a");
  EXPECT_EQ(nodes[1].after, 6U);
  EXPECT_EQ(json_value_at(nodes[1].raw), R"({"b":[1,{"c":"}]\""}]})");
  EXPECT_EQ(nodes[2].after, 6U);
  EXPECT_EQ(nodes[3].text, "1");
  EXPECT_EQ(nodes[6].key, "d");
  EXPECT_EQ(json_value_at(nodes[6].raw), "[]");
  EXPECT_EQ(json_value_at(nodes[7].raw), "-1.5e3");
  EXPECT_EQ(json_value_at(nodes[8].raw), "null");
}

// Prevents: state of a broken row (open brackets, unescaped text) spilling into the next one.
TEST(JsonRow, ReadsOnAfterABrokenRow) {
  JsonRowReader reader;
  std::string storage;
  EXPECT_TRUE(read(reader, storage, R"({"a":[{"b":)"));
  EXPECT_TRUE(read(reader, storage, "{\"a\":\"\xFF\"}"));
  ASSERT_FALSE(read(reader, storage, R"({"a":7})"));
  EXPECT_EQ(reader.nodes()[1].text, "7");
}

}  // namespace
}  // namespace sluice
