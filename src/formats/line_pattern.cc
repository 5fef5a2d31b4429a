#include "formats/line_pattern.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "formats/pcre.h"

namespace sluice {
namespace {

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  return pcre2_get_error_message(code, text, sizeof(text)) < 0 ? fmt::format("error {}", code) : reinterpret_cast<const char*>(text);
}

/// Name and number of each named group, in the order of the numbers.
std::vector<std::pair<uint32_t, std::string>> named_groups(const pcre2_code* code) {
  uint32_t count = 0, entry_bytes = 0;
  PCRE2_SPTR table = nullptr;
  pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
  pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &entry_bytes);
  pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &table);
  std::vector<std::pair<uint32_t, std::string>> groups;
  for (uint32_t i = 0; i < count; ++i) {
    const PCRE2_SPTR entry = table + size_t{i} * entry_bytes;  // two bytes of number, the name, NUL
    groups.emplace_back(uint32_t{entry[0]} << 8 | entry[1], reinterpret_cast<const char*>(entry + 2));
  }
  std::ranges::sort(groups);
  return groups;
}

}  // namespace

Result<OwnedPcre<pcre2_code>> compile_pcre(const std::string& pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return invalid_input(fmt::format("a pattern of {} bytes, above the limit of {}", pattern.size(), kPatternBytesMax));
  }
  int error = 0;
  PCRE2_SIZE at = 0;
  // No \C: it would take half a character.
  OwnedPcre<pcre2_code> code(pcre2_compile(pcre_bytes(pattern), pattern.size(), PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr));
  if (!code) return invalid_input(fmt::format("not a regular expression: {} (at character {})", message_of(error), at + 1));
  return code;
}

OwnedPcre<pcre2_match_context> limited_matching() {
  OwnedPcre<pcre2_match_context> limits(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(limits.get(), kPatternStepsMax);
  pcre2_set_heap_limit(limits.get(), kPatternHeapKibMax);
  return limits;
}

struct LinePattern::Compiled {
  OwnedPcre<pcre2_code> code;
  OwnedPcre<pcre2_match_context> limits;
  OwnedPcre<pcre2_match_data> data;
};

void LinePattern::Free::operator()(Compiled* compiled) const { delete compiled; }

Result<LinePattern> LinePattern::compile(const std::string& pattern) {
  std::unique_ptr<Compiled, Free> compiled(new Compiled);
  TRY_ASSIGN(compiled->code, compile_pcre(pattern));
  compiled->limits = limited_matching();
  compiled->data.reset(pcre2_match_data_create_from_pattern(compiled->code.get(), nullptr));
  LinePattern result;
  for (auto& [number, name] : named_groups(compiled->code.get())) {
    result.numbers_.push_back(number);
    result.names_.push_back(std::move(name));
  }
  if (result.names_.empty()) return invalid_input("the pattern has no named group, so no column: write (?<name>...) around what you want");
  result.compiled_ = std::move(compiled);
  return result;
}

LinePattern::Match LinePattern::match(std::string_view line, std::span<std::string_view> groups) {
  pcre2_match_data* const data = compiled_->data.get();
  const int found = pcre2_match(compiled_->code.get(), pcre_bytes(line), line.size(), 0, PCRE2_NO_UTF_CHECK, data, compiled_->limits.get());
  if (found == PCRE2_ERROR_NOMATCH) return Match::kNo;
  if (found < 0) return Match::kTooManySteps;
  const PCRE2_SIZE* const places = pcre2_get_ovector_pointer(data);
  for (size_t i = 0; i < groups.size(); ++i) {
    const PCRE2_SIZE begin = places[2 * numbers_[i]], end = places[2 * numbers_[i] + 1];
    groups[i] = begin == PCRE2_UNSET || begin > end ? std::string_view() : line.substr(begin, end - begin);
  }
  return Match::kYes;
}

}  // namespace sluice
