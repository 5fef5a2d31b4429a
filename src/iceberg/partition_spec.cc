#include "iceberg/partition_spec.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/ascii.h"

namespace sluice {
namespace {

constexpr int kPartitionFieldIdFirst = 1000;

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::optional<int> parse_width(std::string_view text) {
  int width = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), width);
  if (error != std::errc() || end != text.data() + text.size() || width < 1) return std::nullopt;
  return width;
}

std::unexpected<Error> bad_text(std::string_view text, std::string_view why) {
  return invalid_input(fmt::format("partition_by \"{}\": {}; write a column, or day(ts), bucket(16, id), truncate(4, name)", text, why));
}

/// A member of a struct by its dotted name; a column whose own name has dots goes first.
const Field* find_column(const std::vector<Field>& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.name == name) return &field;
    if (field.type->id != TypeId::kStruct || !name.starts_with(field.name) || name.size() <= field.name.size() + 1) continue;
    if (name[field.name.size()] != '.') continue;
    if (const Field* found = find_column(field.type->fields, name.substr(field.name.size() + 1))) return found;
  }
  return nullptr;
}

/// A field by id where a row has one value of it: at the top or in structs.
const Field* find_single(const std::vector<Field>& fields, int id) {
  for (const Field& field : fields) {
    if (field.id == id) return &field;
    if (field.type->id != TypeId::kStruct) continue;
    if (const Field* found = find_single(field.type->fields, id)) return found;
  }
  return nullptr;
}

std::string field_name(const PartitionBy& by) {
  switch (by.transform.kind) {
    case Transform::kIdentity: return by.column;
    case Transform::kBucket: return by.column + "_bucket";
    case Transform::kTruncate: return by.column + "_trunc";
    case Transform::kVoid: return by.column + "_null";
    default: return by.column + "_" + to_text(by.transform);
  }
}

bool is_time(Transform::Kind kind) { return kind >= Transform::kYear && kind <= Transform::kHour; }

/// Java refuses two fields over one column that are of one kind; all times are one kind.
bool says_the_same(const Transform& a, const Transform& b) { return a == b || (is_time(a.kind) && is_time(b.kind)); }

/// java.net.URLEncoder: letters, digits and .-*_ stay, a space becomes "+", other bytes %XX. Cut to kPartitionTextBytesMax.
std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    std::string next(1, c);
    if (c == ' ') {
      next = "+";
    } else if (byte >= 0x80 || (!std::isalnum(byte) && std::string_view(".-*_").find(c) == std::string_view::npos)) {
      next = fmt::format("%{:02X}", byte);
    }
    if (out.size() + next.size() > kPartitionTextBytesMax) break;
    out += next;
  }
  return out;
}

}  // namespace

Result<PartitionBy> parse_partition_by(std::string_view text) {
  const std::string_view whole = trim(text);
  if (whole.empty()) return bad_text(text, "empty");
  const size_t open = whole.find('(');
  if (open == std::string_view::npos) return PartitionBy{std::string(whole), {}};
  if (!whole.ends_with(')')) return bad_text(text, "no closing parenthesis");

  std::string name = lower_case(trim(whole.substr(0, open)));
  if (name == "years" || name == "months" || name == "days" || name == "hours") name.pop_back();
  std::string_view column = trim(whole.substr(open + 1, whole.size() - open - 2));
  if (name == "bucket" || name == "truncate") {
    const size_t comma = column.find(',');
    const auto width = parse_width(trim(column.substr(0, comma)));
    if (comma == std::string_view::npos || !width) return bad_text(text, "the first argument is no whole number above 0");
    name = fmt::format("{}[{}]", name, *width);
    column = trim(column.substr(comma + 1));
  }
  if (column.empty()) return bad_text(text, "no column named");
  const auto transform = parse_transform(name);
  if (!transform) return bad_text(text, fmt::format("no transform {}", name));
  return PartitionBy{std::string(column), *transform};
}

Result<std::vector<PartitionField>> make_partition_fields(const std::vector<std::string>& partition_by, const Schema& schema) {
  std::vector<PartitionField> fields;
  std::vector<std::pair<int, Transform>> seen;
  for (const std::string& text : partition_by) {
    TRY_ASSIGN(const PartitionBy by, parse_partition_by(text));
    const Field* source = find_column(schema.fields, by.column);
    if (source == nullptr) return invalid_input(fmt::format("partition_by \"{}\": the table has no column {}", text, by.column));
    if (auto type = result_type(by.transform, source->type); !type) {
      return std::unexpected(type.error().within(fmt::format("partition_by \"{}\"", text)));
    }
    const PartitionField field{source->id, kPartitionFieldIdFirst + static_cast<int>(fields.size()), field_name(by), to_text(by.transform)};
    for (const auto& [id, transform] : seen) {
      if (id != source->id || !says_the_same(transform, by.transform)) continue;
      return invalid_input(fmt::format("partition_by \"{}\": the table is already partitioned by that column's values", text));
    }
    if (std::ranges::any_of(fields, [&](const PartitionField& other) { return other.name == field.name; })) {
      return invalid_input(fmt::format("partition_by \"{}\": two partition fields would be named {}", text, field.name));
    }
    if (by.transform.kind != Transform::kIdentity && schema.find(field.name) != nullptr) {
      return invalid_input(fmt::format("partition_by \"{}\": its field would be named {}, as a column is", text, field.name));
    }
    seen.emplace_back(source->id, by.transform);
    fields.push_back(field);
  }
  return fields;
}

Result<void> check_partition_by(const std::vector<std::string>& partition_by, Schema columns) {
  assign_field_ids(columns.fields, 0);
  TRY(make_partition_fields(partition_by, columns));
  return {};
}

Result<std::vector<BoundPartitionField>> bind_spec(const PartitionSpec& spec, const Schema& schema) {
  std::vector<BoundPartitionField> bound;
  for (const PartitionField& field : spec.fields) {
    TRY_ASSIGN(const Transform transform, parse_transform(field.transform));
    const Field* source = find_single(schema.fields, field.source_id);
    // A void field outlives its column: its values are null whatever the column was.
    if (source == nullptr && transform.kind != Transform::kVoid) {
      return invalid_input(fmt::format("partition field {}: the table's schema has no column with id {}", field.name, field.source_id));
    }
    const TypePtr type = source == nullptr ? make_type(TypeId::kInt) : source->type;
    if (auto result = result_type(transform, type); !result) {
      return std::unexpected(result.error().within(fmt::format("partition field {}", field.name)));
    }
    bound.push_back({field.name, field.source_id, type, transform});
  }
  return bound;
}

std::string partition_path(const std::vector<BoundPartitionField>& fields, const std::vector<Literal>& values) {
  std::string path;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) path += '/';
    path += url_encode(fields[i].name) + "=" + url_encode(to_human(fields[i].transform, *fields[i].source_type, values[i]));
  }
  return path;
}

}  // namespace sluice
