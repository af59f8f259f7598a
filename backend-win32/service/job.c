#include "backend-win32/service/job.h"

HRESULT bh_job_hold(HANDLE job, HANDLE process) {
  BOOL is_in_it = FALSE;

  if (!AssignProcessToJobObject(job, process)) return bh_wire_error(GetLastError());
  if (!IsProcessInJob(process, job, &is_in_it)) return bh_wire_error(GetLastError());
  return is_in_it ? S_OK : E_UNEXPECTED;
}

gboolean bh_job_has(HANDLE job, DWORD pid) {
  /* PROCESS_QUERY_LIMITED_INFORMATION would do on Windows; Wine 8 refuses that. */
  HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, pid);
  BOOL is_in_it = TRUE;

  if (process == NULL) return TRUE;
  if (!IsProcessInJob(process, job, &is_in_it)) is_in_it = TRUE;
  CloseHandle(process);
  return is_in_it;
}

void bh_job_end(HANDLE job, guint32 exit_code) {
  TerminateJobObject(job, exit_code);
}
