#include <winsock2.h>
#include <windows.h>

#include "guest/launch.h"

/* Wine's own, in its kernel32. What they return is freed with HeapFree(GetProcessHeap()). */
typedef char *(CDECL *GetUnixFileName)(LPCWSTR dos_name);
typedef LPWSTR(CDECL *GetDosFileName)(LPCSTR unix_name);

static FARPROC wine_function(const char *name) {
  return GetProcAddress(GetModuleHandleW(L"kernel32.dll"), name);
}

static char *to_unix_path(const wchar_t *path) {
  GetUnixFileName get = (GetUnixFileName)(void (*)(void))wine_function("wine_get_unix_file_name");
  char *theirs = get != NULL ? get(path) : NULL, *ours = g_strdup(theirs);

  if (theirs != NULL) HeapFree(GetProcessHeap(), 0, theirs);
  return ours;
}

/* A path as Windows spells it, from that or from a Linux one. */
static wchar_t *to_windows_path(const char *path) {
  GetDosFileName get = (GetDosFileName)(void (*)(void))wine_function("wine_get_dos_file_name");
  wchar_t *theirs, *ours;

  if (path[0] != '/' || get == NULL) return g_utf8_to_utf16(path, -1, NULL, NULL, NULL);
  theirs = get(path);
  if (theirs == NULL) return NULL;
  ours = g_memdup2(theirs, (wcslen(theirs) + 1) * sizeof *theirs);
  HeapFree(GetProcessHeap(), 0, theirs);
  return ours;
}

/* wine_get_unix_file_name wants a whole path. */
static wchar_t *to_full_path(const char *path) {
  g_autofree wchar_t *given = g_utf8_to_utf16(path, -1, NULL, NULL, NULL);
  DWORD size = given != NULL ? GetFullPathNameW(given, 0, NULL, NULL) : 0;
  wchar_t *full = size > 0 ? g_new0(wchar_t, size) : NULL;

  if (full != NULL) GetFullPathNameW(given, size, full, NULL);
  return full;
}

static gboolean is_folder(const wchar_t *path) {
  DWORD attributes = GetFileAttributesW(path);

  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

/* Starts it with one inheritable handle and no flag: with CREATE_NO_WINDOW and the like, Wine would give it
 * /dev/null as stdin. No handle and no PID of a Linux program come back. */
static BOOL create_process(wchar_t *path, HANDLE control) {
  g_autofree LPPROC_THREAD_ATTRIBUTE_LIST attributes = NULL;
  STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES}};
  PROCESS_INFORMATION process = {0};
  SIZE_T size = 0;
  BOOL created = FALSE;

  startup.StartupInfo.hStdInput = control;
  InitializeProcThreadAttributeList(NULL, 1, 0, &size);
  attributes = g_malloc(size);
  if (!InitializeProcThreadAttributeList(attributes, 1, 0, &size)) return FALSE;
  startup.lpAttributeList = attributes;
  if (UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &control, sizeof control, NULL,
                                NULL))
    created = CreateProcessW(path, NULL, NULL, NULL, TRUE, EXTENDED_STARTUPINFO_PRESENT, NULL, NULL,
                             &startup.StartupInfo, &process);
  DeleteProcThreadAttributeList(attributes);
  /* `process` is not looked at: for a native program, Wine 8 fills it with what lay on its stack, and closing that
   * would now and then close somebody else's handle. */
  return created;
}

BhResult bh_launch_agent(const char *agent_path, gintptr control, BhLaunched *launched, char **why) {
  g_autofree wchar_t *path = NULL;
  HANDLE self = GetCurrentProcess(), inherited = NULL;
  BOOL created = FALSE;

  launched->process = 0;
  if (wine_function("wine_get_unix_file_name") == NULL) {
    *why = g_strdup("the Linux agent can be started under Wine only, and this is Windows");
    return BH_E_NOTIMPL;
  }
  path = to_windows_path(agent_path);
  if (path == NULL || GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES) {
    *why = g_strdup("there is no such file");
    return BH_E_FILE_NOT_FOUND;
  }
  /* A copy is inherited, not the socket itself, so that nobody else's flag is touched. It is there but for a moment:
   * what another thread starts meanwhile, with all handles, would keep the channel open. */
  if (DuplicateHandle(self, (HANDLE)control, self, &inherited, 0, TRUE, DUPLICATE_SAME_ACCESS))
    created = create_process(path, inherited);
  if (!created) *why = g_win32_error_message((gint)GetLastError());
  if (inherited != NULL) CloseHandle(inherited);
  return created ? BH_OK : BH_E_FAIL;
}

void bh_launch_forget(BhLaunched *launched, gboolean kill) {
  (void)launched, (void)kill; /* we hold nothing of it; its end of the channel's stream was its end */
}

BhResult bh_launch_host_folder(const char *host_path, char **linux_path) {
  g_autofree wchar_t *path = to_full_path(host_path);

  if (path == NULL || !is_folder(path)) return BH_E_FILE_NOT_FOUND;
  *linux_path = to_unix_path(path);
  return *linux_path != NULL ? BH_OK : BH_E_FILE_NOT_FOUND;
}

BhResult bh_launch_host_file(const char *host_path, char **linux_path) {
  g_autofree wchar_t *path = to_full_path(host_path), *folder = NULL;
  wchar_t *name = path != NULL ? wcsrchr(path, L'\\') : NULL;

  if (name == NULL) return BH_E_PATH_NOT_FOUND;
  folder = g_memdup2(path, (gsize)((char *)(name + 2) - (char *)path));
  folder[name + 1 - path] = L'\0';
  if (!is_folder(folder)) return BH_E_PATH_NOT_FOUND;
  /* A file that is not there is as good as one that is. */
  *linux_path = to_unix_path(path);
  return *linux_path != NULL ? BH_OK : BH_E_PATH_NOT_FOUND;
}
