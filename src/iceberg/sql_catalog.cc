#include "iceberg/sql_catalog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/ids.h"
#include "iceberg/append.h"
#include "iceberg/metadata_file.h"
#include "iceberg/table_place.h"
#include "sql/postgres.h"

namespace sluice {

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
    TRY_ASSIGN(auto taken, why_place_is_taken(*store, metadata.location, metadata_location_dir(metadata), uri(), context));
    if (taken) return whose_place(id, metadata, *std::move(taken), context);
    TRY_ASSIGN(const std::string location, attempt(*store, id, metadata, 0, "", context));
    return LoadedTable{id, std::move(metadata), location, store_properties_};
  }

  Result<LoadedTable> commit(const LoadedTable& base, const TableChange& change, Context& context) override {
    TRY(check_writable(base.metadata));
    TRY_ASSIGN(TableMetadata changed, apply(base.metadata, change, clock_.now()));
    const auto fallen_out = log_previous_metadata(changed, base.metadata, base.metadata_location);
    TRY_ASSIGN(ObjectStore * store, stores_.store_for(metadata_location_dir(changed), store_properties_));
    const int version = metadata_file_version(base.metadata_location) + 1;
    TRY_ASSIGN(const std::string location, attempt(*store, base.id, changed, version, base.metadata_location, context));
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

  Result<void> end_attempts(const std::string& batch, Context& context) override {
    TRY_ASSIGN(const auto attempts, rows_->attempts());
    for (const CatalogAttempt& attempt : attempts) {
      TRY(context.check());
      const bool old = attempt.started_at < clock_.now() - kAttemptsKept;
      const bool of_batch = !batch.empty() && attempt.batch == batch;
      if (!old && !of_batch && !attempt.ended) continue;  // it may well be under way
      TRY_ASSIGN(const bool ended, rows_->end_attempt(attempt.location));
      if (!ended) continue;  // it took place meanwhile: a row names the file
      TRY_ASSIGN(ObjectStore * store, stores_.store_for(normalized_path(attempt.location), store_properties_));
      TRY(remove_file(*store, attempt.location, context));
      if (old) TRY(rows_->forget_attempt(attempt.location));
    }
    return {};
  }

 private:
  static std::string namespace_text(const TableId& id) { return fmt::format("{}", fmt::join(id.ns, ".")); }

  Result<LoadedTable> load_at(const TableId& id, const std::string& location, Context& context) {
    const std::string place = normalized_path(location);
    TRY_ASSIGN(ObjectStore * store, stores_.store_for(place, store_properties_));
    TRY_ASSIGN(TableMetadata metadata, read_metadata_file(*store, place, context));
    return LoadedTable{id, std::move(metadata), location, store_properties_, {}};  // the location as stored: it is the version token
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
    if (location.empty()) location = default_location(warehouse_, id);
    return new_table_metadata(new_uuid(), location, std::move(schema), std::move(spec), std::move(properties), clock_.now());
  }

  /// Why there is a table where a new one was to lie: `taken` unless it is one that this catalog knows by now, or by another name. Nobody
  /// may be told to remove its folder.
  std::unexpected<Error> whose_place(const TableId& id, const TableMetadata& wanted, Error taken, Context& context) {
    const auto rows = rows_->tables();
    if (!rows) return std::unexpected(rows.error());
    for (const TableRow& row : *rows) {
      const std::string name = fmt::format("{}.{}", row.ns, row.name);
      if (row.ns == namespace_text(id) && row.name == id.name) {
        return fail(ErrorCode::kConflict, fmt::format("table {} was made by somebody else meanwhile", name));
      }
      const auto other = load_at(id, row.metadata_location, context);
      if (!other || normalized_path(metadata_location_dir(other->metadata)) != normalized_path(metadata_location_dir(wanted))) continue;
      return invalid_input(
          fmt::format("{} already holds table {} of this catalog (uuid {}), which lies there under another name. Load into "
                      "{}, or choose another name or warehouse for the new table; do not remove the folder",
                      wanted.location, name, other->metadata.table_uuid, name));
    }
    return std::unexpected(std::move(taken));
  }

  /// Announce the metadata file, write it, name it: in this order, so that a process that dies in between leaves a file whose name is
  /// known. Naming it also takes the announcement away, in the same transaction. So whoever ends the attempt (end_attempts, or ourselves
  /// after a lost answer) before it is named knows that it never will be, however late a stalled worker wakes up, and may delete the
  /// file. Returns its location.
  Result<std::string> attempt(ObjectStore& store, const TableId& id, const TableMetadata& metadata, int version,
                              const std::string& expected, Context& context) {
    const TableRow row{namespace_text(id), id.name, new_metadata_location(metadata, version)};
    const auto begun = rows_->begin_attempt({row.metadata_location, context.batch_id, clock_.now()});
    if (!begun) return not_landed(begun.error());
    if (auto put = write_metadata_file(store, metadata, row.metadata_location, context); !put) {
      // The announcement stays: a put without an answer may be late, and the file is to be deleted again.
      if (rows_->end_attempt(row.metadata_location)) (void)remove_file(store, row.metadata_location, context);
      return not_landed(put.error());
    }
    auto named = expected.empty() ? rows_->insert(row) : rows_->swap(row, expected);
    if (named) return row.metadata_location;
    if (named.error().code == ErrorCode::kOutcomeUnknown) {
      TRY_ASSIGN(const bool landed, find_out(id, row, expected, named.error(), context));
      if (landed) return row.metadata_location;
      named = fail(ErrorCode::kConflict, fmt::format("the change of table {} did not reach the catalog", id.text()));
    }
    if (remove_file(store, row.metadata_location, context)) (void)rows_->forget_attempt(row.metadata_location);
    return std::unexpected(named.error());
  }

  /// Of a step before the row is touched: whatever became of it, the change did not take place.
  static std::unexpected<Error> not_landed(Error error) {
    if (error.code == ErrorCode::kOutcomeUnknown) error.code = ErrorCode::kUnavailable;
    return std::unexpected(std::move(error));
  }

  /// Rule U: whether an insert or swap without an answer took place. That the row still stands at the old place proves nothing, for its
  /// transaction may be open. Ending the attempt does. The `unknown` error where nothing is proved.
  Result<bool> find_out(const TableId& id, const TableRow& row, const std::string& expected, const Error& unknown, Context& context) {
    auto ended = rows_->end_attempt(row.metadata_location);
    if (!ended) return std::unexpected(unknown);
    if (*ended) return false;
    // It took place, or somebody who took us for dead ended it and forgot it since.
    auto now = rows_->find(row.ns, row.name);
    if (!now || !*now) return std::unexpected(unknown);
    const std::string there = (*now)->metadata_location;
    if (there == row.metadata_location) return true;
    if (there == expected) return false;  // no row goes back to where it stood
    auto loaded = load_at(id, there, context);
    if (!loaded) return std::unexpected(unknown);
    const auto& log = loaded->metadata.metadata_log;
    const auto names = [&](const std::string& file) { return std::ranges::find(log, file, &MetadataLogEntry::metadata_file) != log.end(); };
    if (names(row.metadata_location)) return true;
    if (!expected.empty() && names(expected)) return false;  // the log reaches back to our base, and others went on from it
    return std::unexpected(unknown);                         // the log is trimmed: absence proves nothing
  }

  static Result<void> remove_file(ObjectStore& store, const std::string& path, Context& context) {
    const VersionedKey key{normalized_path(path), ""};
    TRY_ASSIGN(const auto outcomes, store.remove({&key, 1}, context));
    for (const DeleteOutcome& outcome : outcomes) {
      if (outcome.error) return std::unexpected(outcome.error->within("deleting " + outcome.key));
    }
    return {};
  }

  static void remove_files(ObjectStore& store, const std::vector<std::string>& paths, Context& context) {
    for (const std::string& path : paths) (void)remove_file(store, path, context);  // best effort: the table asks for it, nobody needs it
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

Result<std::unique_ptr<Catalog>> open_sql_catalog(const std::string& name, const std::string& place, std::string warehouse,
                                                  StoreProvider& stores, std::map<std::string, std::string> store_properties, Clock& clock,
                                                  std::stop_token stop) {
  TRY_ASSIGN(auto rows,
             is_postgres_uri(place) ? open_postgres_catalog_rows(place, name, std::move(stop)) : open_sqlite_catalog_rows(place, name));
  return make_sql_catalog(std::move(rows), std::move(warehouse), stores, std::move(store_properties), clock);
}

}  // namespace sluice
