/* process-notify-internal.h: between the routines (process-notify.c) and the sources (activity-source.c). */
#pragma once

#include "process-notify.h"

G_BEGIN_DECLS

struct BhProcessNotify {
  BhTrace *trace;
  BhWorkers *workers;
  BhMutex lock;       /* guards all below, and what is said at a source; a leaf, held across nothing */
  BhCond changed;     /* a call ended, or a source was asked, or is no longer used */
  GArray *routines;   /* Routine, in the order they were registered */
  guint64 last_id;    /* of a routine */
  GQueue flights;     /* Flight: calls of routines that have not returned */
  GQueue waiters;     /* Waiter: threads that wait for flights, at most one of a thread */
  guint64 walk;       /* number of the last walk through the waiters */
  GPtrArray *sources; /* open ones, each with a reference */
};

/* What routines want to know of that subsystem. With the lock. */
BhWatch bh_process_notify_wanted(const BhProcessNotify *notify, BhSubsystem subsystem);

/* Who is to be told, in order; ids: room for BH_NOTIFY_ROUTINES_MAX. With the lock. */
guint bh_process_notify_select(const BhProcessNotify *notify, const BhProcessNotice *notice, guint64 *ids);

/* Tells those of them that are still there. BH_OK, or what the first of them that refuses says. */
BhResult bh_process_notify_run(BhProcessNotify *notify, const guint64 *ids, guint count,
                               const BhProcessNotice *notice);

/* Asks every open source to watch what is wanted of it. BH_OK, or the first failure. Not in a routine. */
BhResult bh_activity_sources_ask(BhProcessNotify *notify);

G_END_DECLS
