#include "config/fields.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "base/units.h"

namespace sluice {
namespace {

using std::string_view_literals::operator""sv;

constexpr size_t kMistypedLettersMax = 2;
constexpr int64_t kAttemptsMax = 1000;

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr std::array kSizeUnits = {
    Unit{"KiB", kKiB}, Unit{"MiB", kMiB},     Unit{"GiB", kGiB},         Unit{"TiB", 1024 * kGiB},      Unit{"kB", 1'000},
    Unit{"KB", 1'000}, Unit{"MB", 1'000'000}, Unit{"GB", 1'000'000'000}, Unit{"TB", 1'000'000'000'000}, Unit{"B", 1},
    Unit{"", 1}};
constexpr std::array kTimeUnits = {Unit{"ms", 1'000}, Unit{"s", 1'000'000}, Unit{"m", 60'000'000}, Unit{"h", 3'600'000'000},
                                   Unit{"d", 86'400'000'000}};

/// Reads digits at the front of `text` and removes them.
std::optional<int64_t> take_number(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

template <size_t n>
std::optional<int64_t> times_unit(int64_t number, std::string_view unit, const std::array<Unit, n>& units) {
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    if (number > std::numeric_limits<int64_t>::max() / known.factor) return std::nullopt;
    return number * known.factor;
  }
  return std::nullopt;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

Error no_choice(std::string_view text, std::string_view what, std::span<const std::string_view> choices) {
  return Error{ErrorCode::kInvalidInput,
               fmt::format("\"{}\" is no {}{}: {}", text, what, did_you_mean(text, choices), fmt::join(choices, " | "))};
}

Result<std::string> read_choice(std::string_view text, std::string_view what, std::span<const std::string_view> choices) {
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) return std::unexpected(no_choice(text, what, choices));
  return std::string(text);
}

}  // namespace

std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
  const std::string_view* nearest = nullptr;
  size_t least = kMistypedLettersMax + 1;
  for (const std::string_view& candidate : candidates) {
    const size_t distance = edit_distance(text, candidate);
    if (distance >= least || distance * 2 > candidate.size()) continue;
    least = distance;
    nearest = &candidate;
  }
  return nearest == nullptr ? std::string() : fmt::format("; did you mean \"{}\"?", *nearest);
}

Result<int64_t> parse_count(std::string_view text) {
  std::string_view rest = trimmed(text);
  const std::optional<int64_t> number = take_number(rest);
  if (!number || !rest.empty()) return invalid_input(fmt::format("\"{}\" is no whole number of 0 or more", text));
  return *number;
}

Result<int> parse_attempts(std::string_view text) {
  TRY_ASSIGN(const int64_t attempts, parse_count(text));
  if (attempts > kAttemptsMax) return invalid_input(fmt::format("{} attempts are too many: at most {}", attempts, kAttemptsMax));
  return static_cast<int>(attempts);
}

Result<int64_t> parse_size_bytes(std::string_view text) {
  std::string_view rest = trimmed(text);
  if (const std::optional<int64_t> number = take_number(rest)) {
    if (const auto bytes = times_unit(*number, trimmed(rest), kSizeUnits)) return *bytes;
  }
  return invalid_input(fmt::format("\"{}\" is no size: write 512MiB, 1GiB, 500MB or a number of bytes", text));
}

Result<std::chrono::microseconds> parse_duration(std::string_view text) {
  std::string_view rest = trimmed(text);
  int64_t micros = 0;
  bool good = !rest.empty();
  while (good && !rest.empty() && rest != "0"sv) {
    const std::optional<int64_t> number = take_number(rest);
    const std::string_view unit = rest.substr(0, std::min(rest.find_first_of("0123456789"), rest.size()));
    const std::optional<int64_t> part = number ? times_unit(*number, trimmed(unit), kTimeUnits) : std::nullopt;
    good = part && *part <= std::numeric_limits<int64_t>::max() - micros;
    if (good) micros += *part;
    rest.remove_prefix(unit.size());
  }
  if (good) return std::chrono::microseconds(micros);
  return invalid_input(fmt::format("\"{}\" is no duration: write 250ms, 30s, 5m, 2h, 1d or 1h30m", text));
}

Result<bool> parse_switch(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return invalid_input(fmt::format("\"{}\" is neither true nor false", text));
}

Result<char> parse_character(std::string_view text) {
  if (text == "\\t" || text == "tab") return '\t';
  if (text.size() == 1) return text[0];
  return invalid_input(fmt::format("\"{}\" is not one character (tab is \\t)", text));
}

Result<char> parse_character_or_none(std::string_view text) {
  if (text == "none") return '\0';
  return parse_character(text);
}

Result<char> read_decimal_mark(std::string_view text) {
  if (text == "." || text == ",") return text[0];
  return invalid_input(fmt::format("\"{}\" is no decimal mark: . | ,", text));
}

Result<TextEncoding> read_encoding(std::string_view text) {
  if (const auto encoding = parse_text_encoding(lower_case(text))) return *encoding;
  return std::unexpected(
      no_choice(text, "encoding", std::array{"auto"sv, "utf-8"sv, "utf-16"sv, "utf-16le"sv, "utf-16be"sv, "latin-1"sv, "windows-1252"sv}));
}

Result<void> parse_bad_rows_max(std::string_view text, BadRows& into) {
  const std::string_view value = trimmed(text);
  if (!value.ends_with('%')) {
    TRY_ASSIGN(into.rows_max, parse_count(value));
    return {};
  }
  double percent = 0;
  const char* end = value.data() + value.size() - 1;
  const auto [parsed, error] = std::from_chars(value.data(), end, percent);
  if (error != std::errc() || parsed != end || !(percent >= 0 && percent <= 100)) {
    return invalid_input(fmt::format("\"{}\" is no number of rows and no percentage: write 10 or 1%", text));
  }
  into.percent_max = percent;
  return {};
}

Result<SchemaMode> read_schema_mode(std::string_view text) {
  if (const auto mode = parse_schema_mode(text)) return *mode;
  return std::unexpected(no_choice(text, "schema mode", std::array{"evolve"sv, "fixed"sv, "rescue"sv, "approve"sv}));
}

Result<OnChange> read_on_change(std::string_view text) {
  if (const auto on_change = parse_on_change(text)) return *on_change;
  if (text == "replace") return invalid_input("\"replace\" is not available yet: use append | ignore | fail");
  return std::unexpected(no_choice(text, "answer to a changed file", std::array{"append"sv, "ignore"sv, "fail"sv}));
}

Result<BadRowAction> read_bad_row_action(std::string_view text) {
  if (const auto action = parse_bad_row_action(text)) return *action;
  return std::unexpected(no_choice(text, "answer to a bad row", std::array{"fail"sv, "skip"sv}));
}

Result<std::string> read_format(std::string_view text) {
  return read_choice(text, "format", std::array{"auto"sv, "json"sv, "csv"sv, "tsv"sv, "text"sv, "parquet"sv, "avro"sv, "orc"sv, "sql"sv});
}

Result<DumpDialect> read_sql_dialect(std::string_view text) {
  if (const auto dialect = parse_sql_dialect(text)) return *dialect;
  return std::unexpected(no_choice(text, "SQL dialect", std::array{"auto"sv, "postgresql"sv, "mysql"sv, "sqlite"sv}));
}

Result<std::string> read_order(std::string_view text) { return read_choice(text, "order", std::array{"name"sv, "time"sv}); }

Result<std::string> read_metadata_column(std::string_view text) {
  return read_choice(text, "metadata column",
                     std::array{"_source_file"sv, "_source_row"sv, "_loaded_at"sv, "_source_system"sv, "_batch_id"sv});
}

Result<Timestamp> read_instant(std::string_view text) {
  if (const auto time = parse_timestamp(text)) return *time;
  return invalid_input(fmt::format("\"{}\" is no time: write 2026-11-21T11:08:00Z or 2026-11-21", text));
}

Result<TableRef> parse_table_ref(std::string_view text, std::span<const std::string> catalogs) {
  const auto is_catalog = [&](std::string_view name) { return std::find(catalogs.begin(), catalogs.end(), name) != catalogs.end(); };
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (std::any_of(parts.begin(), parts.end(), [](const std::string& part) { return part.empty(); })) {
    return invalid_input(fmt::format("\"{}\" has an empty part: a table is NAMESPACE.NAME or CATALOG.NAMESPACE.NAME", text));
  }
  const bool names_catalog = is_catalog(parts.front());
  if (parts.size() < 2) {
    return invalid_input(fmt::format("table \"{}\" has no namespace: write NAMESPACE.{}", text, text));
  }
  if (names_catalog && parts.size() == 2) {
    return invalid_input(
        fmt::format("table \"{0}\" has no namespace: \"{1}\" is a catalog; write {1}.NAMESPACE.{2}, or {1}.{0} for a "
                    "namespace of that name",
                    text, parts[0], parts[1]));
  }
  TableRef table;
  if (names_catalog) {
    table.catalog = parts.front();
    parts.erase(parts.begin());
  } else if (!is_catalog(table.catalog)) {
    if (catalogs.size() != 1) {
      return invalid_input(
          fmt::format("table \"{}\": which catalog? Write CATALOG.{} with one of: {}", text, text, fmt::join(catalogs, ", ")));
    }
    table.catalog = catalogs.front();
  }
  table.name = std::move(parts.back());
  parts.pop_back();
  table.ns = std::move(parts);
  return table;
}

}  // namespace sluice
