/* discover.c: bh_win32_discover. Whoever may write the key decides what the service runs, so it is an
 * administrator; but what is there may have been written by anything, and is looked at as such. */
#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"
#include "backend-win32/service/plugin-value.h"

#define PLUGINS_KEY L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Lxss\\Plugins"

typedef struct {
  wchar_t name[BH_PLUGIN_NAME_MAX + 1];
  BYTE data[BH_PLUGIN_PATH_MAX * sizeof(wchar_t)];
  DWORD name_chars, size, type;
} Value;

/* The value's name, type and size. Anything but ERROR_SUCCESS and ERROR_MORE_DATA: there is none, or the key
 * cannot be read, and a higher index would fare no better. */
static LSTATUS find_value(HKEY key, DWORD index, Value *value) {
  LSTATUS error;

  value->name_chars = G_N_ELEMENTS(value->name);
  value->size = 0;
  error = RegEnumValueW(key, index, value->name, &value->name_chars, NULL, &value->type, NULL, &value->size);
  if (error != ERROR_SUCCESS) value->name_chars = 0; /* it may say how many there would have been */
  return error;
}

/* The data of the value that was found, when it is small enough to be a path's. A name with a NUL inside would ask for
 * another value's: it is refused as it is. */
static LSTATUS read_value(HKEY key, Value *value) {
  if (value->size > sizeof value->data || wcslen(value->name) < value->name_chars) return ERROR_SUCCESS;
  value->size = sizeof value->data;
  return RegQueryValueExW(key, value->name, NULL, &value->type, value->data, &value->size);
}

static void report(const BhWin32Discovery *discovery, gpointer data, const Value *value, LSTATUS error) {
  const BhPluginValue bytes = {.name = (const gunichar2 *)value->name,
                               .name_chars = value->name_chars,
                               .type = value->type,
                               .data = value->data,
                               .size = value->size};
  g_autofree char *name = NULL, *path = NULL, *warning = NULL;
  const char *refusal = bh_plugin_value_parse(&bytes, &name, &path);

  if (error != ERROR_SUCCESS) refusal = "it cannot be read";
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
    report(discovery, data, value, error);
  }
  if (error != ERROR_NO_MORE_ITEMS && error != ERROR_KEY_DELETED)
    discovery->warning(data, "the registered plugins cannot be read to their end");
  RegCloseKey(key);
}
