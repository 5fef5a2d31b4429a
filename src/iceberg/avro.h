// Avro object container files, as far as Iceberg's manifests need them: a writer whose schema is literal text (so that field ids stay in
// it), and a reader that gives generic values and trusts nothing it reads. Not thread-safe; no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace sluice {

/// Uncompressed bytes of one block that the reader accepts (some writers put a whole manifest into one).
inline constexpr int64_t kAvroBlockBytesMax = 256 * kMiB;
/// Uncompressed bytes that the writer collects before it closes a block.
inline constexpr int64_t kAvroBlockBytesWritten = 64 * kKiB;
inline constexpr int kAvroSchemaDepthMax = 64;

struct AvroType;
using AvroTypePtr = std::shared_ptr<const AvroType>;

struct AvroField {
  std::string name;
  int id = -1;  ///< Iceberg's field-id or element-id; -1: none
  AvroTypePtr type;
};

struct AvroType {
  enum Kind { kNull, kBoolean, kInt, kLong, kFloat, kDouble, kBytes, kString, kFixed, kEnum, kArray, kMap, kUnion, kRecord } kind = kNull;
  int64_t size = 0;               ///< fixed: bytes; enum: symbols
  std::vector<AvroField> fields;  ///< record: its fields; array: the element; map: the value; union: its branches
  int height = 0;                 ///< levels of types below this one; at most kAvroSchemaDepthMax
};

/// A decoded value: null; boolean; int, long and enum index; float and double; bytes, string and fixed; or the items of an array, the
/// fields of a record in the writer's order, or the keys and values of a map in turn. A union gives the value of its branch.
struct AvroValue {
  using Items = std::vector<AvroValue>;
  std::variant<std::monostate, bool, int64_t, double, std::string, Items> value;

  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  const std::string* bytes() const { return std::get_if<std::string>(&value); }
  const Items* items() const { return std::get_if<Items>(&value); }
};

/// Appends Avro's binary encoding to a string.
class AvroEncoder {
 public:
  void put_long(int64_t value);
  void put_int(int32_t value) { put_long(value); }
  void put_boolean(bool value) { bytes_.push_back(value ? 1 : 0); }
  void put_float(float value);
  void put_double(double value);
  void put_bytes(std::string_view value) {
    put_long(static_cast<int64_t>(value.size()));
    bytes_.append(value);
  }
  void put_fixed(std::string_view value) { bytes_.append(value); }
  /// The branch of a union: for ["null", T] 0 is null, 1 is T.
  void put_branch(int branch) { put_long(branch); }

  const std::string& bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  std::string bytes_;
};

/// Writes one container file into memory, deflate-compressed.
class AvroWriter {
 public:
  AvroWriter(std::string_view schema_json, const std::map<std::string, std::string>& metadata);
  /// One encoded record of the schema.
  void append(std::string_view record);
  int64_t size_bytes_estimate() const { return static_cast<int64_t>(file_.size() + block_.size() / 4); }
  Result<std::string> finish();

 private:
  void close_block();

  std::string file_, block_, sync_marker_;
  int64_t block_records_ = 0;
  bool failed_ = false;
};

/// Reads a container file from memory. Codecs: null, deflate, zstandard, snappy.
class AvroReader {
 public:
  /// kCorruption: not an Avro file, or one of a kind that this reader does not take. `bytes` must outlive the reader.
  static Result<AvroReader> open(std::string_view bytes);

  const AvroType& schema() const { return *schema_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// The next record into `into`; false at the end.
  Result<bool> next(AvroValue& into);

 private:
  explicit AvroReader(std::string_view bytes) : rest_(bytes), size_(bytes.size()) {}
  Result<void> read_header();
  Result<bool> next_block();

  std::string_view rest_;
  size_t size_;
  std::map<std::string, std::string> metadata_;
  AvroTypePtr schema_;
  std::string sync_marker_;
  std::string block_storage_;  // the block at hand, where it had to be decompressed
  std::string_view block_;     // what is left of it
  int64_t block_records_left_ = 0;
  int64_t block_values_left_ = 0;
};

/// Reads the JSON of a schema. Named types may be used again, but not inside themselves.
Result<AvroTypePtr> parse_avro_schema(std::string_view json);

}  // namespace sluice
