#include "iceberg/sql_catalog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/ids.h"
#include "iceberg/append.h"
#include "iceberg/metadata_file.h"

namespace sluice {

std::string TableId::text() const { return fmt::format("{}.{}", fmt::join(ns, "."), name); }

namespace {

class SqlCatalog final : public Catalog {
 public:
  SqlCatalog(std::unique_ptr<CatalogRows> rows, std::string warehouse, StoreProvider& stores,
             std::map<std::string, std::string> store_properties, Clock& clock)
      : rows_(std::move(rows)),
        warehouse_(std::move(warehouse)),
        stores_(stores),
        store_properties_(std::move(store_properties)),
        clock_(clock) {
    while (warehouse_.ends_with('/')) warehouse_.pop_back();
  }

  std::string uri() const override { return rows_->uri(); }
  std::string warehouse() const override { return warehouse_; }

  Result<LoadedTable> load(const TableId& id, Context& context) override {
    TRY_ASSIGN(const auto row, rows_->find(namespace_text(id), id.name));
    if (!row) return fail(ErrorCode::kNotFound, fmt::format("no table {} in catalog {}", id.text(), uri()));
    return load_at(id, row->metadata_location, context);
  }

  Result<LoadedTable> create(const TableId& id, const CreateTable& table, Context& context) override {
    TRY_ASSIGN(const auto existing, rows_->find(namespace_text(id), id.name));
    if (existing) return fail(ErrorCode::kConflict, fmt::format("table {} exists already", id.text()));
    TRY_ASSIGN(TableMetadata metadata, first_metadata(id, table));
    TRY_ASSIGN(ObjectStore * store, stores_.store_for(metadata_location_dir(metadata), store_properties_));
    TRY(check_location_is_free(*store, metadata, context));
    TRY_ASSIGN(const std::string location, write_metadata_file(*store, metadata, 0, context));
    const TableRow row{namespace_text(id), id.name, location};
    auto inserted = rows_->insert(row);
    TRY(settle(*store, row, "", std::move(inserted), context));
    return LoadedTable{id, std::move(metadata), location, store_properties_};
  }

  Result<LoadedTable> commit(const LoadedTable& base, const TableChange& change, Context& context) override {
    TRY(check_writable(base.metadata));
    TRY_ASSIGN(TableMetadata changed, apply(base.metadata, change, clock_.now()));
    TRY_ASSIGN(const auto fallen_out, log_previous_metadata(changed, base.metadata, base.metadata_location));
    TRY_ASSIGN(ObjectStore * store, stores_.store_for(metadata_location_dir(changed), store_properties_));
    const int version = metadata_file_version(base.metadata_location) + 1;
    TRY_ASSIGN(const std::string location, write_metadata_file(*store, changed, version, context));
    const TableRow row{namespace_text(base.id), base.id.name, location};
    auto swapped = rows_->swap(row, base.metadata_location);
    TRY(settle(*store, row, base.metadata_location, std::move(swapped), context));
    remove_files(*store, fallen_out, context);
    return LoadedTable{base.id, std::move(changed), location, base.properties};
  }

  Result<std::vector<TableId>> tables(Context&) override {
    TRY_ASSIGN(const auto rows, rows_->tables());
    std::vector<TableId> ids;
    for (const TableRow& row : rows) {
      TableId id{{}, row.name};
      for (size_t begin = 0; begin <= row.ns.size();) {
        const size_t end = std::min(row.ns.find('.', begin), row.ns.size());
        id.ns.push_back(row.ns.substr(begin, end - begin));
        begin = end + 1;
      }
      ids.push_back(std::move(id));
    }
    return ids;
  }

 private:
  static std::string namespace_text(const TableId& id) { return fmt::format("{}", fmt::join(id.ns, ".")); }

  Result<LoadedTable> load_at(const TableId& id, const std::string& location, Context& context) {
    const std::string place = normalized_path(location);
    TRY_ASSIGN(ObjectStore * store, stores_.store_for(place, store_properties_));
    TRY_ASSIGN(TableMetadata metadata, read_metadata_file(*store, place, context));
    return LoadedTable{id, std::move(metadata), location, store_properties_};  // the location as stored: it is the version token
  }

  Result<TableMetadata> first_metadata(const TableId& id, const CreateTable& table) const {
    Schema schema = table.schema;
    schema.schema_id = 0;
    assign_field_ids(schema.fields, schema.highest_field_id());
    PartitionSpec spec{0, table.partition_fields};
    int next_id = kLastPartitionIdOfNone;
    for (PartitionField& field : spec.fields) field.field_id = ++next_id;
    std::map<std::string, std::string> properties = table.properties;
    if (const auto version = properties.find("format-version"); version != properties.end()) {
      if (version->second != std::to_string(kFormatVersionWritten)) {
        return invalid_input(fmt::format("format version {} is not supported yet: tables are made with version 2", version->second));
      }
      properties.erase(version);  // a field of the metadata, not a property
    }
    std::string location = table.location;
    if (location.empty()) location = fmt::format("{}/{}/{}", warehouse_, fmt::join(id.ns, "/"), id.name);
    return new_table_metadata(new_uuid(), location, std::move(schema), std::move(spec), std::move(properties), clock_.now());
  }

  /// Two tables must not share a place: a catalog that does not know the one that lies there is another catalog's warehouse.
  /// Metadata without a snapshot is what a creation leaves that never reached its catalog.
  Result<void> check_location_is_free(ObjectStore& store, const TableMetadata& metadata, Context& context) {
    ListRequest request{metadata_location_dir(metadata) + "/"};
    do {
      TRY_ASSIGN(const ListPage page, store.list(request, context));
      for (const ObjectInfo& object : page.objects) {
        if (!object.path.ends_with(".metadata.json")) continue;
        auto other = read_metadata_file(store, object.path, context);
        if (other && other->snapshots.empty()) continue;
        return invalid_input(
            fmt::format("{} already holds a table that catalog {} does not know (uuid {}): it belongs to another catalog, "
                        "or was dropped without its files. Use that catalog (--home), another warehouse (--warehouse) "
                        "or remove the folder",
                        metadata.location, uri(), other ? other->table_uuid : "unreadable"));
      }
      request.token = page.next_token;
    } while (!request.token.empty());
    return {};
  }

  /// Turns the answer of an insert or swap into done, refused or unknown. A refused attempt's metadata file is removed; after an unknown
  /// one the row itself is asked, and nothing is removed while it does not tell.
  Result<void> settle(ObjectStore& store, const TableRow& row, const std::string& expected, Result<void> answer, Context& context) {
    if (answer) return {};
    if (answer.error().code == ErrorCode::kOutcomeUnknown) {
      auto now = rows_->find(row.ns, row.name);
      if (!now) return answer;
      const std::string there = *now ? (*now)->metadata_location : "";
      if (there == row.metadata_location) return {};
      if (there != expected) return fate_in_log(row, there, answer.error(), context);
      // The file stays: the row does not name it now, and a file too many harms nobody.
      return fail(ErrorCode::kConflict, fmt::format("the change of table {}.{} did not reach the catalog", row.ns, row.name));
    }
    remove_files(store, {row.metadata_location}, context);
    return answer;
  }

  /// Somebody committed after our unknown attempt: ours landed if and only if their metadata log names it.
  Result<void> fate_in_log(const TableRow& row, const std::string& there, const Error& unknown, Context& context) {
    auto loaded = load_at({{row.ns}, row.name}, there, context);
    if (!loaded) return std::unexpected(unknown);
    const auto& log = loaded->metadata.metadata_log;
    if (std::ranges::find(log, row.metadata_location, &MetadataLogEntry::metadata_file) != log.end()) return {};
    return std::unexpected(unknown);  // the log is trimmed: absence proves nothing
  }

  static void remove_files(ObjectStore& store, const std::vector<std::string>& paths, Context& context) {
    if (paths.empty()) return;
    std::vector<VersionedKey> keys;
    for (const std::string& path : paths) keys.push_back({normalized_path(path), ""});
    (void)store.remove(keys, context);  // best effort: what stays is named by nothing and harms nobody
  }

  const std::unique_ptr<CatalogRows> rows_;
  std::string warehouse_;
  StoreProvider& stores_;
  const std::map<std::string, std::string> store_properties_;
  Clock& clock_;
};

}  // namespace

std::unique_ptr<Catalog> make_sql_catalog(std::unique_ptr<CatalogRows> rows, std::string warehouse, StoreProvider& stores,
                                          std::map<std::string, std::string> store_properties, Clock& clock) {
  return std::make_unique<SqlCatalog>(std::move(rows), std::move(warehouse), stores, std::move(store_properties), clock);
}

Result<std::unique_ptr<Catalog>> open_sql_catalog(const std::string& name, const std::string& path, std::string warehouse,
                                                  StoreProvider& stores, std::map<std::string, std::string> store_properties,
                                                  Clock& clock) {
  TRY_ASSIGN(auto rows, open_sqlite_catalog_rows(path, name));
  return make_sql_catalog(std::move(rows), std::move(warehouse), stores, std::move(store_properties), clock);
}

}  // namespace sluice
