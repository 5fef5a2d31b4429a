// A sink that passes everything on; tests override the step they want to stand at.
#pragma once

#include "pipeline/sink.h"

namespace sluice {

class ForwardingSink : public Sink {
 public:
  explicit ForwardingSink(Sink& inner) : inner_(inner) {}

  bool object_per_file() const override { return inner_.object_per_file(); }
  bool is_aimed_at(const TargetPin& pin) const override { return inner_.is_aimed_at(pin); }
  Result<TargetState> load(Context& c) override { return inner_.load(c); }
  Result<TargetState> create(const TargetSpec& spec, Context& c) override { return inner_.create(spec, c); }
  Result<TargetState> evolve(const TargetState& state, const Schema& proposed, Context& c) override {
    return inner_.evolve(state, proposed, c);
  }
  Result<std::unique_ptr<Stager>> stage(const TargetState& s, const Ingestion& i, const ClaimedBatch& b) override {
    return inner_.stage(s, i, b);
  }
  Result<Presence> find(const TargetState& s, const PreparedBatch& b, Context& c) override { return inner_.find(s, b, c); }
  std::optional<std::string> incompatibility(const TargetState& s, const PreparedBatch& b) const override {
    return inner_.incompatibility(s, b);
  }
  Result<Published> try_publish(const TargetState& s, const PreparedBatch& b, const Mark& m, Context& c) override {
    return inner_.try_publish(s, b, m, c);
  }
  Result<void> fence(const TargetState& s, const PreparedBatch& b, Context& c) override { return inner_.fence(s, b, c); }
  Result<Published> settle(const TargetState& s, const PreparedBatch& b, Context& c) override { return inner_.settle(s, b, c); }
  Presence confirmed_presence(const TargetState& s, const BatchRecord& b) const override { return inner_.confirmed_presence(s, b); }
  Result<std::vector<std::string>> missing(const PreparedBatch& b, Context& c) override { return inner_.missing(b, c); }
  Result<void> sweep(const TargetPin& t, const BatchId& b, Context& c) override { return inner_.sweep(t, b, c); }
  Result<void> sweep_published(const BatchRecord& b, Context& c) override { return inner_.sweep_published(b, c); }
  Result<void> sweep_attempts(Context& c) override { return inner_.sweep_attempts(c); }
  Result<void> trace(const TargetState& s, bool rows, const TraceVisitor& v, Context& c) override { return inner_.trace(s, rows, v, c); }
  std::string warehouse() const override { return inner_.warehouse(); }
  std::optional<RunId> newest_run(const TargetState& s, const std::set<IngestionId>& of) const override { return inner_.newest_run(s, of); }

 protected:
  Sink& inner_;
};

}  // namespace sluice
