// Any bytes as a Parquet file: nothing crashes, and no size in the file takes more memory than its limit. What can be read is valid.
#include "formats/columnar_fuzz.h"
#include "formats/parquet_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz_columnar(sluice::parquet_format(), data, size);
  return 0;
}
