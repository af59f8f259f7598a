#include "scm.h"

#define START_MAX (60 * 1000)                       /* ms */
#define STOP_MAX  (BH_SERVICE_STOP_MAX + 10 * 1000) /* ms: its own bound is to come first */
#define END_MAX   (30 * 1000)                       /* ms: from STOPPED to the process's end */

DWORD bh_scm_configure(SC_HANDLE service) {
  SC_ACTION actions[] = {
      {SC_ACTION_RESTART, 5 * 1000},
      {SC_ACTION_RESTART, 30 * 1000},
      {SC_ACTION_RESTART, 120 * 1000},
  };
  SERVICE_FAILURE_ACTIONSW failure = {
      .dwResetPeriod = 24 * 60 * 60, .cActions = G_N_ELEMENTS(actions), .lpsaActions = actions};
  SERVICE_FAILURE_ACTIONS_FLAG also_errors = {
      TRUE}; /* not only when the process ends, also when it stops with an error */
  SERVICE_PRESHUTDOWN_INFO shutdown = {BH_SERVICE_STOP_MAX};
  const struct {
    DWORD level;
    void *info;
  } settings[] = {
      {SERVICE_CONFIG_FAILURE_ACTIONS, &failure},
      {SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &also_errors},
      {SERVICE_CONFIG_PRESHUTDOWN_INFO, &shutdown},
  };

  for (guint i = 0; i < G_N_ELEMENTS(settings); i++)
    if (!ChangeServiceConfig2W(service, settings[i].level, settings[i].info) &&
        GetLastError() != ERROR_INVALID_LEVEL) /* Wine 8 does not know the second */
      return GetLastError();
  return ERROR_SUCCESS;
}

static void CALLBACK on_status(void *notification) {
  (void)notification; /* that it was called ends SleepEx */
}

gboolean bh_scm_wait(SC_HANDLE service, DWORD states, DWORD timeout) {
  /* Not on the stack: it stays the SCM's until the handle is closed, also when the time is over. */
  SERVICE_NOTIFYW *notification = g_new0(SERVICE_NOTIFYW, 1);

  notification->dwVersion = SERVICE_NOTIFY_STATUS_CHANGE;
  notification->pfnNotifyCallback = on_status;
  if (NotifyServiceStatusChangeW(service, states, notification) != ERROR_SUCCESS) {
    g_free(notification);
    return FALSE;
  }
  if (SleepEx(timeout, TRUE) != WAIT_IO_COMPLETION) return FALSE;
  g_free(notification);
  return TRUE;
}

DWORD bh_scm_stop(SC_HANDLE service) {
  SERVICE_STATUS_PROCESS running = {0};
  SERVICE_STATUS status;
  DWORD size, error = ERROR_SUCCESS;
  HANDLE process;

  if (!QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&running, sizeof running, &size))
    return GetLastError();
  if (running.dwCurrentState == SERVICE_STOPPED) return ERROR_SUCCESS;
  process = OpenProcess(SYNCHRONIZE, FALSE, running.dwProcessId); /* NULL: it has just ended */
  /* One that is starting takes no control yet; one that is stopping takes no other. */
  if (running.dwCurrentState == SERVICE_START_PENDING)
    bh_scm_wait(service, SERVICE_NOTIFY_RUNNING | SERVICE_NOTIFY_STOPPED, START_MAX);
  if (!ControlService(service, SERVICE_CONTROL_STOP, &status)) error = GetLastError();
  if (error == ERROR_SERVICE_NOT_ACTIVE || error == ERROR_SERVICE_CANNOT_ACCEPT_CTRL) error = ERROR_SUCCESS;
  if (error == ERROR_SUCCESS && (!bh_scm_wait(service, SERVICE_NOTIFY_STOPPED, STOP_MAX) ||
                                 (process != NULL && WaitForSingleObject(process, END_MAX) != WAIT_OBJECT_0)))
    error = ERROR_SERVICE_REQUEST_TIMEOUT;
  if (process != NULL) CloseHandle(process);
  return error;
}

gboolean bh_scm_wait_for_start(void) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = manager != NULL ? OpenServiceW(manager, BH_SERVICE_NAME, SERVICE_QUERY_STATUS) : NULL;
  SERVICE_STATUS status = {0};
  gboolean started = service != NULL && QueryServiceStatus(service, &status) &&
                     status.dwCurrentState == SERVICE_START_PENDING &&
                     bh_scm_wait(service, SERVICE_NOTIFY_RUNNING | SERVICE_NOTIFY_STOPPED, START_MAX) &&
                     QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_RUNNING;

  if (service != NULL) CloseServiceHandle(service);
  if (manager != NULL) CloseServiceHandle(manager);
  return started;
}
