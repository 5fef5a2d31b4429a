#include "pipeline/path_columns.h"

#include <algorithm>

#include "base/utf8.h"
#include "net/percent.h"
#include "schema/evolution.h"

namespace sluice {
namespace {

std::string decoded(std::string_view text) {
  std::string plain = percent_decode(text);
  return is_utf8(plain) ? plain : std::string(text);
}

}  // namespace

std::vector<HiveColumn> hive_columns(const ClaimedFile& file) {
  std::vector<HiveColumn> columns;
  const std::string_view path = file.path;
  for (size_t begin = 0, end = path.find('/'); end != std::string_view::npos; begin = end + 1, end = path.find('/', begin)) {
    const std::string_view folder = path.substr(begin, end - begin);
    const size_t equals = folder.find('=');
    const bool is_archive = !file.archive.empty() && folder.ends_with(kMemberMark.front());
    if (equals == 0 || equals == std::string_view::npos || is_archive) continue;
    HiveColumn column{decoded(folder.substr(0, equals)), decoded(folder.substr(equals + 1))};
    if (column.value->empty() || *column.value == kHiveNull) column.value.reset();
    if (is_metadata_column(column.key)) continue;
    const auto known = std::ranges::find(columns, column.key, &HiveColumn::key);
    if (known == columns.end()) {
      columns.push_back(std::move(column));
    } else {
      known->value = std::move(column.value);
    }
  }
  return columns;
}

}  // namespace sluice
