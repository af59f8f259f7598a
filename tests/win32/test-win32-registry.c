/* What is in the registry: our registration with COM, and the plugins'. */
#include "fixture.h"

#include <string.h>

#define PLUGINS_KEY L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Lxss\\Plugins"
#define PREFIX      "BulkheadTest"

/* --- Discovery ------------------------------------------------------------------------------------------ */

/* A value, as bytes: nothing keeps anyone from writing such. */
typedef struct {
  const wchar_t *name;
  DWORD type;
  const void *data;
  DWORD size;
  const char *path; /* what is found; NULL: it is skipped */
  const char *says; /* what the warning says */
} Value;

#define TEXT_OF(text) (text), sizeof(text)

static wchar_t long_path[40000];

static const Value values[] = {
    {L"BulkheadTestGood", REG_SZ, TEXT_OF(L"C:\\good.dll"), "C:\\good.dll", NULL},
    {L"BulkheadTestGr\u00fc\u00dfe", REG_SZ, TEXT_OF(L"C:\\gr\u00fc\u00dfe.dll"),
     "C:\\gr\xc3\xbc\xc3\x9f"
     "e.dll",
     NULL},
    {L"BulkheadTestNoNul", REG_SZ, L"C:\\nonul.dll", 12 * 2, "C:\\nonul.dll", NULL},
    {L"BulkheadTestExpand", REG_EXPAND_SZ, TEXT_OF(L"%windir%\\a.dll"), NULL, "not a string"},
    {L"BulkheadTestMulti", REG_MULTI_SZ, TEXT_OF(L"C:\\a.dll\0C:\\b.dll\0"), NULL, "not a string"},
    {L"BulkheadTestDword", REG_DWORD, "\1\0\0\0", 4, NULL, "not a string"},
    {L"BulkheadTestBinary", REG_BINARY, "C:\\a.dll", 8, NULL, "not a string"},
    {L"BulkheadTestNone", REG_SZ, "", 0, NULL, "empty"},
    {L"BulkheadTestEmpty", REG_SZ, TEXT_OF(L""), NULL, "empty"},
    {L"BulkheadTestNulInside", REG_SZ, TEXT_OF(L"C:\\a.dll\0C:\\b.dll"), NULL, "NUL inside"},
    {L"BulkheadTestOdd", REG_SZ, "C:\\a.dll", 7, NULL, "inside a character"},
    {L"BulkheadTestSurrogate", REG_SZ, L"C:\\\xd800.dll", 9 * 2, NULL, "not UTF-16"},
    {L"BulkheadTestLong", REG_SZ, long_path, sizeof long_path, NULL, "too long"},
};

typedef struct {
  GHashTable *found; /* name to path */
  GPtrArray *warnings;
} Findings;

static void on_found(gpointer data, const char *name, const char *path) {
  Findings *findings = data;
  if (g_str_has_prefix(name, PREFIX)) g_hash_table_insert(findings->found, g_strdup(name), g_strdup(path));
}

static void on_warning(gpointer data, const char *text) {
  Findings *findings = data;
  if (strstr(text, PREFIX) != NULL) g_ptr_array_add(findings->warnings, g_strdup(text));
}

static void discover(Findings *findings) {
  const BhWin32Discovery discovery = {on_found, on_warning};
  findings->found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  findings->warnings = g_ptr_array_new_with_free_func(g_free);
  bh_win32_discover(&discovery, findings);
}

static void assert_warned(const Findings *findings, const char *name, const char *says) {
  for (guint i = 0; i < findings->warnings->len; i++) {
    const char *warning = findings->warnings->pdata[i];
    if (strstr(warning, name) != NULL && strstr(warning, says) != NULL) return;
  }
  g_error("there is no warning that %s is %s", name, says);
}

static void findings_clear(Findings *findings) {
  g_hash_table_unref(findings->found);
  g_ptr_array_unref(findings->warnings);
}

/* Whether plugins are registered on this machine: it is then in use, and not ours to write to. */
static gboolean is_in_use(void) {
  DWORD count = 0;
  HKEY key;

  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, PLUGINS_KEY, 0, KEY_QUERY_VALUE | KEY_WOW64_64KEY, &key)) return FALSE;
  RegQueryInfoKeyW(key, NULL, NULL, NULL, NULL, NULL, NULL, &count, NULL, NULL, NULL, NULL);
  RegCloseKey(key);
  if (count > 0) g_test_skip("plugins are registered on this machine");
  return count > 0;
}

/* Writes the values, discovers, and takes them away before anything is asserted. FALSE: not all could be written. */
static gboolean discover_values(HKEY key, Findings *findings) {
  gboolean written = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
    if (RegSetValueExW(key, values[i].name, 0, values[i].type, values[i].data, values[i].size)) written = FALSE;
  discover(findings);
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++) RegDeleteValueW(key, values[i].name);
  return written;
}

static void test_discovery(void) {
  Findings findings;
  guint skipped = 0;
  gboolean written;
  HKEY key;

  if (is_in_use()) return;
  if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, PLUGINS_KEY, 0, NULL, 0, KEY_SET_VALUE | KEY_WOW64_64KEY, NULL, &key,
                      NULL)) {
    g_test_skip("the registry cannot be written: not an administrator");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(long_path) - 1; i++) long_path[i] = L'a';
  written = discover_values(key, &findings);
  RegCloseKey(key);
  g_assert_true(written);
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
    g_autofree char *name = bh_wire_utf8(values[i].name);
    g_assert_cmpstr(g_hash_table_lookup(findings.found, name), ==, values[i].path);
    if (values[i].path == NULL) assert_warned(&findings, name, values[i].says);
    skipped += values[i].path == NULL;
  }
  g_assert_cmpuint(findings.warnings->len, ==, skipped);
  findings_clear(&findings);
}

static void test_no_plugins(void) {
  Findings findings;

  if (is_in_use()) return;
  discover(&findings);
  g_assert_cmpuint(g_hash_table_size(findings.found), ==, 0);
  g_assert_cmpuint(findings.warnings->len, ==, 0);
  findings_clear(&findings);
}

/* --- COM ------------------------------------------------------------------------------------------------ */

static void test_not_registered(void) {
  g_autofree char *host = fixture_built("backend-win32/wslpluginhost.exe");
  g_autofree char *proxystub = fixture_built("backend-win32/wslpluginproxystub.dll");
  const BhWin32Settings settings = {.host_path = host};
  const BhPluginSpec spec = {"TestPlugin", "C:\\plugin.dll"};
  const BhLinkEvents events = {0};
  g_autofree char *cause = NULL;
  BhBackend *backend = bh_backend_win32_new(&settings, NULL);
  BhLink *link = NULL;

  g_assert_true(bh_win32_unregister(TRUE, NULL));
  g_assert_true(bh_win32_unregister(TRUE, NULL)); /* nothing there: nothing wrong */
  g_assert_cmphex((guint)backend->class->start(backend, &spec, &events, NULL, &link, &cause), ==,
                  (guint)REGDB_E_CLASSNOTREG);
  g_assert_nonnull(strstr(cause, "could not be activated"));
  bh_backend_win32_free(backend);
  g_assert_true(bh_win32_register(TRUE, host, proxystub, NULL));
}

static void test_registered_again(void) {
  Fixture fixture;
  fixture_start(&fixture, "faults");
  fixture_stop(&fixture);
}

static void test_current_user(void) {
  guint64 token;
  g_autoptr(GBytes) sid = NULL;

  g_assert_true(bh_win32_current_user(&token, &sid));
  g_assert_cmpuint(token, !=, 0);
  g_assert_true(IsValidSid((PSID)g_bytes_get_data(sid, NULL)));
  bh_win32_token_close(token);
}

int main(int argc, char **argv) {
  fixture_init(&argc, &argv);
  g_test_add_func("/win32/registry/discovery", test_discovery);
  g_test_add_func("/win32/registry/no-plugins", test_no_plugins);
  g_test_add_func("/win32/registry/not-registered", test_not_registered);
  g_test_add_func("/win32/registry/registered-again", test_registered_again);
  g_test_add_func("/win32/registry/current-user", test_current_user);
  return g_test_run();
}
