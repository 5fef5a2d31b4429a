#include "parquet/footer.h"

#include <algorithm>
#include <cstring>

#include <arrow/util/key_value_metadata.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>

#include "base/units.h"

namespace sluice {
namespace {

constexpr int64_t kTailBytes = 64 * kKiB;        // holds most footers
constexpr int64_t kFooterBytesMax = 256 * kMiB;  // a length beyond this is none
constexpr int64_t kEndBytes = 8;                 // length and magic
constexpr std::string_view kMagic = "PAR1";

Result<std::string> read_tail(Blob& blob, int64_t length, Context& context) {
  std::string tail(static_cast<size_t>(length), '\0');
  TRY_ASSIGN(auto source, blob.open({blob.size_bytes() - length, length}, context));
  for (size_t filled = 0; filled < tail.size();) {
    TRY_ASSIGN(const size_t count, source->read(std::span(tail).subspan(filled), context));
    if (count == 0) return invalid_input("the file ended early");
    filled += count;
  }
  return tail;
}

Result<ParquetFooter> parse(const std::string& bytes) {
  try {
    const auto file = parquet::FileMetaData::Make(bytes.data(), std::ssize(bytes));
    ParquetFooter footer{file->num_rows(), {}};
    if (const auto notes = file->key_value_metadata()) {
      for (int64_t i = 0; i < notes->size(); ++i) footer.notes.insert_or_assign(notes->key(i), notes->value(i));
    }
    return footer;
  } catch (const std::exception& error) {
    return invalid_input(std::string("its Parquet footer is broken: ") + error.what());
  }
}

}  // namespace

Result<ParquetFooter> read_parquet_footer(Blob& blob, Context& context) {
  const int64_t size = blob.size_bytes();
  if (size < kEndBytes) return invalid_input("too short for a Parquet file");
  TRY_ASSIGN(std::string tail, read_tail(blob, std::min(size, kTailBytes), context));
  if (!tail.ends_with(kMagic)) return invalid_input("not a Parquet file");
  uint32_t length = 0;
  std::memcpy(&length, tail.data() + tail.size() - kEndBytes, sizeof(length));
  const int64_t wanted = length + kEndBytes;
  if (wanted > size || length > kFooterBytesMax) return invalid_input("its Parquet footer has an impossible length");
  if (wanted > std::ssize(tail)) {
    TRY_ASSIGN(tail, read_tail(blob, wanted, context));
  }
  return parse(tail.substr(tail.size() - static_cast<size_t>(wanted), length));
}

}  // namespace sluice
