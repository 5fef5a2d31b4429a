// Schema mode approve: a file that needs a change of the table waits, with the change as its reason, until somebody approves it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice {

/// Changes as one text, "add column city string; widen id int -> long": what people approve, and what the ledger keeps of a waiting file.
std::string changes_text(const std::vector<std::string>& changes);

/// What a run may change without asking: what was approved for it.
class Approval {
 public:
  /// Texts as changes_text makes them. None: every change waits.
  explicit Approval(std::vector<std::string> approved) : approved_(std::move(approved)) {}

  /// Whether each of the changes is part of one that was approved.
  bool covers(const std::vector<std::string>& changes) const;

 private:
  std::vector<std::string> approved_;
};

/// The error of a file that waits: NeedsApproval.
Error needs_approval(const std::vector<std::string>& changes);

}  // namespace sluice
