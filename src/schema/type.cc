#include "schema/type.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/ascii.h"

namespace sluice {
namespace {

constexpr size_t kPrimitives = static_cast<size_t>(TypeId::kStruct);

/// Names that stand in a type's text without backquotes.
bool is_plain_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '$' || c >= 0x80;
  });
}

std::string quote_name(std::string_view name) {
  if (is_plain_name(name)) return std::string(name);
  std::string quoted = "`";
  for (char c : name) {
    if (c == '`') quoted += '`';
    quoted += c;
  }
  return quoted + '`';
}

struct Alias {
  std::string_view text;
  TypeId id;
};

/// Searched from the front: the list is short and types are parsed rarely.
constexpr Alias kAliases[] = {
    {"boolean", TypeId::kBoolean},
    {"bool", TypeId::kBoolean},
    {"int", TypeId::kInt},
    {"integer", TypeId::kInt},
    {"smallint", TypeId::kInt},
    {"tinyint", TypeId::kInt},
    {"long", TypeId::kLong},
    {"bigint", TypeId::kLong},
    {"float", TypeId::kFloat},
    {"real", TypeId::kFloat},
    {"double", TypeId::kDouble},
    {"double precision", TypeId::kDouble},
    {"date", TypeId::kDate},
    {"time", TypeId::kTime},
    {"timestamp", TypeId::kTimestamp},
    {"timestamp_ntz", TypeId::kTimestamp},
    {"datetime", TypeId::kTimestamp},
    {"timestamp without time zone", TypeId::kTimestamp},
    {"timestamptz", TypeId::kTimestamptz},
    {"timestamp_ltz", TypeId::kTimestamptz},
    {"timestamp with time zone", TypeId::kTimestamptz},
    {"string", TypeId::kString},
    {"text", TypeId::kString},
    {"varchar", TypeId::kString},
    {"char", TypeId::kString},
    {"uuid", TypeId::kUuid},
    {"binary", TypeId::kBinary},
    {"bytea", TypeId::kBinary},
    {"blob", TypeId::kBinary},
};

class TypeParser {
 public:
  explicit TypeParser(std::string_view text) : text_(text) {}

  Result<TypePtr> parse_all() {
    TRY_ASSIGN(TypePtr type, parse(0));
    skip_spaces();
    if (at_ != text_.size()) return wrong("nothing more");
    return type;
  }

 private:
  std::unexpected<Error> wrong(std::string_view expected) const {
    return invalid_input(fmt::format("type '{}': expected {} at character {}", text_, expected, at_ + 1));
  }

  void skip_spaces() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  bool take(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  /// Lower-case words up to a bracket or separator, single spaces between them.
  std::string take_words() {
    skip_spaces();
    std::string words;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_' || text_[at_] == ' ')) {
      const char c = text_[at_++];
      if (c == ' ' && words.ends_with(' ')) continue;
      words += lower_case(c);
    }
    while (words.ends_with(' ')) words.pop_back();
    return words;
  }

  std::optional<int> take_number() {
    skip_spaces();
    int value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  std::optional<std::string> take_name() {
    skip_spaces();
    std::string name;
    if (at_ < text_.size() && text_[at_] == '`') {
      for (++at_; at_ < text_.size(); ++at_) {
        if (text_[at_] != '`') {
          name += text_[at_];
        } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '`') {
          name += text_[++at_];
        } else {
          ++at_;
          return name;
        }
      }
      return std::nullopt;
    }
    while (at_ < text_.size() && text_[at_] != ':' && text_[at_] != ',' && text_[at_] != '<' && text_[at_] != '>') name += text_[at_++];
    while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back()))) name.pop_back();
    if (name.empty()) return std::nullopt;
    return name;
  }

  /// `depth`: levels above.
  Result<TypePtr> parse(int depth) {
    if (depth >= kTypeDepthMax) return wrong(fmt::format("at most {} levels, where a list or a map counts two", kTypeDepthMax));
    skip_spaces();
    const size_t start = at_;
    const std::string words = take_words();
    if (words == "struct") return parse_struct(depth);
    if (words == "list" || words == "array") return parse_list(depth);
    if (words == "map") return parse_map(depth);
    if (words == "decimal" || words == "numeric") return parse_decimal();
    if (words == "fixed") return parse_fixed();
    for (const Alias& alias : kAliases) {
      if (words != alias.text) continue;
      if ((words == "varchar" || words == "char") && take('(') && (!take_number() || !take(')'))) return wrong("a length and ')'");
      return make_type(alias.id);
    }
    at_ = start;
    return wrong(
        "a type (boolean, int, long, float, double, decimal(P,S), date, time, timestamp, timestamptz, string, uuid, "
        "binary, fixed[N], struct<name: type>, list<type>, map<type, type>)");
  }

  Result<TypePtr> parse_struct(int depth) {
    if (!take('<')) return wrong("'<'");
    std::vector<Field> fields;
    if (take('>')) return make_struct(std::move(fields));
    do {
      std::optional<std::string> name = take_name();
      if (!name) return wrong("a member's name");
      if (!take(':')) return wrong("':'");
      for (const Field& field : fields) {
        if (field.name == *name) return wrong(fmt::format("another name: '{}' is there already", *name));
      }
      TRY_ASSIGN(TypePtr type, parse(depth + levels_of(TypeId::kStruct)));
      fields.push_back({.name = *std::move(name), .type = std::move(type)});
    } while (take(','));
    if (!take('>')) return wrong("',' or '>'");
    return make_struct(std::move(fields));
  }

  Result<TypePtr> parse_list(int depth) {
    if (!take('<')) return wrong("'<'");
    TRY_ASSIGN(TypePtr element, parse(depth + levels_of(TypeId::kList)));
    if (!take('>')) return wrong("'>'");
    return make_list(std::move(element));
  }

  Result<TypePtr> parse_map(int depth) {
    if (!take('<')) return wrong("'<'");
    TRY_ASSIGN(TypePtr key, parse(depth + levels_of(TypeId::kMap)));
    if (!take(',')) return wrong("','");
    TRY_ASSIGN(TypePtr value, parse(depth + levels_of(TypeId::kMap)));
    if (!take('>')) return wrong("'>'");
    return make_map(std::move(key), std::move(value));
  }

  Result<TypePtr> parse_decimal() {
    if (!take('(')) return wrong("'(' and precision and scale, as in decimal(9,2)");
    const std::optional<int> precision = take_number();
    if (!precision || *precision < 1 || *precision > kDecimalDigitsMax) return wrong("a precision from 1 to 38");
    int scale = 0;
    if (take(',')) {
      const std::optional<int> number = take_number();
      if (!number || *number < 0 || *number > *precision) return wrong("a scale from 0 to the precision");
      scale = *number;
    }
    if (!take(')')) return wrong("')'");
    return make_decimal(*precision, scale);
  }

  Result<TypePtr> parse_fixed() {
    const bool square = take('[');
    if (!square && !take('(')) return wrong("'[' and a length, as in fixed[16]");
    const std::optional<int> length = take_number();
    if (!length || *length < 1) return wrong("a length in bytes");
    if (!take(square ? ']' : ')')) return wrong(square ? "']'" : "')'");
    return make_fixed(*length);
  }

  std::string_view text_;
  size_t at_ = 0;
};

const Field* find_below(const std::vector<Field>& fields, int id) {
  for (const Field& field : fields) {
    if (field.id == id) return &field;
    if (!field.type) continue;
    if (const Field* found = find_below(field.type->fields, id)) return found;
  }
  return nullptr;
}

int highest_below(const std::vector<Field>& fields) {
  int highest = 0;
  for (const Field& field : fields) {
    highest = std::max(highest, field.id);
    if (field.type) highest = std::max(highest, highest_below(field.type->fields));
  }
  return highest;
}

}  // namespace

TypePtr make_type(TypeId id) {
  static const std::array<TypePtr, kPrimitives> kTypes = [] {
    std::array<TypePtr, kPrimitives> types;
    for (size_t i = 0; i < types.size(); ++i) types[i] = std::make_shared<const Type>(Type{.id = static_cast<TypeId>(i)});
    return types;
  }();
  return kTypes.at(static_cast<size_t>(id));
}

TypePtr make_decimal(int precision, int scale) {
  return std::make_shared<const Type>(Type{.id = TypeId::kDecimal, .precision = precision, .scale = scale});
}

TypePtr make_fixed(int length) { return std::make_shared<const Type>(Type{.id = TypeId::kFixed, .length = length}); }

TypePtr make_struct(std::vector<Field> fields) {
  return std::make_shared<const Type>(Type{.id = TypeId::kStruct, .fields = std::move(fields)});
}

TypePtr make_list(TypePtr element, bool element_required, int element_id) {
  std::vector<Field> fields = {{.id = element_id, .name = "element", .required = element_required, .type = std::move(element)}};
  return std::make_shared<const Type>(Type{.id = TypeId::kList, .fields = std::move(fields)});
}

TypePtr make_map(TypePtr key, TypePtr value, bool value_required, int key_id, int value_id) {
  std::vector<Field> fields = {{.id = key_id, .name = "key", .required = true, .type = std::move(key)},
                               {.id = value_id, .name = "value", .required = value_required, .type = std::move(value)}};
  return std::make_shared<const Type>(Type{.id = TypeId::kMap, .fields = std::move(fields)});
}

int levels_of(TypeId nested) { return nested == TypeId::kStruct ? 1 : 2; }

int type_depth(const Type& type) {
  int below = 0;
  for (const Field& field : type.fields) below = std::max(below, field.type ? type_depth(*field.type) : 0);
  return type.is_nested() ? below + levels_of(type.id) : 1;
}

bool same_type(const Type& a, const Type& b) {
  if (a.id != b.id || a.precision != b.precision || a.scale != b.scale || a.length != b.length) return false;
  return std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(), b.fields.end(), [](const Field& x, const Field& y) {
    return x.name == y.name && (x.type == y.type || (x.type && y.type && same_type(*x.type, *y.type)));
  });
}

std::string to_text(const Type& type) {
  switch (type.id) {
    case TypeId::kBoolean: return "boolean";
    case TypeId::kInt: return "int";
    case TypeId::kLong: return "long";
    case TypeId::kFloat: return "float";
    case TypeId::kDouble: return "double";
    case TypeId::kDecimal: return fmt::format("decimal({},{})", type.precision, type.scale);
    case TypeId::kDate: return "date";
    case TypeId::kTime: return "time";
    case TypeId::kTimestamp: return "timestamp";
    case TypeId::kTimestamptz: return "timestamptz";
    case TypeId::kString: return "string";
    case TypeId::kUuid: return "uuid";
    case TypeId::kFixed: return fmt::format("fixed[{}]", type.length);
    case TypeId::kBinary: return "binary";
    case TypeId::kList: return fmt::format("list<{}>", to_text(*type.fields[0].type));
    case TypeId::kMap: return fmt::format("map<{}, {}>", to_text(*type.fields[0].type), to_text(*type.fields[1].type));
    case TypeId::kStruct: break;
  }
  std::string text = "struct<";
  for (const Field& field : type.fields) {
    if (&field != &type.fields.front()) text += ", ";
    text += quote_name(field.name) + ": " + to_text(*field.type);
  }
  return text + ">";
}

Result<TypePtr> parse_type(std::string_view text) { return TypeParser(text).parse_all(); }

const Field* Schema::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

const Field* Schema::find(int field_id) const { return find_below(fields, field_id); }

int Schema::highest_field_id() const { return highest_below(fields); }

int assign_field_ids(std::vector<Field>& fields, int last_id) {
  for (Field& field : fields) {
    if (field.id == 0) field.id = ++last_id;
  }
  // A level gets its ids before anything below it, as other writers of fresh ids do.
  for (Field& field : fields) {
    if (!field.type || !field.type->is_nested()) continue;
    Type nested = *field.type;
    last_id = assign_field_ids(nested.fields, last_id);
    field.type = std::make_shared<const Type>(std::move(nested));
  }
  return last_id;
}

}  // namespace sluice
