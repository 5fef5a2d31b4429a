// A cron schedule of five fields in a time zone, and when it fires next. A value; thread-safe.
#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace sluice {

class Cron {
 public:
  /// "minute hour day-of-month month day-of-week": numbers, `*`, lists `1,15`, ranges `9-17`, steps `*/5` and `0-30/10`, names `jan`, `mon`
  /// (any case), 7 and 0 for Sunday; or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually. Where both days are
  /// restricted (neither begins with `*`), either makes a day fire, as in every cron. `timezone`: an IANA name ("Europe/Berlin"), or UTC.
  /// kInvalidInput: names the field and what would be right; also a schedule that can never fire (30 February).
  static Result<Cron> parse(std::string_view text, std::string_view timezone);

  /// The first firing after `time`. When clocks change, schedules with a `*` minute or hour follow the wall clock as it runs: times that
  /// are skipped do not fire, times that come twice fire twice. Fixed times fire once: a skipped one right after the gap, a doubled one
  /// the first time (what Debian's cron does). nullopt: none within kCronYearsMax.
  std::optional<Timestamp> next_after(Timestamp time) const;

  /// The last firing in (after, until], so that firings which were missed become one. nullopt: none.
  std::optional<Timestamp> latest_between(Timestamp after, Timestamp until) const;

 private:
  std::optional<Timestamp> next_on_day(int64_t day, Timestamp after) const;
  bool fires_on(int64_t day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> month_days_;  // 1..31
  std::bitset<13> months_;      // 1..12
  std::bitset<7> week_days_;    // 0: Sunday
  bool any_month_day_ = false, any_week_day_ = false;
  bool wildcard_ = false;  // a `*` minute or hour: follows the wall clock
  std::string timezone_;
};

/// How far next_after looks: 29 February may be eight years away (1896 to 1904, 2096 to 2104).
inline constexpr int kCronYearsMax = 9;

}  // namespace sluice
