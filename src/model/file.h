// A file of a source and what became of it. Values only: no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"

namespace sluice {

inline constexpr size_t kFilePathBytesMax = 2000;

enum class FileState { kDiscovered, kProcessing, kSuccess, kFailed, kSkipped };

/// "DISCOVERED", "PROCESSING", ... as stored in the ledger and shown.
std::string_view to_string(FileState state);
std::optional<FileState> parse_file_state(std::string_view text);

/// Whether the ledger may ever move a file between the two states (design, section 2). Pure; the whole table is tested.
bool can_move(FileState from, FileState to);

/// Why a file is FAILED or SKIPPED: the closed list of `error_type`. docs/reference/errors.md explains each.
namespace error_type {
inline constexpr std::string_view kParseError = "ParseError";              ///< bytes that the format does not allow
inline constexpr std::string_view kSchemaMismatch = "SchemaMismatch";      ///< breaks the contract or the fixed schema
inline constexpr std::string_view kUnreadable = "Unreadable";              ///< no permission, not a file, I/O error
inline constexpr std::string_view kChangedWhileRead = "ChangedWhileRead";  ///< back to discovery
inline constexpr std::string_view kVanished = "Vanished";                  ///< listed, then gone (SKIPPED)
inline constexpr std::string_view kTooLarge = "TooLarge";                  ///< a line, a value or nesting above its limit
inline constexpr std::string_view kUnavailable = "Unavailable";            ///< the store did not answer; tried again
inline constexpr std::string_view kWorkerDied = "WorkerDied";              ///< the process died while this file was read
inline constexpr std::string_view kChanged = "Changed";                    ///< a loaded file changed under on_change: fail
inline constexpr std::string_view kBaseline = "Baseline";                  ///< older than start_from (SKIPPED)
inline constexpr std::string_view kNeedsApproval = "NeedsApproval";        ///< schema mode approve: waits (DISCOVERED) for a change
inline constexpr std::string_view kBadName = "BadName";              ///< path too long, not UTF-8, leading out of its archive (SKIPPED)
inline constexpr std::string_view kBadArchive = "BadArchive";        ///< an archive, or a member's bytes in it, are broken
inline constexpr std::string_view kEncrypted = "Encrypted";          ///< a member, or a whole archive, that needs a password
inline constexpr std::string_view kNotAFile = "NotAFile";            ///< a link, device or pipe in an archive (SKIPPED)
inline constexpr std::string_view kNestedArchive = "NestedArchive";  ///< an archive in an archive that is not to be opened (SKIPPED)
inline constexpr std::string_view kMembersBusy = "MembersBusy";      ///< others still load its members' older versions; opened again
inline constexpr std::string_view kKeyTaken = "KeyTaken";            ///< its Parquet object's key belongs to something else
}  // namespace error_type

/// One line of a listing.
struct ListedFile {
  std::string path;  ///< absolute URI, raw, at most kFilePathBytesMax
  std::string version;
  int64_t size_bytes = 0;
  Timestamp modified_at;
};

/// Where rows of one file version went: `row_count` rows from row `first_row` of `data_file`.
struct RowRange {
  std::string data_file;
  int64_t first_row = 0;
  int64_t row_count = 0;

  bool operator==(const RowRange&) const = default;
};

/// A file as a batch claimed it.
struct ClaimedFile {
  int64_t id = 0;  ///< of its ledger record; 0 in untracked batches
  SourceId source;
  std::string path;
  std::string version;  ///< to be read at exactly this version
  int64_t size_bytes = 0;
  Timestamp modified_at;
  int attempts = 0;            ///< this one included
  int worker_deaths = 0;       ///< how often a worker died with this file in hand
  std::string loaded_version;  ///< empty: never loaded
  std::string loaded_hash;     ///< content_hash of loaded_version; empty: not known
  std::string archive;         ///< of a member: the path of the file that it lies in; else empty
  std::string format;          ///< what it was last read as; empty: it never was
};

/// Path of a member: "ARCHIVE!/NAME". What lies between the two is kMemberMark.
inline constexpr std::string_view kMemberMark = "!/";
std::string member_path(std::string_view archive, std::string_view name);
/// "batch.zip!/dir/x.csv", "x.csv": what messages call a file; the ledger has the whole path beside it.
std::string_view short_name(const ClaimedFile& file);

/// What reading a claimed file came to.
enum class FileOutcome {
  kLoaded,     ///< its rows are in the batch (perhaps 0 rows)
  kUnchanged,  ///< same content_hash as the loaded version: nothing to load (touched)
  kFailed,     ///< error says why
  kSkipped,    ///< decided not to load; error.type is the reason
  kReleased,   ///< back to DISCOVERED: changed while read, the source did not answer, or a change of the table needs approval
  kRefused,    ///< on_change: fail: the loaded version stays SUCCESS, the new one is recorded beside it as an attempt
  kExpanded,   ///< an archive whose members were all recorded as files of their own, at its claimed version; it has no rows itself
};
std::string_view to_string(FileOutcome outcome);
std::optional<FileOutcome> parse_file_outcome(std::string_view text);

struct FileResult {
  ClaimedFile file;
  FileOutcome outcome = FileOutcome::kFailed;
  int64_t rows = 0;           ///< loaded
  int64_t rows_rescued = 0;   ///< rows with something in _rescued_data
  int64_t rows_rejected = 0;  ///< bad rows that went to quarantine
  int64_t bytes_read = 0;     ///< as stored (before decompression)
  int64_t duration_ms = 0;
  std::string format;
  std::string content_hash;  ///< xxh3-128 of the stored bytes, hexadecimal
  std::vector<RowRange> ranges;
  std::optional<Error> error;
};

/// A file's present state, as `sluice files` and the REST API show it.
struct FileRecord {
  int64_t id = 0;
  SourceId source;
  std::string path;
  std::string archive;  ///< of a member: the path of the file that it lies in; else empty
  std::string format;
  int64_t size_bytes = 0;
  Timestamp modified_at;
  std::string version;
  std::string loaded_version;
  FileState state = FileState::kDiscovered;
  int attempts = 0;
  std::string run_id, batch_id;
  Timestamp discovered_at;
  std::optional<Timestamp> started_at, processed_at;
  int64_t rows = 0;
  int64_t bytes_read = 0;
  int64_t duration_ms = 0;
  std::string error_type, error_message;
  int64_t error_line = 0, error_byte = -1;
  std::optional<int64_t> snapshot_id;
};

/// Files by state. discovered() = success + failed + skipped + pending, always.
struct FileCounts {
  int64_t success = 0, failed = 0, skipped = 0, pending = 0;
  int64_t discovered() const { return success + failed + skipped + pending; }
};

}  // namespace sluice
