#include "pipeline/approval.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "model/file.h"

namespace sluice {
namespace {

constexpr std::string_view kSeparator = "; ";

std::string bounded(std::string_view text) { return fmt::format("{0}{1}{0}", kSeparator, text); }

}  // namespace

std::string changes_text(const std::vector<std::string>& changes) { return fmt::format("{}", fmt::join(changes, kSeparator)); }

bool Approval::covers(const std::vector<std::string>& changes) const {
  // Looked up as a part between separators, not by taking the text apart: a column's name may hold a separator.
  return std::ranges::all_of(changes, [&](const std::string& change) {
    return std::ranges::any_of(approved_, [&](const std::string& text) { return bounded(text).contains(bounded(change)); });
  });
}

Error needs_approval(const std::vector<std::string>& changes) {
  return {ErrorCode::kConflict, changes_text(changes), std::string(error_type::kNeedsApproval)};
}

}  // namespace sluice
