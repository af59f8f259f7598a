/* scm.h: Bulkhead as the Service Control Manager knows it: one service of this machine, by one name. */
#pragma once

#include <glib.h>
#include <windows.h>

G_BEGIN_DECLS

#define BH_SERVICE_NAME L"Bulkhead"

/* How long the service may take to stop, in ms: a scenario's operation ends, then plugins have their last hooks. The same
 * is allowed when the machine shuts down. */
#define BH_SERVICE_STOP_MAX (150 * 1000)

/* Gives the service what ServiceInstall of an MSI cannot say: what happens when it fails (it starts again after 5 s, then
 * 30 s, then 2 min; a day without failure and counting begins anew) and how long it may take at shut-down. service: with
 * SERVICE_CHANGE_CONFIG and SERVICE_START. A Win32 error. */
DWORD bh_scm_configure(SC_HANDLE service);

/* Stops the service and waits until its process has ended: a moment after the SCM calls it stopped its program can still
 * be in use. service: with SERVICE_STOP and SERVICE_QUERY_STATUS. A Win32 error; that it did not run is none. */
DWORD bh_scm_stop(SC_HANDLE service);

/* Waits until the service is in one of the states (a mask of SERVICE_NOTIFY_*) or the time (ms) is over; FALSE then.
 * service: with SERVICE_QUERY_STATUS. */
gboolean bh_scm_wait(SC_HANDLE service, DWORD states, DWORD timeout);

/* Waits for a service that is starting. TRUE: it runs now, and did not before. */
gboolean bh_scm_wait_for_start(void);

G_END_DECLS
