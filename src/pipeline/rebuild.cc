// A footer names paths and versions: those were loaded, that is certain. A compaction by another program leaves `_source_file`, which
// names paths only. Then the present version of a file counts as loaded if it is older than the start of the newest run that the table
// remembers: that run saw it, and it left no newer one out. A file changed after that start may hold rows that are not in the table: what
// is true of it nobody can know, so it stops, and the operator decides.
#include "pipeline/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/ids.h"
#include "pipeline/discovery.h"
#include "pipeline/mark_rules.h"
#include "pipeline/mirrored_key.h"
#include "pipeline/publish.h"
#include "pipeline/run_loop.h"

namespace sluice {
namespace {

constexpr size_t kAdoptedAtOnce = 10'000;  // pieces of one ledger transaction
constexpr size_t kNamedMax = 20;           // of the files that cannot be attributed

/// When a UUIDv7 was made.
std::optional<Timestamp> time_of(std::string_view uuid) {
  if (uuid.size() != 36) return std::nullopt;
  const std::string digits = std::string(uuid.substr(0, 8)) + std::string(uuid.substr(9, 4));
  int64_t millis = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), millis, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return Timestamp{millis * 1000};
}

class Rebuild {
 public:
  Rebuild(const EngineParts& parts, const Ingestion& ingestion, Sink& sink, const RebuildOptions& options)
      : parts_(parts), ingestion_(ingestion), sink_(sink), options_(options) {}

  Result<RebuildReport> run(Context& context) {
    TRY_ASSIGN(const TargetState state, sink_.load(context));
    find_names(state);
    TRY(look_at_data(state, context));
    TRY(look_at_sources(state, context));
    TRY(stop_if_doubtful(state));
    TRY(adopt_present(context));
    TRY(adopt_footers(state, context));
    TRY(adopt_marked(context));
    TRY(discover_sources(context));
    return report_;
  }

 private:
  /// The ids under which the ingestion has loaded (with every ledger that was lost it got another one), and the batches in its marks.
  void find_names(const TargetState& state) {
    ours_.insert(ingestion_.id);
    for (const auto& [id, mark] : state.marks) {
      if (mark.name != ingestion_.name && id != ingestion_.id) continue;
      ours_.insert(id);
      for (const MarkEntry& entry : entries_of(mark)) {
        marked_.insert(entry.batch);
        if (id == ingestion_.id) highest_seq_ = std::max(highest_seq_, entry.seq);
      }
    }
  }

  bool is_ours(const Origins& origins) const {
    return origins.ingestion_name == ingestion_.name || ours_.contains(IngestionId(origins.ingestion_id));
  }

  /// An object that somebody copied elsewhere below the prefix still says what it was made from.
  bool is_copy(const TracedData& data) const {
    if (!ingestion_.parquet || data.origins->files.empty()) return false;
    return std::ranges::none_of(ingestion_.sources, [&](const Source& source) {
      return std::ranges::any_of(std::array{false, true}, [&](bool is_member) {
        const auto key = mirrored_key(ingestion_.parquet->prefix, source, data.origins->files.front().path, is_member);
        return key && *key == data.path;
      });
    });
  }

  Result<void> look_at_data(const TargetState& state, Context& context) {
    const auto look = [&](const TracedData& data) -> Result<void> {
      ++report_.data_files;
      if (data.origins) return {};
      ++report_.data_files_without_footer;
      for (const auto& [path, rows] : data.rows_by_source) {
        if (path.empty()) {
          report_.rows_untraced += rows;
        } else {
          by_column_.insert(path);
        }
      }
      return {};
    };
    return sink_.trace(state, /*read_rows=*/true, look, context);
  }

  template <class Visit>
  Result<void> for_each_listed(Context& context, const Visit& visit) {
    for (const Source& source : ingestion_.sources) {
      TRY_ASSIGN(auto feed, open_feed(parts_, sink_, ingestion_, source, {}));
      for (bool last = false; !last;) {
        TRY_ASSIGN(const FeedPage page, feed->next(context));
        last = page.last;
        for (const ListedFile& file : page.files) TRY(visit(file));
      }
    }
    return {};
  }

  bool is_assumed(const ListedFile& file) const { return options_.assume_loaded_until && file.modified_at < *options_.assume_loaded_until; }

  Result<void> look_at_sources(const TargetState& state, Context& context) {
    if (const auto run = sink_.newest_run(state, ours_)) seen_until_ = time_of(run->text);
    if (by_column_.empty() || options_.assume_loaded_until) return {};
    return for_each_listed(context, [&](const ListedFile& file) -> Result<void> {
      if ((by_column_.contains(file.path) && !is_seen(file)) || has_members(file)) doubtful_.push_back(file.path);
      return {};
    });
  }

  /// Versions of members are in no listing.
  bool has_members(const ListedFile& file) const {
    const std::string prefix = member_path(file.path, "");
    const auto first = by_column_.lower_bound(prefix);
    return first != by_column_.end() && first->starts_with(prefix);
  }

  bool is_seen(const ListedFile& file) const { return seen_until_ && file.modified_at < *seen_until_; }

  Result<void> stop_if_doubtful(const TargetState& state) {
    if (options_.assume_loaded_until || (doubtful_.empty() && report_.rows_untraced == 0)) return {};
    std::string what;
    if (report_.rows_untraced > 0) {
      what = fmt::format("{} row(s) say neither in a footer nor in _source_file which file they are of", report_.rows_untraced);
    }
    if (!doubtful_.empty()) {
      const size_t count = doubtful_.size();
      doubtful_.resize(std::min(count, kNamedMax));
      what += fmt::format("{}{} file(s) have rows in it, and nothing tells whether those are of their present version: {}",
                          what.empty() ? "" : "; ", count, fmt::join(doubtful_, ", "));
    }
    return fail(ErrorCode::kCorruption,
                fmt::format("table {}: {}. Nothing was recorded. Way out: --assume-loaded-until TIME records the files last changed before "
                            "TIME as loaded; later ones, and no others, are loaded by the next run",
                            state.pin.table, what));
  }

  Result<void> adopt_footers(const TargetState& state, Context& context) {
    const auto take = [&](const TracedData& data) -> Result<void> {
      if (!data.origins || !is_ours(*data.origins) || is_copy(data)) return {};
      int64_t first_row = 0;
      for (const OriginRows& piece : data.origins->files) {
        ++report_.versions_by_footer;
        AdoptedFile file{piece.path, piece.version, BatchId(data.origins->batch_id), RowRange{data.path, first_row, piece.rows},
                         ingestion_.parquet ? ingestion_.parquet->prefix : std::string()};
        first_row += piece.rows;
        if (marked_.contains(file.batch)) {
          of_marked_.push_back(std::move(file));
        } else {
          TRY(adopt(std::move(file), context));
        }
      }
      return {};
    };
    return sink_.trace(state, /*read_rows=*/false, take, context);
  }

  /// Files of which the target does not name the version: the one that is there now.
  Result<void> adopt_present(Context& context) {
    if (by_column_.empty() && !options_.assume_loaded_until) return {};
    const BatchId batch(new_uuid());
    return for_each_listed(context, [&](const ListedFile& file) -> Result<void> {
      const bool by_column = by_column_.contains(file.path) && is_seen(file);
      if (!by_column && !is_assumed(file)) return {};
      ++(by_column ? report_.files_by_column : report_.files_assumed);
      return adopt({file.path, file.version, batch, std::nullopt, ""}, context);
    });
  }

  Result<void> adopt(AdoptedFile piece, Context& context) {
    batches_.insert(piece.batch);
    pieces_.push_back(std::move(piece));
    return pieces_.size() < kAdoptedAtOnce ? Result<void>{} : flush(0, context);
  }

  Result<void> flush(int64_t seq_floor, Context& context) {
    TRY(context.check());
    const std::vector<BatchId> batches(batches_.begin(), batches_.end());
    TRY(settle_ledger_write(parts_.clock, context, [&] { return parts_.work.adopt(ingestion_.id, batches, pieces_, seq_floor); }));
    pieces_.clear(), batches_.clear();
    return {};
  }

  /// Last, in one transaction: until here rule M stops every run, so that none loads what is not recorded yet.
  Result<void> adopt_marked(Context& context) {
    TRY(flush(0, context));
    pieces_ = std::move(of_marked_);
    batches_ = marked_;
    return flush(highest_seq_, context);
  }

  Result<void> discover_sources(Context& context) {
    for (const Source& source : ingestion_.sources) {
      const auto make_feed = [&](Context&) { return open_feed(parts_, sink_, ingestion_, source, {}); };
      TRY(discover(make_feed, parts_.work, parts_.clock, ingestion_, source.id, RunId(), context));
    }
    TRY_ASSIGN(report_.files_loaded, settle_ledger_write(parts_.clock, context, [&] { return parts_.work.count_adopted(ingestion_.id); }));
    TRY_ASSIGN(const FileCounts counts, parts_.history.file_counts(ingestion_.id));
    report_.files_to_load = counts.pending;
    return {};
  }

  const EngineParts& parts_;
  const Ingestion& ingestion_;
  Sink& sink_;
  const RebuildOptions& options_;
  RebuildReport report_;
  std::set<IngestionId> ours_;
  std::set<std::string> by_column_;
  std::optional<Timestamp> seen_until_;  ///< the start of the newest run that the target remembers
  std::vector<std::string> doubtful_;
  std::vector<AdoptedFile> pieces_;
  std::set<BatchId> batches_;  ///< of `pieces_`
  std::set<BatchId> marked_;
  std::vector<AdoptedFile> of_marked_;  ///< pieces of those: a batch or a few
  int64_t highest_seq_ = 0;             ///< in the mark of our own id
};

}  // namespace

Result<RebuildReport> rebuild(const EngineParts& parts, const Ingestion& ingestion, Sink& sink, const RebuildOptions& options,
                              Context& context) {
  // A file that counts as loaded without an object would be one that nobody ever misses.
  if (ingestion.parquet && options.assume_loaded_until) {
    return invalid_input(
        fmt::format("ingestion {} makes Parquet objects, each of which says what it was made from: nothing is to be assumed. "
                    "Leave out --assume-loaded-until",
                    ingestion.name));
  }
  return Rebuild(parts, ingestion, sink, options).run(context);
}

}  // namespace sluice
