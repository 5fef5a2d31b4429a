#include "parquet/origins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.h"

namespace sluice {
namespace {

using testing::HasSubstr;

Origins origins_of(int files) {
  Origins origins{"0190-ingestion", "orders \"x\"", "0190-batch", "0190-run", {}};
  for (int i = 0; i < files; ++i) {
    origins.files.push_back({"file:///data/2026/11/part-" + std::to_string(1'000'000 + i) + " ä\".json",
                             "123-17000000" + std::to_string(10'000'000 + i * 7919), i});
  }
  return origins;
}

// Prevents: names with quotes or other letters that come back changed, and with them files that nobody finds again.
TEST(OriginsFooter, ComesBackAsItWas) {
  for (const int files : {0, 1, 3, 5000}) {
    const auto back = parse_origins(to_footer(origins_of(files)));
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(*back, origins_of(files));
  }
}

// Prevents: 20,000 small files in a data file whose footer is larger than its rows, read by every query.
TEST(OriginsFooter, IsCompactForManyFiles) {
  const Origins many = origins_of(20'000);
  size_t plain = 0;
  for (const OriginRows& file : many.files) plain += file.path.size() + file.version.size();
  EXPECT_LT(to_footer(many).size(), plain / 4);
  EXPECT_THAT(to_footer(origins_of(1)), HasSubstr("part-1000000"));  // a short one can be read by people
}

// Prevents: a rebuild that takes a damaged list for a short one and loads the missing files again.
TEST(OriginsFooter, RefusesWhatIsDamaged) {
  std::string packed = to_footer(origins_of(5000));
  for (const std::string& bad : {std::string("{}"), std::string("[1]"), std::string(R"({"v":2})"), packed.substr(0, 300) + "\"}"}) {
    const auto parsed = parse_origins(bad);
    ASSERT_FALSE(parsed.has_value()) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorruption);
  }
  packed.replace(packed.find("\"packed\":\"") + 40, 4, "AAAA");
  EXPECT_FALSE(parse_origins(packed).has_value());
}

// Prevents: a crash over a data file that is none (a manifest that names the wrong object).
TEST(OriginsFooter, RefusesAFileThatIsNoParquet) {
  Context context;
  for (const std::string& bytes : {std::string(), std::string("PAR1"), std::string(100, 'x'), std::string(96, '\xff') + "PAR1"}) {
    const auto read = read_origins(*make_memory_blob(bytes), context);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, ErrorCode::kCorruption);
  }
}

}  // namespace
}  // namespace sluice
