#include "base/cron.h"

#include <date/tz.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

#include "base/ascii.h"

namespace sluice {
namespace {

constexpr int64_t kMicrosPerMinute = 60'000'000;
constexpr int64_t kMicrosPerDay = 24 * 60 * kMicrosPerMinute;
constexpr size_t kCronBytesMax = 256;

constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Macro {
  std::string_view name, schedule;
};
constexpr Macro kMacros[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                             {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}};

struct FieldKind {
  std::string_view name;
  int first, last;
  std::span<const std::string_view> names;
};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Result<int> read_value(std::string_view text, const FieldKind& kind) {
  for (size_t i = 0; i < kind.names.size(); ++i) {
    if (lower_case(text) == kind.names[i]) return kind.first + static_cast<int>(i);
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < kind.first || value > kind.last) {
    return invalid_input(fmt::format("{}: \"{}\" is none of {} to {}{}", kind.name, text, kind.first, kind.last,
                                     kind.names.empty() ? "" : fmt::format(", {} to {}", kind.names.front(), kind.names.back())));
  }
  return value;
}

/// One element of a list: `*`, `5`, `1-5`, `*/10`, `0-30/10`.
template <size_t n>
Result<void> add_part(std::string_view part, const FieldKind& kind, std::bitset<n>& into) {
  const size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  int step = 1;
  if (slash != std::string_view::npos) {
    const std::string_view text = part.substr(slash + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || step < 1 || step > kind.last) {
      return invalid_input(fmt::format("{}: \"{}\" is no step: write */5 or 0-30/10", kind.name, part));
    }
  }
  int first = kind.first, last = kind.last;
  if (range != "*") {
    const size_t dash = range.find('-');
    TRY_ASSIGN(first, read_value(range.substr(0, dash), kind));
    last = slash == std::string_view::npos ? first : kind.last;
    if (dash != std::string_view::npos) {
      TRY_ASSIGN(last, read_value(range.substr(dash + 1), kind));
    }
    if (last < first) return invalid_input(fmt::format("{}: the range \"{}\" ends before it begins", kind.name, range));
  }
  for (int value = first; value <= last; value += step) into.set(static_cast<size_t>(value));
  return {};
}

template <size_t n>
Result<void> read_field(std::string_view text, const FieldKind& kind, std::bitset<n>& into) {
  for (const std::string_view part : split(text, ",")) TRY(add_part(part, kind, into));
  return {};
}

date::local_time<std::chrono::microseconds> local_minute(int64_t day, size_t hour, size_t minute) {
  return date::local_time<std::chrono::microseconds>(std::chrono::microseconds(
      day * kMicrosPerDay + static_cast<int64_t>(hour) * 60 * kMicrosPerMinute + static_cast<int64_t>(minute) * kMicrosPerMinute));
}

date::sys_time<std::chrono::microseconds> instant(Timestamp time) {
  return date::sys_time<std::chrono::microseconds>(std::chrono::microseconds(time.micros));
}

/// Days since 1970 of the zone's calendar at `time`.
int64_t local_day(const date::time_zone& zone, Timestamp time) {
  return date::floor<date::days>(zone.to_local(instant(time))).time_since_epoch().count();
}

/// When the wall clock shows `local`: not at all, once or twice.
std::vector<Timestamp> instants(const date::time_zone& zone, date::local_time<std::chrono::microseconds> local, bool wildcard) {
  const date::local_info info = zone.get_info(local);
  const auto at = [&](std::chrono::seconds offset) {
    return Timestamp{local.time_since_epoch().count() - std::chrono::microseconds(offset).count()};
  };
  switch (info.result) {
    case date::local_info::unique: return {at(info.first.offset)};
    case date::local_info::ambiguous:
      if (wildcard) return {at(info.first.offset), at(info.second.offset)};
      return {at(info.first.offset)};
    default:
      if (wildcard) return {};
      return {Timestamp{std::chrono::microseconds(info.second.begin.time_since_epoch()).count()}};
  }
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text, std::string_view timezone) {
  if (text.size() > kCronBytesMax) return invalid_input(fmt::format("longer than {} characters", kCronBytesMax));
  for (const Macro& macro : kMacros) {
    if (lower_case(text) == macro.name) text = macro.schedule;
  }
  std::vector<std::string_view> fields = split(text, " \t");
  std::erase(fields, "");
  if (fields.size() != 5) {
    return invalid_input(
        fmt::format("\"{}\" has {} fields; a schedule has five: minute hour day-of-month month day-of-week", text, fields.size()));
  }
  Cron cron;
  cron.timezone_ = timezone;
  try {
    date::locate_zone(timezone);
  } catch (const std::exception&) {
    return invalid_input(fmt::format("\"{}\" is no time zone: write an IANA name like Europe/Berlin, or UTC", timezone));
  }
  std::bitset<8> week_days;
  TRY(read_field(fields[0], {"minute", 0, 59, {}}, cron.minutes_));
  TRY(read_field(fields[1], {"hour", 0, 23, {}}, cron.hours_));
  TRY(read_field(fields[2], {"day of month", 1, 31, {}}, cron.month_days_));
  TRY(read_field(fields[3], {"month", 1, 12, kMonths}, cron.months_));
  TRY(read_field(fields[4], {"day of week", 0, 7, kDays}, week_days));
  for (size_t day = 0; day <= 7; ++day) {
    if (week_days.test(day)) cron.week_days_.set(day % 7);
  }
  cron.any_month_day_ = fields[2].starts_with('*');
  cron.any_week_day_ = fields[4].starts_with('*');
  cron.wildcard_ = fields[0].starts_with('*') || fields[1].starts_with('*');
  if (!cron.next_after(Timestamp{0})) return invalid_input(fmt::format("\"{}\" never fires", text));
  return cron;
}

bool Cron::fires_on(int64_t day) const {
  const date::local_days local{date::days(day)};
  const date::year_month_day date{local};
  if (!months_.test(unsigned(date.month()))) return false;
  const bool by_month_day = month_days_.test(unsigned(date.day()));
  const bool by_week_day = week_days_.test(date::weekday(local).c_encoding());
  if (any_month_day_ || any_week_day_) return by_month_day && by_week_day;
  return by_month_day || by_week_day;
}

/// The first firing after `after` among those that the zone's calendar dates `day`.
std::optional<Timestamp> Cron::next_on_day(int64_t day, Timestamp after) const {
  const date::time_zone& zone = *date::locate_zone(timezone_);
  // The offset stays the same on nearly every day: then local times are instants by subtraction, in order.
  const date::local_info first = zone.get_info(local_minute(day, 0, 0));
  const date::local_info last = zone.get_info(local_minute(day, 23, 59));
  const bool plain = first.result == date::local_info::unique && last.result == date::local_info::unique &&
                     first.first.offset == last.first.offset && first.first.end >= last.first.end;
  const int64_t offset_micros = std::chrono::microseconds(first.first.offset).count();
  std::optional<Timestamp> best;
  for (size_t hour = 0; hour < hours_.size(); ++hour) {
    if (!hours_.test(hour)) continue;
    if (plain && local_minute(day, hour, 59).time_since_epoch().count() - offset_micros <= after.micros) continue;
    for (size_t minute = 0; minute < minutes_.size(); ++minute) {
      if (!minutes_.test(minute)) continue;
      if (plain) {
        const Timestamp at{local_minute(day, hour, minute).time_since_epoch().count() - offset_micros};
        if (at > after) return at;
        continue;
      }
      for (const Timestamp at : instants(zone, local_minute(day, hour, minute), wildcard_)) {
        if (at > after && (!best || at < *best)) best = at;
      }
    }
  }
  return best;
}

std::optional<Timestamp> Cron::next_after(Timestamp time) const {
  const date::time_zone& zone = *date::locate_zone(timezone_);
  // A day that a zone skips (Samoa, 2011) fires on the next: begin a day early.
  const int64_t today = local_day(zone, time) - 1;
  for (int64_t day = today; day <= today + kCronYearsMax * 366; ++day) {
    if (!fires_on(day)) continue;
    if (const auto found = next_on_day(day, time)) return found;
  }
  return std::nullopt;
}

std::optional<Timestamp> Cron::latest_between(Timestamp after, Timestamp until) const {
  // The last firing lies in the shortest of these windows that has one: few steps, however long nobody looked.
  using std::chrono::hours;
  for (const hours window : {hours(25), hours(24 * 32), hours(24 * 400), hours(24 * 366 * kCronYearsMax)}) {
    std::optional<Timestamp> latest;
    const Timestamp begin = std::max(after, until - window);
    for (auto next = next_after(begin); next && *next <= until; next = next_after(*next)) latest = next;
    if (latest || begin == after) return latest;
  }
  return std::nullopt;
}

}  // namespace sluice
