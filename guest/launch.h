/* launch.h: what client.c needs of the platform: how an agent is started, and how the host's paths are called in
 * Linux. launch-unix.c and launch-win32.c define the same functions. Any thread. */
#pragma once

#include "core/result.h"

G_BEGIN_DECLS

typedef struct {
  gintptr process; /* natively a PID; 0: not known */
} BhLaunched;

/* Starts the agent with a socket as its stdin; control stays the caller's. On failure *why, the caller's, is for
 * people: the agent is not there 0x80070002; native Linux programs cannot be started here E_NOTIMPL. */
BhResult bh_launch_agent(const char *agent_path, gintptr control, BhLaunched *launched, char **why);

/* After the control channel's end: lets go of the process. It has ended, or will by itself; kill ends it at once. */
void bh_launch_forget(BhLaunched *launched, gboolean kill);

/* The Linux path of an existing folder of the host's. A folder that is not there: 0x80070002. */
BhResult bh_launch_host_folder(const char *host_path, char **linux_path);

/* The Linux path of a file of the host's, which itself need not be there. Its folder is not there: 0x80070003. */
BhResult bh_launch_host_file(const char *host_path, char **linux_path);

G_END_DECLS
