#include "pipeline/quarantine.h"

#include <nlohmann/json.hpp>

namespace sluice {

Result<void> Quarantine::add(const std::vector<BadRow>& rows, Context& context) {
  if (rows.empty()) return {};
  if (!upload_) {
    path_ = prefix_ + new_uuid() + ".ndjson";
    TRY_ASSIGN(upload_, store_.start_upload(path_, {.if_none_match = true}, context));
  }
  std::string lines;
  for (const BadRow& row : rows) {
    const nlohmann::json line = {{"file", file_path_}, {"line", row.line}, {"byte", row.byte}, {"reason", row.reason}, {"text", row.text}};
    lines += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    lines += '\n';
  }
  return upload_->write(lines, context);
}

Result<std::optional<StagedObject>> Quarantine::finish(Context& context) {
  if (!upload_) return std::nullopt;
  TRY_ASSIGN(const ObjectInfo info, upload_->complete(context));
  upload_.reset();
  return StagedObject{path_, info.size_bytes, "quarantine"};
}

}  // namespace sluice
