#include <winsock2.h>

#include "machine.h"

#include "event-log.h"

#include "backend-win32/wire.h"

#include <aclapi.h>
#include <glib/gstdio.h>
#include <sddl.h>
#include <ws2spi.h>

#define DUMPS_KEY L"SOFTWARE\\Microsoft\\Windows\\Windows Error Reporting\\LocalDumps\\wslpluginhost.exe"

/* A value: a number, or a text. */
typedef struct {
  const wchar_t *key, *name;
  DWORD number;
  const char *text; /* NULL: it is a number */
} Value;

static DWORD set_value(const Value *value) {
  g_autofree wchar_t *text = bh_wire_wide(value->text);

  if (value->text == NULL)
    return (DWORD)RegSetKeyValueW(HKEY_LOCAL_MACHINE, value->key, value->name, REG_DWORD, &value->number,
                                  sizeof value->number);
  if (text == NULL) return ERROR_INVALID_PARAMETER;
  return (DWORD)RegSetKeyValueW(HKEY_LOCAL_MACHINE, value->key, value->name, REG_EXPAND_SZ, text,
                                (DWORD)((wcslen(text) + 1) * sizeof *text));
}

DWORD bh_machine_register(const char *program, const char *dumps) {
  const Value values[] = {
      {BH_EVENT_SOURCE_KEY, L"EventMessageFile", 0, program},
      {BH_EVENT_SOURCE_KEY, L"TypesSupported",
       EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE, NULL},
      {DUMPS_KEY, L"DumpFolder", 0, dumps},
      {DUMPS_KEY, L"DumpType", 1, NULL}, /* a minidump: the stacks, not all memory */
      {DUMPS_KEY, L"DumpCount", 10, NULL},
  };
  DWORD error = ERROR_SUCCESS;

  for (guint i = 0; i < G_N_ELEMENTS(values) && error == ERROR_SUCCESS; i++) error = set_value(&values[i]);
  return error;
}

DWORD bh_machine_unregister(void) {
  static const wchar_t *const keys[] = {BH_EVENT_SOURCE_KEY, DUMPS_KEY};
  DWORD first = ERROR_SUCCESS;

  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    DWORD error = (DWORD)RegDeleteKeyW(HKEY_LOCAL_MACHINE, keys[i]);
    if (error != ERROR_SUCCESS && error != ERROR_FILE_NOT_FOUND && first == ERROR_SUCCESS) first = error;
  }
  return first;
}

/* Protected: nothing is inherited from the folder it lies in, where users may read. */
#define DUMPS_SECURITY L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

DWORD bh_machine_make_dumps(const char *dumps) {
  g_autofree wchar_t *path = bh_wire_wide(dumps);
  SECURITY_ATTRIBUTES attributes = {.nLength = sizeof attributes};
  DWORD error = ERROR_INVALID_PARAMETER;
  BOOL present, defaulted;
  PACL list;

  if (path == NULL || !ConvertStringSecurityDescriptorToSecurityDescriptorW(
                          DUMPS_SECURITY, SDDL_REVISION_1, &attributes.lpSecurityDescriptor, NULL))
    return path == NULL ? error : GetLastError();
  error = CreateDirectoryW(path, &attributes) ? ERROR_SUCCESS : GetLastError();
  if (error == ERROR_ALREADY_EXISTS &&
      GetSecurityDescriptorDacl(attributes.lpSecurityDescriptor, &present, &list, &defaulted))
    error = SetNamedSecurityInfoW(path, SE_FILE_OBJECT,
                                  DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, NULL, NULL,
                                  list, NULL);
  LocalFree(attributes.lpSecurityDescriptor);
  return error;
}

char *bh_machine_own_dumps(void) {
  return g_build_filename(g_get_user_data_dir(), "Bulkhead", "Dumps", NULL);
}

void bh_machine_remove_dumps(const char *dumps) {
  g_autofree wchar_t *path = bh_wire_wide(dumps);
  DWORD attributes = path != NULL ? GetFileAttributesW(path) : INVALID_FILE_ATTRIBUTES;
  GDir *folder = NULL;

  if (attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_REPARSE_POINT))
    folder = g_dir_open(dumps, 0, NULL);
  if (folder == NULL) return;
  for (const char *name = g_dir_read_name(folder); name != NULL; name = g_dir_read_name(folder)) {
    g_autofree char *file = g_build_filename(dumps, name, NULL);
    if (g_str_has_suffix(name, ".dmp") || g_str_has_suffix(name, ".dmp.part")) g_remove(file);
  }
  g_dir_close(folder);
  g_rmdir(dumps);
}

gboolean bh_machine_requires_signatures(void) {
  DWORD number = 0, size = sizeof number;
  LSTATUS error = RegGetValueW(HKEY_LOCAL_MACHINE, L"SOFTWARE\\Policies\\Bulkhead", L"RequireSignatures",
                               RRF_RT_REG_DWORD, NULL, &number, &size);

  return error != ERROR_FILE_NOT_FOUND && (error != ERROR_SUCCESS || number != 0);
}

DWORD bh_machine_refuse_providers(const char *program) {
  g_autofree wchar_t *path = bh_wire_wide(program);
  WSADATA winsock;
  DWORD before = 0;
  INT error = ERROR_INVALID_PARAMETER;

  if (path == NULL || (error = WSAStartup(MAKEWORD(2, 2), &winsock)) != 0) return (DWORD)error;
  if (WSCSetApplicationCategory(path, (DWORD)wcslen(path), NULL, 0, LSP_SYSTEM, &before, &error) == 0)
    error = ERROR_SUCCESS;
  WSACleanup();
  return (DWORD)error;
}
