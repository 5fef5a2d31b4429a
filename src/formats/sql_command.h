// Lines of a SQL dump that are for the client that reads it (psql, mysql, SQLite's shell), and no statements. Not thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "formats/sql_tokens.h"

namespace sluice {

enum class SqlCommandKind {
  kConnect,    ///< psql's \connect: argument is the database, empty where it stays
  kDelimiter,  ///< DELIMITER of MySQL's client: argument is it
  kInclude,    ///< what another file holds belongs here: \i, source, .read, .import. argument is the command
  kCopy,       ///< psql's \copy: argument is what follows it
  kOther,      ///< any other, which changes nothing
};

struct SqlCommand {
  SqlCommandKind kind = SqlCommandKind::kOther;
  std::string argument;
  bool is_cut = false;  ///< the line is longer than what was looked at
};

/// Whether the token in hand, which might begin a statement, begins such a line.
bool begins_sql_command(SqlTokens& tokens);

/// Reads the line whose beginning is in hand, up to its end. At most SqlTokens::kLineBytesMax of it are looked at.
SqlCommand read_sql_command(SqlTokens& tokens);

/// The word behind `key`, without quotes; empty: there is none.
std::string_view sql_word_behind(std::string_view text, std::string_view key);

}  // namespace sluice
