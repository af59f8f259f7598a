/* A value of the plugins' registry key: what was understood is, encoded again, what stands there. The first byte is the type,
 * the second how many of the characters that follow are the name's. */
#include "fuzz.h"

#include "backend-win32/service/plugin-value.h"

/* That text is these characters, whole, but for `end` NULs more. */
static void assert_says(const char *text, gconstpointer bytes, gsize chars, gsize end) {
  glong length;
  g_autofree gunichar2 *again = g_utf8_to_utf16(text, -1, NULL, &length, NULL);

  g_assert_nonnull(again);
  g_assert_cmpint(length, >, 0);
  g_assert_cmpmem(again, (gsize)length * sizeof *again, bytes, (chars - end) * sizeof *again);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  const gsize wanted = size > 2 ? data[1] : 0, chars = MIN(wanted, (MAX(size, 2) - 2) / sizeof(gunichar2));
  g_autofree gunichar2 *name = g_new(gunichar2, chars);
  const guint8 *path = data + 2 + chars * sizeof *name;
  g_autofree char *name_text = NULL, *path_text = NULL;
  BhPluginValue value = {.name = name, .name_chars = chars};

  if (size < 2) return 0;
  if (chars > 0) memcpy(name, data + 2, chars * sizeof *name);
  value.type = data[0];
  value.data = path;
  value.size = (gsize)(data + size - path);
  if (bh_plugin_value_parse(&value, &name_text, &path_text) == NULL) {
    const gsize path_chars = value.size / sizeof *name;

    g_assert_cmpuint(value.type, ==, 1);
    g_assert_cmpuint(value.size % sizeof *name, ==, 0);
    assert_says(path_text, path, path_chars, path[value.size - 1] == 0 && path[value.size - 2] == 0);
  } else {
    g_assert_null(path_text);
  }
  if (name_text != NULL) assert_says(name_text, name, chars, 0);
  return 0;
}
