// A random walk over a ledger's operations by several workers that die, stall and recover; the rules are checked after every step. Tests
// only; an implementation joins with INSTANTIATE_TEST_SUITE_P(Name, LedgerWalk, ...) as in ledger_conformance.h.
#pragma once

#include <map>
#include <random>
#include <set>

#include "ledger/ledger_conformance.h"

namespace sluice {

class LedgerWalk : public LedgerConformance {
 protected:
  static constexpr int kFiles = 4;
  static constexpr size_t kWorkers = 3;

  using FileStates = std::map<std::string, FileState>;
  using Load = std::pair<std::string, std::string>;  // path, version

  /// A batch as the worker that works on it believes it to be; the worker may be wrong.
  struct Hand {
    size_t worker;
    ClaimedBatch batch;
    std::vector<FileResult> results;
  };

  /// In a new world.
  void begin(unsigned seed) {
    workers_.clear();
    a_.die();
    SetUp();
    random_.seed(seed);
    hands_.clear();
    results_.clear();
    loaded_.clear();
    states_.clear();
    for (size_t i = 0; i < kWorkers; ++i) workers_.push_back(join("w" + new_uuid()));
    for (int i = 0; i < kFiles; ++i) versions_["/f" + std::to_string(i)] = 1;
  }

  size_t below(size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random_); }

  void step() {
    switch (below(12)) {
      case 0: change_a_file(); break;
      case 1:
      case 2: discover_all(); break;
      case 3:
      case 4: claim_some(); break;
      case 5:
      case 6: advance(&LedgerWalk::prepare_hand); break;
      case 7:
      case 8: advance(&LedgerWalk::confirm_hand); break;
      case 9: advance(&LedgerWalk::withdraw_hand); break;
      case 10: below(2) == 0 ? kill_a_worker() : stall(); break;
      case 11: below(2) == 0 ? operate() : recover(); break;
    }
  }

  /// Writes a file anew, or puts an old version back.
  void change_a_file() {
    auto file = std::next(versions_.begin(), static_cast<int>(below(versions_.size())));
    file->second = 1 + static_cast<int>(below(3));
  }

  void discover_all() {
    std::map<std::string, std::string> known;
    for (const KnownFile& file : this->known()) known[file.path] = file.version;
    std::vector<Seen> files;
    for (const auto& [path, number] : versions_) {
      const std::string version = "v" + std::to_string(number);
      if (!known.contains(path)) {
        files.push_back(seen(path, version));
      } else if (known[path] != version) {
        files.push_back(seen(path, version, known[path]));
      }
    }
    discover(files);
  }

  void claim_some() {
    const size_t worker = below(workers_.size());
    ClaimRequest wanted = request(workers_[worker], below(2) == 0 ? run_ : start_run(workers_[worker]));
    wanted.limits.files_max = static_cast<int64_t>(1 + below(4));
    auto claimed = must(workers_[worker].work().claim(wanted));
    if (!claimed) return;
    workers_[worker].work().note_in_hand(claimed->lease, 0, claimed->files[0].path);
    hands_.push_back({worker, *std::move(claimed), {}});
  }

  void advance(void (LedgerWalk::*move)(Hand&)) {
    if (!hands_.empty()) (this->*move)(hands_[below(hands_.size())]);
  }

  void prepare_hand(Hand& hand) {
    constexpr FileOutcome kOutcomes[] = {FileOutcome::kLoaded, FileOutcome::kLoaded,  FileOutcome::kLoaded,
                                         FileOutcome::kFailed, FileOutcome::kSkipped, FileOutcome::kReleased};
    std::vector<FileResult> results;
    for (const ClaimedFile& file : hand.batch.files) results.push_back(result_of(file, kOutcomes[below(std::size(kOutcomes))]));
    const BatchState before = state_of(hand.batch.lease.batch);
    const auto prepared = workers_[hand.worker].work().prepare(hand.batch.lease, record_of(hand.batch), results);
    if (prepared && before == BatchState::kStaging) results_[hand.batch.lease.batch] = results;
  }

  void confirm_hand(Hand& hand) {
    const BatchId id = hand.batch.lease.batch;
    const BatchState before = state_of(id);
    const auto confirmed = workers_[hand.worker].work().confirm(hand.batch.lease, published());
    ASSERT_EQ(confirmed.has_value() && before != BatchState::kCommitted, state_of(id) != before);
    if (!confirmed || before == BatchState::kCommitted) return;
    for (const FileResult& result : results_[id]) {
      if (result.outcome != FileOutcome::kLoaded) continue;
      ASSERT_TRUE(loaded_.insert({result.file.path, result.file.version}).second)
          << result.file.path << " at " << result.file.version << " was loaded twice";
    }
  }

  void withdraw_hand(Hand& hand) {
    WorkLedger& ledger = workers_[hand.worker].work();
    static_cast<void>(ledger.start_withdraw(hand.batch.lease, "walk"));
    static_cast<void>(ledger.finish_withdraw(hand.batch.lease, "walk", below(2) == 0));
  }

  void kill_a_worker() {
    const size_t worker = below(workers_.size());
    workers_[worker].die();
    workers_[worker] = join("w" + new_uuid());
    std::erase_if(hands_, [&](const Hand& hand) { return hand.worker == worker; });
  }

  void stall() { world_->clock().advance(kLease); }

  void recover() {
    const size_t worker = below(workers_.size());
    auto taken = must(workers_[worker].work().take_over(ingestion_, workers_[worker].id, kLease));
    if (taken) hands_.push_back({worker, std::move(taken->batch), {}});
  }

  void operate() {
    const std::string path = "/f" + std::to_string(below(kFiles));
    if (below(4) != 0) {
      static_cast<void>(a_.work().retry(ingestion_, std::vector{path}));
      return;
    }
    if (!a_.work().forget(ingestion_, std::vector{path})) return;
    std::erase_if(loaded_, [&](const Load& load) { return load.first == path; });
  }

  /// What must hold whatever happened.
  void check() {
    FileStates now;
    std::set<std::string> live;
    for (const BatchRecord& batch : must(a_.work().live_batches(ingestion_))) live.insert(batch.id.text);
    for (const FileRecord& file : must(a_.handle->history().files({.ingestion = ingestion_})).files) {
      now[file.path] = file.state;
      if (file.state == FileState::kProcessing) {
        ASSERT_TRUE(live.contains(file.batch_id)) << file.path << " is held by " << file.batch_id << ", which has ended";
      }
      if (file.state == FileState::kSuccess) {
        ASSERT_TRUE(loaded_.contains({file.path, file.version}))
            << file.path << " is SUCCESS at " << file.version << ", which was not loaded";
      }
      const auto before = states_.find(file.path);
      if (before == states_.end() || before->second == file.state) continue;
      ASSERT_TRUE(can_move(before->second, file.state))
          << file.path << ": " << to_string(before->second) << " -> " << to_string(file.state);
    }
    const FileCounts counts = must(a_.handle->history().file_counts(ingestion_));
    ASSERT_EQ(counts.discovered(), std::ssize(now));
    states_ = std::move(now);
  }

  std::mt19937 random_;
  std::vector<Worker> workers_;
  std::map<std::string, int> versions_;  // what lies in the folder
  std::vector<Hand> hands_;
  std::map<BatchId, std::vector<FileResult>> results_;
  std::set<Load> loaded_;
  FileStates states_;
};

}  // namespace sluice
