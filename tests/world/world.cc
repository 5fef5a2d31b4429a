#include "world/world.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "iceberg/append.h"
#include "iceberg/rest_catalog.h"
#include "iceberg/sql_catalog.h"
#include "ledger/sqlite_schema.h"
#include "pipeline/mirrored_key.h"
#include "pipeline/object_facts.h"
#include "pipeline/parquet_sink.h"
#include "sql/sqlite.h"

namespace sluice {
namespace {

constexpr const char* kInputs = "file:///in/";
constexpr const char* kWarehouse = "file:///wh";

template <class T>
T must(Result<T> result, const std::string& what) {
  if (!result) throw std::runtime_error(what + ": " + result.error().message);
  return *std::move(result);
}

/// In memory where the system has such a folder: processes die here, never the machine, and fsync is what tests would wait for.
std::string make_folder() {
  const std::filesystem::path memory = "/dev/shm";
  const bool fast = access(memory.c_str(), W_OK) == 0;
  const auto path = (fast ? memory : std::filesystem::temp_directory_path()) / ("sluice-world-" + new_uuid());
  std::filesystem::create_directories(path);
  return path;
}

/// The bytes of a ledger's file that has its tables and nothing in them, not even who it is: that is settled when it is first opened.
/// Made once: making the tables would be an eighth of what a crash costs.
const std::string& ledger_without_rows() {
  static const std::string bytes = [] {
    const std::string folder = make_folder(), path = folder + "/ledger.db";
    {
      auto connection = must(SqliteConnection::open(path, {.wal = true, .create = true}), "making a ledger");
      must(migrate(*connection, sqlite_ledger_migrations(), "2026-01-01T00:00:00Z"), "making a ledger");
    }
    std::ifstream file(path, std::ios::binary);
    std::string read((std::istreambuf_iterator<char>(file)), {});
    std::filesystem::remove_all(folder);
    return read;
  }();
  return bytes;
}

/// Text of row `row`, dictionary or plain.
std::string text_at(const arrow::Array& array, int64_t row) { return array.GetScalar(row).ValueOrDie()->ToString(); }

/// The first part of a data file's path that is as long as a UUID: hashed prefixes may stand before it.
BatchId batch_in(const std::string& path) {
  constexpr size_t kUuidLength = 36;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end - begin == kUuidLength) return BatchId(path.substr(begin, kUuidLength));
    begin = end + 1;
  }
  return {};
}

void read_rows(const std::string& bytes, std::map<std::string, std::multiset<int64_t>>& rows) {
  auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes));
  auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool()).ValueOrDie();
  std::shared_ptr<arrow::Table> table = reader->ReadTable().ValueOrDie();
  table = table->CombineChunks().ValueOrDie();
  if (table->num_rows() == 0) return;
  const auto& ids = static_cast<const arrow::Int64Array&>(*table->GetColumnByName("id")->chunk(0));
  const auto files = table->GetColumnByName("_source_file")->chunk(0);
  for (int64_t row = 0; row < table->num_rows(); ++row) rows[text_at(*files, row)].insert(ids.Value(row));
}

}  // namespace

Process::Process(World& world, const Wrapping& wrapping, const std::string& home)
    : world_(world), worker_(fmt::format("test:{}:{}", home, new_uuid())) {
  std::filesystem::create_directories(std::filesystem::path(world.ledger_path(home)).parent_path());
  ledger_ = must(SqliteLedger::open(world.ledger_path(home), worker_, world.clock), "opening the ledger");
  ObjectStore& store = wrapping.store ? wrapping.store(world.store) : world.store;
  stores_ = std::make_unique<SingleStore>(store);
  catalog_ = world.open_catalog(*stores_);
  Catalog& catalog = wrapping.catalog ? wrapping.catalog(*catalog_) : *catalog_;
  wrapped_ledger_ = wrapping.ledger ? &wrapping.ledger(*ledger_) : ledger_.get();
  if (world.ingestion.parquet) {
    sink_ = std::make_unique<ParquetSink>(*wrapped_ledger_, *stores_, *world.ingestion.parquet, world.clock);
  } else {
    sink_ = std::make_unique<IcebergSink>(catalog, *stores_, Properties{}, TableId{world.ingestion.table.ns, world.ingestion.table.name},
                                          world.clock);
  }
  wrapped_sink_ = wrapping.sink ? &wrapping.sink(*sink_) : sink_.get();
}

EngineParts Process::parts() {
  return {*wrapped_ledger_, *ledger_, *ledger_, *stores_, world_.clock, worker_, 2, std::chrono::seconds(60)};
}

Ingestion Process::registered() { return must(ledger_->put_ingestion(world_.ingestion), "registering the ingestion"); }

Result<RunReport> Process::run(const RunOptions& options) { return run(registered(), options); }

Result<RunReport> Process::run(const Ingestion& ingestion, const RunOptions& options) {
  return Engine(parts()).run(ingestion, *wrapped_sink_, options, heard, context);
}

Result<int64_t> Process::forget(const std::vector<std::string>& paths, bool all) {
  return Engine(parts()).forget(registered(), *wrapped_sink_, paths, all, heard, context);
}

World::World(MemoryStoreOptions options) : store(clock, options), folder_(make_folder()) {
  Source source;
  source.id = SourceId("main");
  source.paths = {std::string(kInputs) + "**"};
  source.format = "json";
  ingestion.name = "t.events";
  ingestion.sources = {source};
  ingestion.table = {"local", {"t"}, "events"};
  std::filesystem::create_directories(std::filesystem::path(ledger_path()).parent_path());
  std::ofstream(ledger_path(), std::ios::binary) << ledger_without_rows();
}

World::~World() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void World::use_rest_catalog(bool keeps_history) {
  FakeRestOptions options;
  options.warehouse = kWarehouse;
  options.keeps_history = keeps_history;
  rest_ = std::make_unique<FakeRestServer>(clock, std::move(options));
}

void World::use_objects() {
  ingestion.parquet = ObjectTarget{kObjects, {}};
  ingestion.table = {};
  ingestion.name = "objects";
}

std::map<std::string, std::string> World::objects() {
  std::map<std::string, std::string> versions;
  Context context;
  for (const Key& key : store.keys()) {
    if (key.starts_with(kObjects)) versions[key] = must(store.stat(key, context), "an object").version;
  }
  return versions;
}

std::unique_ptr<Catalog> World::open_catalog(StoreProvider& stores,
                                             const std::function<std::unique_ptr<HttpClient>(std::unique_ptr<HttpClient>)>& http) {
  if (!rest_) return must(open_sql_catalog("local", folder_ + "/catalog.db", kWarehouse, stores, {}, clock), "opening the catalog");
  std::unique_ptr<HttpClient> client = rest_->client();
  if (http) client = http(std::move(client));
  return must(make_rest_catalog({"http://rest", "lake", {}}, std::move(client), clock), "opening the catalog");
}

std::string World::ledger_path(const std::string& home) const { return folder_ + "/" + home + "/ledger.db"; }

void World::back_up_ledger(const std::string& name) {
  auto connection = must(SqliteConnection::open(ledger_path(), {}), "opening the ledger file");
  must(connection->execute("VACUUM INTO ?", folder_ + "/" + name), "backing up the ledger");
}

void World::restore_ledger(const std::string& name) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(ledger_path() + suffix);
  std::filesystem::copy_file(folder_ + "/" + name, ledger_path());
}

void World::change_catalog(const std::string& sql) {
  auto connection = must(SqliteConnection::open(folder_ + "/catalog.db", {}), "opening the catalog file");
  must(connection->execute(sql), sql);
}

void World::put(const std::string& name, const std::vector<int64_t>& ids) {
  std::string text;
  for (int64_t id : ids) text += fmt::format("{{\"id\": {}}}\n", id);
  put_text(name, text);
}

void World::put_text(const std::string& name, const std::string& text) {
  Context context;
  must(store.put(uri(name), text, {}, context), "putting an input");
}

void World::drop(const std::string& name) {
  Context context;
  const VersionedKey key{uri(name), ""};
  must(store.remove({&key, 1}, context), "dropping an input");
}

std::unique_ptr<Process> World::start(const Wrapping& wrapping, const std::string& home) {
  return std::make_unique<Process>(*this, wrapping, home);
}

RunReport World::run() {
  auto report = start()->run();
  if (!report) {
    ADD_FAILURE() << "run: " << report.error().message;
    return {};
  }
  EXPECT_EQ(report->run.error, "");
  return *std::move(report);
}

std::optional<LoadedTable> World::find_table() {
  SingleStore stores(store);
  Context context;
  auto found = open_catalog(stores)->load({ingestion.table.ns, ingestion.table.name}, context);
  return found ? std::optional(*std::move(found)) : std::nullopt;
}

LoadedTable World::table() {
  SingleStore stores(store);
  Context context;
  return must(open_catalog(stores)->load({ingestion.table.ns, ingestion.table.name}, context), "loading the table");
}

void World::commit(const TableChange& change) {
  Context context;
  auto process = start();
  auto base = must(process->catalog().load({ingestion.table.ns, ingestion.table.name}, context), "loading the table");
  must(process->catalog().commit(base, change, context), "a foreign commit");
}

std::map<std::string, std::multiset<int64_t>> World::rows() {
  std::map<std::string, std::multiset<int64_t>> rows;
  for (const auto& [key, version] : objects()) read_rows(must(read_now(store, {key, "", {}}), "an object"), rows);
  if (ingestion.parquet) return rows;
  const auto loaded = find_table();
  if (!loaded) return rows;
  Context context;
  auto visit = [&](const ManifestEntry& entry) -> Result<void> {
    TRY_ASSIGN(const std::string bytes, read_now(store, {entry.file.file_path, "", {}}));
    read_rows(bytes, rows);
    return {};
  };
  auto visited = for_each_live_file(store, loaded->metadata, visit, context);
  EXPECT_TRUE(visited) << visited.error().message;
  return rows;
}

std::multiset<int64_t> World::ids() {
  std::multiset<int64_t> all;
  for (const auto& [file, ids] : rows()) all.insert(ids.begin(), ids.end());
  return all;
}

std::vector<std::string> World::orphans() {
  std::set<std::string> named;
  if (const auto loaded = find_table()) {
    named.insert(loaded->metadata_location);
    for (const MetadataLogEntry& entry : loaded->metadata.metadata_log) named.insert(entry.metadata_file);
    for (const Snapshot& snapshot : loaded->metadata.snapshots) {
      named.insert(snapshot.manifest_list);
      const auto list = must(read_manifest_list(must(read_now(store, {snapshot.manifest_list, "", {}}), "manifest list")), "manifest list");
      for (const ManifestFile& manifest : list) {
        named.insert(manifest.path);
        const auto bytes = must(read_now(store, {manifest.path, "", {}}), "manifest");
        const auto& spec = *loaded->metadata.find_spec(manifest.spec_id);
        const auto types = must(partition_types(loaded->metadata, spec), "partition types");
        auto visit = [&](ManifestEntry entry) -> Result<void> {
          named.insert(entry.file.file_path);
          return {};
        };
        EXPECT_TRUE(read_manifest(bytes, manifest, types, spec, visit));
      }
    }
  }
  std::vector<std::string> orphans;
  for (const Key& key : store.keys()) {
    if (key.starts_with(kWarehouse) && !named.contains(key)) orphans.push_back(key);
  }
  return orphans;
}

/// Rule S: a file version's object is there exactly if the ledger says so, and no other object is.
void World::check_objects(const std::string& when) {
  auto process = start();
  const Ingestion known = process->registered();
  SqliteLedger& ledger = process->ledger();
  const FileCounts counts = must(ledger.file_counts(known.id), "counts");
  std::vector<FileRecord> files;
  EXPECT_TRUE(ledger.visit_files(known.id, [&](const FileRecord& file) -> Result<void> {
    files.push_back(file);
    return {};
  }));
  EXPECT_EQ(counts.discovered(), std::ssize(files)) << when << ": counts do not add up";
  std::map<std::string, std::string> left = objects();
  Context context;
  for (const FileRecord& file : files) {
    if (file.loaded_version.empty()) continue;
    const auto loads = must(ledger.loads(known.id, file.path), "loads");
    const std::string key = must(mirrored_key(kObjects, known.sources.front(), file.path, !file.archive.empty()), "a key");
    const auto found = must(look_at_object(store, key, context), "an object");
    const int64_t rows_wanted = loads.empty() ? 0 : loads.back().range.row_count;
    EXPECT_EQ(found.has_value(), rows_wanted > 0) << when << ": " << key;
    left.erase(key);
    if (!found) continue;
    EXPECT_TRUE(found->facts) << when << ": " << key << " does not say what it was made from";
    if (!found->facts) continue;
    EXPECT_EQ(found->facts->version, loads.back().version) << when << ": " << key;
    EXPECT_EQ(found->facts->rows, rows_wanted) << when << ": " << key;
    EXPECT_EQ(loads.back().range.data_file, key) << when;
  }
  for (const auto& [key, version] : left) ADD_FAILURE() << when << ": object of no file that is done: " << key;
}

void World::check_invariants(const std::string& when, bool check_orphans) {
  if (ingestion.parquet) return check_objects(when);
  auto process = start();
  const Ingestion known = process->registered();
  SqliteLedger& ledger = process->ledger();
  FilesQuery query;
  query.ingestion = known.id;
  query.limit = 100'000;
  const FilePage page = must(ledger.files(query), "files");
  const FileCounts counts = must(ledger.file_counts(known.id), "counts");
  EXPECT_EQ(counts.discovered(), page.total) << when << ": counts do not add up";

  // Rows of a file version are in the table exactly once iff the ledger says it was loaded. Tests give every version ids of its own.
  auto in_table = rows();
  for (const FileRecord& file : page.files) {
    int64_t loaded = 0, newest = 0;
    for (const FileLoad& load : must(ledger.loads(known.id, file.path), "loads")) {
      loaded += load.range.row_count;
      if (load.version == file.version) newest += load.range.row_count;
    }
    EXPECT_EQ(std::ssize(in_table[file.path]), loaded) << when << ": " << file.path << " is " << to_string(file.state);
    if (file.state == FileState::kSuccess) {
      EXPECT_EQ(newest, file.rows) << when << ": " << file.path << " is SUCCESS";
    }
    const std::set<int64_t> distinct(in_table[file.path].begin(), in_table[file.path].end());
    EXPECT_EQ(std::ssize(distinct), loaded) << when << ": rows of " << file.path << " are doubled";
    in_table.erase(file.path);
  }
  for (const auto& [path, ids] : in_table) EXPECT_TRUE(ids.empty()) << when << ": rows of " << path << ", which the ledger does not know";

  // Every live data file belongs to a COMMITTED or PREPARED batch.
  if (const auto loaded = find_table()) {
    Context context;
    auto visit = [&](const ManifestEntry& entry) -> Result<void> {
      TRY_ASSIGN(const auto batch, ledger.find_batch(batch_in(entry.file.file_path)));
      const bool ours = batch && (batch->state == BatchState::kCommitted || batch->state == BatchState::kPrepared);
      EXPECT_TRUE(ours) << when << ": live data file of no committed batch: " << entry.file.file_path;
      return {};
    };
    EXPECT_TRUE(for_each_live_file(store, loaded->metadata, visit, context));
  }
  if (!check_orphans) return;
  EXPECT_EQ(orphans(), std::vector<std::string>{}) << when << ": orphans";
  if (rest_) return;
  const auto rows_of_catalog = must(open_sqlite_catalog_rows(folder() + "/catalog.db", "local"), "opening the catalog");
  EXPECT_TRUE(must(rows_of_catalog->attempts(), "attempts").empty()) << when << ": attempts to change the table that nobody ended";
}

}  // namespace sluice
