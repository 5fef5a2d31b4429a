#include "pipeline/access_check.h"

#include <fmt/format.h>

#include "storage/listing_feed.h"

namespace sluice {
namespace {

Result<std::string> list_source(StoreProvider& stores, Clock& clock, const Ingestion& ingestion, const Source& source, Context& context) {
  TRY_ASSIGN(ObjectStore * store, stores.store_for(source.paths.front(), source.store));
  TRY_ASSIGN(auto feed, make_listing_feed(*store, source.paths, ingestion.ready, clock));
  TRY_ASSIGN(const FeedPage page, feed->next(context));
  std::string text = fmt::format("lists {}{} file(s)", page.last ? "" : "more than ", page.files.size());
  if (page.warnings.empty()) return text;
  text += "; warning: " + page.warnings.front().message;  // a load passes it over, too
  if (page.warnings.size() > 1) text += fmt::format(" (and {} more)", page.warnings.size() - 1);
  return text;
}

Result<std::string> ask_catalog(const Result<Catalog*>& catalog, const Ingestion& ingestion, Context& context) {
  if (!catalog) return std::unexpected(catalog.error());
  auto loaded = (*catalog)->load({ingestion.table.ns, ingestion.table.name}, context);
  if (loaded) {
    return fmt::format("table is there, {} columns, at {}", loaded->metadata.current_schema().fields.size(), loaded->metadata.location);
  }
  if (loaded.error().code == ErrorCode::kNotFound) return "answers; the table is made by the first load";
  return std::unexpected(loaded.error());
}

Result<std::string> list_objects(StoreProvider& stores, const ObjectTarget& target, Context& context) {
  TRY_ASSIGN(ObjectStore * store, stores.store_for(target.prefix + "/", target.store));
  TRY_ASSIGN(const ListPage page, store->list({.prefix = target.prefix + "/"}, context));
  return fmt::format("lists {}{} object(s)", page.next_token.empty() ? "" : "more than ", page.objects.size());
}

}  // namespace

std::vector<AccessCheck> check_sources(StoreProvider& stores, Clock& clock, const Ingestion& ingestion, Context& context) {
  std::vector<AccessCheck> checks;
  for (const Source& source : ingestion.sources) {
    checks.push_back(
        {fmt::format("{}: source {}", ingestion.name, source.id.text), list_source(stores, clock, ingestion, source, context)});
  }
  return checks;
}

AccessCheck check_table(const Result<Catalog*>& catalog, const Ingestion& ingestion, Context& context) {
  return {fmt::format("{}: catalog {}", ingestion.name, ingestion.table.catalog), ask_catalog(catalog, ingestion, context)};
}

AccessCheck check_objects(StoreProvider& stores, const Ingestion& ingestion, Context& context) {
  return {fmt::format("{}: objects below {}", ingestion.name, ingestion.parquet->prefix),
          list_objects(stores, *ingestion.parquet, context)};
}

}  // namespace sluice
