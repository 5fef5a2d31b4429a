#include "schema/rescue_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/rescue_row.h"

namespace sluice {
namespace {

// What one writes the other must read, also where names and values hold the signs that separate them.
TEST(RescueMembers, AreThoseThatWereWritten) {
  const std::vector<std::pair<std::string, std::string>> written = {{"a", "1"},   {"b, \"c\": {", R"({"x": [1, {"y": "},]\""}], "z": {}})"},
                                                                    {"", "\"\""}, {"e\\", R"("\\")"},
                                                                    {"f", "[]"},  {"g", "[ 1 , 2]"},
                                                                    {"h", "true"}};
  RescueRow row;
  for (const auto& [name, json] : written) row.add_json(name, json);
  const auto members = rescue_members(row.text());
  ASSERT_EQ(members.size(), written.size());
  for (size_t i = 0; i < written.size(); ++i) {
    std::string key;
    append_json_string(written[i].first, key);
    EXPECT_EQ(members[i].key, key);
    EXPECT_EQ(members[i].json, written[i].second);
  }
  EXPECT_TRUE(rescue_members("").empty());
}

// A cast must read what a string says, not how it is written, and must leave numbers alone.
TEST(RescueMembers, StringsAreRead) {
  std::string scratch;
  EXPECT_EQ(read_json_string("\"12\"", scratch), "12");
  EXPECT_EQ(read_json_string(R"("a\u00e9\n")", scratch), "aé\n");
  EXPECT_EQ(read_json_string("\"\"", scratch), "");
  EXPECT_EQ(read_json_string("12", scratch), std::nullopt);
  EXPECT_EQ(read_json_string(R"(["a"])", scratch), std::nullopt);
}

}  // namespace
}  // namespace sluice
