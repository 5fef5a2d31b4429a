// Errors as values: Result<T> and the two macros that pass an error on. Thread-safe: plain values.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

/// What the caller can do about an error, not where it came from.
enum class ErrorCode {
  kInvalidInput,    ///< the user must change a file, a configuration or a request
  kNotFound,        ///< the thing named does not exist
  kConflict,        ///< someone else won the race: reload, then try again
  kUnavailable,     ///< the other side is down or slow: retry with backoff
  kOutcomeUnknown,  ///< the write may have happened: find out before retrying
  kCorruption,      ///< stored bytes contradict our own records: stop
  kCancelled,       ///< we are shutting down
};

/// The lower-case name of a code, as shown in JSON: "invalid_input", "not_found", ...
std::string_view to_string(ErrorCode code);

/// One failure. `message` names the thing, the place and the way out, and grows outwards:
/// "committing batch 7: writing file:///t/m.avro: no space left on device".
struct Error {
  ErrorCode code = ErrorCode::kInvalidInput;
  std::string message;
  /// For failures of one input file: a name of the closed list in model/file.h ("ParseError"); else empty.
  std::string type = {};
  int64_t line = 0;   ///< 1-based line in the input file; 0: not known
  int64_t byte = -1;  ///< 0-based byte offset in the input file (after decompression); -1: not known

  /// The same error with "prefix: " before its message.
  Error within(std::string_view prefix) const;
};

template <class T>
using Result = std::expected<T, Error>;

/// An error ready to be returned from a function that returns Result<T>.
inline std::unexpected<Error> fail(ErrorCode code, std::string message) { return std::unexpected(Error{code, std::move(message)}); }

inline std::unexpected<Error> invalid_input(std::string message) { return fail(ErrorCode::kInvalidInput, std::move(message)); }

#define SLUICE_CONCAT_(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_(a, b)

/// Evaluates a Result<void>-like expression and returns its error from the calling function.
#define TRY(expression)                                                     \
  do {                                                                      \
    auto&& try_result = (expression);                                       \
    if (!try_result) return std::unexpected(std::move(try_result).error()); \
  } while (false)

#define TRY_ASSIGN_(result, declaration, expression)              \
  auto result = (expression);                                     \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)

/// TRY_ASSIGN(auto page, store.list(request, context)); returns the error from the calling function.
#define TRY_ASSIGN(declaration, ...) TRY_ASSIGN_(SLUICE_CONCAT(try_assign_, __LINE__), declaration, __VA_ARGS__)

}  // namespace sluice
