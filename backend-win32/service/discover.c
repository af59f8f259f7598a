/* discover.c: bh_win32_discover. Whoever may write the key decides what the service runs, so it is an
 * administrator; but what is there may have been written by anything, and is looked at as such. */
#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"

#define PLUGINS_KEY L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Lxss\\Plugins"

/* Limits of Windows': a value's name, and a path with its NUL. */
#define NAME_MAX_CHARS 16383
#define PATH_MAX_CHARS 32767

typedef struct {
  wchar_t name[NAME_MAX_CHARS + 1];
  wchar_t data[PATH_MAX_CHARS + 1]; /* one more than is read, for a NUL that may be missing */
  DWORD data_bytes, type;
} Value;

/* The value's name, type and size. Anything but ERROR_SUCCESS and ERROR_MORE_DATA: there is none, or the key
 * cannot be read, and a higher index would fare no better. */
static LSTATUS find_value(HKEY key, DWORD index, Value *value) {
  DWORD chars = G_N_ELEMENTS(value->name);

  value->name[0] = L'\0';
  value->data_bytes = 0;
  return RegEnumValueW(key, index, value->name, &chars, NULL, &value->type, NULL, &value->data_bytes);
}

/* The data of the value that was found, when it is small enough to be a path's. */
static LSTATUS read_value(HKEY key, Value *value) {
  LSTATUS error;

  if (value->data_bytes > PATH_MAX_CHARS * sizeof(wchar_t)) return ERROR_MORE_DATA;
  value->data_bytes = PATH_MAX_CHARS * sizeof(wchar_t);
  error = RegQueryValueExW(key, value->name, NULL, &value->type, (BYTE *)value->data, &value->data_bytes);
  if (error == ERROR_SUCCESS) value->data[value->data_bytes / sizeof(wchar_t)] = L'\0';
  return error;
}

/* Why a value cannot be a plugin's; NULL: it can. */
static const char *refuse(const Value *value, LSTATUS error) {
  gsize chars = value->data_bytes / sizeof(wchar_t);
  gsize length;

  if (error == ERROR_MORE_DATA) return "its data is too long to be a path";
  if (error != ERROR_SUCCESS) return "it cannot be read";
  if (value->type != REG_SZ) return "it is not a string (REG_SZ)";
  if (value->data_bytes % sizeof(wchar_t) != 0) return "its data ends inside a character";
  if (value->name[0] == L'\0') return "it has no name";
  length = wcsnlen(value->data, chars);
  if (length == 0) return "its data is empty";
  if (length + 1 < chars) return "its data has a NUL inside";
  return NULL;
}

static void report(const BhWin32Discovery *discovery, gpointer data, const Value *value, const char *refusal) {
  g_autofree char *name = bh_wire_utf8(value->name);
  g_autofree char *path = refusal == NULL ? bh_wire_utf8(value->data) : NULL;
  g_autofree char *warning = NULL;

  if (refusal == NULL && (name == NULL || path == NULL)) refusal = "it is not UTF-16";
  if (refusal == NULL) {
    discovery->found(data, name, path);
    return;
  }
  warning = g_strdup_printf("plugin registration '%s' was skipped: %s", name != NULL ? name : "?", refusal);
  discovery->warning(data, warning);
}

void bh_win32_discover(const BhWin32Discovery *discovery, gpointer data) {
  g_autofree Value *value = g_new0(Value, 1);
  HKEY key;
  LSTATUS error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, PLUGINS_KEY, 0, KEY_QUERY_VALUE | KEY_WOW64_64KEY, &key);

  if (error != ERROR_SUCCESS) {
    if (error != ERROR_FILE_NOT_FOUND) discovery->warning(data, "the registered plugins cannot be read");
    return;
  }
  /* Index by index, until there is none: a value that cannot be read does not hide the next. */
  for (DWORD i = 0;; i++) {
    error = find_value(key, i, value);
    if (error != ERROR_SUCCESS && error != ERROR_MORE_DATA) break;
    if (error == ERROR_SUCCESS) error = read_value(key, value);
    report(discovery, data, value, refuse(value, error));
  }
  if (error != ERROR_NO_MORE_ITEMS && error != ERROR_KEY_DELETED)
    discovery->warning(data, "the registered plugins cannot be read to their end");
  RegCloseKey(key);
}
