#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/agent.h"

/* Kills the children we have now. FALSE: the kernel does not list them (an old or small one, or no /proc). */
static gboolean kill_children(void) {
  g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid());
  g_autofree char *list = NULL;
  g_auto(GStrv) pids = NULL;

  if (!g_file_get_contents(path, &list, NULL, NULL)) return FALSE;
  pids = g_strsplit(list, " ", -1);
  for (char **pid = pids; *pid != NULL; pid++) {
    gint64 number = g_ascii_strtoll(*pid, NULL, 10);

    if (number > 1) kill((pid_t)number, SIGKILL);
  }
  return TRUE;
}

guint agent_end_children(gboolean patient) {
  guint reaped = 0;

  /* A child's children become ours at the moment it ends, before it can be reaped: so each turn sees all. */
  for (;;) {
    if (!kill_children() && !patient) return reaped;
    if (waitpid(-1, NULL, 0) > 0)
      reaped++;
    else if (errno == ECHILD)
      return reaped;
  }
}
