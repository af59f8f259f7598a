/* job.h: the jobs that hosts are in.
 *
 *   the service's job ─┬─ a link's job ─┬─ host          made by the backend, and by each link;
 *                      │                ├─ what it started   nested, each ends its processes with its last handle,
 *                      │                └─ … and so on    and lets none break away
 *                      └─ a link's job ─── host
 *
 * The outer one is for the service's end, however it comes: its only handle is closed then. The inner one is for one
 * plugin's: kill, the host's death and release end all that it has started, and nothing of another's.
 *
 * Both are made by bh_host_process_job. No handle to either is inherited, or given to a host.
 *
 * No state; any thread. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* Puts a process, which has no children yet, into a job, and sees that it is there. The process's handle needs
 * PROCESS_SET_QUOTA, PROCESS_TERMINATE and PROCESS_QUERY_INFORMATION. */
HRESULT bh_job_hold(HANDLE job, HANDLE process);

/* Whether a process is in a job. TRUE also where it cannot be looked at. */
gboolean bh_job_has(HANDLE job, DWORD pid);

/* Ends all that is in it. */
void bh_job_end(HANDLE job, guint32 exit_code);

G_END_DECLS
