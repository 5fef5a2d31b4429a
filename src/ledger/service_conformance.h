// The conformance suite's second fixture: what a service needs of a ledger. The tests are in ledger_conformance_service_test.cc; an
// implementation joins with INSTANTIATE_TEST_SUITE_P(Name, ServiceConformance, ...) as in ledger_conformance.h. Tests only.
#pragma once

#include "ledger/ledger_conformance.h"

namespace sluice {

class ServiceConformance : public LedgerConformance {
 protected:
  void SetUp() override {
    LedgerConformance::SetUp();
    if (IsSkipped()) return;
    must(a_.handle->registry().finish_run(run_, RunState::kCompleted, ""));
  }

  RunRequest wanted(std::optional<Timestamp> due = {}) const {
    return {.id = RunId(new_uuid()), .ingestion = ingestion_, .options = "{\"files\":[]}", .due = due};
  }
  RequestedRun request_run(const RunRequest& request) { return must(a_.handle->queue().request_run(request)); }
  IngestionId another(const std::string& name, const std::string& schedule = "") {
    Ingestion definition;
    definition.name = name;
    definition.managed_by = "api";
    definition.schedule = schedule;
    definition.table = {.catalog = "local", .ns = {"db"}, .name = name};
    return must(a_.handle->registry().put_ingestion(definition)).id;
  }
  void set_schedule(const std::string& schedule, const std::string& timezone = "UTC") {
    Ingestion definition = must(a_.handle->registry().find_ingestion("default", "orders")).value();
    definition.schedule = schedule;
    definition.timezone = timezone;
    must(a_.handle->registry().put_ingestion(definition));
  }
  std::optional<Timestamp> due_from() {
    const auto scheduled = must(a_.handle->queue().scheduled());
    return scheduled.empty() ? std::nullopt : std::optional(scheduled.front().from);
  }
};

}  // namespace sluice
