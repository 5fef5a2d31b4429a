// A file's rows go to a temporary file as Parquet. Once all are there, their number is known and so is that they are wanted: the object is
// then put at its key at once, whole (rule S, docs/design/0013-objects-are-taken-up.md):
//
//   put If-None-Match          -> done
//   refused, or no answer      -> look at what is there:
//     nothing                     put again
//     not of this file, a folder  the key is taken: the file fails
//     this version, by a batch    taken up: whoever wrote it wrote these rows
//       that claimed the key for it
//     else                        (b) ask the ledger whether the batch is still ours; then put If-Match what was looked at
//
// Memory: per thread one row group of encoded pages, bound over all threads.
#include "pipeline/parquet_stager.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "pipeline/object_facts.h"
#include "pipeline/quarantine.h"
#include "pipeline/spool_file.h"
#include "pipeline/table_rows.h"
#include "storage/local_path.h"

namespace sluice {
namespace {

constexpr int64_t kObjectWritersBytesMax = 128 * kMiB;  // encoded pages of all threads' objects
constexpr int64_t kObjectWriterBytesMin = 8 * kMiB;
constexpr int64_t kPutBytesMax = 8 * kMiB;  // larger objects are uploaded in parts
constexpr int kRefusedByNothingMax = 2;     // once, somebody may have removed what was there
constexpr int kPutAttemptsMax = 8;          // each one after the first saw that the key had changed, or got no answer
constexpr int kUnansweredMax = 2;           // that left nothing: a store has asked again and again each time, so it cannot just now

/// A file being read into its object.
struct HeldObject {
  Schema schema;
  std::unique_ptr<SpoolFile> spool;
  std::unique_ptr<ParquetWriter> writer;  // below what it writes to; nullptr: no row yet
  std::unique_ptr<Quarantine> quarantine;
};

class ParquetStager final : public Stager {
 public:
  ParquetStager(ObjectStageTarget target, const Ingestion& ingestion, Timestamp loaded_at)
      : target_(std::move(target)),
        ingestion_(ingestion),
        definition_(definition_fingerprint(ingestion)),
        facts_{loaded_at, target_.lease.batch.text},
        writer_bytes_max_(std::max(kObjectWriterBytesMin,
                                   kObjectWritersBytesMax / static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency())))) {}

  Result<void> begin(const ClaimedFile& file, const Schema& schema) override {
    const OwnKey& own = target_.keys.at(file.path);
    if (own.refusal) return std::unexpected(*own.refusal);
    auto held = std::make_unique<HeldObject>();
    held->schema = schema;
    std::lock_guard lock(mutex_);
    held_[file.path] = std::move(held);
    return {};
  }

  Result<void> append(const ClaimedFile& file, RowBlock block, Context& context) override {
    HeldObject& held = held_object(file);
    if (!block.bad_rows.empty()) {
      if (!held.quarantine) held.quarantine = std::make_unique<Quarantine>(target_.store, target_.quarantine_prefix, file.path);
      TRY(held.quarantine->add(block.bad_rows, context));
    }
    if (block.batch->num_rows() == 0) return {};
    if (!held.writer) {
      TRY_ASSIGN(held.spool, SpoolFile::open());
      TRY_ASSIGN(held.writer, open_parquet_writer(held.spool->sink(), target_.keys.at(file.path).key, held.schema, target_.parquet));
    }
    const RowOrigin origin{file.path, source_system_of(file), block.first_row, block.batch->num_rows()};
    TRY_ASSIGN(const auto rows, table_rows(held.schema, {block.batch}, {&origin, 1}, facts_));
    TRY(held.writer->append(*rows, context));
    return held.writer->buffered_bytes() > writer_bytes_max_ ? held.writer->cut_row_group(context) : Result<void>{};
  }

  Result<void> append_part(const ClaimedFile& file, int, RowBlock, Context&) override { return only_whole(file); }
  Result<void> admit_together(std::span<const BundledFile> files, const arrow::RecordBatch&, Context&) override {
    return only_whole(*files.front().file);
  }

  Result<void> admit(const ClaimedFile& file, Context& context) override {
    const auto held = take(file);
    FileRows rows;
    std::vector<StagedObject> objects;
    if (held && held->writer) {
      TRY_ASSIGN(const ObjectInfo object, publish(file, *held, context));
      rows.rows = held->writer->rows();
      rows.ranges.push_back({object.path, 0, rows.rows});
      objects.push_back({object.path, object.size_bytes, "object"});
    } else {
      TRY(leave_nothing(file, context));
    }
    if (held && held->quarantine) {
      TRY_ASSIGN(auto object, held->quarantine->finish(context));
      if (object) objects.push_back(*std::move(object));
    }
    std::lock_guard lock(mutex_);
    staged_.rows += rows.rows;
    staged_.files[file.path] = std::move(rows);
    std::ranges::move(objects, std::back_inserter(staged_.objects));
    return {};
  }

  void reject(const ClaimedFile& file, Context&) override { take(file); }

  Result<StagedData> finish(int64_t, Context&) override { return std::move(staged_); }

 private:
  HeldObject& held_object(const ClaimedFile& file) {
    std::lock_guard lock(mutex_);
    return *held_.at(file.path);
  }

  std::unique_ptr<HeldObject> take(const ClaimedFile& file) {
    std::lock_guard lock(mutex_);
    auto it = held_.find(file.path);
    if (it == held_.end()) return nullptr;
    auto held = std::move(it->second);
    held_.erase(it);
    return held;
  }

  std::string_view source_system_of(const ClaimedFile& file) const {
    auto it = std::ranges::find(ingestion_.sources, file.source, &Source::id);
    return it == ingestion_.sources.end() ? std::string_view() : it->source_system;
  }

  static std::unexpected<Error> only_whole(const ClaimedFile& file) {
    return fail(ErrorCode::kConflict, fmt::format("{}: a Parquet object is written by one reader", file.path));
  }

  ObjectFacts facts_of(const ClaimedFile& file, int64_t rows) const {
    return {ingestion_.id, metadata_text(ingestion_.name), target_.lease.batch, metadata_text(file.path), file.version, rows, definition_};
  }

  Result<ObjectInfo> publish(const ClaimedFile& file, HeldObject& held, Context& context) {
    const OwnKey& own = target_.keys.at(file.path);
    const ObjectFacts facts = facts_of(file, held.writer->rows());
    TRY(held.writer->finish(footer_of(facts, ingestion_.name, file.path), context));
    if (own.again) TRY(target_.store.remove_unfinished(own.key, context));
    PutOptions options{.if_none_match = true, .metadata = metadata_of(facts)};
    int refused_by_nothing = 0, unanswered = 0;
    for (int attempt = 1;; ++attempt) {
      auto put = put_object(own.key, *held.spool, options, context);
      if (put) return put;
      const bool find_out = put.error().code == ErrorCode::kConflict || put.error().code == ErrorCode::kOutcomeUnknown;
      if (!find_out || attempt == kPutAttemptsMax) return put;
      TRY_ASSIGN(const auto found, look_at_object(target_.store, own.key, context));
      refused_by_nothing += !found && put.error().code == ErrorCode::kConflict;
      unanswered += !found && put.error().code == ErrorCode::kOutcomeUnknown;
      if (unanswered == kUnansweredMax) return put;
      if (is_local(own.key) && refused_by_nothing == kRefusedByNothingMax) return in_the_way(own.key, put.error());
      options.if_none_match = !found;
      options.if_match = found ? found->info.version : "";
      if (!found) continue;
      TRY_ASSIGN(const bool of_this_file, is_of_this_file(*found, facts));
      if (!of_this_file) return key_taken(own.key, found->facts && is_of_lost_ledger(*found->facts, facts));
      if (is_done(*found->facts, facts, own)) return found->info;
      TRY(still_ours());  // (b): between the look and the write that counts on it
    }
  }

  /// An object of this version that a batch wrote which claimed the key for it: no write in flight can put another version there, for none
  /// was claimed since.
  static bool is_done(const ObjectFacts& there, ObjectFacts wanted, const OwnKey& own) {
    if (std::ranges::find(own.batches, there.batch) == own.batches.end()) return false;
    wanted.batch = there.batch;
    return there == wanted;
  }

  /// One that was made with an earlier ledger, under another id of the ingestion, is this file's if `rebuild` found it: then its batch is
  /// known.
  Result<bool> is_of_this_file(const FoundObject& found, const ObjectFacts& facts) {
    if (!found.facts || found.facts->source != facts.source) return false;
    if (found.facts->ingestion == facts.ingestion) return true;
    TRY_ASSIGN(const auto batch, target_.ledger.find_batch(found.facts->batch));
    return batch && batch->ingestion == facts.ingestion;
  }

  static bool is_of_lost_ledger(const ObjectFacts& there, const ObjectFacts& facts) {
    return there.ingestion_name == facts.ingestion_name && there.source == facts.source;
  }

  /// In a file system a name is a file's or a folder's.
  static std::unexpected<Error> in_the_way(const std::string& key, const Error& why) {
    return std::unexpected(Error{ErrorCode::kConflict,
                                 fmt::format("its key {} cannot be written beside another file's: {}; the file was not converted. Give "
                                             "the two different names, or load them with different prefixes",
                                             key, why.message),
                                 std::string(error_type::kKeyTaken)});
  }

  std::unexpected<Error> key_taken(const std::string& key, bool of_lost_ledger) const {
    return std::unexpected(
        Error{ErrorCode::kConflict,
              of_lost_ledger
                  ? fmt::format("at its key {} lies an object that was made from it with another ledger; the file was not converted again. "
                                "`sluice rebuild {}` reads back which files were converted",
                                key, ingestion_.name)
                  : fmt::format("at its key {} lies an object that was not made from it; the file was not converted. Move that object, or "
                                "choose another prefix",
                                key),
              std::string(error_type::kKeyTaken)});
  }

  /// A file without rows has no object: what an earlier version left goes.
  Result<void> leave_nothing(const ClaimedFile& file, Context& context) {
    const OwnKey& own = target_.keys.at(file.path);
    if (own.refusal) return std::unexpected(*own.refusal);
    if (!own.again) return {};
    TRY_ASSIGN(const auto found, look_at_object(target_.store, own.key, context));
    if (!found) return {};
    TRY_ASSIGN(const bool of_this_file, is_of_this_file(*found, facts_of(file, 0)));
    if (!of_this_file) return {};
    TRY(still_ours());
    const VersionedKey key{own.key, found->info.version};
    TRY_ASSIGN(const auto outcomes, target_.store.remove({&key, 1}, context));
    if (outcomes.front().error) return std::unexpected(*outcomes.front().error);
    return {};
  }

  Result<void> still_ours() {
    TRY_ASSIGN(const Standing standing, target_.ledger.standing(target_.lease));
    if (standing.ours && standing.state == BatchState::kStaging) return {};
    return fail(ErrorCode::kConflict, fmt::format("batch {} was taken over by another worker", target_.lease.batch.text));
  }

  Result<ObjectInfo> put_object(const std::string& key, const SpoolFile& spool, const PutOptions& options, Context& context) {
    const int64_t size = spool.size_bytes();
    std::string block(static_cast<size_t>(std::min(size, kPutBytesMax)), '\0');
    if (size <= kPutBytesMax) {
      TRY(spool.read(0, block));
      return target_.store.put(key, block, options, context);
    }
    TRY_ASSIGN(const auto upload, target_.store.start_upload(key, options, context));
    for (int64_t offset = 0; offset < size; offset += std::ssize(block)) {
      const auto part = std::span(block).first(static_cast<size_t>(std::min<int64_t>(std::ssize(block), size - offset)));
      TRY(spool.read(offset, part));
      TRY(upload->write(part, context));
    }
    return upload->complete(context);
  }

  const ObjectStageTarget target_;
  const Ingestion& ingestion_;
  const std::string definition_;
  const BatchFacts facts_;
  const int64_t writer_bytes_max_;
  std::mutex mutex_;                                                   // protects what follows
  std::unordered_map<std::string, std::unique_ptr<HeldObject>> held_;  // by path
  StagedData staged_;
};

}  // namespace

std::unique_ptr<Stager> make_parquet_stager(ObjectStageTarget target, const Ingestion& ingestion, Timestamp loaded_at) {
  return std::make_unique<ParquetStager>(std::move(target), ingestion, loaded_at);
}

}  // namespace sluice
