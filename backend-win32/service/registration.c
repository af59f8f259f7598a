/* registration.c: what COM must find in the registry: where the host is, where the proxy/stub DLL is, and
 * that both interfaces are marshalled by it. */
#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"

/* Values below CLSID and Interface in Software\Classes. */
typedef struct {
  const wchar_t *kind; /* "CLSID" */
  const GUID *guid;
  const wchar_t *subkey; /* or NULL */
  const wchar_t *name;   /* NULL: the key's default value */
  const wchar_t *data;
} Value;

/* "{…}", as the registry spells it. */
typedef struct {
  wchar_t text[39];
} GuidText;

static GuidText guid_text(const GUID *guid) {
  GuidText result = {L""};
  StringFromGUID2(guid, result.text, G_N_ELEMENTS(result.text));
  return result;
}

static wchar_t *join(const wchar_t *first, const wchar_t *second, const wchar_t *third) {
  const wchar_t *parts[] = {L"Software\\Classes", first, second, third};
  GArray *path = g_array_new(TRUE, TRUE, sizeof(wchar_t));

  for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
    if (parts[i] == NULL) break;
    if (i > 0) g_array_append_vals(path, L"\\", 1);
    g_array_append_vals(path, parts[i], (guint)wcslen(parts[i]));
  }
  return (wchar_t *)g_array_free(path, FALSE);
}

static LSTATUS set_value(HKEY root, const Value *value) {
  GuidText guid = guid_text(value->guid);
  g_autofree wchar_t *path = join(value->kind, guid.text, value->subkey);
  DWORD size = (DWORD)((wcslen(value->data) + 1) * sizeof(wchar_t));

  return RegSetKeyValueW(root, path, value->name, REG_SZ, value->data, size);
}

static gboolean answer(LSTATUS error, char **cause) {
  if (error == ERROR_SUCCESS) return TRUE;
  if (cause != NULL) {
    g_autofree char *words = bh_wire_error_words(bh_wire_error((DWORD)error));
    *cause = g_strdup_printf("the registry could not be written: %s", words);
  }
  return FALSE;
}

static gboolean is_elevated(void) {
  TOKEN_ELEVATION elevation = {0};
  HANDLE token;
  DWORD size;
  gboolean known;

  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return FALSE;
  known = GetTokenInformation(token, TokenElevation, &elevation, sizeof elevation, &size);
  CloseHandle(token);
  return known && elevation.TokenIsElevated;
}

/* Windows looks into the user's classes first, unless the process is elevated: then, and for services, only
 * the machine's count, so an elevated process that wrote the user's would not find itself. Wine 8 has no user's
 * classes, it looks into the machine's only; but there a "machine" is a prefix, and that is a user's own. */
static HKEY classes_root(gboolean per_user) {
  const gboolean is_wine = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
  return per_user && !is_wine && !is_elevated() ? HKEY_CURRENT_USER : HKEY_LOCAL_MACHINE;
}

gboolean bh_win32_register(gboolean per_user, const char *host_path, const char *proxystub_path, char **cause) {
  g_autofree char *host_full = bh_wire_full_path(host_path);
  g_autofree char *host_quoted = g_strdup_printf("\"%s\"", host_full);
  g_autofree char *proxystub_full = bh_wire_full_path(proxystub_path);
  g_autofree wchar_t *host = bh_wire_wide(host_quoted);
  g_autofree wchar_t *proxystub = bh_wire_wide(proxystub_full);
  GuidText proxy = guid_text(&CLSID_WslPluginProxyStub);
  const Value values[] = {
      {L"CLSID", &CLSID_WslPluginHost, NULL, NULL, L"Bulkhead plugin host"},
      {L"CLSID", &CLSID_WslPluginHost, L"LocalServer32", NULL, host},
      {L"CLSID", &CLSID_WslPluginProxyStub, NULL, NULL, L"Bulkhead plugin host proxy"},
      {L"CLSID", &CLSID_WslPluginProxyStub, L"InProcServer32", NULL, proxystub},
      {L"CLSID", &CLSID_WslPluginProxyStub, L"InProcServer32", L"ThreadingModel", L"Both"},
      {L"Interface", &IID_IWslPluginHost, NULL, NULL, L"IWslPluginHost"},
      {L"Interface", &IID_IWslPluginHost, L"ProxyStubClsid32", NULL, proxy.text},
      {L"Interface", &IID_IWslPluginHostCallback, NULL, NULL, L"IWslPluginHostCallback"},
      {L"Interface", &IID_IWslPluginHostCallback, L"ProxyStubClsid32", NULL, proxy.text},
  };
  LSTATUS error = ERROR_SUCCESS;

  if (host == NULL || proxystub == NULL) return answer(ERROR_INVALID_PARAMETER, cause);
  for (guint i = 0; i < G_N_ELEMENTS(values) && error == ERROR_SUCCESS; i++)
    error = set_value(classes_root(per_user), &values[i]);
  return answer(error, cause);
}

gboolean bh_win32_unregister(gboolean per_user, char **cause) {
  const struct {
    const wchar_t *kind;
    const GUID *guid;
  } keys[] = {
      {L"CLSID", &CLSID_WslPluginHost},
      {L"CLSID", &CLSID_WslPluginProxyStub},
      {L"Interface", &IID_IWslPluginHost},
      {L"Interface", &IID_IWslPluginHostCallback},
  };
  LSTATUS error = ERROR_SUCCESS;

  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    GuidText guid = guid_text(keys[i].guid);
    g_autofree wchar_t *path = join(keys[i].kind, guid.text, NULL);
    LSTATUS result = RegDeleteTreeW(classes_root(per_user), path);
    if (result == ERROR_SUCCESS) result = RegDeleteKeyW(classes_root(per_user), path);
    if (result != ERROR_SUCCESS && result != ERROR_FILE_NOT_FOUND) error = result;
  }
  return answer(error, cause);
}
