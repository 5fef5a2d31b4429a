#include "base/cron.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Timestamp at(const std::string& text) { return parse_timestamp(text).value(); }

/// The next `count` firings after a time, as RFC 3339 to the minute.
std::vector<std::string> firings(const std::string& schedule, const std::string& after, size_t count, const std::string& zone = "UTC") {
  const auto cron = Cron::parse(schedule, zone);
  if (!cron) return {cron.error().message};
  std::vector<std::string> found;
  Timestamp time = at(after);
  while (found.size() < count) {
    const auto next = cron->next_after(time);
    if (!next) break;
    found.push_back(to_text(*next).substr(0, 16));
    time = *next;
  }
  return found;
}

std::string refusal(const std::string& schedule, const std::string& zone = "UTC") {
  const auto cron = Cron::parse(schedule, zone);
  return cron ? "accepted" : cron.error().message;
}

// Prevents: fields read in another order, steps counted from the wrong end, a firing that is not strictly after.
TEST(Cron, FiresAtWhatItsFieldsSay) {
  EXPECT_THAT(firings("* * * * *", "2026-11-21T11:08:00Z", 2), ElementsAre("2026-11-21T11:09", "2026-11-21T11:10"));
  EXPECT_THAT(firings("*/20 * * * *", "2026-11-21T11:45:30Z", 3), ElementsAre("2026-11-21T12:00", "2026-11-21T12:20", "2026-11-21T12:40"));
  EXPECT_THAT(firings("5-20/10 8,20 * * *", "2026-11-21T08:05:00Z", 3),
              ElementsAre("2026-11-21T08:15", "2026-11-21T20:05", "2026-11-21T20:15"));
  EXPECT_THAT(firings("30/10 6 * * *", "2026-11-21T00:00:00Z", 3), ElementsAre("2026-11-21T06:30", "2026-11-21T06:40", "2026-11-21T06:50"));
  EXPECT_THAT(firings("0 0 1 JAN,Jul *", "2026-11-21T00:00:00Z", 2), ElementsAre("2027-01-01T00:00", "2027-07-01T00:00"));
  EXPECT_THAT(firings("59 23 31 12 *", "2026-12-31T23:58:59Z", 1), ElementsAre("2026-12-31T23:59"));
}

// Prevents: weekdays off by one, 7 that is no Sunday, ranges of names.
TEST(Cron, KnowsTheDaysOfTheWeek) {
  EXPECT_THAT(firings("0 9 * * mon-fri", "2026-11-20T10:00:00Z", 2), ElementsAre("2026-11-23T09:00", "2026-11-24T09:00"));
  EXPECT_THAT(firings("0 9 * * 7", "2026-11-20T10:00:00Z", 1), ElementsAre("2026-11-22T09:00"));
  EXPECT_THAT(firings("0 9 * * 0", "2026-11-20T10:00:00Z", 1), ElementsAre("2026-11-22T09:00"));
  EXPECT_THAT(firings("0 9 * * 5-7", "2026-11-20T10:00:00Z", 3), ElementsAre("2026-11-21T09:00", "2026-11-22T09:00", "2026-11-27T09:00"));
}

// Prevents: "the 13th and Fridays" read as "Friday the 13th", which no cron does; and the other way round with a step.
TEST(Cron, EitherDayFiresWhereBothAreRestricted) {
  EXPECT_THAT(firings("0 0 13 * fri", "2026-11-01T00:00:00Z", 3), ElementsAre("2026-11-06T00:00", "2026-11-13T00:00", "2026-11-20T00:00"));
  EXPECT_THAT(firings("0 0 */2 * fri", "2026-11-01T00:00:00Z", 2), ElementsAre("2026-11-13T00:00", "2026-11-27T00:00"));
}

// Prevents: leap days that are missed or made up, months without a 31st.
TEST(Cron, WaitsForRareDays) {
  EXPECT_THAT(firings("0 0 29 2 *", "2026-01-01T00:00:00Z", 2), ElementsAre("2028-02-29T00:00", "2032-02-29T00:00"));
  EXPECT_THAT(firings("0 0 29 2 *", "2096-03-01T00:00:00Z", 1), ElementsAre("2104-02-29T00:00"));
  EXPECT_THAT(firings("0 0 31 * *", "2026-01-31T00:00:00Z", 2), ElementsAre("2026-03-31T00:00", "2026-05-31T00:00"));
}

// Prevents: a zone's offset applied with the wrong sign, or that of today used for another season.
TEST(Cron, FollowsItsTimeZone) {
  EXPECT_THAT(firings("0 9 * * *", "2026-07-01T00:00:00Z", 1, "Europe/Berlin"), ElementsAre("2026-07-01T07:00"));
  EXPECT_THAT(firings("0 9 * * *", "2026-12-01T00:00:00Z", 1, "Europe/Berlin"), ElementsAre("2026-12-01T08:00"));
  EXPECT_THAT(firings("30 0 * * *", "2026-12-01T00:00:00Z", 1, "Asia/Kolkata"), ElementsAre("2026-12-01T19:00"));
  EXPECT_THAT(firings("0 1 * * *", "2026-12-01T00:00:00Z", 1, "Pacific/Auckland"), ElementsAre("2026-12-01T12:00"));
}

// Prevents: a nightly job that does not run at all in the night when clocks go forward, or runs twice for two skipped times.
TEST(Cron, FixedTimesInTheGapFireAfterIt) {
  EXPECT_THAT(firings("30 2 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Berlin"), ElementsAre("2026-03-29T01:00", "2026-03-30T00:30"));
  EXPECT_THAT(firings("0,30 2 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Berlin"), ElementsAre("2026-03-29T01:00", "2026-03-30T00:00"));
}

// Prevents: a nightly job that runs twice in the night when clocks go back.
TEST(Cron, FixedTimesThatComeTwiceFireOnce) {
  EXPECT_THAT(firings("30 2 * * *", "2026-10-24T12:00:00Z", 2, "Europe/Berlin"), ElementsAre("2026-10-25T00:30", "2026-10-26T01:30"));
}

// Prevents: an every-half-hour job that pauses for an hour, or bunches up, when clocks change.
TEST(Cron, WildcardsFollowTheRunningClock) {
  EXPECT_THAT(firings("*/30 * * * *", "2026-03-29T00:29:00Z", 3, "Europe/Berlin"),
              ElementsAre("2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"));
  EXPECT_THAT(firings("*/30 * * * *", "2026-10-25T00:29:00Z", 5, "Europe/Berlin"),
              ElementsAre("2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00", "2026-10-25T02:30"));
  EXPECT_THAT(firings("15 * * * *", "2026-10-24T23:16:00Z", 3, "Europe/Berlin"),
              ElementsAre("2026-10-25T00:15", "2026-10-25T01:15", "2026-10-25T02:15"));
}

// Prevents: a calendar day that a zone skipped (Samoa has no 30 December 2011) that stops its schedule.
TEST(Cron, ADayThatDoesNotExistIsMadeUpFor) {
  EXPECT_THAT(firings("0 9 30 12 *", "2011-12-01T00:00:00Z", 2, "Pacific/Apia"), ElementsAre("2011-12-30T10:00", "2012-12-29T19:00"));
}

// Prevents: schedules that are taken for something else than was meant.
TEST(Cron, RefusesWhatItCannotRead) {
  EXPECT_THAT(refusal("* * * *"), HasSubstr("has 4 fields"));
  EXPECT_THAT(refusal(""), HasSubstr("0 fields"));
  EXPECT_THAT(refusal("60 * * * *"), HasSubstr("minute: \"60\" is none of 0 to 59"));
  EXPECT_THAT(refusal("* 24 * * *"), HasSubstr("hour"));
  EXPECT_THAT(refusal("* * 0 * *"), HasSubstr("day of month"));
  EXPECT_THAT(refusal("* * * 13 *"), HasSubstr("none of 1 to 12, jan to dec"));
  EXPECT_THAT(refusal("* * * * 8"), HasSubstr("day of week"));
  EXPECT_THAT(refusal("*/0 * * * *"), HasSubstr("no step"));
  EXPECT_THAT(refusal("5- * * * *"), HasSubstr("minute"));
  EXPECT_THAT(refusal("9-5 * * * *"), HasSubstr("ends before it begins"));
  EXPECT_THAT(refusal("1,,2 * * * *"), HasSubstr("minute"));
  EXPECT_THAT(refusal("-1 * * * *"), HasSubstr("minute"));
  EXPECT_THAT(refusal("+1 * * * *"), HasSubstr("minute"));
  EXPECT_THAT(refusal("0 0 30 2 *"), HasSubstr("never fires"));
  EXPECT_THAT(refusal("* * * * *", "Mars/Olympus"), HasSubstr("no time zone"));
  EXPECT_THAT(refusal("@reboot"), HasSubstr("1 fields"));
  EXPECT_EQ(refusal("@daily"), "accepted");
}

// Prevents: a server that was down for a night and makes up for every minute of it; a rare firing that is lost because it lies far back.
TEST(Cron, MissedFiringsAreTheLastOfThem) {
  const Cron minutely = Cron::parse("* * * * *", "UTC").value();
  EXPECT_EQ(minutely.latest_between(at("2020-01-01T00:00:00Z"), at("2026-11-21T11:08:30Z")), at("2026-11-21T11:08:00Z"));
  EXPECT_EQ(minutely.latest_between(at("2026-11-21T11:08:00Z"), at("2026-11-21T11:08:59Z")), std::nullopt);
  const Cron yearly = Cron::parse("0 0 1 1 *", "UTC").value();
  EXPECT_EQ(yearly.latest_between(at("2023-06-01T00:00:00Z"), at("2026-11-21T00:00:00Z")), at("2026-01-01T00:00:00Z"));
  EXPECT_EQ(yearly.latest_between(at("2026-01-01T00:00:00Z"), at("2026-11-21T00:00:00Z")), std::nullopt);
  const Cron leap = Cron::parse("0 0 29 2 *", "UTC").value();
  EXPECT_EQ(leap.latest_between(at("2027-06-01T00:00:00Z"), at("2030-11-21T00:00:00Z")), at("2028-02-29T00:00:00Z"));
}

}  // namespace
}  // namespace sluice
