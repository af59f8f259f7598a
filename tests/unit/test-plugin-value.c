/* What may stand in the plugins' registry key, and what is made of it. */
#include "backend-win32/service/plugin-value.h"

#include <string.h>

#define SZ 1 /* REG_SZ */

#define CHARS(text)   (text), G_N_ELEMENTS(text)               /* gunichar2[] */
#define BYTES(text)   (const guint8 *)(text), sizeof(text)     /* likewise, as a value's data */
#define BYTES_1(text) (const guint8 *)(text), sizeof(text) - 1 /* cut in a character */
#define NAME          CHARS(((const gunichar2[]){'n', 0xfc}))  /* nü */
#define NAME_UTF8     "n\xc3\xbc"
#define TEXT(...)     ((const gunichar2[]){__VA_ARGS__})

static gunichar2 longest[BH_PLUGIN_PATH_MAX + 1]; /* 'a' in each */

static const struct {
  const char *about;
  BhPluginValue value;
  const char *refusal; /* a part of it; NULL: none */
  const char *name, *path;
} rows[] = {
    {"terminated", {NAME, SZ, BYTES(TEXT('a', 0x20ac, 0))}, NULL, NAME_UTF8, "a\xe2\x82\xac"},
    {"not-terminated", {NAME, SZ, BYTES(TEXT('a', 'b'))}, NULL, NAME_UTF8, "ab"},
    {"surrogates", {NAME, SZ, BYTES(TEXT(0xd83d, 0xde00))}, NULL, NAME_UTF8, "\xf0\x9f\x98\x80"},
    {"expandable", {NAME, 2, BYTES(TEXT('a', 0))}, "not a string", NAME_UTF8, NULL},
    {"binary", {NAME, 3, BYTES(TEXT('a', 0))}, "not a string", NAME_UTF8, NULL},
    {"several", {NAME, 7, BYTES(TEXT('a', 0, 0))}, "not a string", NAME_UTF8, NULL},
    {"nothing", {NAME, SZ, NULL, 0}, "empty", NAME_UTF8, NULL},
    {"nul", {NAME, SZ, BYTES(TEXT(0))}, "empty", NAME_UTF8, NULL},
    {"nuls", {NAME, SZ, BYTES(TEXT(0, 0, 0))}, "empty", NAME_UTF8, NULL},
    {"nul-inside", {NAME, SZ, BYTES(TEXT('a', 0, 'b', 0))}, "NUL inside", NAME_UTF8, NULL},
    {"two-nuls", {NAME, SZ, BYTES(TEXT('a', 0, 0))}, "NUL inside", NAME_UTF8, NULL},
    {"odd", {NAME, SZ, BYTES_1(TEXT('a', 'b'))}, "inside a character", NAME_UTF8, NULL},
    {"one-byte", {NAME, SZ, BYTES_1(TEXT('a'))}, "inside a character", NAME_UTF8, NULL},
    {"half-a-surrogate", {NAME, SZ, BYTES(TEXT('a', 0xd83d))}, "not UTF-16", NAME_UTF8, NULL},
    {"too-long", {NAME, SZ, BYTES(longest)}, "too long", NAME_UTF8, NULL},
    {"longest", {NAME, SZ, (const guint8 *)longest, BH_PLUGIN_PATH_MAX * 2}, NULL, NAME_UTF8, ""},
    {"no-name", {NULL, 0, SZ, BYTES(TEXT('a'))}, "no name", NULL, NULL},
    {"nul-in-the-name", {CHARS(TEXT('n', 0, 'm')), SZ, BYTES(TEXT('a'))}, "name has a NUL", NULL, NULL},
    {"surrogate-in-the-name", {CHARS(TEXT(0xdc00, 'm')), SZ, BYTES(TEXT('a'))}, "name is not UTF-16", NULL, NULL},
    {"long-name", {longest, BH_PLUGIN_NAME_MAX, SZ, BYTES(TEXT('a'))}, NULL, "", "a"},
    {"too-long-a-name", {longest, BH_PLUGIN_NAME_MAX + 1, SZ, BYTES(TEXT('a'))}, "name is too long", NULL, NULL},
};

/* expected: "" is a long one, of 'a' only. */
static void assert_text(const char *text, const char *expected) {
  if (expected != NULL && *expected == '\0')
    g_assert_cmpuint(strspn(text, "a"), ==, strlen(text));
  else
    g_assert_cmpstr(text, ==, expected);
}

static void test_row(gconstpointer data) {
  const guint i = GPOINTER_TO_UINT(data);
  g_autofree char *name = NULL, *path = NULL;
  const char *refusal = bh_plugin_value_parse(&rows[i].value, &name, &path);

  g_assert_true((refusal == NULL) == (rows[i].refusal == NULL));
  if (refusal != NULL) g_assert_nonnull(strstr(refusal, rows[i].refusal));
  assert_text(name, rows[i].name);
  assert_text(path, rows[i].path);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(longest); i++) longest[i] = 'a';
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *path = g_strconcat("/plugin-value/", rows[i].about, NULL);
    g_test_add_data_func(path, GUINT_TO_POINTER(i), test_row);
  }
  return g_test_run();
}
