#include "formats/csv_dialect.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "formats/csv_columns.h"
#include "schema/scalar_text.h"

namespace sluice {
namespace {

constexpr std::array kDelimiters = {',', ';', '\t', '|'};
constexpr std::string_view kDelimiterText = ",;\t|";
constexpr double kBestShareMin = 0.5;  ///< of the records, for a delimiter that does not suit all of them
constexpr size_t kSureColumns = 4;

class SourceOfView final : public ByteSource {
 public:
  explicit SourceOfView(std::string_view bytes) : left_(bytes) {}

  Result<size_t> read(std::span<char> into, Context&) override {
    const size_t count = std::min(into.size(), left_.size());
    std::memcpy(into.data(), left_.data(), count);
    left_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view left_;
};

/// One record of the head.
struct HeadRecord {
  std::vector<std::string> texts;
  std::vector<bool> quoted;
  size_t count = 0;
  int64_t line = 0;
  bool broken = false;
};

/// The head, cut by one dialect.
struct HeadCut {
  CsvDialect dialect;
  std::vector<HeadRecord> records;
  size_t first = 0;     ///< record that is not skipped
  size_t columns = 0;   ///< of all records from there; 0: they differ
  bool broken = false;  ///< some record is, or the head ends in an open quote
  bool quotes = false;  ///< some field is quoted as it should be
};

/// The head of a file as UTF-8 or single-byte text, with what is known of it.
struct Head {
  std::string_view text;
  bool whole = false;
  TextEncoding encoding = TextEncoding::kUtf8;
  const CsvOptions& options;
  std::optional<char> delimiter;  ///< prescribed
};

HeadRecord record_of(const CsvScanner& scanner) {
  HeadRecord record{.count = scanner.field_count(), .line = scanner.line(), .broken = !scanner.problem().reason.empty()};
  // Broken bytes are rows that a reader refuses; they say nothing of quotes and delimiters.
  if (scanner.problem().reason.ends_with("UTF-8")) record.broken = false;
  for (const CsvField& field : scanner.fields()) {
    record.texts.emplace_back(field.text);
    record.quoted.push_back(field.quoted);
  }
  return record;
}

HeadCut cut_head(const Head& head, const CsvDialect& dialect) {
  HeadCut cut{.dialect = dialect};
  Context context;
  CsvScanner scanner(view_source(head.text), dialect, {.block_bytes = head.text.size() + 1, .is_sample = !head.whole});
  while (cut.records.size() < kCsvHeadRecordsMax) {
    const auto found = scanner.next(context);
    if (!found) cut.broken = true;
    if (!found || !*found) break;
    cut.records.push_back(record_of(scanner));
    const HeadRecord& record = cut.records.back();
    cut.broken |= record.broken;
    cut.quotes |= !record.broken && std::ranges::find(record.quoted, true) != record.quoted.end();
  }
  if (cut.broken || cut.records.empty()) return cut;
  const size_t columns = cut.records.back().count;
  size_t first = cut.records.size();
  while (first > 0 && cut.records[first - 1].count == columns) --first;
  cut.first = first;
  cut.columns = columns;
  return cut;
}

bool is_header(const HeadRecord& record) {
  bool any = false;
  for (const std::string& text : record.texts) {
    if (looks_typed(text, ',')) return false;  // with a point, too
    any |= !text.empty();
  }
  return any;
}

/// Neighbours with as many fields, more than one: rows, not lines of a title.
bool hold_a_table(std::span<const HeadRecord> records) {
  const auto are_rows = [](const HeadRecord& one, const HeadRecord& next) { return one.count > 1 && one.count == next.count; };
  return std::ranges::adjacent_find(records, are_rows) != records.end();
}

/// Lines may be skipped that are no table and have fewer fields than a header behind them, with a row to it.
bool may_skip(const HeadCut& cut) {
  if (cut.first == 0) return true;
  if (cut.columns < 2 || cut.first > kCsvSkipFoundMax || cut.first + 2 > cut.records.size()) return false;
  const auto less = [&](const HeadRecord& record) { return record.count < cut.columns; };
  const std::span skipped(cut.records.data(), cut.first);
  return std::ranges::all_of(skipped, less) && !hold_a_table(skipped) && is_header(cut.records[cut.first]);
}

/// All records have the same fields, but for lines that may be skipped.
bool is_regular(const HeadCut& cut, const CsvOptions& options) {
  return cut.columns > 0 && (cut.first == 0 || (!options.skip && options.header.value_or(true) && may_skip(cut)));
}

/// How good a regular cut is; the largest is best.
using Merit = std::tuple<bool, int64_t, int64_t, int64_t, size_t>;

Merit merit_of(const HeadCut& cut) {
  int64_t typed = 0;
  std::vector<bool> foreign(cut.columns);
  for (size_t i = cut.first; i < cut.records.size(); ++i) {
    const HeadRecord& record = cut.records[i];
    for (size_t k = 0; k < record.texts.size() && k < cut.columns; ++k) {
      const char decimal = cut.dialect.delimiter == ',' ? '.' : ',';
      if (looks_typed(record.texts[k], decimal) || looks_typed(record.texts[k], '.')) {
        ++typed;
      } else if (!record.quoted[k] && record.texts[k].find_first_of(kDelimiterText) != std::string::npos) {
        foreign[k] = true;
      }
    }
  }
  return {cut.columns > 1, -static_cast<int64_t>(cut.first), -std::ranges::count(foreign, true), typed, cut.columns};
}

bool begins_with_mark(const HeadRecord& record) { return !record.quoted.front() && record.texts.front().starts_with('#'); }

bool is_prose(const HeadRecord& record) {
  const std::string& text = record.texts.front();
  return text.size() == 1 ? record.count == 1 : text[1] == ' ' || text[1] == '#';
}

/// Comment lines are told from a header or a value that begins with '#': they have not as many fields as the table, or are prose above it.
bool are_comments(const Head& head, const HeadCut& without) {
  const size_t columns = without.records.back().count;
  CsvDialect plain = without.dialect;
  plain.comment = '\0';
  const auto is_row = [&](const HeadRecord& record) { return begins_with_mark(record) && !is_prose(record) && record.count == columns; };
  if (std::ranges::any_of(cut_head(head, plain).records, is_row)) return false;
  CsvDialect table = without.dialect;
  if (is_regular(without, head.options) && without.first > 0) table.skip_lines = without.records[without.first].line - 1;
  if (std::ranges::any_of(cut_head(head, table).records, begins_with_mark)) return false;
  return columns > 1 || without.columns > 0;
}

HeadCut cut_with_comments(const Head& head, CsvDialect dialect) {
  const bool has_mark = head.text.starts_with('#') || head.text.starts_with("\xef\xbb\xbf#") || head.text.contains("\n#");
  if (head.options.comment || !has_mark || dialect.delimiter == '#' || dialect.quote == '#') return cut_head(head, dialect);
  dialect.comment = '#';
  HeadCut without = cut_head(head, dialect);
  if (!without.records.empty()) {
    without.dialect.row_fields = is_regular(without, head.options) ? without.columns : without.records.front().count;
    if (are_comments(head, without)) return without;
  }
  dialect.comment = '\0';
  return cut_head(head, dialect);
}

CsvDialect given_dialect(const Head& head) {
  const CsvOptions& options = head.options;
  CsvDialect dialect;
  dialect.delimiter = options.delimiter.value_or(head.delimiter.value_or(','));
  dialect.quote = options.quote.value_or('"');
  dialect.escape = options.escape.value_or('\0');
  if (dialect.escape == dialect.quote) dialect.escape = '\0';  // doubled: always so
  dialect.comment = options.comment.value_or('\0');
  dialect.skip_lines = options.skip.value_or(0);
  dialect.encoding = head.encoding;
  return dialect;
}

/// Fields that begin with a single quote end with one: then it is a quote, where no double quote is.
bool singly_quoted(const HeadCut& cut) {
  bool any = false;
  for (const HeadRecord& record : cut.records) {
    for (const std::string& text : record.texts) {
      if (!text.starts_with('\'')) continue;
      if (text.size() < 2 || !text.ends_with('\'')) return false;
      any = true;
    }
  }
  return any;
}

/// The head cut by one delimiter, with the quotes and escapes that suit it best.
HeadCut cut_by(const Head& head, CsvDialect dialect) {
  const CsvOptions& options = head.options;
  HeadCut cut = cut_with_comments(head, dialect);
  const bool regular = is_regular(cut, options);
  if (!options.quote && !cut.quotes && head.text.contains('\'') && (!regular || singly_quoted(cut))) {
    CsvDialect single = dialect;
    single.quote = '\'';
    HeadCut other = cut_with_comments(head, single);
    if (is_regular(other, options) && other.quotes) return other;
  }
  if (regular) return cut;
  if (!options.escape && head.text.contains("\\")) {
    CsvDialect escaping = dialect;
    escaping.escape = '\\';
    HeadCut other = cut_with_comments(head, escaping);
    if (is_regular(other, options)) return other;
  }
  // Inches and the like: writers with tabs or bars often know of no quotes.
  if (!options.quote && !cut.quotes && (dialect.delimiter == '\t' || dialect.delimiter == '|')) {
    CsvDialect plain = dialect;
    plain.quote = '\0';
    HeadCut other = cut_with_comments(head, plain);
    if (is_regular(other, options)) return other;
  }
  return cut;
}

/// The share of records that have as many fields as the first one; 0 where that is one field.
double share_of_first(const HeadCut& cut) {
  if (cut.records.empty() || cut.records.front().count < 2) return 0;
  const size_t columns = cut.records.front().count;
  const auto alike = std::ranges::count(cut.records, columns, &HeadRecord::count);
  return static_cast<double>(alike) / static_cast<double>(cut.records.size());
}

HeadCut best_cut(const Head& head) {
  const CsvDialect given = given_dialect(head);
  if (head.options.delimiter || head.delimiter) return cut_by(head, given);
  if (const auto ordinary = ordinary_delimiter(head.text.substr(0, head.text.find('\n')), head.options, {})) {
    CsvDialect dialect = given;
    dialect.delimiter = *ordinary;
    HeadCut cut = cut_by(head, dialect);
    // Any other delimiter would have to skip this line.
    if (cut.first == 0 && cut.columns > 1 && is_header(cut.records.front())) return cut;
  }
  std::optional<HeadCut> best, likely;
  for (const char delimiter : kDelimiters) {
    if (delimiter != ',' && !head.text.contains(delimiter)) continue;
    if (delimiter == head.options.quote || delimiter == head.options.comment || delimiter == head.options.escape) continue;
    if (delimiter == head.options.decimal) continue;
    CsvDialect dialect = given;
    dialect.delimiter = delimiter;
    HeadCut cut = cut_by(head, dialect);
    if (is_regular(cut, head.options) && cut.columns > 1) {
      if (!best || merit_of(cut) > merit_of(*best)) best = std::move(cut);
    } else if (share_of_first(cut) >= kBestShareMin && (!likely || share_of_first(cut) > share_of_first(*likely))) {
      likely = std::move(cut);
    }
  }
  if (best) return *std::move(best);
  return likely ? *std::move(likely) : cut_by(head, given);
}

/// Whether a column's numbers have a decimal comma, and none a point.
bool has_decimal_comma(const HeadCut& cut, bool header) {
  if (cut.dialect.delimiter == ',') return false;
  std::string scratch;
  bool any = false;
  for (size_t k = 0; k < cut.columns; ++k) {
    bool all_numbers = true, commas = false, points = false;
    for (size_t i = cut.first + (header ? 1 : 0); i < cut.records.size(); ++i) {
      const std::string& text = cut.records[i].texts.size() > k ? cut.records[i].texts[k] : scratch;
      if (text.empty()) continue;
      const auto number = with_decimal_point(text, scratch);
      commas |= number && number->data() == scratch.data();
      points |= !number;
      all_numbers &= !number || read_double(*number).has_value();
    }
    if (!all_numbers) continue;
    if (points) return false;
    any |= commas;
  }
  return any;
}

bool has_header(const HeadCut& cut, std::span<const Field> known, char decimal) {
  if (cut.first >= cut.records.size()) return true;
  const HeadRecord& first = cut.records[cut.first];
  const auto is_known = [&](const std::string& name) { return std::ranges::find(known, name, &Field::name) != known.end(); };
  if (is_header(first) || std::ranges::all_of(first.texts, is_known)) return true;
  for (size_t k = 0; k < first.texts.size(); ++k) {
    if (first.texts[k].empty() || looks_typed(first.texts[k], decimal)) continue;
    size_t values = 0, typed = 0;
    for (size_t i = cut.first + 1; i < cut.records.size(); ++i) {
      if (cut.records[i].texts.size() <= k || cut.records[i].texts[k].empty()) continue;
      ++values;
      typed += looks_typed(cut.records[i].texts[k], decimal);
    }
    if (values > 0 && typed == values) return true;  // text over numbers
  }
  return false;
}

/// No prose: a header over values of several columns, one of which is of another kind than text, or which are too many for chance.
bool is_sure(const HeadCut& cut, bool header, char decimal) {
  const bool table = cut.columns > 1 && cut.first == 0 && cut.records.size() > 1 && header && is_header(cut.records.front());
  if (!table) return false;
  if (cut.dialect.delimiter == '\t' || cut.columns >= kSureColumns) return true;
  for (size_t k = 0; k < cut.columns; ++k) {
    const auto typed = [&](const HeadRecord& record) { return record.texts.size() > k && looks_typed(record.texts[k], decimal); };
    if (std::all_of(cut.records.begin() + 1, cut.records.end(), typed)) return true;
  }
  return false;
}

CsvLayout layout_of(const HeadCut& cut, const CsvOptions& options, std::span<const Field> known) {
  CsvLayout layout{.dialect = cut.dialect};
  const bool regular = is_regular(cut, options);
  HeadCut read = cut;
  if (!regular) read.first = 0, read.columns = 0;
  const bool commas = !options.decimal && (has_decimal_comma(read, true) || has_decimal_comma(read, false));
  layout.decimal = options.decimal.value_or(commas ? ',' : '.');
  layout.header = options.header.value_or(has_header(read, known, layout.decimal));
  layout.columns = read.columns;
  if (read.first > 0 && !options.skip) layout.dialect.skip_lines = read.records[read.first].line - 1;
  layout.sure = is_sure(read, layout.header, layout.decimal);
  return layout;
}

std::string shown(char c) { return c == '\t' ? "tab" : fmt::format("'{}'", c); }

}  // namespace

std::unique_ptr<ByteSource> view_source(std::string_view bytes) { return std::make_unique<SourceOfView>(bytes); }

std::optional<char> ordinary_delimiter(std::string_view first_line, const CsvOptions& options, std::optional<char> delimiter) {
  if (options.delimiter) return options.delimiter;
  if (delimiter) return delimiter;
  std::optional<char> found;
  for (const char candidate : kDelimiters) {
    if (!first_line.contains(candidate)) continue;
    if (found) return std::nullopt;
    found = candidate;
  }
  return found;
}

bool is_surely_header(std::span<const CsvField> record) {
  bool any = false;
  for (const CsvField& field : record) {
    if (looks_typed(field.text, ',')) return false;
    any |= !field.text.empty();
  }
  return any;
}

CsvLayout find_csv_layout(std::string_view head, bool whole, const CsvOptions& options, std::optional<char> delimiter,
                          std::span<const Field> known) {
  Head seen{.text = head, .whole = whole, .encoding = encoding_of(options.encoding, head), .options = options, .delimiter = delimiter};
  std::string decoded;
  if (is_utf16(seen.encoding)) {
    Context context;
    const auto source = open_utf16(view_source(head), seen.encoding, true);
    decoded.resize(2 * head.size());
    decoded.resize(source->read(decoded, context).value_or(0));  // broken text is the reader's to report
    seen.text = decoded;
  }
  const CsvDialect given = given_dialect(seen);
  if (!given.check()) return {.dialect = given, .header = options.header.value_or(true), .decimal = options.decimal.value_or('.')};
  return layout_of(best_cut(seen), options, known);
}

std::string to_text(const CsvLayout& layout) {
  const CsvDialect& dialect = layout.dialect;
  std::string text =
      layout.columns == 0 ? "rows of different lengths" : fmt::format("{} column{}", layout.columns, layout.columns == 1 ? "" : "s");
  text += fmt::format(", delimiter {}", shown(dialect.delimiter));
  if (dialect.quote == '\0') text += ", no quotes";
  if (dialect.quote != '"' && dialect.quote != '\0') text += fmt::format(", quote {}", shown(dialect.quote));
  if (dialect.escape != '\0') text += fmt::format(", escape {}", shown(dialect.escape));
  if (dialect.comment != '\0') text += fmt::format(", comments {}", shown(dialect.comment));
  if (dialect.skip_lines > 0) text += fmt::format(", {} line(s) skipped", dialect.skip_lines);
  if (layout.decimal != '.') text += fmt::format(", decimal {}", shown(layout.decimal));
  if (!layout.header) text += ", no header";
  if (dialect.encoding != TextEncoding::kUtf8 && dialect.encoding != TextEncoding::kAuto) {
    text += fmt::format("; encoding {}", to_string(dialect.encoding));
  }
  return text;
}

}  // namespace sluice
