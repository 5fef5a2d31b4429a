// Small files on their way to the table together: one thread reads them one after the other into common blocks, with one set of buffers.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "formats/format.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "pipeline/sink.h"

namespace sluice {

/// Of one thread and one batch, whose files must outlive it.
class Bundles {
 public:
  explicit Bundles(Stager& stager) : stager_(stager) {}

  /// Takes all rows of a file, and returns how many; they are admitted by this or a later call, or by flush(). nullopt: nothing was taken,
  /// the file needs a reader of its own. An Error is the batch's. `make_plan` is asked once for each source and format.
  template <class MakePlan>
  Result<std::optional<int64_t>> add(const ClaimedFile& file, std::string_view bytes, const Source& source, const Format& format,
                                     const MakePlan& make_plan, Context& context) {
    const auto [entry, is_new] = open_.try_emplace({&source, &format});
    if (is_new) entry->second.bundle = format.bundle(plan_of_bundle(make_plan()));
    if (!entry->second.bundle) return std::nullopt;
    return add_to(entry->second, file, bytes, context);
  }

  /// Admits what is waiting.
  Result<void> flush(Context& context);

 private:
  struct Open {
    std::unique_ptr<Bundle> bundle;  ///< null: the format has none
    std::vector<BundledFile> files;
  };

  static ReadPlan plan_of_bundle(ReadPlan plan);
  Result<std::optional<int64_t>> add_to(Open& open, const ClaimedFile& file, std::string_view bytes, Context& context);
  Result<void> admit(Open& open, Context& context);

  Stager& stager_;
  std::map<std::pair<const Source*, const Format*>, Open> open_;
};

}  // namespace sluice
