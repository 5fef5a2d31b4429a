// Formats: bytes of a file -> blocks of rows in the table's types. One Reader per split; readers are not thread-safe, formats are.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/byte_source.h"
#include "base/context.h"
#include "base/error.h"
#include "model/ingestion.h"
#include "schema/type.h"

namespace sluice {

/// A line, a document or a field above this is refused (TooLarge). Also bounds the block that a reader holds.
inline constexpr int64_t kRowBytesMax = 64 * kMiB;
/// Nesting of JSON objects and arrays.
inline constexpr int kNestingDepthMax = 64;

/// Splits of a large file begin at multiples of this, or shortly behind; smaller files, and those below twice this, are one split.
inline constexpr int64_t kSplitBytes = 32 * kMiB;

/// Columns to fill, and what to do with what does not fit.
struct ReadPlan {
  Schema columns;             ///< the file's columns of the table (ids set), without metadata columns; names match exactly
  bool rescue = true;         ///< what fits nowhere goes to `_rescued_data`; false (mode fixed): it is an error SchemaMismatch
  bool report_drift = false;  ///< modes evolve and approve: unknown columns and refused values are also reported as drift
  /// The columns whose type a contract or a definition says, by the file's names: there "007" and "+49" are numbers, elsewhere codes.
  std::vector<std::string> typed_by_user;
  InferOptions infer;
  BadRows bad_rows;
  CsvOptions csv;
  JsonOptions json;
  TextOptions text;
  SqlOptions sql;
  int64_t block_rows_max = 64 * 1024;
};

/// A row that could not be parsed (on_bad_row: skip).
struct BadRow {
  int64_t byte = 0;  ///< where the row begins, after decompression
  int64_t line = 0;  ///< 1-based
  std::string reason;
  std::string text;  ///< the row, cut at 64 KiB
};

/// Rows of one file in file order. `batch` has the plan's columns in order, and last `_rescued_data` (string) where plan.rescue.
struct RowBlock {
  std::shared_ptr<arrow::RecordBatch> batch;
  int64_t first_row = 0;  ///< of this block within the file, good rows only
  int64_t rows_rescued = 0;
  std::vector<BadRow> bad_rows;
};

/// Something a file holds that the plan's columns do not: a schema change would admit it.
struct Drift {
  std::vector<Field> columns;  ///< inferred: new columns (possibly nested), and known ones with the wider type they would need
  bool empty() const { return columns.empty(); }
};

class Reader {
 public:
  virtual ~Reader() = default;
  /// The next rows; nullopt at the end of the split. An error (type ParseError, SchemaMismatch, TooLarge, ChangedWhileRead,
  /// Unavailable; line and byte set) ends the file: none of its rows may be kept.
  virtual Result<std::optional<RowBlock>> next(Context& context) = 0;
  /// What was seen so far that the plan has no place for. Only with plan.report_drift.
  virtual Drift drift() const = 0;
};

/// Reads many small files into common blocks: one set of buffers, and one record batch for all. For files without anything to say about
/// them; what a reader would report, count or refuse goes to a reader of its own. Not thread-safe.
class Bundle {
 public:
  virtual ~Bundle() = default;
  /// Appends all rows of a file behind those of the files before, and returns how many there are. nullopt: the file is compressed, or some
  /// row is bad, breaks the schema or leaves something over; nothing of it stays, read it with a reader of its own.
  /// `bytes` is the whole file as stored; kBundlePaddingBytes behind it are readable.
  virtual std::optional<int64_t> add(std::string_view bytes, Context& context) = 0;
  virtual int64_t rows() const = 0;  ///< since the last take()
  virtual bool full() const = 0;     ///< time to take()
  /// The rows of all files since the last take(), with the columns of RowBlock::batch.
  virtual std::shared_ptr<arrow::RecordBatch> take() = 0;
};
inline constexpr size_t kBundlePaddingBytes = 64;

/// What a sample of a file says about its columns.
struct Inferred {
  std::vector<Field> fields;        ///< in order of appearance; a column seen only as null has type nullptr
  std::vector<std::string> header;  ///< the names as written (CSV header; JSON: names of `fields`)
  int64_t rows = 0;
  std::vector<std::string> warnings;  ///< what the file says of its columns and no table can hold, for people
};

class Format {
 public:
  virtual ~Format() = default;
  virtual std::string_view name() const = 0;  ///< "json", "csv"
  /// Its files are read here and there, not from front to back.
  virtual bool needs_random_access() const { return false; }
  /// Byte ranges that different readers may take, in file order and without gaps; neighbours may be read as one range. A single one where
  /// the file cannot be split (compressed, one document). Readers of all ranges together give the rows of one reader of the whole file, or
  /// one of them fails; lines in their errors and bad rows are not known, or counted from the range's start.
  virtual Result<std::vector<ByteRange>> split(Blob& blob, const ReadPlan& plan, Context& context) const = 0;
  virtual Result<std::unique_ptr<Reader>> open(Blob& blob, ByteRange split, const ReadPlan& plan, Context& context) const = 0;
  /// nullptr: files of this format are read one by one.
  virtual std::unique_ptr<Bundle> bundle(const ReadPlan&) const { return nullptr; }
  /// Infers from the first `sample_bytes` (stored bytes); broken rows are passed over, a file that is broken from its start is an error.
  virtual Result<Inferred> infer(Blob& blob, int64_t sample_bytes, const Source& source, const InferOptions& options,
                                 Context& context) const = 0;
  /// What was found out about how this file is written, for people ("3 columns, delimiter ';'"); empty: nothing to say.
  virtual Result<std::string> describe(Blob&, const Source&, Context&) const { return std::string(); }
};

/// The format of a file: as the source says ("json", "csv"), or by content first and name second ("auto").
/// Compression (gzip, zstd) is recognised by content and is no format of its own.
Result<const Format*> find_format(const Source& source, std::string_view path, Blob& blob, Context& context);
/// What find_format() takes a file for and why, for people: "csv (content: 3 columns, delimiter ';'; encoding utf-16le)".
Result<std::string> explain_format(const Source& source, std::string_view path, Blob& blob, Context& context);
/// The same as find_format() for a file held whole, as stored.
Result<const Format*> find_format(const Source& source, std::string_view path, std::string_view bytes, Context& context);

}  // namespace sluice
