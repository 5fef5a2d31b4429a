// Avro object container files, as far as Iceberg's manifests need them: a writer whose schema is literal text (so that field ids stay in
// it), and a reader that gives generic values. Not thread-safe; no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "formats/avro_file.h"

namespace sluice {

/// Uncompressed bytes that the writer collects before it closes a block.
inline constexpr int64_t kAvroBlockBytesWritten = 64 * kKiB;
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

/// Reads a container file from memory: the same decoder as for data files (formats), with values of any type.
class AvroReader {
 public:
  /// kCorruption: not an Avro file, or a broken one.
  static Result<AvroReader> open(std::string_view bytes);

  const AvroType& schema() const { return *file_.schema(); }
  const std::map<std::string, std::string>& metadata() const { return file_.metadata(); }
  /// The next record into `into`; false at the end.
  Result<bool> next(AvroValue& into);

 private:
  explicit AvroReader(AvroFile file) : file_(std::move(file)) {}

  AvroFile file_;
  AvroDecoder block_{{}};
  int64_t block_records_left_ = 0;
};

}  // namespace sluice
