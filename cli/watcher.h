/* watcher.h: shows the processes and threads of a service, as they begin and end, to whoever watches.
 *
 *   BhWatcher watcher = {.json = TRUE, .print = print, .data = data};
 *   result = bh_watcher_begin(&watcher, bh_service_process_notify(service));
 *   …
 *   bh_watcher_end(&watcher);                                    nothing is printed any more
 *
 * It is a process notify routine and a thread notify routine of the service's, and refuses nothing. */
#pragma once

#include "core/process-notify.h"

G_BEGIN_DECLS

typedef struct {
  gboolean json;  /* else a table */
  gboolean plain; /* what a routine is told that was not registered for subsystems: Win32's alone */
  void (*print)(gpointer data, const char *line); /* a line, without its end; any thread, several at once */
  gpointer data;

  BhProcessNotify *notify; /* the rest is its own */
  gint64 began;
  guint64 processes, threads; /* its routines */
} BhWatcher;

/* Prints the table's heading, and whatever begins from now on. A failure: nothing was registered. */
BhResult bh_watcher_begin(BhWatcher *watcher, BhProcessNotify *notify);

/* Waits for what is being printed. */
void bh_watcher_end(BhWatcher *watcher);

G_END_DECLS
