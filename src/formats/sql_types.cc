#include "formats/sql_types.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice {
namespace {

constexpr int kPrecisionMax = 38;
constexpr int kFreePrecision = 38, kFreeScale = 18;  ///< PostgreSQL's numeric without limits; what needs more is rescued

using TypeNames = std::unordered_map<std::string_view, TypeId>;

/// What a type's name means in every dialect, unless the dialect's own table says otherwise.
const TypeNames& common_types() {
  using enum TypeId;
  static const TypeNames types = {
      {"smallint", kInt},
      {"integer", kInt},
      {"int", kInt},
      {"bigint", kLong},
      {"int2", kInt},
      {"int4", kInt},
      {"int8", kLong},
      {"real", kFloat},
      {"double precision", kDouble},
      {"double", kDouble},
      {"float4", kFloat},
      {"float8", kDouble},
      {"numeric", kDecimal},
      {"decimal", kDecimal},
      {"dec", kDecimal},
      {"boolean", kBoolean},
      {"bool", kBoolean},
      {"date", kDate},
      {"time", kTime},
      {"time without time zone", kTime},
      {"timestamp", kTimestamp},
      {"timestamp without time zone", kTimestamp},
      {"datetime", kTimestamp},
      {"timestamp with time zone", kTimestamptz},
      {"timestamptz", kTimestamptz},
      {"text", kString},
      {"varchar", kString},
      {"char", kString},
      {"character", kString},
      {"character varying", kString},
      {"nvarchar", kString},
      {"nchar", kString},
      {"bpchar", kString},
      {"json", kString},
      {"jsonb", kString},
      {"xml", kString},
      {"uuid", kUuid},
      {"bytea", kBinary},
      {"blob", kBinary},
      {"binary", kBinary},
      {"varbinary", kBinary},
  };  // clang-format would put each on a line of its own
  return types;
}

const TypeNames& postgres_types() {
  using enum TypeId;
  static const TypeNames types = {
      {"serial", kInt},
      {"smallserial", kInt},
      {"bigserial", kLong},
      {"oid", kLong},
      {"float", kDouble},
      {"name", kString},
      {"\"char\"", kString},
      {"citext", kString},
      {"money", kString},
      {"interval", kString},
      {"time with time zone", kString},
      {"timetz", kString},
      {"bit", kString},
      {"bit varying", kString},
      {"varbit", kString},
      {"inet", kString},
      {"cidr", kString},
      {"macaddr", kString},
      {"macaddr8", kString},
      {"tsvector", kString},
      {"tsquery", kString},
  };
  return types;
}

const TypeNames& mysql_types() {
  using enum TypeId;
  static const TypeNames types = {
      {"tinyint", kInt},
      {"mediumint", kInt},
      {"int unsigned", kLong},
      {"integer unsigned", kLong},
      {"bigint unsigned", kDecimal},
      {"float", kFloat},
      {"real", kDouble},
      {"year", kInt},
      {"fixed", kDecimal},
      {"tinytext", kString},
      {"mediumtext", kString},
      {"longtext", kString},
      {"enum", kString},
      {"set", kString},
      {"tinyblob", kBinary},
      {"mediumblob", kBinary},
      {"longblob", kBinary},
      {"inet4", kString},
      {"inet6", kString},
      {"geometry", kBinary},
      {"point", kBinary},
      {"linestring", kBinary},
      {"polygon", kBinary},
      {"multipoint", kBinary},
      {"multilinestring", kBinary},
      {"multipolygon", kBinary},
      {"geometrycollection", kBinary},
      {"geomcollection", kBinary},
  };
  return types;
}

/// SQLite keeps any value anywhere: numbers are 64 bits wide whatever the column is called.
const TypeNames& sqlite_types() {
  using enum TypeId;
  static const TypeNames types = {
      {"real", kDouble}, {"float", kDouble}, {"numeric", kDouble}, {"decimal", kDouble}, {"clob", kString}, {"any", kString},
  };
  return types;
}

std::optional<int> argument(const DeclaredType& declared, size_t index) {
  if (index >= declared.arguments.size()) return std::nullopt;
  const std::string& text = declared.arguments[index];
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

SqlType decimal_of(const DeclaredType& declared, DumpDialect dialect) {
  if (declared.words.starts_with("bigint")) return {.type = make_decimal(20, 0)};
  const std::optional<int> precision = argument(declared, 0), scale = argument(declared, 1);
  if (!precision && dialect == DumpDialect::kMysql) return {.type = make_decimal(10, 0)};
  if (!precision) return {.type = make_decimal(kFreePrecision, kFreeScale)};
  const bool fits = *precision >= 1 && *precision <= kPrecisionMax && scale.value_or(0) >= 0 && scale.value_or(0) <= *precision;
  if (!fits) return {.type = make_type(TypeId::kString), .known = false};
  return {.type = make_decimal(*precision, scale.value_or(0))};
}

/// "bigint unsigned zerofill", "pg_catalog.int4" as the tables above have them.
std::string plain_name(const DeclaredType& declared, DumpDialect dialect) {
  std::string name = declared.words;
  if (name.starts_with("pg_catalog.")) name.erase(0, 11);
  if (name.ends_with(".citext")) name = "citext";
  if (dialect == DumpDialect::kMysql) {
    for (const std::string_view word : {" zerofill", " signed"}) {
      if (const size_t at = name.find(word); at != std::string::npos) name.erase(at, word.size());
    }
    const bool wide = name.starts_with("int") || name.starts_with("bigint");
    if (!wide && name.ends_with(" unsigned")) name.resize(name.size() - 9);
  }
  return name;
}

const TypeId* find_type(const TypeNames& names, std::string_view name) {
  const auto found = names.find(name);
  return found == names.end() ? nullptr : &found->second;
}

const TypeId* type_id_of(std::string_view name, DumpDialect dialect) {
  const TypeId* own = dialect == DumpDialect::kMysql    ? find_type(mysql_types(), name)
                      : dialect == DumpDialect::kSqlite ? find_type(sqlite_types(), name)
                                                        : find_type(postgres_types(), name);
  return own ? own : find_type(common_types(), name);
}

/// SQLite's affinity: what a type's name holds decides.
std::optional<TypeId> sqlite_affinity(std::string_view name) {
  const auto holds = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (holds("int")) return TypeId::kLong;
  if (holds("char") || holds("clob") || holds("text")) return TypeId::kString;
  if (holds("real") || holds("floa") || holds("doub")) return TypeId::kDouble;
  return std::nullopt;
}

SqlType of_id(TypeId id, const DeclaredType& declared, DumpDialect dialect, bool utc) {
  if (id == TypeId::kDecimal) return decimal_of(declared, dialect);
  SqlType found{.type = make_type(id)};
  if (id == TypeId::kBinary) found.encoding = dialect == DumpDialect::kPostgresql ? SqlEncoding::kPostgresBytes : SqlEncoding::kRawBytes;
  if (dialect == DumpDialect::kSqlite && id == TypeId::kDouble) found.encoding = SqlEncoding::kSqliteNumber;
  if (dialect == DumpDialect::kMysql && declared.words == "timestamp" && utc) {
    found.type = make_type(TypeId::kTimestamptz);
    found.encoding = SqlEncoding::kUtc;
  }
  return found;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::string> read_postgres_bytes(std::string_view text) {
  std::string bytes;
  if (text.starts_with("\\x")) {
    if (text.size() % 2 != 0) return std::nullopt;
    for (size_t i = 2; i < text.size(); i += 2) {
      const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
      if (high < 0 || low < 0) return std::nullopt;
      bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      bytes += text[++i];
    } else {
      if (i + 3 >= text.size() || !is_octal(text[i + 1]) || !is_octal(text[i + 2]) || !is_octal(text[i + 3])) return std::nullopt;
      bytes += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    }
  }
  return bytes;
}

bool append_text_value(std::string_view text, SqlEncoding encoding, ColumnWriter& column) {
  switch (column.type_id()) {
    case TypeId::kBoolean:
      if (text == "t" || text == "f") return column.append_bool(text == "t");
      return column.append_text(text);
    case TypeId::kBinary:
    case TypeId::kFixed: {
      if (encoding != SqlEncoding::kPostgresBytes) return column.append_bytes(text);
      const auto bytes = read_postgres_bytes(text);
      return bytes && column.append_bytes(*bytes);
    }
    case TypeId::kTimestamptz:
      if (encoding == SqlEncoding::kUtc) return column.append_text(std::string(text) + "+00:00");
      return column.append_text(text);
    default: return column.append_text(text);
  }
}

bool append_number(std::string_view number, SqlEncoding encoding, ColumnWriter& column) {
  if (column.type_id() == TypeId::kBoolean) return (number == "0" || number == "1") && column.append_bool(number == "1");
  if (column.append_number_text(number)) return true;
  if (encoding != SqlEncoding::kSqliteNumber || number.find_first_of("eE") == std::string_view::npos) return false;
  // SQLite has no word for infinity: it writes a number that is too large.
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc::result_out_of_range || number.find("e-") != std::string_view::npos) return false;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return column.append_double(number.starts_with('-') ? -kInfinity : kInfinity);
}

bool append_byte_value(std::string_view bytes, ColumnWriter& column) {
  if (column.type_id() == TypeId::kBoolean) return bytes.size() == 1 && bytes[0] >= 0 && bytes[0] <= 1 && column.append_bool(bytes[0] == 1);
  return column.type_id() != TypeId::kString && column.append_bytes(bytes);
}

}  // namespace

std::string DeclaredType::text() const {
  std::string text = words;
  if (!arguments.empty()) text += fmt::format("({})", fmt::join(arguments, ","));
  return text + (is_array ? "[]" : "");
}

SqlType sql_type_of(const DeclaredType& declared, DumpDialect dialect, bool utc) {
  if (declared.words.empty()) return {};
  const SqlType unknown{.type = make_type(TypeId::kString), .known = false};
  if (declared.is_array) return unknown;
  const std::string name = plain_name(declared, dialect);
  if (dialect == DumpDialect::kMysql && name == "bit") {
    return {.type = make_type(argument(declared, 0).value_or(1) == 1 ? TypeId::kBoolean : TypeId::kBinary),
            .encoding = SqlEncoding::kRawBytes};
  }
  if (dialect == DumpDialect::kSqlite && name.find("int") != std::string::npos) return {.type = make_type(TypeId::kLong)};
  if (const TypeId* id = type_id_of(name, dialect)) return of_id(*id, declared, dialect, utc);
  const std::optional<TypeId> affinity = dialect == DumpDialect::kSqlite ? sqlite_affinity(name) : std::nullopt;
  return affinity ? of_id(*affinity, declared, dialect, utc) : unknown;
}

bool append_sql_value(const SqlValue& value, SqlEncoding encoding, ColumnWriter& column) {
  switch (value.kind) {
    case SqlValueKind::kBool: return column.append_bool(value.text == "true");
    case SqlValueKind::kNumber: return append_number(value.text, encoding, column);
    case SqlValueKind::kText:
    case SqlValueKind::kField: return append_text_value(value.text, encoding, column);
    case SqlValueKind::kBytes: return append_byte_value(value.text, column);
    case SqlValueKind::kNull:
    case SqlValueKind::kDefault: break;
  }
  return false;
}

}  // namespace sluice
