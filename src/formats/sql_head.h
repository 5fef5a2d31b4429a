// Whether a text is a SQL dump, by its beginning. Pure.
#pragma once

#include <string_view>

namespace sluice {

/// Whether the first word or comment may be SQL: cheap, and sure only where it says no.
bool may_begin_sql(std::string_view head);

/// Whether it is a dump: a program that writes dumps says so in the comments before the first statement; or a CREATE TABLE, INSERT or COPY
/// stands there, with nothing but statements before it.
bool looks_like_sql(std::string_view head);

}  // namespace sluice
