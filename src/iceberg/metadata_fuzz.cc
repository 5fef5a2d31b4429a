// Any bytes as metadata.json: nothing crashes, and what is read and may be written reads back as the same table.
#include <cstdlib>
#include <string_view>

#include "iceberg/table_change.h"
#include "iceberg/table_metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  const auto table = read_table_metadata(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!table) return 0;
  (void)ancestors_of_main(*table);
  (void)metadata_location_dir(*table);
  (void)apply(*table, {{}, {SetProperties{{{"a", "b"}}}}}, Timestamp{1});
  const auto written = write_table_metadata(*table);
  if (!written) return 0;
  const auto again = read_table_metadata(*written);
  if (!again) std::abort();
  const auto twice = write_table_metadata(*again);
  if (!twice || *twice != *written) std::abort();
  return 0;
}
