/* session-internal.h: a VM session between its operations (session.c) and plugins' calls (session-calls.c). */
#pragma once

#include "session.h"
#include "vm-source.h"

G_BEGIN_DECLS

typedef struct {
  const BhDistribution *distribution; /* the session's registered one */
  BhInstance instance;                /* all zero for WSL1 */
} Running;

struct BhSession {
  const BhSessionShared *shared;
  guint32 id;
  BhUser user;
  char *name;                /* "session 1", for the trace */
  BhCallbackGate gate;       /* its instance lock guards all below but `died` */
  GHashTable *distributions; /* BhGuid in it → BhDistribution, owned */
  GPtrArray *running;        /* Running, in the order they were started */
  BhVm *vm;                  /* NULL: none runs */
  BhActivitySource *source;  /* of vm; set before there is one, so that vm's events find it */
  GSList *retired;    /* BhActivitySource: of VMs that are no more. What is left to tell of them, `end` does */
  gboolean closed;    /* no operation begins any more */
  guint64 idle_timer; /* of a VM in which no distribution runs; 0: none */
  gint64 idle_from;   /* when it was set */
  int died;           /* atomic: the VM ended by itself, and that has not been dealt with */
};

/* With the session's state usable. NULL: it does not run. */
Running *bh_session_find_running(BhSession *session, const BhGuid *id);

G_END_DECLS
