#include "formats/json_columns.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"
#include "formats/json_guess.h"

namespace sluice {
namespace {

/// Every integer of so many bytes (sign included) fits 64 bits.
constexpr size_t kSafeIntegerBytes = 18;

std::string_view kind_name(JsonNode::Kind kind) {
  switch (kind) {
    case JsonNode::kNull: return "null";
    case JsonNode::kFalse:
    case JsonNode::kTrue: return "boolean";
    case JsonNode::kNumber: return "number";
    case JsonNode::kString: return "string";
    case JsonNode::kObject: return "object";
    case JsonNode::kArray: return "array";
  }
  return "value";
}

std::string misfit_text(const Field& column, const JsonNode& node) {
  return fmt::format("column \"{}\" is {}, the {} {} does not fit", column.name, to_text(*column.type), kind_name(node.kind),
                     shown_text(json_value_at(node.raw)));
}

}  // namespace

JsonColumns::JsonColumns(const ReadPlan& plan)
    : columns_(plan.columns),
      rescue_(plan.rescue),
      report_drift_(plan.report_drift),
      infer_(plan.infer),
      rows_(plan.columns, plan.rescue, plan.block_rows_max) {}

std::optional<SchemaFault> JsonColumns::append(std::span<const JsonNode> nodes) {
  nodes_ = nodes;
  misfit_ = 0;
  for (uint32_t at = 1; at < nodes.size(); at = nodes[at].after) {
    if (append_member(at)) continue;
    rows_.rollback_row();
    return std::move(fault_);
  }
  if (const auto missing = rows_.finish_row()) return required_value_missing(columns_.fields[*missing]);
  return std::nullopt;
}

SchemaFault JsonColumns::required_value_missing(const Field& column) const {
  const JsonNode& misfit = nodes_[misfit_];
  if (misfit_ > 0 && misfit.key == column.name) return {misfit.raw, "required " + misfit_text(column, misfit), true};
  return {nodes_[0].raw, fmt::format("required column \"{}\" has no value", column.name), true};
}

/// False: fault_ says why.
bool JsonColumns::append_member(uint32_t position) {
  const JsonNode& node = nodes_[position];
  const int index = rows_.find(node.key);
  if (index < 0 || rows_.is_set(static_cast<size_t>(index))) {
    path_.assign(1, Step{.name = node.key});
    return leave_over(path_, position, index < 0 ? Leftover::kUnknown : Leftover::kRepeated);
  }
  ColumnWriter& column = rows_.column(static_cast<size_t>(index));
  if (node.kind < JsonNode::kObject && append_scalar(column, node)) return true;
  return append_carefully(column, position);
}

/// A nested value, or a scalar that did not fit.
bool JsonColumns::append_carefully(ColumnWriter& column, uint32_t position) {
  const int64_t length = column.length();
  path_.assign(1, Step{.name = nodes_[position].key});
  pending_.clear();
  if (!append_value(column, position)) {
    column.truncate(length);
    column.append_null();
    path_.resize(1);
    if (column.field().required) misfit_ = position;
    return leave_over(path_, position, Leftover::kMisfit);
  }
  return std::ranges::all_of(pending_, [&](const auto& left) { return leave_over(left.path, left.position, left.why); });
}

/// False: it does not fit, and the column may hold half of it.
bool JsonColumns::append_value(ColumnWriter& column, uint32_t position) {
  const JsonNode& node = nodes_[position];
  if (node.kind < JsonNode::kObject) return append_scalar(column, node);
  if (node.kind == JsonNode::kArray) return append_list(column, position);
  return column.type_id() == TypeId::kMap ? append_map(column, position) : append_struct(column, position);
}

bool JsonColumns::append_scalar(ColumnWriter& column, const JsonNode& node) {
  switch (node.kind) {
    case JsonNode::kNumber: return append_number(column, node.text);
    case JsonNode::kString: return column.append_json_string(node.text);
    case JsonNode::kTrue: return column.append_bool(true);
    case JsonNode::kFalse: return column.append_bool(false);
    default: column.append_null(); return true;
  }
}

bool JsonColumns::append_number(ColumnWriter& column, std::string_view text) {
  if (column.type_id() != TypeId::kLong || text.size() > kSafeIntegerBytes) return column.append_number_text(text);
  const bool negative = text.front() == '-';
  int64_t value = 0;
  for (const char c : text.substr(negative)) {
    if (c < '0' || c > '9') return column.append_number_text(text);
    value = value * 10 + (c - '0');
  }
  return column.append_integer(negative ? -value : value, text);
}

bool JsonColumns::append_struct(ColumnWriter& column, uint32_t position) {
  if (!column.begin_struct()) return false;
  const uint32_t end = nodes_[position].after;
  for (uint32_t at = position + 1; at < end; at = nodes_[at].after) {
    const std::string_view name = nodes_[at].key;
    path_.push_back({.name = name});
    const int index = column.find_member(name);
    if (index < 0) {
      pending_.push_back({path_, at, Leftover::kUnknown});
    } else if (column.is_member_set(static_cast<size_t>(index))) {
      pending_.push_back({path_, at, Leftover::kRepeated});
    } else if (!append_value(column.member(static_cast<size_t>(index)), at)) {
      return false;
    }
    path_.pop_back();
  }
  return column.end_struct();
}

bool JsonColumns::append_list(ColumnWriter& column, uint32_t position) {
  if (!column.begin_list()) return false;
  const uint32_t end = nodes_[position].after;
  path_.push_back({.index = 0});
  for (uint32_t at = position + 1; at < end; at = nodes_[at].after, ++path_.back().index) {
    if (!append_value(column.element(), at)) return false;
  }
  path_.pop_back();
  return column.end_list();
}

bool JsonColumns::append_map(ColumnWriter& column, uint32_t position) {
  if (!column.begin_map()) return false;
  const uint32_t end = nodes_[position].after;
  // Engines refuse to read a map that has a key twice.
  map_keys_.clear();
  for (uint32_t at = position + 1; at < end; at = nodes_[at].after) map_keys_.push_back(nodes_[at].key);
  std::ranges::sort(map_keys_);
  if (std::ranges::adjacent_find(map_keys_) != map_keys_.end()) return false;

  for (uint32_t at = position + 1; at < end; at = nodes_[at].after) {
    path_.push_back({.name = nodes_[at].key, .in_map = true});
    if (!column.key().append_text(nodes_[at].key)) return false;
    if (!append_value(column.value(), at)) return false;
    path_.pop_back();
  }
  return column.end_map();
}

/// False: fault_ says why there is no place for it.
bool JsonColumns::leave_over(const std::vector<Step>& path, uint32_t position, Leftover why) {
  const JsonNode& node = nodes_[position];
  // A null that has no column says nothing, and a column seen only as null has no type to be created with.
  if (why == Leftover::kUnknown && node.kind == JsonNode::kNull) return true;
  std::string name(path.front().name);
  for (size_t i = 1; i < path.size(); ++i) {
    name += path[i].index >= 0 ? fmt::format("[{}]", path[i].index) : fmt::format(".{}", path[i].name);
  }
  const std::string_view json = json_value_at(node.raw);
  if (rescue_) {
    rows_.rescue().add_json(name, json);
    if (report_drift_ && why != Leftover::kRepeated) note_drift(path, position);
    return true;
  }
  fault_.at = node.raw;
  switch (why) {
    case Leftover::kUnknown: fault_.reason = fmt::format("column \"{}\" is not in the schema", name); break;
    case Leftover::kRepeated: fault_.reason = fmt::format("column \"{}\" comes twice in the row", name); break;
    case Leftover::kMisfit: fault_.reason = misfit_text(*columns_.find(name), node); break;
  }
  return false;
}

void JsonColumns::note_drift(const std::vector<Step>& path, uint32_t position) {
  int index = drift_names_.find(path[0].name);
  if (index < 0) {
    if (drift_names_.size() == kStructMembersMax) return;
    index = drift_names_.add(path[0].name);
    const Field* known = columns_.find(path[0].name);
    drift_.emplace_back(infer_, known && known->type->id == TypeId::kDecimal);
  }
  ColumnGuess* guess = &drift_[static_cast<size_t>(index)];
  for (size_t i = 1; i < path.size(); ++i) {
    if (path[i].in_map) return;  // a guess knows no maps
    guess = path[i].index >= 0 ? &guess->see_list() : &guess->see_struct().member(path[i].name);
  }
  see_json(nodes_, position, *guess);
}

Drift JsonColumns::drift() const {
  Drift drift;
  for (size_t i = 0; i < drift_.size(); ++i) drift.columns.push_back({.name = drift_names_.name(i), .type = drift_[i].type()});
  return drift;
}

}  // namespace sluice
