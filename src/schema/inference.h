// What values say about the type of a column. Not thread-safe; merge() makes results of several files or threads independent of order
// (except the order of columns and ties).
//
// Scalars: null < bool; null < long < double; null < date, timestamp, timestamptz; every conflict -> string. Integers beyond 64 bits:
// decimal(38,0), alone or with long; with more than 38 digits string; with fractions double (what a double cannot hold exactly is
// rescued later). CSV text: digits with a leading zero or '+' are string (is_code()); NaN and infinities are
// double where numbers are seen too, else string. Structs merge by member, lists by element. Scalars, objects and arrays in one
// column: the kind seen most often stays (a tie: the first one), the others will be rescued. A column seen only as null, {} or [] has
// no type yet (nullptr). Members and columns beyond kStructMembersMax of one struct are not taken up (their values will be rescued).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "model/ingestion.h"
#include "schema/name_index.h"
#include "schema/type.h"

namespace sluice {

/// "007", "+49", "-01": text that a number would not give back, so inference takes it for a string ("0", "0.5" and "+inf" are none).
bool is_code(std::string_view text);
/// int, long, float, double, decimal.
bool is_number(TypeId id);

/// Columns of a table, or members of one struct.
inline constexpr size_t kStructMembersMax = 4096;

class StructGuess;

class ColumnGuess {
 public:
  /// `exact_decimals`: numbers are the decimal(p,s) that holds them all: for drift of decimal columns.
  explicit ColumnGuess(const InferOptions& options = {}, bool exact_decimals = false);
  ~ColumnGuess();
  ColumnGuess(ColumnGuess&&) noexcept;
  ColumnGuess& operator=(ColumnGuess&&) noexcept;

  void see_null() {}
  void see_bool();
  void see_integer_text(std::string_view digits);  ///< a JSON number without fraction and exponent
  void see_number_text(std::string_view number);   ///< any other JSON number
  void see_string(std::string_view text);          ///< a JSON string: date, timestamps or string
  void see_text(std::string_view text);            ///< a CSV field: everything a scalar can be
  StructGuess& see_struct();                       ///< then see each member of the object
  ColumnGuess& see_list();                         ///< then see each element of the array

  void merge(const ColumnGuess& other);
  bool exact_decimals() const { return exact_decimals_; }
  /// nullptr: no type yet.
  TypePtr type() const;

 private:
  TypePtr number_type() const;
  TypePtr scalar_type() const;
  TypePtr struct_type() const;
  TypePtr list_type() const;
  void see_scalar(uint32_t kind);
  void see_number(uint32_t kind, std::string_view number);

  InferOptions options_;
  bool exact_decimals_;
  uint32_t kinds_ = 0;                        ///< bits of the scalar kinds seen
  int whole_digits_max_ = 0, scale_max_ = 0;  ///< only with exact_decimals_
  int64_t scalars_ = 0, structs_ = 0, lists_ = 0;
  uint8_t first_shape_ = 0;  ///< for ties
  std::unique_ptr<StructGuess> members_;
  std::unique_ptr<ColumnGuess> element_;
};

/// The columns of a file (see every row's columns), or the members of a struct.
class StructGuess {
 public:
  explicit StructGuess(const InferOptions& options = {}) : options_(options), overflow_(options) {}

  /// Valid until another member is added. `exact_decimals` counts for a member seen for the first time.
  ColumnGuess& member(std::string_view name, bool exact_decimals = false);
  void merge(const StructGuess& other);
  /// In order of appearance, all optional, without ids; those without a type have type nullptr.
  std::vector<Field> fields() const;
  bool overflowed() const { return overflowed_; }

 private:
  InferOptions options_;
  NameIndex names_;
  std::vector<ColumnGuess> members_;
  ColumnGuess overflow_;  ///< takes what is seen of members beyond kStructMembersMax
  bool overflowed_ = false;
};

/// The type that takes values of both by the rules above; nullptr counts as null. Scalar against struct or list: `a` stays.
TypePtr merge_types(const TypePtr& a, const TypePtr& b);
/// By exact name; new ones follow in order of appearance.
std::vector<Field> merge_fields(std::vector<Field> a, const std::vector<Field>& b);

}  // namespace sluice
