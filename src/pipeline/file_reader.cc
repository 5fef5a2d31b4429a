#include "pipeline/file_reader.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "pipeline/defined_reader.h"
#include "pipeline/members.h"
#include "pipeline/own_columns.h"
#include "pipeline/read_rules.h"
#include "pipeline/target.h"
#include "schema/evolution.h"
#include "schema/inference.h"

namespace sluice {

Result<FileResult> FileReader::read_member_file(const ClaimedFile& file, const Source& source, Result<MemberBytes> bytes, ReadingHand& hand,
                                                Context& context) {
  const int64_t started = step_.clock.monotonic_micros();
  step_.ledger.note_in_hand(batch_.lease, hand.slot, file.path);
  FileResult result;
  result.file = file;
  TRY_ASSIGN(const ReadEnd end, read_member(file, source, std::move(bytes), result, hand, context));
  if (end.file_error) not_read(file, *end.file_error, result, context);
  result.duration_ms = (step_.clock.monotonic_micros() - started) / 1000;
  return result;
}

Result<FileReader::ReadEnd> FileReader::read_member(const ClaimedFile& file, const Source& source, Result<MemberBytes> bytes,
                                                    FileResult& result, ReadingHand& hand, Context& context) {
  if (!bytes) return file_error(bytes.error());
  if (file.size_bytes <= kWholeFileBytesMax) {
    auto whole = read_whole_member(*bytes->blob, file, hand.buffer, context);
    if (!whole) return file_error(whole.error());
    return read_held(file, source, *std::move(whole), result, hand, context);
  }
  auto input = open_member(*std::move(bytes), source, file, [this](int64_t count) { report(count, 0); }, context);
  if (!input) return not_recognised(file, input.error(), result, context);
  return read_opened(file, source, **input, result, context);
}

/// None of its rows may stay.
void FileReader::not_read(const ClaimedFile& file, const Error& error, FileResult& result, Context& context) {
  stager_.reject(file, context);
  result.error = explain(error, file);
  result.outcome = outcome_of(error.type, released_before(file));
}

Result<FileResult> FileReader::read_file(const ClaimedFile& file, ReadingHand& hand, Context& context) {
  const int64_t started = step_.clock.monotonic_micros();
  step_.ledger.note_in_hand(batch_.lease, hand.slot, file.path);
  FileResult result;
  result.file = file;
  auto delay = std::chrono::microseconds(kReadBackoff);
  for (int attempt = 1;; ++attempt) {
    TRY(context.check());
    TRY_ASSIGN(const ReadEnd end, read_rows(file, result, hand, context));
    if (!end.file_error) break;
    not_read(file, *end.file_error, result, context);
    if (end.file_error->type != error_type::kUnavailable || attempt == kReadAttemptsMax) break;
    if (!step_.clock.sleep(delay, context.stop)) TRY(context.check());
    delay *= 2;
    result.error.reset();
  }
  result.duration_ms = (step_.clock.monotonic_micros() - started) / 1000;
  return result;
}

/// Reads the file to its end and admits it. An Error is the batch's.
Result<FileReader::ReadEnd> FileReader::read_rows(const ClaimedFile& file, FileResult& result, ReadingHand& hand, Context& context) {
  const Source& source = source_of(step_.ingestion, file);
  auto store = step_.stores.store_for(file.path, source.store);
  if (!store) return ReadEnd{as_file_error(store.error())};
  if (file.size_bytes <= kWholeFileBytesMax) return read_small(file, source, **store, result, hand, context);
  auto input = open_input(**store, source, file, [this](int64_t bytes) { report(bytes, 0); }, context);
  if (!input) return not_recognised(file, input.error(), result, context);
  return read_opened(file, source, **input, result, context);
}

Result<FileReader::ReadEnd> FileReader::read_opened(const ClaimedFile& file, const Source& source, InputFile& input, FileResult& result,
                                                    Context& context) {
  if (input.container()) return expand(file, *input.container(), input.blob(), &input, result, context);
  if (step_.observer.wants_formats()) tell_format(file, source, input.blob(), context);
  return read_alone(file, source, input, result, context);
}

/// A container is loaded by recording its members, which later batches claim. `input` is what it was opened as; nullptr: it is held whole.
Result<FileReader::ReadEnd> FileReader::expand(const ClaimedFile& file, const Container& container, Blob& blob, InputFile* input,
                                               FileResult& result, Context& context) {
  result.format = container.format();
  result.rows = result.rows_rescued = result.rows_rejected = 0;
  if (auto refused = container.is_archive() ? refuses_nesting(step_.ingestion, file) : std::nullopt) {
    result.outcome = FileOutcome::kSkipped;
    result.error = explain(*std::move(refused), file);
    return ReadEnd{};
  }
  auto found = list_members(container, blob, file, step_.ingestion, context);
  if (!found) return file_error(found.error());
  // Of a member its own archive has a checksum of all bytes, or of none. What its members are read as later is held against these versions.
  if (input && !file.archive.empty()) {
    if (auto drained = input->drain(context); !drained) return file_error(drained.error());
  }
  Expansion expansion{.members = std::ssize(found->seen)};
  std::vector<ClaimedFile> to_load;
  if (batch_.tracked) {
    TRY_ASSIGN(expansion, record_members(step_.ledger, step_.clock, step_.ingestion, batch_.run, file, *std::move(found), context));
  } else {
    to_load = members_to_load(file, *found);
    expansion.to_load = std::ssize(to_load);
  }
  result.bytes_read = file.size_bytes;
  result.outcome = FileOutcome::kExpanded;
  if (expansion.busy) {
    result.outcome = FileOutcome::kReleased;
    result.error = explain(members_busy(), file);
  }
  std::lock_guard lock(mutex_);
  std::ranges::move(to_load, std::back_inserter(found_.members));
  step_.observer.expanded(file, result.format, expansion);
  return ReadEnd{};
}

/// Members of a container that is none any more have nothing to wait for. False: some are in a live batch.
Result<bool> FileReader::end_members(const ClaimedFile& file, Context& context) {
  if (!batch_.tracked || !may_have_members(file.format)) return true;
  TRY_ASSIGN(const Expansion ended, record_members(step_.ledger, step_.clock, step_.ingestion, batch_.run, file, {}, context));
  return !ended.busy;
}

/// Put back until the batches that hold its members are over.
FileReader::ReadEnd FileReader::wait_for_members(const ClaimedFile& file, FileResult& result) {
  result.rows = result.rows_rescued = result.rows_rejected = 0;
  result.outcome = FileOutcome::kReleased;
  result.error = explain(members_busy(), file);
  return {};
}

/// `error` is of opening it. What was read, but is of no format, is no container either.
Result<FileReader::ReadEnd> FileReader::not_recognised(const ClaimedFile& file, const Error& error, FileResult& result, Context& context) {
  if (error.type != error_type::kParseError) return file_error(error);
  TRY_ASSIGN(const bool ended, end_members(file, context));
  return ended ? file_error(error) : wait_for_members(file, result);
}

void FileReader::tell_format(const ClaimedFile& file, const Source& source, Blob& blob, Context& context) {
  const auto format = explain_format(source, file.path, blob, context);
  if (!format) return;  // who reads the file says what is wrong
  std::lock_guard lock(progress_mutex_);
  step_.observer.recognised(file.path, *format);
}

Result<WholeFile> FileReader::whole_file(const ClaimedFile& file, ObjectStore& store, ReadingHand& hand, Context& context) {
  if (const auto kept = step_.sampled ? step_.sampled->take(file) : std::nullopt) return hold_whole_file(*kept, hand.buffer);
  return read_whole_file(store, file, hand.buffer, context);
}

/// A small file's rows join others' at once, unless there is something to be said about it.
Result<FileReader::ReadEnd> FileReader::read_small(const ClaimedFile& file, const Source& source, ObjectStore& store, FileResult& result,
                                                   ReadingHand& hand, Context& context) {
  auto whole = whole_file(file, store, hand, context);
  if (!whole) return file_error(whole.error());
  return read_held(file, source, *std::move(whole), result, hand, context);
}

Result<FileReader::ReadEnd> FileReader::read_held(const ClaimedFile& file, const Source& source, WholeFile whole, FileResult& result,
                                                  ReadingHand& hand, Context& context) {
  auto container = find_container(source, file.path, whole.bytes, context);
  if (!container) return file_error(container.error());
  if (*container) return expand(file, **container, *make_memory_blob(std::string(whole.bytes)), nullptr, result, context);
  auto format = recognise(source, file, whole, context);
  if (!format) return not_recognised(file, format.error(), result, context);
  if (step_.observer.wants_formats()) tell_format(file, source, *make_memory_blob(std::string(whole.bytes)), context);
  const bool has_header_to_check = step_.contract && step_.ingestion.schema.validate;
  // A bundle has one set of columns for all of its files, as they call them.
  if (file.loaded_version.empty() && !may_have_members(file.format) && !has_header_to_check && !step_.object_per_file && !step_.rules) {
    const auto plan = [&] { return read_plan(target_, step_.ingestion, source, step_.contract != nullptr); };
    TRY_ASSIGN(const auto rows, hand.bundles.add(file, whole.bytes, source, **format, plan, context));
    if (rows) {
      result.format = (*format)->name();
      result.rows = *rows, result.rows_rescued = result.rows_rejected = 0;
      result.bytes_read = std::ssize(whole.bytes);
      result.content_hash = std::move(whole.content_hash);
      result.outcome = FileOutcome::kLoaded;
      report(result.bytes_read, *rows);
      return ReadEnd{};
    }
  }
  report(std::ssize(whole.bytes), 0);
  return read_alone(file, source, *open_whole_file(whole, **format), result, context);
}

Result<FileReader::ReadEnd> FileReader::read_alone(const ClaimedFile& file, const Source& source, InputFile& input, FileResult& result,
                                                   Context& context) {
  TRY_ASSIGN(const bool ended, end_members(file, context));
  if (!ended) return wait_for_members(file, result);
  result.format = input.format().name();
  if (step_.contract && step_.ingestion.schema.validate) {
    auto mismatch = header_mismatch(input, *step_.contract, file, step_.ingestion, source, step_.rules.get(), context);
    if (!mismatch) return file_error(mismatch.error());
    if (*mismatch) return kept_out(file, result, **mismatch);
  }
  if (step_.object_per_file) return read_into_object(file, source, input, result, context);
  Drift drift;
  TRY_ASSIGN(ReadEnd end, read_to_end(target_, file, source, input, result, drift, context));
  if (end.file_error) return end;
  return conclude(file, result, drift, context);
}

/// Rule S: the columns are those of the file's head, and of what reading it finds beyond: then it is read again.
Result<FileReader::ReadEnd> FileReader::read_into_object(const ClaimedFile& file, const Source& source, InputFile& input,
                                                         FileResult& result, Context& context) {
  auto own = own_columns(input, step_.contract, file, step_.ingestion, source, step_.rules.get(), context);
  if (!own) return file_error(own.error());
  for (const std::string& warning : own->warnings) warn(file, warning);
  for (int round = 1;; ++round) {
    assign_field_ids(own->schema.fields, own->schema.highest_field_id());  // columns of a later round come after those of the first
    if (auto begun = stager_.begin(file, own->schema); !begun) return error_of_sink(begun.error());
    Drift drift;
    TRY_ASSIGN(ReadEnd end, read_to_end(*own, file, source, input, result, drift, context));
    if (end.file_error) return end;
    auto wider = wider_own_columns(*own, drift, result.rows_rescued > 0, step_.ingestion, step_.rules.get());
    if (!wider || input.comes_once()) return conclude(file, result, {}, context);
    stager_.reject(file, context);
    if (round == kOwnSchemaRoundsMax) return ReadEnd{columns_never_fit(kOwnSchemaRoundsMax)};
    own->schema = *std::move(wider);
  }
}

/// Every row to the stager. `result` counts anew.
Result<FileReader::ReadEnd> FileReader::read_to_end(const TargetState& target, const ClaimedFile& file, const Source& source,
                                                    InputFile& input, FileResult& result, Drift& drift, Context& context) {
  const ReadPlan plan = read_plan(target, step_.ingestion, source, step_.contract != nullptr);
  auto defined = define_columns(step_.rules, plan, input.format(), file);
  if (!defined) return file_error(defined.error());
  auto reader = open_reader(*defined, plan, input.format(), input.blob(), {}, context);
  if (!reader) return file_error(reader.error());
  result.rows = result.rows_rescued = result.rows_rejected = 0;
  for (;;) {
    TRY(context.check());
    auto block = (*reader)->next(context);
    if (!block) return file_error(block.error());
    if (!*block) break;
    result.rows += (*block)->batch->num_rows();
    result.rows_rescued += (*block)->rows_rescued;
    result.rows_rejected += static_cast<int64_t>((*block)->bad_rows.size());
    report(0, (*block)->batch->num_rows());
    TRY(stager_.append(file, **std::move(block), context));
  }
  if (auto drained = input.drain(context); !drained) return file_error(drained.error());
  result.content_hash = input.content_hash();
  result.bytes_read = input.bytes_read();
  drift = (*reader)->drift();
  return ReadEnd{};
}

FileReader::ReadEnd FileReader::kept_out(const ClaimedFile& file, FileResult& result, const std::string& mismatch) {
  result.outcome = FileOutcome::kSkipped;
  result.error = Error{ErrorCode::kInvalidInput, fmt::format("{}: {}; the file was not loaded", short_name(file), mismatch),
                       std::string(error_type::kSchemaMismatch)};
  return {};
}

namespace {

/// Whether nothing tells a touched file from a changed one: what a rebuild found has no hash. A local version is a size and a time of
/// change; other stores give another version to other content only.
bool cannot_be_compared(const ClaimedFile& file) {
  if (!file.loaded_hash.empty() || !file.archive.empty() || !file.path.starts_with("file://")) return false;
  const auto size_of = [](std::string_view version) { return version.substr(0, version.find('-')); };
  return size_of(file.loaded_version) == size_of(file.version);
}

}  // namespace

/// The file is read whole: touched, refused, or admitted.
Result<FileReader::ReadEnd> FileReader::conclude(const ClaimedFile& file, FileResult& result, const Drift& drift, Context& context) {
  const bool loaded_before = !file.loaded_version.empty();
  const bool doubtful = loaded_before && cannot_be_compared(file);
  if (loaded_before && (file.loaded_hash == result.content_hash || doubtful || step_.ingestion.on_change == OnChange::kFail)) {
    stager_.reject(file, context);
    result.rows = result.rows_rescued = result.rows_rejected = 0;
    result.outcome = FileOutcome::kUnchanged;
    if (doubtful) {
      result.outcome = FileOutcome::kRefused;
      result.error = Error{ErrorCode::kConflict,
                           fmt::format("{}: its time of change is another since it was loaded, its size is not, and the ledger does "
                                       "not know what its content was; the loaded rows stay, nothing was loaded. If it did change, "
                                       "`sluice forget` it and load it again",
                                       short_name(file)),
                           std::string(error_type::kChanged)};
    } else if (file.loaded_hash != result.content_hash) {
      result.outcome = FileOutcome::kRefused;
      result.error = Error{ErrorCode::kConflict,
                           fmt::format("{}: its content changed since it was loaded (on_change: fail); the loaded rows stay, the new "
                                       "content was not loaded",
                                       short_name(file)),
                           std::string(error_type::kChanged)};
    }
    return ReadEnd{};
  }
  if (step_.approval) {
    const EvolutionPlan plan = plan_drift(target_, drift.columns, result.rows_rescued > 0, step_.ingestion.schema.mode);
    if (!step_.approval->covers(plan.texts)) return wait_for_approval(file, result, plan, context);
  }
  if (auto admitted = stager_.admit(file, context); !admitted) return error_of_sink(admitted.error());
  result.outcome = FileOutcome::kLoaded;
  std::lock_guard lock(mutex_);
  found_.rescued |= result.rows_rescued > 0;
  found_.drift.columns = merge_fields(std::move(found_.drift.columns), drift.columns);
  return ReadEnd{};
}

FileReader::ReadEnd FileReader::wait_for_approval(const ClaimedFile& file, FileResult& result, const EvolutionPlan& plan,
                                                  Context& context) {
  stager_.reject(file, context);
  result.rows = result.rows_rescued = result.rows_rejected = 0;
  result.outcome = FileOutcome::kReleased;
  result.error = needs_approval(plan.texts);
  return {};
}

/// What the sink has against this file alone has a type.
Result<FileReader::ReadEnd> FileReader::error_of_sink(const Error& error) {
  if (error.type != error_type::kKeyTaken && error.type != error_type::kBadName) return std::unexpected(error);
  return ReadEnd{error};
}

Result<FileReader::ReadEnd> FileReader::file_error(const Error& error) {
  if (error.code == ErrorCode::kCancelled) return std::unexpected(error);
  return ReadEnd{as_file_error(error)};
}

/// Untracked, a file is listed anew, but a member only with all of its archive, whose rows would come twice: it is not put back.
int FileReader::released_before(const ClaimedFile& file) const {
  if (!batch_.tracked && !file.archive.empty()) return kReleasesMax;
  if (!step_.releases) return 0;
  const auto it = step_.releases->find(file.path);
  return it == step_.releases->end() ? 0 : it->second;
}

void FileReader::warn(const ClaimedFile& file, const std::string& text) {
  std::lock_guard lock(progress_mutex_);
  step_.observer.warning(fmt::format("{}: {}", short_name(file), text));
}

void FileReader::report(int64_t bytes, int64_t rows) {
  std::lock_guard lock(progress_mutex_);
  step_.observer.progress(bytes, rows);
}

}  // namespace sluice
