/* Records: every hook, call and reply. The first byte says which; what is accepted is encoded to the same bytes. */
#include "fuzz.h"

#include "tests/unit/record-samples.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  if (size > 0) assert_refused_or_normal(data[0] % samples_count(), data + 1, size - 1);
  return 0;
}
