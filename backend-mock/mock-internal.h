/* mock-internal.h: one host, as the two halves of the mock backend see it.
 *
 * mock.c is the service's side: plugins, faults, and the steps of a link's life. mock-host.c is the
 * host's: its threads, its death, and what plugin code may ask of it. mock-activity.c tells whoever watches of its
 * processes and threads. */
#pragma once

#include "mock.h"

#include "core/activity-queue.h"
#include "core/workers.h"

G_BEGIN_DECLS

typedef enum {
  BH_MOCK_ALIVE,
  BH_MOCK_DEAD,     /* died is due */
  BH_MOCK_RELEASED, /* nobody is told */
} BhMockState;

struct BhMockHost {
  BhLink parent;

  /* Immutable once started. */
  gpointer mock; /* the backend, for mock.c */
  char *name;
  guint32 pid;
  const BhLinkEvents *events;
  gpointer events_data;
  BhMockPlugin plugin;
  BhWorkers *workers;   /* on which the plugin's code runs */
  BhThread *undertaker; /* tells of the death: a thread of its own, which holds no lock */

  BhMutex lock;   /* guards what follows */
  BhCond changed; /* any of it */
  BhMockState state;
  char *how;          /* it died of; set once, with DEAD */
  guint32 hooks;      /* what the plugin's load said */
  guint running;      /* threads that run the plugin's code, or are about to */
  GPtrArray *threads; /* BhMockThread, owned: begun and not yet joined */
  GPtrArray *items;   /* of mock-activity.c: the processes and threads there are, in the order they began */
  BhWatch watch;      /* what is told of */
  BhActivityQueue activities; /* on its way to be */
};

/* A host with no plugin loaded, alive, and its undertaker. NULL: no thread can be had. */
BhMockHost *bh_mock_host_new(const char *name, const BhLinkEvents *events, gpointer events_data);

/* Ends the host if it is alive, waits until no code of the plugin runs and no event is on its way, frees
 * it. */
void bh_mock_host_free(BhMockHost *host);

/* Runs func on a thread of the host's; func must end with bh_mock_host_leave. BH_OK, or why it will not run:
 * RPC_S_SERVER_UNAVAILABLE when the host is gone, E_OUTOFMEMORY when no thread can be had. */
BhResult bh_mock_host_enter(BhMockHost *host, BhWorkerFunc func, gpointer data);

/* Under the host's lock: the calling thread will run none of the plugin's code any more. */
void bh_mock_host_leave(BhMockHost *host);

/* ---- mock.c: the numbers of processes and threads ---- */

/* Another number, of a thread of that process; 0: of a process. And that there is no such thing any more. */
guint32 bh_mock_number(gpointer mock, guint32 process);
void bh_mock_forget(gpointer mock, guint32 number);

/* ---- mock-activity.c: without the host's lock ---- */

void bh_mock_activity_init(BhMockHost *host);
void bh_mock_activity_clear(BhMockHost *host); /* all have ended */

/* A process with its first thread, or a thread, began. Its number; 0: the host is gone. */
guint32 bh_mock_begin_process(BhMockHost *host, guint32 parent, const char *image, const char *command_line);
guint32 bh_mock_begin_thread(BhMockHost *host, guint32 process);

/* That one ended, a process with its threads; or all did. Nothing for 0, or for what has ended already. */
void bh_mock_end_number(BhMockHost *host, guint32 number, gint32 status);
void bh_mock_end_all(BhMockHost *host, gint32 status);

BhResult bh_mock_watch(BhLink *link, BhWatch what);

G_END_DECLS
