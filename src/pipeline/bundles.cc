#include "pipeline/bundles.h"

namespace sluice {
namespace {

constexpr int64_t kBundleRowsMax = 8 * 1024;   // few enough that their buffers are still in the cache when they are encoded
constexpr size_t kBundleFilesMax = 16 * 1024;  // also empty ones wait

}  // namespace

ReadPlan Bundles::plan_of_bundle(ReadPlan plan) {
  plan.block_rows_max = kBundleRowsMax;
  return plan;
}

Result<std::optional<int64_t>> Bundles::add_to(Open& open, const ClaimedFile& file, std::string_view bytes, Context& context) {
  const std::optional<int64_t> rows = open.bundle->add(bytes, context);
  if (!rows) return std::nullopt;
  open.files.push_back({&file, *rows});
  if (open.bundle->full() || open.files.size() >= kBundleFilesMax) TRY(admit(open, context));
  return rows;
}

Result<void> Bundles::flush(Context& context) {
  for (auto& [key, open] : open_) TRY(admit(open, context));
  return {};
}

Result<void> Bundles::admit(Open& open, Context& context) {
  if (open.files.empty()) return {};
  const std::vector<BundledFile> files = std::exchange(open.files, {});
  return stager_.admit_together(files, *open.bundle->take(), context);
}

}  // namespace sluice
