// How one CSV file is written: what its source says, and for the rest what the file's first bytes say. Pure.
//
// An ordinary file is seen at once: its first record is text throughout, holds one kind of delimiter, and all records behind it have as
// many fields. Else every delimiter, quote and escape that may be is tried on the head. What gives every record the same number of fields
// wins; among those the one that skips no line, leaves no other delimiter inside fields, and gives most numbers and dates. Where none does,
// the file is read as it would be without looking (comma, double quotes), and its broken rows are told as such: a dialect is never bent
// until a broken file fits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/csv_scanner.h"
#include "model/ingestion.h"
#include "schema/type.h"

namespace sluice {

/// Of a file's beginning, decompressed: what is looked at.
inline constexpr size_t kCsvHeadBytes = 64 * kKiB;
/// Records of it.
inline constexpr size_t kCsvHeadRecordsMax = 500;
/// Lines before the header that are passed over without being asked to.
inline constexpr size_t kCsvSkipFoundMax = 50;

struct CsvLayout {
  CsvDialect dialect;
  bool header = true;
  char decimal = '.';
  size_t columns = 0;  ///< of the head's records; 0: they differ, or there is none
  bool sure = false;   ///< nothing else looks like this: a header of several columns, and values that are no prose below it
};

/// `head`: the first kCsvHeadBytes of the file as stored, decompressed; `whole`: there are no more. `delimiter`: what the format prescribes
/// unless the options name another. `known`: columns of the table; a first record that names only such is a header.
CsvLayout find_csv_layout(std::string_view head, bool whole, const CsvOptions& options, std::optional<char> delimiter = {},
                          std::span<const Field> known = {});

/// The delimiter of an ordinary file, by its first line alone; nullopt: the line does not say. `options` and `delimiter` as above.
std::optional<char> ordinary_delimiter(std::string_view first_line, const CsvOptions& options, std::optional<char> delimiter);

/// Whether a first record is a header whatever stands below it.
bool is_surely_header(std::span<const CsvField> record);

/// For people: "3 columns, delimiter ';', no header; encoding utf-16le". Says what is not as everybody has it.
std::string to_text(const CsvLayout& layout);

/// A source of bytes in memory, which must outlive it.
std::unique_ptr<ByteSource> view_source(std::string_view bytes);

}  // namespace sluice
