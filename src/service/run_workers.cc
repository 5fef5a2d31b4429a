#include "service/run_workers.h"

#include <exception>

#include <fmt/format.h>

#include "pipeline/engine.h"
#include "service/run_log.h"
#include "service/run_request.h"
#include "service/scheduler.h"
#include "storage/stores.h"

namespace sluice {
namespace {

constexpr auto kPollQueue = std::chrono::milliseconds(500);
constexpr auto kPollCancel = std::chrono::milliseconds(500);
constexpr auto kFireEvery = std::chrono::seconds(1);
constexpr auto kRecoverEvery = std::chrono::seconds(60);
constexpr auto kRememberRequests = std::chrono::hours(24);

std::string text_of(const RunMetrics& m) {
  return std::to_string(m.files_processed) + " file(s), " + std::to_string(m.records_written) + " rows";
}

/// The run's one line of figures.
void log_metrics(Log& log, const TakenRun& taken, const RunRecord& run) {
  const RunMetrics& m = run.metrics;
  const double seconds = run.completed_at ? static_cast<double>((*run.completed_at - run.started_at).count()) / 1e6 : 0;
  log.write(LogLevel::kInfo, "metrics",
            {{"run_id", run.id.text},
             {"ingestion_id", run.ingestion.text},
             {"ingestion", taken.ingestion.name},
             {"tenant_id", taken.ingestion.tenant},
             {"status", std::string(to_string(run.state))},
             {"trigger", std::string(to_string(run.trigger))},
             {"seconds", seconds},
             {"files_processed", m.files_processed},
             {"files_failed", m.files_failed},
             {"files_skipped", m.files_skipped},
             {"files_unchanged", m.files_unchanged},
             {"records_written", m.records_written},
             {"rows_rescued", m.rows_rescued},
             {"rows_rejected", m.rows_rejected},
             {"bytes_processed", m.bytes_processed},
             {"summary", text_of(m)},
             {"error", run.error}});
}

}  // namespace

bool is_undefined(const ServiceParts& parts, const Ingestion& ingestion) {
  return ingestion.managed_by == "file" && !parts.config.ingestion(ingestion.name);
}

Error undefined_error(const Ingestion& ingestion) {
  return {ErrorCode::kConflict,
          fmt::format("ingestion {} ({}) is defined by sluice.yaml, and not by this server's: define it there again, or "
                      "delete it",
                      ingestion.id.text, ingestion.name)};
}

Result<Ingestion> ready_to_run(const ServiceParts& parts, Ingestion ingestion) {
  if (is_undefined(parts, ingestion)) return std::unexpected(undefined_error(ingestion));
  if (ingestion.managed_by == "file") {
    if (auto defined = parts.config.ingestion(ingestion.name)) {
      for (Source& source : ingestion.sources) {
        for (const Source& known : defined->sources) {
          if (known.id == source.id) source.store = known.store;
        }
      }
    }
    return ingestion;
  }
  TRY(open_sources(parts.key, ingestion));
  for (const Source& source : ingestion.sources) {
    for (const auto& [name, value] : source.store) {
      if (may_be_secret(name)) parts.redaction.hide(value);
    }
  }
  return ingestion;
}

RunWorkers::~RunWorkers() { stop(); }

Result<void> RunWorkers::start() {
  std::vector<void (RunWorkers::*)(Assembly&, std::stop_token)> duties(static_cast<size_t>(parts_.options.runs_max), &RunWorkers::work);
  duties.push_back(&RunWorkers::fire_schedules);
  duties.push_back(&RunWorkers::look_after);
  for (size_t i = 0; i < duties.size(); ++i) {
    TRY_ASSIGN(auto assembly, open_());
    assemblies_.push_back(std::move(assembly));
  }
  for (size_t i = 0; i < duties.size(); ++i) {
    threads_.emplace_back([this, duty = duties[i], &assembly = *assemblies_[i]](std::stop_token stop) { (this->*duty)(assembly, stop); });
  }
  return {};
}

void RunWorkers::wake() {
  {
    std::lock_guard lock(mutex_);
    ++wakes_;
  }
  woken_.notify_all();
}

void RunWorkers::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  assemblies_.clear();
}

uint64_t RunWorkers::wakes() {
  std::lock_guard lock(mutex_);
  return wakes_;
}

bool RunWorkers::pause(uint64_t seen, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, stop, kPollQueue, [&] { return wakes_ != seen; });
  return !stop.stop_requested();
}

void RunWorkers::work(Assembly& assembly, std::stop_token stop) {
  std::vector<Unclosed> unclosed;
  uint64_t seen;
  do {
    seen = wakes();  // before looking: whoever comes while we look wakes us again
    while (!stop.stop_requested()) {
      // A run that could not be closed would keep its ingestion's slot as long as this process lives.
      std::erase_if(unclosed, [&](const Unclosed& run) {
        const auto closed = assembly.registry().finish_run(run.run, RunState::kFailed, run.error);
        return closed || closed.error().code == ErrorCode::kConflict || closed.error().code == ErrorCode::kNotFound;
      });
      const auto taken = assembly.queue().take_run(assembly.worker());
      if (!taken) {
        parts_.log.write(LogLevel::kError, "queue", {{"error", taken.error().message}});
        break;
      }
      if (!*taken) break;
      execute(assembly, **taken, unclosed, stop);
    }
  } while (pause(seen, stop));
}

void RunWorkers::execute(Assembly& assembly, const TakenRun& taken, std::vector<Unclosed>& unclosed, std::stop_token stop) {
  parts_.log.write(LogLevel::kInfo, "run",
                   {{"run_id", taken.run.id.text}, {"ingestion_id", taken.ingestion.id.text}, {"ingestion", taken.ingestion.name}});
  parts_.metrics.run_started();
  Result<RunRecord> done = fail(ErrorCode::kCorruption, "");
  try {
    done = run(assembly, taken, stop);
  } catch (const std::exception& error) {
    done = fail(ErrorCode::kCorruption, std::string("internal error: ") + error.what());
  }
  if (!done) {
    const std::string error = parts_.redaction.apply(done.error().message);
    const RunState state = done.error().code == ErrorCode::kCancelled ? RunState::kCancelled : RunState::kFailed;
    done = assembly.registry().finish_run(taken.run.id, state, error);
    if (!done) {
      unclosed.push_back({taken.run.id, error});
      done = taken.run;
      done->state = RunState::kFailed;
      done->error = error;
    }
  }
  parts_.metrics.run_done(*done);
  log_metrics(parts_.log, taken, *done);
}

Result<RunRecord> RunWorkers::run(Assembly& assembly, const TakenRun& taken, std::stop_token stop) {
  TRY_ASSIGN(RunOptions options, parse_run_options(taken.options));
  options.trigger = taken.run.trigger;
  options.taken = taken.run;
  TRY_ASSIGN(const Ingestion ingestion, ready_to_run(parts_, taken.ingestion));
  BorrowedStores stores(assembly.stores());
  RootedStores rooted(stores, parts_.roots);
  const bool of_a_tenant = ingestion.managed_by == "api";
  if (of_a_tenant && !ingestion.schema.contract.empty()) TRY(parts_.roots.check(ingestion.schema.contract));
  TRY_ASSIGN(auto sink, assembly.open_sink(ingestion));

  std::stop_source cancel;
  const std::stop_callback on_stop(stop, [&cancel] { cancel.request_stop(); });
  const std::jthread watcher([&](std::stop_token ended) {
    while (parts_.clock.sleep(kPollCancel, ended)) {
      const auto requested = assembly.queue().cancel_requested(taken.run.id);
      if (requested && *requested) cancel.request_stop();
    }
  });
  EngineParts engine_parts{
      assembly.work(),  assembly.registry(), assembly.history(),    of_a_tenant ? static_cast<StoreProvider&>(rooted) : stores,
      assembly.clock(), assembly.worker(),   parts_.options.threads};
  RunLog observer(parts_.log, taken);
  Context context;
  context.stop = cancel.get_token();
  TRY_ASSIGN(const RunReport report, Engine(engine_parts).run(ingestion, *sink, options, observer, context));
  observer.disposed(report.disposed);
  return report.run;
}

void RunWorkers::fire_schedules(Assembly& assembly, std::stop_token stop) {
  Scheduler scheduler(assembly.queue(), parts_.clock, parts_.log, parts_.options.pending_max,
                      [this](const Ingestion& ingestion) { return !is_undefined(parts_, ingestion); });
  do {
    const auto fired = scheduler.fire_due();
    if (!fired) parts_.log.write(LogLevel::kError, "schedule", {{"error", fired.error().message}});
    if (fired && *fired > 0) wake();
  } while (parts_.clock.sleep(kFireEvery, stop));
}

/// Apart from the schedules: a catalog that does not answer may take minutes for each batch that waits for it.
void RunWorkers::look_after(Assembly& assembly, std::stop_token stop) {
  do {
    recover(assembly, stop);
    (void)assembly.service_records().purge_requests(parts_.clock.now() - kRememberRequests);
  } while (parts_.clock.sleep(kRecoverEvery, stop));
}

/// What dead processes left: their runs are closed, their batches finished or withdrawn.
void RunWorkers::recover(Assembly& assembly, std::stop_token stop) {
  const auto unfinished = assembly.queue().unfinished();
  if (!unfinished) {
    parts_.log.write(LogLevel::kError, "recovery", {{"error", unfinished.error().message}});
    return;
  }
  for (const Ingestion& ingestion : *unfinished) {
    if (stop.stop_requested()) return;
    const auto recovered = [&]() -> Result<int64_t> {
      TRY_ASSIGN(const int64_t closed, assembly.registry().close_dead_runs(ingestion.id));
      TRY_ASSIGN(const auto live, assembly.work().live_batches(ingestion.id));
      if (live.empty()) return closed;
      TRY_ASSIGN(auto sink, assembly.open_sink(ingestion));
      RunObserver nobody;
      Context context;
      context.stop = stop;
      TRY(Engine(assembly.engine_parts()).recover(ingestion, *sink, nobody, context));
      return closed;
    }();
    if (!recovered) {
      parts_.log.write(LogLevel::kError, "recovery", {{"ingestion_id", ingestion.id.text}, {"error", recovered.error().message}});
    } else if (*recovered > 0) {
      parts_.log.write(LogLevel::kWarning, "recovery", {{"ingestion_id", ingestion.id.text}, {"runs_closed", *recovered}});
      wake();
    }
  }
}

}  // namespace sluice
