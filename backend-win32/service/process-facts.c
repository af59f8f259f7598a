#include "backend-win32/service/process-facts.h"

#include <winternl.h>

/* winternl.h has neither. */
#define PROCESS_COMMAND_LINE_INFORMATION ((PROCESSINFOCLASS)60)
#define PROCESS_SUBSYSTEM_INFORMATION    ((PROCESSINFOCLASS)75)
#define THREAD_SUBSYSTEM_INFORMATION     ((THREADINFOCLASS)36)

/* Of UTF-16 that may be anything: halves of pairs become U+FFFD. The first `max` bytes, in whole characters. */
static char *text(const wchar_t *from, gsize length, gsize max) {
  const int size = WideCharToMultiByte(CP_UTF8, 0, from, (int)length, NULL, 0, NULL, NULL);
  g_autofree char *all = size > 0 ? g_malloc((gsize)size) : NULL;
  const char *end;
  gsize kept;

  if (all == NULL) return length == 0 ? g_strdup("") : NULL;
  WideCharToMultiByte(CP_UTF8, 0, from, (int)length, all, size, NULL, NULL);
  kept = MIN((gsize)size, max);
  g_utf8_validate_len(all, kept, &end); /* where it was cut through, or is NUL */
  return g_strndup(all, (gsize)(end - all));
}

/* --- A process's own ------------------------------------------------------------------------------------ */

DWORD bh_process_parent(HANDLE process) {
  PROCESS_BASIC_INFORMATION basic;

  if (!NT_SUCCESS(NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic, NULL)))
    return 0;
  return (DWORD)basic.InheritedFromUniqueProcessId;
}

char *bh_process_image(HANDLE process) {
  g_autofree wchar_t *path = g_new(wchar_t, 32768);
  DWORD length = 32768;

  return QueryFullProcessImageNameW(process, 0, path, &length) && length > 0 ? text(path, length, G_MAXINT) : NULL;
}

char *bh_process_command_line(HANDLE process) {
  const ULONG size = sizeof(UNICODE_STRING) + 65536; /* the longest that there can be, and its NUL */
  g_autofree UNICODE_STRING *line = g_malloc(size);

  if (!NT_SUCCESS(NtQueryInformationProcess(process, PROCESS_COMMAND_LINE_INFORMATION, line, size, NULL)))
    return NULL;
  return text(line->Buffer, line->Length / sizeof(wchar_t), BH_COMMAND_LINE_MAX);
}

/* --- The subsystem -------------------------------------------------------------------------------------- */

/* What the class is called where there is none: Windows before its first WSL says the first, Wine 8 that for processes and
 * the second for threads. */
static gboolean cannot_say(NTSTATUS status) {
  return status == (NTSTATUS)0xC0000003 || status == (NTSTATUS)0xC0000002 || status == (NTSTATUS)0xC00000BB;
}

/* Why there is no handle: no such number, or no right. */
static BhResult not_opened(void) {
  const DWORD error = GetLastError();
  return error == ERROR_INVALID_PARAMETER ? BH_E_NOT_FOUND : bh_wire_error(error);
}

/* Windows opens numbers that are off by less than four, and what has ended while somebody holds a handle to it. */
static BhResult open_process(DWORD pid, HANDLE *process) {
  DWORD code = STILL_ACTIVE;

  *process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
  if (*process == NULL) return not_opened();
  if (GetProcessId(*process) == pid && GetExitCodeProcess(*process, &code) && code == STILL_ACTIVE) return BH_OK;
  CloseHandle(*process);
  return BH_E_NOT_FOUND;
}

static BhResult open_thread(DWORD pid, DWORD tid, HANDLE *thread) {
  DWORD code = STILL_ACTIVE;

  *thread = OpenThread(THREAD_QUERY_LIMITED_INFORMATION, FALSE, tid);
  if (*thread == NULL) return not_opened();
  if (GetThreadId(*thread) == tid && GetProcessIdOfThread(*thread) == pid && GetExitCodeThread(*thread, &code) &&
      code == STILL_ACTIVE)
    return BH_OK;
  CloseHandle(*thread);
  return BH_E_NOT_FOUND;
}

/* By SUBSYSTEM_INFORMATION_TYPE, whose numbers are BhSubsystem's. */
static BhResult judge(NTSTATUS status, ULONG type, BhSubsystem *subsystem, gboolean *assumed) {
  *subsystem = BH_SUBSYSTEM_WIN32;
  *assumed = cannot_say(status);
  if (*assumed) return BH_OK;
  if (!NT_SUCCESS(status)) return bh_wire_error(RtlNtStatusToDosError(status));
  if (type > BH_SUBSYSTEM_WSL) return BH_E_UNEXPECTED;
  *subsystem = (BhSubsystem)type;
  return BH_OK;
}

static BhResult thread_subsystem(DWORD pid, DWORD tid, BhSubsystem *subsystem, gboolean *assumed) {
  HANDLE handle;
  ULONG type = 0;
  NTSTATUS status;
  BhResult result = open_thread(pid, tid, &handle);

  if (BH_FAILED(result)) return result;
  status = NtQueryInformationThread(handle, THREAD_SUBSYSTEM_INFORMATION, &type, sizeof type, NULL);
  CloseHandle(handle);
  return judge(status, type, subsystem, assumed);
}

BhResult bh_win32_subsystem(G_GNUC_UNUSED BhBackend *backend, guint32 process, guint32 thread,
                            BhSubsystem *subsystem, gboolean *assumed) {
  HANDLE handle;
  ULONG type = 0;
  NTSTATUS status;
  BhResult result;

  if (thread != 0) return thread_subsystem(process, thread, subsystem, assumed);
  result = open_process(process, &handle);
  if (BH_FAILED(result)) return result;
  status = NtQueryInformationProcess(handle, PROCESS_SUBSYSTEM_INFORMATION, &type, sizeof type, NULL);
  CloseHandle(handle);
  return judge(status, type, subsystem, assumed);
}
