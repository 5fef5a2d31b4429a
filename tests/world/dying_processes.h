// Processes that die or stall at a step of the protocol, and what others do to the table meanwhile. For tests of its rules.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "world/forwarding_sink.h"
#include "world/world.h"

namespace sluice {

/// Wraps the sink of a process into a T, which lives as long as the test.
template <class T>
Wrapping wrap_sink(std::unique_ptr<T>& holder, std::function<std::unique_ptr<T>(Sink&)> make) {
  Wrapping wrapping;
  wrapping.sink = [&holder, make](Sink& inner) -> Sink& {
    holder = make(inner);
    return *holder;
  };
  return wrapping;
}

/// The publish lands, and the process dies before it hears of it.
class DiesAfterPublish final : public ForwardingSink {
 public:
  using ForwardingSink::ForwardingSink;
  Result<Published> try_publish(const TargetState& s, const PreparedBatch& b, const Mark& m, Context& c) override {
    if (dead) return fail(ErrorCode::kCancelled, "dead");
    dead = true;
    TRY(inner_.try_publish(s, b, m, c));
    return fail(ErrorCode::kCancelled, "killed");
  }
  Result<TargetState> load(Context& c) override { return dead ? Result<TargetState>(fail(ErrorCode::kCancelled, "dead")) : inner_.load(c); }
  bool dead = false;
};

/// The process dies when it would publish: the batch stays PREPARED.
class DiesBeforePublish final : public ForwardingSink {
 public:
  using ForwardingSink::ForwardingSink;
  Result<Published> try_publish(const TargetState&, const PreparedBatch& b, const Mark&, Context&) override {
    prepared = b;
    return fail(ErrorCode::kCancelled, "killed");
  }
  PreparedBatch prepared;
};

/// Calls `meanwhile` once before a step: what another program does at that moment.
class Meanwhile final : public ForwardingSink {
 public:
  Meanwhile(Sink& inner, std::function<void()> meanwhile) : ForwardingSink(inner), meanwhile_(std::move(meanwhile)) {}
  Result<TargetState> load(Context& c) override {
    if (before_load_to_publish && staged_) once();
    return inner_.load(c);
  }
  Result<TargetState> evolve(const TargetState& state, const Schema& proposed, Context& c) override {
    if (before_evolve) once();
    return inner_.evolve(state, proposed, c);
  }
  Result<std::unique_ptr<Stager>> stage(const TargetState& s, const Ingestion& i, const ClaimedBatch& b) override {
    if (before_stage) once();
    staged_ = true;
    return inner_.stage(s, i, b);
  }
  Result<Presence> find(const TargetState& s, const PreparedBatch& b, Context& c) override {
    if (before_find) once();
    return inner_.find(s, b, c);
  }
  Result<Published> try_publish(const TargetState& s, const PreparedBatch& b, const Mark& m, Context& c) override {
    if (before_publish) once();
    return inner_.try_publish(s, b, m, c);
  }
  bool before_evolve = false, before_stage = false;
  bool before_load_to_publish = false;  ///< (a) of the first attempt
  bool before_find = false;             ///< (c)
  bool before_publish = false;          ///< (d)

 private:
  void once() {
    if (auto act = std::exchange(meanwhile_, nullptr)) act();
  }
  std::function<void()> meanwhile_;
  bool staged_ = false;
};

/// A batch whose process died right before (d), with `ids` in file a.json.
inline PreparedBatch die_prepared(World& world, const std::vector<int64_t>& ids) {
  world.put("a.json", ids);
  std::unique_ptr<DiesBeforePublish> sink;
  auto process = world.start(wrap_sink<DiesBeforePublish>(sink, [](Sink& inner) { return std::make_unique<DiesBeforePublish>(inner); }));
  EXPECT_TRUE(process->run());
  return sink->prepared;
}

inline void die_published(World& world) {
  std::unique_ptr<DiesAfterPublish> sink;
  auto process = world.start(wrap_sink<DiesAfterPublish>(sink, [](Sink& inner) { return std::make_unique<DiesAfterPublish>(inner); }));
  EXPECT_TRUE(process->run());
}

/// The ledger is restored from a backup that was taken while a batch of a.json was staging; the table has its row, id 1.
inline void restore_while_staging(World& world) {
  world.put("a.json", {1});
  std::unique_ptr<Meanwhile> sink;
  auto process = world.start(wrap_sink<Meanwhile>(sink, [&](Sink& inner) {
    auto made = std::make_unique<Meanwhile>(inner, [&] { world.back_up_ledger("backup"); });
    made->before_stage = true;
    return made;
  }));
  ASSERT_TRUE(process->run());
  process.reset();
  world.restore_ledger("backup");
}

/// Main set to `snapshot_id`, as rollback_to_snapshot does.
inline void roll_back_to(World& world, int64_t snapshot_id) { world.commit({{}, {SetSnapshotRef{"main", SnapshotRef{snapshot_id}}}}); }

inline std::string error_of(World& world, const std::string& home = "home") {
  auto process = world.start({}, home);
  auto report = process->run();
  return report ? report->run.error : report.error().message;
}

}  // namespace sluice
