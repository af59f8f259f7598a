#include "scm.h"

#define START_MAX (60 * 1000) /* ms */

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
