// Where a trigger, function, procedure or event of a SQL dump ends: it may hold statements, whose terminators are not its own.
#pragma once

#include "formats/sql_tokens.h"

namespace sluice {

/// From the word of CREATE that says which it is up to the terminator. False: the text ends within its statements.
bool skip_sql_routine(SqlTokens& tokens);

}  // namespace sluice
