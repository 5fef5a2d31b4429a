#include "service/scheduler.h"

#include "base/cron.h"
#include "base/ids.h"

namespace sluice {

Result<int64_t> Scheduler::fire_due() {
  TRY_ASSIGN(const auto all, queue_.scheduled());
  const Timestamp now = clock_.now();
  int64_t made = 0;
  for (const ScheduledIngestion& scheduled : all) {
    const Ingestion& ingestion = scheduled.ingestion;
    if (is_ours_ && !is_ours_(ingestion)) continue;
    const auto cron = Cron::parse(ingestion.schedule, ingestion.timezone);
    if (!cron) {  // checked when it was stored; the machine's time zones may have changed
      log_.write(LogLevel::kError, "schedule", {{"ingestion_id", ingestion.id.text}, {"error", cron.error().message}});
      continue;
    }
    const auto due = cron->latest_between(scheduled.from, now);
    if (!due) continue;
    RunRequest request{.id = RunId(new_uuid()), .ingestion = ingestion.id, .trigger = Trigger::kSchedule, .due = due};
    request.pending_max = pending_max_;
    TRY_ASSIGN(const RequestedRun asked, queue_.request_run(request));
    if (asked.outcome != RequestOutcome::kMade) continue;
    ++made;
    log_.write(LogLevel::kInfo, "schedule", {{"ingestion_id", ingestion.id.text}, {"run_id", request.id.text}, {"due", to_text(*due)}});
  }
  return made;
}

}  // namespace sluice
