#include "formats/text_pattern.h"

#include <utility>

#include "formats/pcre.h"

namespace sluice {

struct TextPattern::Compiled {
  OwnedPcre<pcre2_code> code;
};

struct TextPattern::Matching {
  OwnedPcre<pcre2_match_context> limits = limited_matching();
  OwnedPcre<pcre2_match_data> data;
};

Result<TextPattern> TextPattern::compile(const std::string& pattern) {
  auto compiled = std::make_shared<Compiled>();
  TRY_ASSIGN(compiled->code, compile_pcre(pattern));
  return TextPattern(std::move(compiled));
}

TextPattern::TextPattern(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)), matching_(new Matching) {
  matching_->data.reset(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
}
TextPattern::TextPattern(const TextPattern& other) : TextPattern(other.compiled_) {}
TextPattern::TextPattern(TextPattern&&) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&&) noexcept = default;
TextPattern::~TextPattern() = default;

bool TextPattern::has_group() const {
  uint32_t count = 0;
  pcre2_pattern_info(compiled_->code.get(), PCRE2_INFO_CAPTURECOUNT, &count);
  return count > 0;
}

bool TextPattern::matches_whole(std::string_view text) {
  return pcre2_match(compiled_->code.get(), pcre_bytes(text), text.size(), 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, matching_->data.get(),
                     matching_->limits.get()) >= 0;
}

std::optional<TextPattern::Found> TextPattern::find(std::string_view text) {
  pcre2_match_data* const data = matching_->data.get();
  const int found = pcre2_match(compiled_->code.get(), pcre_bytes(text), text.size(), 0, 0, data, matching_->limits.get());
  if (found < 0) return std::nullopt;
  const PCRE2_SIZE* const places = pcre2_get_ovector_pointer(data);
  if (found < 2 || places[2] == PCRE2_UNSET || places[2] > places[3]) return Found{};
  return Found{std::string(text.substr(places[2], places[3] - places[2]))};
}

}  // namespace sluice
