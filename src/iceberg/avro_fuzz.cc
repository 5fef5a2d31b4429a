// Any bytes as a manifest and as a manifest list: nothing crashes, nothing takes memory beyond its bytes, and a list that is read can be
// written and read again.
#include <cstdlib>
#include <string_view>

#include "iceberg/avro.h"
#include "iceberg/manifest.h"
#include "iceberg/test_metadata.h"

namespace sluice {
namespace {

void read_any_avro(std::string_view bytes) {
  auto reader = AvroReader::open(bytes);
  if (!reader) return;
  AvroValue value;
  for (auto more = reader->next(value); more && *more; more = reader->next(value)) {
  }
}

void read_as_manifest(std::string_view bytes) {
  static const TableMetadata kTable =
      test_table({{2, 1000, "city", "identity"}, {4, 1001, "price", "identity"}, {6, 1002, "key", "identity"}});
  static const auto kTypes = partition_types(kTable, kTable.default_spec());
  (void)read_manifest(bytes, ManifestFile{}, *kTypes, kTable.default_spec(), [](const ManifestEntry&) -> Result<void> { return {}; });
}

void read_as_list(std::string_view bytes) {
  const auto manifests = read_manifest_list(bytes);
  if (!manifests) return;
  const auto written = write_manifest_list(*manifests, 1, std::nullopt, 1);
  if (!written) return;  // counts missing
  const auto again = read_manifest_list(*written);
  if (!again || again->size() != manifests->size()) std::abort();
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  sluice::read_any_avro(bytes);
  sluice::read_as_manifest(bytes);
  sluice::read_as_list(bytes);
  return 0;
}
