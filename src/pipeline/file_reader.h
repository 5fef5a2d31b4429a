// Reads single files of a batch, whole or not at all: their rows go to the stager, the members of an archive to the ledger. Thread-safe;
// each thread brings a ReadingHand of its own.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "pipeline/bundles.h"
#include "pipeline/container.h"
#include "pipeline/input_file.h"
#include "pipeline/staging.h"
#include "schema/evolution.h"

namespace sluice {

inline constexpr int kReadAttemptsMax = 4;     ///< of one file while its store is unavailable
inline constexpr int kOwnSchemaRoundsMax = 4;  ///< readings of a file with columns of its own
inline constexpr auto kReadBackoff = std::chrono::milliseconds(200);

/// What one thread keeps from file to file.
struct ReadingHand {
  int slot;
  Bundles bundles;
  std::vector<char> buffer = {};
};

/// What reading found, of all files.
struct ReadingFound {
  Drift drift;
  bool rescued = false;
  std::vector<ClaimedFile> members;
};

class FileReader {
 public:
  FileReader(const StageStep& step, const TargetState& target, Stager& stager, const ClaimedBatch& batch)
      : step_(step), target_(target), stager_(stager), batch_(batch) {}

  /// Reads a file that lies in a store, again while that does not answer. An Error is the batch's.
  Result<FileResult> read_file(const ClaimedFile& file, ReadingHand& hand, Context& context);
  /// Reads a member, once: `bytes` are those of its archive.
  Result<FileResult> read_member_file(const ClaimedFile& file, const Source& source, Result<MemberBytes> bytes, ReadingHand& hand,
                                      Context& context);

  /// Tells a failure of the file (its result) from one of the sink or a stop (the batch's).
  struct ReadEnd {
    std::optional<Error> file_error;
  };
  /// For a file whose rows were all appended: touched, refused, or admitted.
  Result<ReadEnd> conclude(const ClaimedFile& file, FileResult& result, const Drift& drift, Context& context);
  /// Progress: stored bytes read and rows parsed.
  void report(int64_t bytes, int64_t rows);
  /// What the file is read as, for those who want to know.
  void tell_format(const ClaimedFile& file, const Source& source, Blob& blob, Context& context);
  /// Once all files are read.
  ReadingFound take_found() { return std::move(found_); }

 private:
  Result<ReadEnd> read_member(const ClaimedFile& file, const Source& source, Result<MemberBytes> bytes, FileResult& result,
                              ReadingHand& hand, Context& context);
  void not_read(const ClaimedFile& file, const Error& error, FileResult& result, Context& context);
  Result<ReadEnd> read_rows(const ClaimedFile& file, FileResult& result, ReadingHand& hand, Context& context);
  Result<ReadEnd> read_opened(const ClaimedFile& file, const Source& source, InputFile& input, FileResult& result, Context& context);
  Result<ReadEnd> expand(const ClaimedFile& file, const Container& container, Blob& blob, InputFile* input, FileResult& result,
                         Context& context);
  Result<bool> end_members(const ClaimedFile& file, Context& context);
  static ReadEnd wait_for_members(const ClaimedFile& file, FileResult& result);
  Result<ReadEnd> not_recognised(const ClaimedFile& file, const Error& error, FileResult& result, Context& context);
  Result<WholeFile> whole_file(const ClaimedFile& file, ObjectStore& store, ReadingHand& hand, Context& context);
  Result<ReadEnd> read_small(const ClaimedFile& file, const Source& source, ObjectStore& store, FileResult& result, ReadingHand& hand,
                             Context& context);
  Result<ReadEnd> read_held(const ClaimedFile& file, const Source& source, WholeFile whole, FileResult& result, ReadingHand& hand,
                            Context& context);
  Result<ReadEnd> read_alone(const ClaimedFile& file, const Source& source, InputFile& input, FileResult& result, Context& context);
  Result<ReadEnd> read_into_object(const ClaimedFile& file, const Source& source, InputFile& input, FileResult& result, Context& context);
  Result<ReadEnd> read_to_end(const TargetState& target, const ClaimedFile& file, const Source& source, InputFile& input,
                              FileResult& result, Drift& drift, Context& context);
  ReadEnd kept_out(const ClaimedFile& file, FileResult& result, const std::string& mismatch);
  ReadEnd wait_for_approval(const ClaimedFile& file, FileResult& result, const EvolutionPlan& plan, Context& context);
  void warn(const ClaimedFile& file, const std::string& text);
  static Result<ReadEnd> error_of_sink(const Error& error);
  static Result<ReadEnd> file_error(const Error& error);
  int released_before(const ClaimedFile& file) const;

  const StageStep& step_;
  const TargetState& target_;
  Stager& stager_;
  const ClaimedBatch& batch_;
  std::mutex progress_mutex_;
  std::mutex mutex_;
  ReadingFound found_;  // protected by mutex_
};

}  // namespace sluice
