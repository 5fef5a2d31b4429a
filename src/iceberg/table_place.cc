#include "iceberg/table_place.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "iceberg/metadata_file.h"

namespace sluice {

std::string default_location(const std::string& warehouse, const TableId& id) {
  return fmt::format("{}/{}/{}", warehouse, fmt::join(id.ns, "/"), id.name);
}

Result<std::optional<Error>> why_place_is_taken(ObjectStore& store, const std::string& location, const std::string& metadata_dir,
                                                const std::string& catalog_uri, Context& context) {
  ListRequest request{metadata_dir + "/"};
  do {
    TRY_ASSIGN(const ListPage page, store.list(request, context));
    for (const ObjectInfo& object : page.objects) {
      if (!object.path.ends_with(".metadata.json")) continue;
      auto other = read_metadata_file(store, object.path, context);
      if (other && other->snapshots.empty()) continue;
      return Error{ErrorCode::kInvalidInput,
                   fmt::format("{} already holds a table that catalog {} does not know (uuid {}): it belongs to another catalog, "
                               "or was dropped without its files. Use that catalog (--home), another warehouse (--warehouse) "
                               "or remove the folder",
                               location, catalog_uri, other ? other->table_uuid : "unreadable")};
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return std::nullopt;
}

}  // namespace sluice
