#include "base/error.h"

namespace sluice {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput: return "invalid_input";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kConflict: return "conflict";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kOutcomeUnknown: return "outcome_unknown";
    case ErrorCode::kCorruption: return "corruption";
    case ErrorCode::kCancelled: return "cancelled";
  }
  return "unknown";
}

Error Error::within(std::string_view prefix) const {
  Error outer = *this;
  outer.message = std::string(prefix) + ": " + message;
  return outer;
}

}  // namespace sluice
