// Rows of text in aligned columns, for people. Pure.
#pragma once

#include <string>
#include <vector>

namespace sluice {

/// One line per row, the header first; columns two spaces apart, as wide as their widest cell (UTF-8 code points); no trailing blanks.
std::string text_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

}  // namespace sluice
