/* The name or number of a result, as scenarios and scripts spell it: what was understood is written so that it is again. */
#include "fuzz.h"

#include "core/result.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  g_autofree char *text = fuzz_text(data, size);
  BhResult result, again;

  if (bh_result_parse(text, &result)) {
    g_autofree char *written = bh_result_to_string(result);

    g_assert_true(bh_result_parse(written, &again));
    g_assert_cmpint(again, ==, result);
  }
  if (size >= sizeof result) { /* and any number has a spelling */
    g_autofree char *written = NULL;

    memcpy(&result, data, sizeof result);
    written = bh_result_to_string(result);
    g_assert_true(bh_result_parse(written, &again));
    g_assert_cmpint(again, ==, result);
  }
  return 0;
}
