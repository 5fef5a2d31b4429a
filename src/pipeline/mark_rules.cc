#include "pipeline/mark_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice {
namespace {

constexpr std::string_view kWaysOut =
    "Nothing was loaded. Ways out: restore the ledger (or the table) that belongs to the other; `sluice rebuild {0}` to read from the "
    "table "
    "what was loaded; load under another name (--name); or, once you know which rows are in the table, `sluice forget {0} --all` to begin "
    "anew";

std::unexpected<Error> stop(const Ingestion& ingestion, const TargetState& state, std::string_view what) {
  return fail(ErrorCode::kCorruption,
              fmt::format("table {}: {}. {}", state.pin.table, what, fmt::format(fmt::runtime(kWaysOut), ingestion.name)));
}

const Mark* find_mark(const std::map<IngestionId, Mark>& marks, const IngestionId& id) {
  auto it = marks.find(id);
  return it == marks.end() ? nullptr : &it->second;
}

int64_t highest_seq(const Mark& mark) {
  int64_t highest = 0;
  for (const MarkEntry& entry : entries_of(mark)) highest = std::max(highest, entry.seq);
  return highest;
}

/// Marks of other ingestion ids under our name: the same ingestion seen by another ledger, unless ours knows the batches (disowned).
Result<void> check_namesakes(WorkLedger& ledger, const TargetState& state, const Ingestion& ingestion) {
  for (const auto& [id, mark] : state.marks) {
    if (id == ingestion.id || mark.name != ingestion.name || mark.ledger == ledger.ledger_id()) continue;
    for (const MarkEntry& entry : entries_of(mark)) {
      TRY_ASSIGN(auto known, ledger.find_batch(entry.batch));
      if (!known) {
        return stop(ingestion, state,
                    fmt::format("ingestion \"{}\" has loaded it from another ledger ({}); this ledger does not know those files",
                                ingestion.name, mark.ledger.text));
      }
    }
  }
  return {};
}

Result<void> check_entries_known(WorkLedger& ledger, const TargetState& state, const Ingestion& ingestion, const Mark& mark) {
  for (const MarkEntry& entry : entries_of(mark)) {
    TRY_ASSIGN(auto known, ledger.find_batch(entry.batch));
    // Batches of another ledger that ours knows were taken over from the table (`sluice rebuild`), or disowned.
    if (!known && mark.ledger != ledger.ledger_id()) {
      return stop(ingestion, state, fmt::format("its mark was left by another ledger ({})", mark.ledger.text));
    }
    if (!known) {
      return stop(ingestion, state,
                  fmt::format("it holds batch {} (number {}), which this ledger does not know: the ledger is older than the table (or "
                              "another ledger)",
                              entry.batch.text, entry.seq));
    }
    if (entry.seq > 0 && known->seq == 0 && !known->disowned) {
      return stop(
          ingestion, state,
          fmt::format("it holds batch {}, which this ledger has not prepared: the ledger is older than the table", entry.batch.text));
    }
  }
  return {};
}

Result<void> check_own_mark(WorkLedger& ledger, const TargetState& state, const Ingestion& ingestion, const Mark& mark) {
  TRY(check_entries_known(ledger, state, ingestion, mark));
  TRY_ASSIGN(const int64_t ours, ledger.highest_seq(ingestion.id));
  if (highest_seq(mark) <= ours) return {};
  return stop(ingestion, state,
              fmt::format("its mark is at batch {}, this ledger at {}: the ledger is older than the table", highest_seq(mark), ours));
}

std::string target_text(const TargetPin& pin) {
  const bool has_table = pin.table != pin.table_location;
  return has_table ? "table " + pin.table : "Parquet objects below " + pin.table_location;
}

std::string target_text(const Ingestion& ingestion) {
  return ingestion.parquet ? "Parquet objects below " + ingestion.parquet->prefix : "table " + ingestion.table.text();
}

std::unexpected<Error> other_table(const Ingestion& ingestion, const TargetState& state, const BatchRecord& confirmed) {
  if (confirmed.target->table == state.pin.table) {
    return stop(ingestion, state,
                fmt::format("it was dropped and made again since batch {}: the files loaded so far are not in it", confirmed.seq));
  }
  return stop(ingestion, state,
              fmt::format("ingestion \"{}\" has loaded into table {} so far: its files are remembered as loaded there", ingestion.name,
                          confirmed.target->table));
}

}  // namespace

std::vector<MarkEntry> entries_of(const Mark& mark) {
  std::vector<MarkEntry> entries = mark.open;
  if (mark.last) entries.push_back(*mark.last);
  return entries;
}

Result<std::optional<BatchRecord>> newest_confirmed(WorkLedger& ledger, const Ingestion& ingestion) {
  return ledger.last_committed(ingestion.id, "");
}

Result<void> check_mark(WorkLedger& ledger, const Sink& sink, const TargetState& state, const Ingestion& ingestion,
                        const std::optional<BatchRecord>& confirmed) {
  TRY(check_namesakes(ledger, state, ingestion));
  const Mark* mark = find_mark(state.marks, ingestion.id);
  if (mark) TRY(check_own_mark(ledger, state, ingestion, *mark));
  if (!confirmed) return {};

  const int64_t seq = confirmed->seq;
  if (confirmed->target && confirmed->target->table_uuid != state.pin.table_uuid) return other_table(ingestion, state, *confirmed);
  if (!mark) {
    return stop(ingestion, state, fmt::format("the mark of our batch {} is gone: the table was rolled back, restored or replaced", seq));
  }
  if (highest_seq(*mark) < seq) {
    return stop(ingestion, state,
                fmt::format("its mark is at batch {}, but batch {} was confirmed: the table was rolled back, restored "
                            "or replaced",
                            highest_seq(*mark), seq));
  }
  if (sink.confirmed_presence(state, *confirmed) == Presence::kRolledBack) {
    return stop(ingestion, state,
                fmt::format("snapshot {} of our batch {} is no longer in its history: the table was rolled back, "
                            "restored or replaced",
                            confirmed->snapshot_id.value_or(0), seq));
  }
  return {};
}

Result<void> check_target(WorkLedger& ledger, Sink& sink, const Ingestion& ingestion, Context& context) {
  TRY_ASSIGN(const auto before, ledger.last_target(ingestion.id));
  if (!before || sink.is_aimed_at(*before)) return {};
  const auto state = sink.load(context);
  if (!state && state.error().code != ErrorCode::kNotFound) return std::unexpected(state.error());
  if (state && state->pin.table_uuid == before->table_uuid) return {};  // renamed, or reached through another catalog
  const std::string now = target_text(ingestion);
  std::string so_far = target_text(*before);
  if (so_far == now) so_far += fmt::format(" of catalog {}, warehouse {}", before->catalog_uri, before->warehouse);
  return fail(ErrorCode::kCorruption,
              fmt::format("ingestion \"{0}\" has loaded into {1} so far, and is to load into {2} now: its files are remembered as loaded "
                          "there. Nothing was loaded. Ways out: point it back; load under another name (--name); or `sluice forget {0} "
                          "--all` to load every file into the new target",
                          ingestion.name, so_far, now));
}

Result<Mark> next_mark(WorkLedger& ledger, const TargetState& state, const Ingestion& ingestion, const PreparedBatch& batch) {
  Mark next{ledger.ledger_id(), ingestion.name, std::nullopt, {}};
  if (const Mark* loaded = find_mark(batch.tracked ? state.marks : state.untracked_marks, ingestion.id)) {
    next.last = loaded->last;
    for (const MarkEntry& entry : loaded->open) {
      TRY_ASSIGN(auto known, ledger.find_batch(entry.batch));
      const bool confirmed = known && known->state == BatchState::kCommitted;
      if (!confirmed) {
        next.open.push_back(entry);
      } else if (!next.last || next.last->seq < entry.seq) {
        next.last = entry;
      }
    }
  }
  next.open.push_back({batch.batch, batch.seq, batch.snapshot_id, state.pin.base_sequence_number + 1});
  return next;
}

Result<ForeignMark> foreign_entries(WorkLedger& ledger, const TargetState& state, const Ingestion& ingestion) {
  ForeignMark foreign;
  for (const auto& [id, mark] : state.marks) {
    if (id != ingestion.id && mark.name != ingestion.name) continue;
    if (id == ingestion.id) foreign.seq_max = std::max(foreign.seq_max, highest_seq(mark));
    for (const MarkEntry& entry : entries_of(mark)) {
      TRY_ASSIGN(auto known, ledger.find_batch(entry.batch));
      if (!known) foreign.batches.push_back(entry.batch);
    }
  }
  return foreign;
}

}  // namespace sluice
