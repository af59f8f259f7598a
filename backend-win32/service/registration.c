/* registration.c: what COM must find in the registry: where the host is, who may start and call it, where the
 * proxy/stub DLL is, and that both interfaces are marshalled by it. */
#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"
#include "backend-win32/security.h"

/* Values below AppID, CLSID and Interface in Software\Classes. */
typedef struct {
  const wchar_t *kind; /* "CLSID" */
  const GUID *guid;
  const wchar_t *subkey; /* or NULL */
  const wchar_t *name;   /* NULL: the key's default value */
  DWORD type;
  gconstpointer data;
  gsize size; /* of anything but a string */
} Value;

/* The AppID has the CLSID's number, as is the custom for one class per program. */
#define APPID_WslPluginHost CLSID_WslPluginHost

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
  gsize size = value->type == REG_SZ ? (wcslen(value->data) + 1) * sizeof(wchar_t) : value->size;

  return RegSetKeyValueW(root, path, value->name, value->type, value->data, (DWORD)size);
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

static Value binary(const wchar_t *name, GBytes *bytes) {
  gsize size = 0;
  gconstpointer data = bytes != NULL ? g_bytes_get_data(bytes, &size) : NULL;
  return (Value){L"AppID", &APPID_WslPluginHost, NULL, name, REG_BINARY, data, size};
}

gboolean bh_win32_register(gboolean per_user, const char *host_path, const char *proxystub_path, char **cause) {
  g_autofree char *host_full = bh_wire_full_path(host_path);
  g_autofree char *host_quoted = g_strdup_printf("\"%s\"", host_full);
  g_autofree char *proxystub_full = bh_wire_full_path(proxystub_path);
  g_autofree wchar_t *host = bh_wire_wide(host_quoted);
  g_autofree wchar_t *proxystub = bh_wire_wide(proxystub_full);
  const BhSecurityWho who = per_user ? BH_SECURITY_OWN_USER : BH_SECURITY_SYSTEM;
  g_autoptr(GBytes) launch = bh_security_descriptor(who, BH_COM_LAUNCH);
  g_autoptr(GBytes) access = bh_security_descriptor(who, BH_COM_ACCESS);
  const DWORD level = RPC_C_AUTHN_LEVEL_PKT_PRIVACY;
  GuidText proxy = guid_text(&CLSID_WslPluginProxyStub);
  GuidText app = guid_text(&APPID_WslPluginHost);
  /* The AppID comes before the class that names it: between the two, nobody may start more than he may at the end. */
  const Value values[] = {
      {L"AppID", &APPID_WslPluginHost, NULL, NULL, REG_SZ, L"Bulkhead plugin host", 0},
      binary(L"LaunchPermission", launch),
      binary(L"AccessPermission", access),
      {L"AppID", &APPID_WslPluginHost, NULL, L"AuthenticationLevel", REG_DWORD, &level, sizeof level},
      {L"CLSID", &CLSID_WslPluginHost, NULL, NULL, REG_SZ, L"Bulkhead plugin host", 0},
      {L"CLSID", &CLSID_WslPluginHost, NULL, L"AppID", REG_SZ, app.text, 0},
      {L"CLSID", &CLSID_WslPluginHost, L"LocalServer32", NULL, REG_SZ, host, 0},
      {L"CLSID", &CLSID_WslPluginProxyStub, NULL, NULL, REG_SZ, L"Bulkhead plugin host proxy", 0},
      {L"CLSID", &CLSID_WslPluginProxyStub, L"InProcServer32", NULL, REG_SZ, proxystub, 0},
      {L"CLSID", &CLSID_WslPluginProxyStub, L"InProcServer32", L"ThreadingModel", REG_SZ, L"Both", 0},
      {L"Interface", &IID_IWslPluginHost, NULL, NULL, REG_SZ, L"IWslPluginHost", 0},
      {L"Interface", &IID_IWslPluginHost, L"ProxyStubClsid32", NULL, REG_SZ, proxy.text, 0},
      {L"Interface", &IID_IWslPluginHostCallback, NULL, NULL, REG_SZ, L"IWslPluginHostCallback", 0},
      {L"Interface", &IID_IWslPluginHostCallback, L"ProxyStubClsid32", NULL, REG_SZ, proxy.text, 0},
  };
  LSTATUS error = ERROR_SUCCESS;

  if (host == NULL || proxystub == NULL) return answer(ERROR_INVALID_PARAMETER, cause);
  if (launch == NULL || access == NULL) return answer(ERROR_INVALID_SECURITY_DESCR, cause);
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
      {L"AppID", &APPID_WslPluginHost},
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
