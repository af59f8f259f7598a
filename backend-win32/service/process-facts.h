/* process-facts.h: who a process is, and of which subsystem, as the platform has it.
 *
 * What is asked for needs PROCESS_QUERY_LIMITED_INFORMATION (Wine 8: PROCESS_QUERY_INFORMATION). What cannot be had is not
 * there: a process may have ended, or not begun to run.
 *
 * No state; any thread. */
#pragma once

#include "backend-win32/wire.h"

#include "core/activity.h"
#include "core/backend.h"

G_BEGIN_DECLS

/* The process that it was made from; that may have ended, and its number be another's. 0: not known. */
DWORD bh_process_parent(HANDLE process);

/* Its program's path. NULL: not known. The caller's. */
char *bh_process_image(HANDLE process);

/* Its command line, at most BH_COMMAND_LINE_MAX bytes of it. NULL: not known (Windows before 8.1). The caller's. What the
 * process has made of it since is not looked at by Windows: it stands in the process's own memory. */
char *bh_process_command_line(HANDLE process);

/* BhBackendClass.subsystem. */
BhResult bh_win32_subsystem(BhBackend *backend, guint32 process, guint32 thread, BhSubsystem *subsystem,
                            gboolean *assumed);

G_END_DECLS
