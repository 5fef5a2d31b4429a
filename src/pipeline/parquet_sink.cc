#include "pipeline/parquet_sink.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/mirrored_key.h"
#include "pipeline/object_facts.h"
#include "pipeline/parquet_stager.h"
#include "pipeline/publish.h"
#include "pipeline/target.h"

namespace sluice {
namespace {

std::string quarantine_prefix(std::string_view prefix, const BatchId& batch) {
  return fmt::format("{}/_quarantine/{}-", prefix, batch.text);
}

Error key_taken(const KeyRequest& request, const KeyClaim& claim) {
  return {ErrorCode::kConflict,
          fmt::format("its key {} belongs to {}; the file was not converted. Give the two different names, or load them with different "
                      "prefixes",
                      request.key, claim.owner),
          std::string(error_type::kKeyTaken)};
}

/// The keys of the batch's files, where they can have one; in the order of the keys, so that two workers never wait for one another.
std::vector<KeyRequest> key_requests(const std::string& prefix, const Ingestion& ingestion, const ClaimedBatch& batch,
                                     std::map<std::string, OwnKey>& keys) {
  std::vector<KeyRequest> requests;
  for (const ClaimedFile& file : batch.files) {
    auto key = mirrored_key(prefix, source_of(ingestion, file), file.path, !file.archive.empty());
    if (key) {
      requests.push_back({*std::move(key), file.path, file.version});
    } else {
      keys[file.path].refusal = key.error();
    }
  }
  std::ranges::sort(requests, {}, &KeyRequest::key);
  return requests;
}

}  // namespace

std::unexpected<Error> ParquetSink::no_table() { return fail(ErrorCode::kCorruption, "Parquet objects have no table"); }

Result<TargetState> ParquetSink::load(Context& context) {
  TRY_ASSIGN(ObjectStore * objects, store());
  TRY(objects->list({.prefix = target_.prefix + "/", .limit = 1}, context));
  TargetState state;
  state.pin.table = state.pin.table_uuid = state.pin.table_location = target_.prefix;
  return state;
}

Result<std::unique_ptr<Stager>> ParquetSink::stage(const TargetState&, const Ingestion& ingestion, const ClaimedBatch& batch) {
  TRY_ASSIGN(ObjectStore * objects, store());
  TRY_ASSIGN(ParquetOptions options, ParquetOptions::from_properties(ingestion.table_properties));
  ObjectStageTarget target{*objects, ledger_, batch.lease, std::move(options)};
  target.quarantine_prefix = quarantine_prefix(target_.prefix, batch.lease.batch);
  const auto requests = key_requests(target_.prefix, ingestion, batch, target.keys);
  TRY_ASSIGN(auto claims,
             settle_ledger_write(clock_, Context{}, [&] { return ledger_.claim_keys(batch.lease, target_.prefix, requests); }));
  for (size_t i = 0; i < requests.size(); ++i) {
    OwnKey& own = target.keys[requests[i].file_path];
    own.key = requests[i].key;
    own.again = claims[i].again;
    own.batches = std::move(claims[i].batches);
    if (!claims[i].owner.empty()) own.refusal = key_taken(requests[i], claims[i]);
  }
  return make_parquet_stager(std::move(target), ingestion, clock_.now());
}

Result<std::vector<std::string>> ParquetSink::missing(const PreparedBatch& batch, Context& context) {
  std::vector<std::string> gone;
  TRY_ASSIGN(ObjectStore * objects, store());
  for (const StagedObject& object : batch.objects) {
    auto info = objects->stat(object.path, context);
    if (!info && info.error().code != ErrorCode::kNotFound) return std::unexpected(info.error());
    if (!info || info->size_bytes != object.size_bytes) gone.push_back(object.path);
  }
  return gone;
}

Result<void> ParquetSink::sweep(const TargetPin& target, const BatchId& batch, Context& context) {
  if (target.table_location.empty()) return {};
  TRY_ASSIGN(ObjectStore * objects, store());
  ListRequest request{quarantine_prefix(target.table_location, batch)};
  do {
    TRY_ASSIGN(const ListPage page, objects->list(request, context));
    std::vector<VersionedKey> keys;
    for (const ObjectInfo& object : page.objects) keys.push_back({object.path, ""});
    TRY_ASSIGN(const auto outcomes, objects->remove(keys, context));
    for (const DeleteOutcome& outcome : outcomes) {
      if (outcome.error) return std::unexpected(outcome.error->within("deleting " + outcome.key));
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return {};
}

/// Every object below the prefix; one that is not ours holds no row of ours.
Result<void> ParquetSink::trace(const TargetState&, bool, const TraceVisitor& visit, Context& context) {
  TRY_ASSIGN(ObjectStore * objects, store());
  ListRequest request{target_.prefix + "/"};
  do {
    TRY_ASSIGN(const ListPage page, objects->list(request, context));
    for (const ObjectInfo& object : page.objects) {
      TRY(context.check());
      if (object.path.starts_with(target_.prefix + "/_quarantine/")) continue;
      TRY_ASSIGN(const auto facts, facts_in_footer(*objects, object, context));
      TracedData traced{.path = object.path, .origins = {}, .rows_by_source = {}};
      if (facts) {
        traced.origins =
            Origins{facts->ingestion.text, facts->ingestion_name, facts->batch.text, "", {{facts->source, facts->version, facts->rows}}};
      }
      TRY(visit(traced));
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return {};
}

}  // namespace sluice
