#include "pipeline/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "net/percent.h"
#include "pipeline/object_facts.h"

namespace sluice {
namespace {

constexpr std::string_view kQuarantine = "/_quarantine/";

/// What the ledger says of one object.
struct Expected {
  std::string path, version;
  int64_t rows = 0;
};

/// The load whose object is there: the last one of the loaded version, or of an earlier one where that was merely touched. nullopt: the
/// file has no object.
std::optional<FileLoad> load_of_object(const std::vector<FileLoad>& loads, const FileRecord& file) {
  if (file.rows == 0) return std::nullopt;
  std::optional<FileLoad> last;
  for (const FileLoad& load : loads) {
    if (load.range.data_file.empty()) continue;
    if (last && last->version == file.loaded_version && load.version != file.loaded_version) continue;
    last = load;
  }
  return last;
}

/// What the object was made from, as the source calls it; of a very long path its hash.
std::string source_name(const ObjectFacts& facts) { return percent_decode(facts.source); }

void compare(const Expected& expected, const std::string& key, const std::optional<FoundObject>& found, const Ingestion& ingestion,
             std::vector<Difference>& differences) {
  const auto differ = [&](const char* kind, std::string reason) { differences.push_back({kind, key, std::move(reason)}); };
  if (!found) return differ("missing", fmt::format("{} is done, and its object is not there", expected.path));
  if (!found->facts) return differ("foreign", "the object does not say what it was made from: somebody else wrote it");
  const ObjectFacts& facts = *found->facts;
  const bool ours = facts.ingestion == ingestion.id || facts.ingestion_name == metadata_text(ingestion.name);
  if (!ours || facts.source != metadata_text(expected.path)) {
    return differ("source", fmt::format("the object was made from {}, not from {}", source_name(facts), expected.path));
  }
  if (facts.version != expected.version) {
    differ("version", fmt::format("the object was made from version {}, the ledger says {}", facts.version, expected.version));
  }
  if (facts.rows != expected.rows) {
    differ("rows", fmt::format("the object has {} row(s), the ledger says {}", facts.rows, expected.rows));
  }
}

/// Whether it is of a file that the sources no longer showed when the ledger was made anew: only the history has its load.
Result<bool> is_of_gone_file(History& history, ObjectStore& store, const Ingestion& ingestion, const ObjectInfo& object, Context& context) {
  TRY_ASSIGN(const auto facts, facts_in_footer(store, object, context));
  if (!facts) return false;
  TRY_ASSIGN(const FilePage still, history.files({.ingestion = ingestion.id, .path = facts->source, .limit = 1}));
  if (!still.files.empty()) return false;
  TRY_ASSIGN(const auto loads, history.loads(ingestion.id, facts->source));
  return std::ranges::any_of(loads, [&](const FileLoad& load) {
    return load.range.data_file == object.path && load.version == facts->version && load.range.row_count == facts->rows;
  });
}

/// Objects below the prefix that are nobody's.
Result<void> find_unknown(History& history, ObjectStore& store, const Ingestion& ingestion, const std::set<std::string>& known,
                          Verification& result, Context& context) {
  const ObjectTarget& target = *ingestion.parquet;
  ListRequest request{target.prefix + "/"};
  do {
    TRY_ASSIGN(const ListPage page, store.list(request, context));
    for (const ObjectInfo& object : page.objects) {
      if (std::string_view(object.path).substr(target.prefix.size()).starts_with(kQuarantine)) continue;
      ++result.objects;
      if (known.contains(object.path)) continue;
      TRY_ASSIGN(const auto found, look_at_object(store, object.path, context));
      const bool ours = found && found->facts;
      if (ours) {
        TRY_ASSIGN(const bool of_gone_file, is_of_gone_file(history, store, ingestion, found->info, context));
        if (of_gone_file) continue;
      }
      result.differences.push_back({"unknown", object.path,
                                    ours ? fmt::format("no file that is done has it; it was made from version {} of {} by batch {}",
                                                       found->facts->version, source_name(*found->facts), found->facts->batch.text)
                                         : std::string("no file has it, and it does not say what it was made from")});
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return {};
}

}  // namespace

Result<Verification> verify_objects(History& history, StoreProvider& stores, const Ingestion& ingestion, Context& context) {
  if (!ingestion.parquet) {
    return invalid_input(
        fmt::format("ingestion {} loads into a table: its rows are found by their snapshots; verify is for Parquet "
                    "objects (--parquet)",
                    ingestion.name));
  }
  TRY_ASSIGN(ObjectStore * store, stores.store_for(ingestion.parquet->prefix + "/", ingestion.parquet->store));
  Verification result;
  std::vector<FileRecord> loaded;  // files that may have an object: also one whose newer version failed
  TRY(history.visit_files(ingestion.id, [&](const FileRecord& file) -> Result<void> {
    ++result.files;
    result.done += file.state == FileState::kSuccess;
    if (!file.loaded_version.empty()) loaded.push_back(file);
    return {};
  }));
  std::set<std::string> known;
  for (const FileRecord& file : loaded) {
    TRY(context.check());
    TRY_ASSIGN(const auto loads, history.loads(ingestion.id, file.path));
    const auto load = load_of_object(loads, file);
    if (!load) continue;
    const std::string& key = load->range.data_file;
    known.insert(key);
    TRY_ASSIGN(const auto found, look_at_object(*store, key, context));
    compare({file.path, load->version, load->range.row_count}, key, found, ingestion, result.differences);
  }
  TRY(find_unknown(history, *store, ingestion, known, result, context));
  return result;
}

}  // namespace sluice
