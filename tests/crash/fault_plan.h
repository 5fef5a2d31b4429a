// At which operation the world fails, and how. Decorators around stores, ledgers and catalogs ask it before each operation, so that
// "the N-th operation" means the N-th I/O of any part. Thread-safe; the count is only repeatable while one thread works.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace sluice {

enum class FaultKind {
  kFailBefore,      ///< kUnavailable, nothing happened
  kFailAfter,       ///< it happened, and an error comes back: kOutcomeUnknown for writes that must not be repeated, else kUnavailable
  kUnknownWithout,  ///< kOutcomeUnknown and nothing happened (as kFailBefore where an operation cannot be unknown)
  kUnknownLate,     ///< kOutcomeUnknown; a catalog commit or create lands before a later catalog operation (else as kUnknownWithout)
  kCrashBefore,     ///< the process dies before it happens: this and every later operation is kCancelled, without effect
  kCrashAfter,      ///< it happens, and the process dies before it hears of it
  kStall,           ///< `meanwhile` is called, then it happens: the process slept while others worked
};
std::string_view to_string(FaultKind kind);

struct Fault {
  int64_t at = 1;  ///< 1: the first operation counted
  FaultKind kind = FaultKind::kFailBefore;
  std::string operation = {};            ///< count only operations whose name begins so ("catalog.commit"); empty: all
  int late_by = 1;                       ///< kUnknownLate: lands before the so many-th catalog operation after it
  std::function<void()> meanwhile = {};  ///< kStall
};

/// What kind of answer an operation may give when it went wrong.
enum class Effect {
  kRead,        ///< changes nothing
  kRepeatable,  ///< done twice is done once
  kWrite,       ///< must not be repeated blindly
};

class FaultPlan {
 public:
  /// One that was counted.
  struct Operation {
    std::string name;  ///< "!" follows where it failed
    Effect effect = Effect::kRead;
  };

  FaultPlan() = default;  ///< counts only
  explicit FaultPlan(Fault fault) : FaultPlan(std::vector<Fault>{std::move(fault)}) {}
  explicit FaultPlan(std::vector<Fault> faults);

  /// Counts one operation. nullopt: let it happen. A crashed process gets kCrashBefore for everything.
  std::optional<Fault> next(std::string_view operation, Effect effect);

  /// A fresh process: operations work again. Faults that fired do not fire again; counting goes on.
  void restart();

  int64_t count() const;
  bool fired() const;                         ///< any of the faults did
  bool crashed() const;                       ///< and nobody has restarted since
  std::vector<Operation> operations() const;  ///< those counted, in order
  std::vector<std::string> trace() const;     ///< their names

  /// Runs `call` under the plan. The error of a fault names the operation.
  template <class Call>
  auto run(std::string_view operation, Effect effect, Call call) -> decltype(call()) {
    const std::optional<Fault> fault = next(operation, effect);
    if (!fault) return call();
    if (happens(fault->kind)) (void)call();
    return std::unexpected(error_of(operation, fault->kind, effect));
  }

  static bool happens(FaultKind kind) { return kind == FaultKind::kFailAfter || kind == FaultKind::kCrashAfter; }
  static Error error_of(std::string_view operation, FaultKind kind, Effect effect);

 private:
  struct Armed {
    Fault fault;
    int64_t seen = 0;
    bool fired = false;
  };

  std::optional<Fault> count_one(std::string_view operation, Effect effect);

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::vector<Armed> faults_;
  std::vector<Operation> operations_;
  bool crashed_ = false;
};

}  // namespace sluice
