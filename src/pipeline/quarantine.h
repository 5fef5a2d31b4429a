// Bad rows of one file as an NDJSON object that becomes visible when the file is admitted. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "formats/format.h"
#include "model/batch.h"
#include "storage/object_store.h"

namespace sluice {

class Quarantine {
 public:
  Quarantine(ObjectStore& store, std::string prefix, std::string file_path)
      : store_(store), prefix_(std::move(prefix)), file_path_(std::move(file_path)) {}

  /// {"file", "line", "byte", "reason", "text"} a line; bytes that are not UTF-8 are replaced in `text`.
  Result<void> add(const std::vector<BadRow>& rows, Context& context);
  /// nullopt: there was no bad row.
  Result<std::optional<StagedObject>> finish(Context& context);

 private:
  ObjectStore& store_;
  const std::string prefix_;
  const std::string file_path_;
  std::unique_ptr<Upload> upload_;
  std::string path_;
};

}  // namespace sluice
