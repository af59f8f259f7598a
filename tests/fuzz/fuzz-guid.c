/* A GUID's text: what was understood is, but for braces and case, how it is written. */
#include "fuzz.h"

#include "core/guest.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  g_autofree char *text = fuzz_text(data, size);
  BhGuid guid = {{0}};

  if (bh_guid_parse(text, &guid)) {
    g_autofree char *written = bh_guid_to_string(&guid);
    g_autofree char *lower = g_ascii_strdown(text, -1);
    g_autofree char *expected = lower[0] == '{' ? g_strdup(lower) : g_strdup_printf("{%s}", lower);

    g_assert_cmpstr(written, ==, expected);
  } else {
    static const BhGuid none = {{0}};
    g_assert_cmpmem(&guid, sizeof guid, &none, sizeof none);
  }
  return 0;
}
