#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "model/batch.h"
#include "model/file.h"
#include "model/ingestion.h"
#include "model/run.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr FileState kFileStates[] = {FileState::kDiscovered, FileState::kProcessing, FileState::kSuccess, FileState::kFailed,
                                     FileState::kSkipped};
constexpr BatchState kBatchStates[] = {BatchState::kStaging, BatchState::kPrepared, BatchState::kCommitted, BatchState::kWithdrawing,
                                       BatchState::kWithdrawn};
constexpr RunState kRunStates[] = {RunState::kPending, RunState::kRunning, RunState::kCompleted, RunState::kFailed, RunState::kCancelled};

template <class Enum, size_t N>
std::set<std::pair<std::string, std::string>> moves_of(const Enum (&states)[N]) {
  std::set<std::pair<std::string, std::string>> moves;
  for (Enum from : states) {
    for (Enum to : states) {
      if (can_move(from, to)) moves.emplace(to_string(from), to_string(to));
    }
  }
  return moves;
}

// Prevents: a state change that nobody decided on (a loaded file claimed again, a skipped one loaded behind the operator's back).
TEST(FileStates, MoveOnlyAsTheDesignSays) {
  const std::set<std::pair<std::string, std::string>> expected = {
      {"DISCOVERED", "PROCESSING"}, {"DISCOVERED", "SUCCESS"}, {"DISCOVERED", "SKIPPED"},    {"PROCESSING", "SUCCESS"},
      {"PROCESSING", "FAILED"},     {"PROCESSING", "SKIPPED"}, {"PROCESSING", "DISCOVERED"}, {"SUCCESS", "DISCOVERED"},
      {"FAILED", "PROCESSING"},     {"FAILED", "DISCOVERED"},  {"FAILED", "SUCCESS"},        {"FAILED", "SKIPPED"},
      {"SKIPPED", "DISCOVERED"},    {"SKIPPED", "SUCCESS"}};
  EXPECT_EQ(moves_of(kFileStates), expected);
}

// Prevents: a prepared batch repeated or dropped without the fence (rule W), a finished one brought back to life.
TEST(BatchStates, MoveOnlyAsTheProtocolSays) {
  const std::set<std::pair<std::string, std::string>> expected = {{"STAGING", "PREPARED"},      {"STAGING", "WITHDRAWN"},
                                                                  {"PREPARED", "COMMITTED"},    {"PREPARED", "WITHDRAWING"},
                                                                  {"WITHDRAWING", "WITHDRAWN"}, {"WITHDRAWING", "COMMITTED"}};
  EXPECT_EQ(moves_of(kBatchStates), expected);
}

// Prevents: a finished run reported as running again.
TEST(RunStates, MoveOnlyForward) {
  const std::set<std::pair<std::string, std::string>> expected = {{"PENDING", "RUNNING"},   {"PENDING", "FAILED"},
                                                                  {"PENDING", "CANCELLED"}, {"RUNNING", "COMPLETED"},
                                                                  {"RUNNING", "FAILED"},    {"RUNNING", "CANCELLED"}};
  EXPECT_EQ(moves_of(kRunStates), expected);
}

// Prevents: a name written to the ledger that the same program cannot read back.
TEST(Names, ReadBackAsWritten) {
  for (FileState state : kFileStates) EXPECT_EQ(parse_file_state(to_string(state)), state);
  for (BatchState state : kBatchStates) EXPECT_EQ(parse_batch_state(to_string(state)), state);
  for (RunState state : kRunStates) EXPECT_EQ(parse_run_state(to_string(state)), state);
  for (FileOutcome outcome : {FileOutcome::kLoaded, FileOutcome::kUnchanged, FileOutcome::kFailed, FileOutcome::kSkipped,
                              FileOutcome::kReleased, FileOutcome::kRefused, FileOutcome::kExpanded}) {
    EXPECT_EQ(parse_file_outcome(to_string(outcome)), outcome);
  }
  for (Trigger trigger : {Trigger::kManual, Trigger::kSchedule, Trigger::kCli, Trigger::kRetry}) {
    EXPECT_EQ(parse_trigger(to_string(trigger)), trigger);
  }
  for (SchemaMode mode : {SchemaMode::kEvolve, SchemaMode::kFixed, SchemaMode::kRescue, SchemaMode::kApprove}) {
    EXPECT_EQ(parse_schema_mode(to_string(mode)), mode);
  }
  for (OnChange change : {OnChange::kAppend, OnChange::kIgnore, OnChange::kFail}) EXPECT_EQ(parse_on_change(to_string(change)), change);
  for (BadRowAction action : {BadRowAction::kFail, BadRowAction::kSkip}) EXPECT_EQ(parse_bad_row_action(to_string(action)), action);
  EXPECT_EQ(parse_file_state("success"), std::nullopt);
}

PreparedBatch example_batch() {
  return {.batch = BatchId("b"),
          .ingestion = IngestionId("i"),
          .run = RunId("r"),
          .seq = 7,
          .snapshot_id = 9'007'199'254'740'993,
          .tracked = false,
          .target = {.catalog_uri = "sqlite:/c.db#local",
                     .warehouse = "/w",
                     .table = "ns.t",
                     .table_uuid = "u",
                     .table_location = "/w/ns/t",
                     .data_location = "/d",
                     .hashed_paths = true,
                     .metadata_location = "/m",
                     .base_snapshot_id = 5,
                     .base_sequence_number = 4,
                     .schema_id = 3,
                     .spec_id = 2},
          .objects = {{"/w/ns/t/data/\"é\n.parquet", 123, "data"}, {"/w/m.avro", 4, "manifest"}},
          .removals = {"old"},
          .rows = 11,
          .sink_record = R"({"v": 1})"};
}

// Prevents: a field of the prepared record lost on the way: the successor would publish or delete something else.
TEST(PreparedBatch, SurvivesItsJson) {
  const PreparedBatch batch = example_batch();
  const auto read = parse_prepared_batch(to_json(batch));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->batch, batch.batch);
  EXPECT_EQ(read->ingestion, batch.ingestion);
  EXPECT_EQ(read->run, batch.run);
  EXPECT_EQ(read->seq, batch.seq);
  EXPECT_EQ(read->snapshot_id, batch.snapshot_id);
  EXPECT_EQ(read->tracked, batch.tracked);
  EXPECT_EQ(read->target, batch.target);
  EXPECT_EQ(read->objects, batch.objects);
  EXPECT_EQ(read->removals, batch.removals);
  EXPECT_EQ(read->rows, batch.rows);
  EXPECT_EQ(read->sink_record, batch.sink_record);
}

// Prevents: base snapshot "none" (an empty table) read back as snapshot 0.
TEST(TargetPin, KeepsAMissingBaseSnapshotApart) {
  TargetPin pin = example_batch().target;
  pin.base_snapshot_id = std::nullopt;
  EXPECT_EQ(parse_target_pin(to_json(pin)).value(), pin);
}

// Prevents: a damaged or newer record published as if its missing fields were empty.
TEST(PreparedBatch, RefusesWhatItCannotRead) {
  EXPECT_EQ(parse_prepared_batch("{").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(parse_prepared_batch(R"({"v": 1, "batch": "b"})").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(parse_prepared_batch(R"({"v": 2})").error().code, ErrorCode::kInvalidInput);
}

Ingestion example_ingestion() {
  Ingestion ingestion;
  ingestion.id = IngestionId("i");
  ingestion.tenant = "acme";
  ingestion.name = "orders";
  ingestion.sources = {{.id = SourceId("live"),
                        .paths = {"/in/*.csv"},
                        .store = {{"s3.endpoint", "http://e"}, {"s3.secret-access-key", "hush"}, {"s3.session-token", "hush"}},
                        .format = "csv",
                        .csv = {.delimiter = ';', .quote = '\'', .header = false, .null_tokens = {"", "NULL"}},
                        .source_system = "sales"}};
  ingestion.table = {.catalog = "lake", .ns = {"a", "b"}, .name = "t"};
  ingestion.partition_by = {"day(ts)"};
  ingestion.table_properties = {{"write.parquet.compression-codec", "zstd"}};
  ingestion.schema = {.mode = SchemaMode::kRescue,
                      .contract = "c.yaml",
                      .validate = false,
                      .strict_mode = true,
                      .infer = {.timestamps = false, .numbers_double = true}};
  ingestion.on_change = OnChange::kFail;
  ingestion.on_bad_row = {.action = BadRowAction::kSkip, .rows_max = 10, .percent_max = 1.5};
  ingestion.tracking = false;
  ingestion.ready = {.min_age = std::chrono::seconds(3), .marker = "_DONE", .ignore = {"x"}, .modified_after = Timestamp{5}};
  ingestion.start_from = Timestamp{1'700'000'000'000'001};
  ingestion.batch = {.files_max = 5, .bytes_max = 6};
  ingestion.run_files_max = 8;
  ingestion.run_order = "time";
  ingestion.retry_attempts_max = 9;
  ingestion.schedule = "* * * * *";
  ingestion.timezone = "Europe/Berlin";
  ingestion.metadata_columns = {};
  ingestion.managed_by = "file";
  ingestion.status = "PAUSED";
  return ingestion;
}

// Prevents: an option that is set once and silently back at its default when the ingestion is read from the ledger. A second
// serialization of what was read is equal only when every field made it.
TEST(Ingestion, SurvivesItsJson) {
  const std::string json = to_json(example_ingestion());
  const auto read = parse_ingestion(json);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(to_json(*read), json);
  EXPECT_NE(to_json(Ingestion{}), json);
  EXPECT_EQ(read->sources[0].csv.delimiter, ';');
  EXPECT_EQ(read->start_from, Timestamp{1'700'000'000'000'001});
  EXPECT_EQ(read->ready.min_age, std::chrono::seconds(3));
  EXPECT_EQ(read->table.text(), "a.b.t");
  EXPECT_EQ(read->metadata_columns, std::vector<std::string>{});
}

// Prevents: access keys lying in clear in the ledger file.
TEST(Ingestion, LeavesSecretsOut) {
  const std::string json = to_json(example_ingestion());
  EXPECT_THAT(json, Not(HasSubstr("hush")));
  EXPECT_THAT(json, HasSubstr("http://e"));
}

// Prevents: a word this program does not know read as its default.
TEST(Ingestion, RefusesUnknownWords) {
  std::string json = to_json(example_ingestion());
  const size_t at = json.find("rescue");
  ASSERT_NE(at, std::string::npos);
  json.replace(at, 6, "guessy");
  const auto read = parse_ingestion(json);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("guessy"));
}

}  // namespace
}  // namespace sluice
