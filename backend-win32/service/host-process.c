#include "backend-win32/service/host-process.h"

#include "backend-win32/backend-win32.h"
#include "backend-win32/dump/dump.h"

/* No more than what is done with it: a job's assignment asks for SET_QUOTA and TERMINATE. IsProcessInJob
 * would do with PROCESS_QUERY_LIMITED_INFORMATION on Windows; Wine 8 refuses that. */
#define ACCESS \
  (PROCESS_SET_QUOTA | PROCESS_TERMINATE | PROCESS_DUP_HANDLE | PROCESS_QUERY_INFORMATION | SYNCHRONIZE)

HANDLE bh_host_process_job(void) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
      .BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
  };
  HANDLE job = CreateJobObjectW(NULL, NULL);
  DWORD error;

  if (job == NULL) return NULL;
  if (SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits)) return job;
  error = GetLastError();
  CloseHandle(job);
  SetLastError(error);
  return NULL;
}

/* What a file is, whatever it is called. */
static gboolean file_identity(const wchar_t *path, BY_HANDLE_FILE_INFORMATION *identity) {
  HANDLE file = CreateFileW(path, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                            NULL, OPEN_EXISTING, 0, NULL);
  gboolean known = file != INVALID_HANDLE_VALUE && GetFileInformationByHandle(file, identity);

  if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
  return known;
}

/* Whether the process runs this file: by identity, as a path has many spellings. */
static gboolean runs_image(HANDLE process, const char *path) {
  g_autofree wchar_t *expected = bh_wire_wide(path);
  g_autofree wchar_t *actual = g_new(wchar_t, 32768);
  BY_HANDLE_FILE_INFORMATION one, other;
  DWORD length = 32768;

  return expected != NULL && QueryFullProcessImageNameW(process, 0, actual, &length) &&
         file_identity(expected, &one) && file_identity(actual, &other) &&
         one.dwVolumeSerialNumber == other.dwVolumeSerialNumber && one.nFileIndexHigh == other.nFileIndexHigh &&
         one.nFileIndexLow == other.nFileIndexLow;
}

static HRESULT contain(HANDLE process, const char *host_path, HANDLE job) {
  BOOL is_in_job = FALSE;

  if (!runs_image(process, host_path)) return E_ACCESSDENIED;
  if (!AssignProcessToJobObject(job, process)) return bh_wire_error(GetLastError());
  if (!IsProcessInJob(process, job, &is_in_job)) return bh_wire_error(GetLastError());
  return is_in_job ? S_OK : E_UNEXPECTED;
}

HRESULT bh_host_process_contain(BhHostProcess *process, DWORD pid, const char *host_path, HANDLE job) {
  HRESULT status;

  *process = (BhHostProcess){0};
  if (pid == 0 || pid == GetCurrentProcessId()) return E_ACCESSDENIED;
  process->handle = OpenProcess(ACCESS, FALSE, pid);
  if (process->handle == NULL) return bh_wire_error(GetLastError());
  process->pid = pid;
  status = contain(process->handle, host_path, job);
  if (SUCCEEDED(status))
    process->report = bh_dump_report_new();
  else
    bh_host_process_clear(process);
  return status;
}

gboolean bh_host_process_wait(const BhHostProcess *process, DWORD timeout) {
  return process->handle == NULL || WaitForSingleObject(process->handle, timeout) == WAIT_OBJECT_0;
}

void bh_host_process_end(const BhHostProcess *process, guint32 exit_code) {
  if (process->handle != NULL) TerminateProcess(process->handle, exit_code);
}

char *bh_host_process_how(const BhHostProcess *process, gboolean *killed) {
  g_autofree char *where = NULL, *dump = NULL, *words = NULL;
  const char *name;
  DWORD code = 0;

  *killed = FALSE;
  if (!GetExitCodeProcess(process->handle, &code)) return g_strdup("exit code unknown");
  *killed = code == BH_EXIT_KILLED;
  bh_dump_report_take(process->report, code, &where, &dump);
  name = bh_exit_code_name(code);
  if (*where != '\0' && name != NULL) return g_strdup_printf("%s%s (0x%08lX)%s", name, where, code, dump);
  words = bh_win32_exit_code_words(code);
  return g_strconcat(words, where, dump, NULL);
}

void bh_host_process_clear(BhHostProcess *process) {
  if (process->report != NULL) CloseHandle(process->report);
  if (process->handle != NULL) CloseHandle(process->handle);
  *process = (BhHostProcess){0};
}
