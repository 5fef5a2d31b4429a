// What the two kinds of patterns share of PCRE2. Internal to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace sluice {

struct FreePcre {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
template <class T>
using OwnedPcre = std::unique_ptr<T, FreePcre>;

inline PCRE2_SPTR pcre_bytes(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

/// kInvalidInput: the pattern is broken (with the place), or has more than kPatternBytesMax bytes.
Result<OwnedPcre<pcre2_code>> compile_pcre(const std::string& pattern);
/// With the limits kPatternStepsMax and kPatternHeapKibMax.
OwnedPcre<pcre2_match_context> limited_matching();

}  // namespace sluice
