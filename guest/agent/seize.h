/* seize.h: what runs already: found in /proc below the sandboxes' inits, and traced from here on. */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Traces (agent_trace_adopt) every process below an init, which itself is traced already. When it returns there is none that
 * is not, but those that somebody else traces: what is created from then on is traced from its beginning. */
void agent_seize_all(void);

/* Whether a process is below an init, or is one, and has that thread (0: any). */
gboolean agent_seize_finds(pid_t process, pid_t thread);

G_END_DECLS
