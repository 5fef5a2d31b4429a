#include "base/log.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

// Prevents: log lines that no JSON reader takes: quotes, line breaks and broken bytes of file names in a message.
TEST(LogLine, IsOneLineOfJson) {
  EXPECT_EQ(log_line(Timestamp{0}, LogLevel::kWarning, "odd \"name\"",
                     {{"path",
                       "a\nb\\c\x01\xff"
                       "d\xc3\xa9"},
                      {"count", int64_t{3}},
                      {"seconds", 0.5},
                      {"done", true}}),
            "{\"at\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"warning\",\"event\":\"odd \\\"name\\\"\","
            "\"path\":\"a\\u000ab\\\\c\\u0001?d\xc3\xa9\",\"count\":3,\"seconds\":0.5,\"done\":true}");
}

}  // namespace
}  // namespace sluice
