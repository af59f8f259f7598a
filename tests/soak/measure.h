/* measure.h: what this process has, as numbers that a leak would change.
 *
 *   C heap         bytes in blocks that malloc gave out and did not get back: GLib's, and so ours. Exact: GLib's slices are
 *                  switched off before GLib begins
 *   other heaps    likewise, of all other heaps: what COM, RPC and Wine's DLLs keep
 *   private pages  committed and not shared: heaps with their holes, stacks of threads, everything
 *   handles        GetProcessHandleCount; Wine 8 has 0 for that, and is asked for the list of all handles instead
 *   of our kinds   under Wine only: handles but those to files, events and mutexes, of which its RPC keeps some. Processes, jobs,
 *                  tokens, sections, threads: exact
 *   threads        a toolhelp snapshot
 *
 * Threading: one thread, while nobody else allocates much. */
#pragma once

#include <glib.h>

typedef enum {
  SOAK_C_HEAP,
  SOAK_OTHER_HEAPS,
  SOAK_PAGES,
  SOAK_HANDLES,
  SOAK_OUR_KINDS,
  SOAK_THREADS,
  SOAK_MEASURES
} SoakMeasure;

typedef struct {
  double of[SOAK_MEASURES];
} SoakSample;

gboolean soak_is_wine(void);

/* Remembers whose threads and hosts are there already: those are not waited for. Allocates all that measuring needs. */
void soak_measure_begin(void);

SoakSample soak_measure(void);

/* Waits until no host process is left that was not there at the beginning, at most this long; those that nobody needed are
 * ended. 0: none is left; else one's number. *late: how many had to be waited for. */
guint32 soak_await_hosts(gint64 timeout, guint *late);

/* Waits until all threads have ended but those that were there already: a pool keeps its own for some seconds. One that stays
 * for so long is there already from now on. How many are. */
guint soak_await_threads(gint64 timeout);
