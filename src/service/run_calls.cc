// Calls over runs and files.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/json_shapes.h"
#include "service/calls.h"
#include "service/run_request.h"
#include "storage/glob.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

using nlohmann::json;

Result<std::vector<std::string>> files_of(const json& body) {
  std::vector<std::string> files;
  if (!body.contains("files") || body["files"].is_null()) return files;
  for (const json& file : body["files"]) {
    TRY_ASSIGN(std::string uri, absolute_uri(file.get<std::string>()));
    files.push_back(std::move(uri));
  }
  return files;
}

Result<std::vector<Glob>> globs_of(const Source& source) {
  std::vector<Glob> globs;
  for (const std::string& path : source.paths) {
    TRY_ASSIGN(Glob glob, Glob::parse(path));
    globs.push_back(std::move(glob));
  }
  return globs;
}

}  // namespace

Result<ServerResponse> Calls::ask_for_run(const Call& call, const Ingestion& ingestion, Trigger trigger, const RunOptions& options) {
  if (is_undefined(parts_, ingestion)) return std::unexpected(undefined_error(ingestion));
  RunRequest request{.id = RunId(call.made_id), .ingestion = ingestion.id, .trigger = trigger, .options = run_options_json(options)};
  request.pending_max = parts_.options.pending_max;
  TRY_ASSIGN(const RequestedRun asked, assembly_.queue().request_run(request));
  switch (asked.outcome) {
    case RequestOutcome::kMade: wake_(); return json_response(202, run_json(*asked.run));
    case RequestOutcome::kBusy:
      return error_response(409, "conflict", fmt::format("run {} of this ingestion is {}", asked.run->id.text, to_string(asked.run->state)),
                            json::array({{{"run_id", asked.run->id.text}, {"status", to_string(asked.run->state)}}}));
    case RequestOutcome::kQueueFull: {
      ServerResponse full = error_response(503, "unavailable", fmt::format("{} runs are waiting already", parts_.options.pending_max));
      full.headers.emplace_back("Retry-After", "5");
      return full;
    }
    default: return fail(ErrorCode::kConflict, fmt::format("ingestion {} is {}: resume it first", ingestion.id.text, ingestion.status));
  }
}

Result<ServerResponse> Calls::run(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  return ask_for_run(call, ingestion, Trigger::kManual, {});
}

Result<ServerResponse> Calls::load_files(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  RunOptions options;
  TRY_ASSIGN(options.files_from, files_of(call.body));
  const Source& source = ingestion.sources.front();
  TRY_ASSIGN(const std::vector<Glob> globs, globs_of(source));
  for (const std::string& file : *options.files_from) {
    if (is_local(file) && ingestion.managed_by == "api") {
      if (const auto allowed = parts_.roots.check(file); !allowed) return error_response(403, "forbidden", allowed.error().message);
    }
    // Whoever may trigger an ingestion may not choose what it reads: the list picks among its source's files.
    if (std::ranges::none_of(globs, [&](const Glob& glob) { return glob.matches(file); }))
      return invalid_input(fmt::format("files: {} is no file of source \"{}\"", file, source.id.text));
  }
  return ask_for_run(call, ingestion, Trigger::kManual, options);
}

Result<ServerResponse> Calls::retry_files(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  RunOptions options{.retry_failed = true};
  TRY_ASSIGN(options.only_paths, files_of(call.body));
  return ask_for_run(call, ingestion, Trigger::kRetry, options);
}

/// What waits now is approved, or these of it: what other files come to need in the meantime waits on.
Result<ServerResponse> Calls::approve(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  TRY_ASSIGN(const auto waiting, assembly_.history().waiting_for_approval(ingestion.id));
  RunOptions options;
  if (call.body.contains("changes") && !call.body["changes"].is_null()) {
    options.approved = call.body["changes"].get<std::vector<std::string>>();
  } else {
    for (const WaitingFiles& group : waiting) options.approved.push_back(group.changes);
  }
  for (const std::string& changes : options.approved) {
    if (std::ranges::find(waiting, changes, &WaitingFiles::changes) != waiting.end()) continue;
    return fail(ErrorCode::kConflict, fmt::format("no file waits for \"{}\"", changes));
  }
  if (options.approved.empty()) return fail(ErrorCode::kConflict, fmt::format("nothing of {} waits for approval", ingestion.name));
  return ask_for_run(call, ingestion, Trigger::kManual, options);
}

Result<ServerResponse> Calls::retry_run(const Call& call) {
  TRY_ASSIGN(const RunRecord run, run_of(call));
  TRY_ASSIGN(const auto ingestion, assembly_.registry().find_ingestion(call.caller.tenant, run.ingestion.text));
  if (!ingestion) return fail(ErrorCode::kNotFound, fmt::format("no run {}", call.id));
  return ask_for_run(call, *ingestion, Trigger::kRetry, RunOptions{.retry_failed = true});
}

Result<ServerResponse> Calls::get_run(const Call& call) {
  TRY_ASSIGN(const RunRecord run, run_of(call));
  return json_response(200, run_json(run));
}

Result<ServerResponse> Calls::cancel_run(const Call& call) {
  TRY_ASSIGN(const RunRecord run, run_of(call));
  TRY_ASSIGN(const RunRecord cancelled, assembly_.queue().cancel_run(run.id));
  return json_response(202, run_json(cancelled));
}

Result<ServerResponse> Calls::runs(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  RunsQuery query{ingestion.id, page_limit(call)};
  if (const std::string cursor = query_text(call, "cursor"); !cursor.empty()) {
    const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), query.before_sequence);
    if (error != std::errc() || end != cursor.data() + cursor.size() || query.before_sequence < 1) {
      return invalid_input(fmt::format("cursor: '{}' is none: take next_cursor of the page before", cursor));
    }
  }
  TRY_ASSIGN(const auto page, assembly_.history().runs(query));
  TRY_ASSIGN(const int64_t total, assembly_.history().run_count(ingestion.id));
  json list = json::array();
  for (const RunRecord& run : page) list.push_back(run_json(run));
  const bool more = static_cast<int64_t>(page.size()) == query.limit;
  return json_response(
      200, {{"runs", std::move(list)}, {"total", total}, {"next_cursor", next_cursor(more ? std::to_string(page.back().sequence) : "")}});
}

Result<ServerResponse> Calls::files(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  FilesQuery query{.ingestion = ingestion.id, .limit = page_limit(call), .cursor = query_text(call, "cursor")};
  query.path = query_text(call, "file_path");
  query.state = parse_file_state(query_text(call, "file_status"));
  TRY_ASSIGN(const FilePage page, assembly_.history().files(query));
  json list = json::array();
  for (const FileRecord& file : page.files) list.push_back(file_json(file));
  return json_response(200, {{"files", std::move(list)}, {"total", page.total}, {"next_cursor", next_cursor(page.next_cursor)}});
}

Result<ServerResponse> Calls::processed_files(const Call& call) {
  TRY_ASSIGN(const Ingestion ingestion, ingestion_of(call));
  FilesQuery query{.ingestion = ingestion.id,
                   .state = FileState::kSuccess,
                   .by_processed_at = true,
                   .limit = page_limit(call),
                   .cursor = query_text(call, "cursor")};
  query.path = query_text(call, "file_path");
  TRY_ASSIGN(const FilePage page, assembly_.history().files(query));
  json list = json::array();
  for (const FileRecord& file : page.files) list.push_back(processed_file_json(file));
  return json_response(200, {{"processed_files", std::move(list)}, {"total", page.total}, {"next_cursor", next_cursor(page.next_cursor)}});
}

}  // namespace sluice
