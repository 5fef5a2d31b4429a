// Any bytes as an ORC file: nothing crashes, and the file's own sizes do not lead beyond it. What can be read is valid.
#include "formats/columnar_fuzz.h"
#include "formats/orc_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz_columnar(sluice::orc_format(), data, size);
  return 0;
}
