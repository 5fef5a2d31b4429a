// The mark's JSON: {"v": 1, "ledger": .., "name": .., "last": {..} | null, "open": [..]}; people read it in table properties.
#include <nlohmann/json.hpp>

#include "pipeline/sink.h"

namespace sluice {
namespace {

using nlohmann::json;

json entry_to_json(const MarkEntry& entry) {
  return {{"batch", entry.batch.text}, {"seq", entry.seq}, {"snapshot", entry.snapshot_id}, {"sequence-number", entry.sequence_number}};
}

MarkEntry entry_from_json(const json& j) {
  return {BatchId(j.at("batch").get<std::string>()), j.at("seq").get<int64_t>(), j.at("snapshot").get<int64_t>(),
          j.value("sequence-number", int64_t{0})};
}

}  // namespace

std::string to_json(const Mark& mark) {
  json open = json::array();
  for (const MarkEntry& entry : mark.open) open.push_back(entry_to_json(entry));
  json j = {{"v", 1}, {"ledger", mark.ledger.text}, {"name", mark.name}, {"last", nullptr}, {"open", std::move(open)}};
  if (mark.last) j["last"] = entry_to_json(*mark.last);
  return j.dump();
}

Result<Mark> parse_mark(std::string_view text) {
  try {
    const json j = json::parse(text);
    if (j.at("v").get<int>() != 1) return fail(ErrorCode::kCorruption, "the mark was written by a newer sluice; upgrade this one");
    Mark mark;
    mark.ledger = LedgerId(j.at("ledger").get<std::string>());
    mark.name = j.at("name").get<std::string>();
    if (!j.at("last").is_null()) mark.last = entry_from_json(j.at("last"));
    for (const json& entry : j.at("open")) mark.open.push_back(entry_from_json(entry));
    return mark;
  } catch (const json::exception& e) {
    return fail(ErrorCode::kCorruption, std::string("a mark (table property sluice.ingestion.*) is damaged: ") + e.what());
  }
}

}  // namespace sluice
