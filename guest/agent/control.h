/* control.h: what the agent knows, shared by the files that answer requests. Each kind of request owns its sandbox, and
 * is that sandbox's events' user data:
 *
 *   control.c      probe       one at the start, without mounts: HELLO, or why there can be no VM
 *   mounts.c       Mount       one at a time: its sandbox tries the list with the new mount at its end
 *   instances.c    Instance    its sandbox is the instance; a container is one that ends with its first program
 *   executions.c   Execution   in the root namespace its sandbox is its own, else its instance's. Runs when all are there:
 *                              the sandbox is ready, and the data connections have come
 *   export.c                   needs none: tar, one at a time
 *   watch.c                    needs none: what all the others run is watched, or looked for
 *
 * A handler (on_…) is called with one message, whose members it may take, and sees to it that it is answered, now or
 * later. One thread. */
#pragma once

#include "guest/agent/agent.h"
#include "guest/agent/channel.h"
#include "guest/agent/data.h"
#include "guest/agent/sandbox.h"

G_BEGIN_DECLS

typedef struct {
  const AgentSettings *settings;
  GMainLoop *loop;
  AgentChannel *channel;
  AgentData *data;
  gboolean ready;
  GPtrArray *mounts;      /* AgentMount, in their order */
  GHashTable *instances;  /* Instance by number */
  GHashTable *executions; /* Execution by id: all that are not answered, and those that run */
} Agent;

extern Agent agent;

typedef struct {
  guint32 number;
  guint32 id;       /* of the request that started it */
  guint32 stop_id;  /* 0: nobody asked it to stop */
  gboolean started; /* and answered */
  AgentSandbox *sandbox;
  AgentProgram *first; /* a container's, until it was asked to run; else NULL */
  gboolean container;
  int status; /* of a container's first process, as wait(2) has it */
} Instance;

/* ---- answers (control.c) ---- */

void answer_done(guint32 id, guint32 pid);
void answer_exited(guint32 id, int status);
/* text may be NULL or empty: errno's is sent. */
void answer_failed(guint32 id, BhGuestFailure failure, int error, const char *text);

/* Of what a sandbox's `started` says: no errno, but an HRESULT, if whoever watches refused it. */
BhGuestFailure exec_failure(int error);

/* Why a sandbox did not start, for people. */
const char *no_sandbox(int error);

/* ---- mounts.c ---- */

void on_mount(BhGuestMessage *message);
void on_unmount(BhGuestMessage *message);

/* The root namespace's layout; strict: the last mount must work. The caller's. */
GPtrArray *root_layout(gboolean strict);

/* ---- instances.c ---- */

void on_instance_start(BhGuestMessage *message);
void on_container_start(BhGuestMessage *message);
void on_instance_stop(BhGuestMessage *message);

/* ---- executions.c ---- */

void on_execute(BhGuestMessage *message);
void on_process(BhGuestMessage *message);

void executions_init(void);

/* What an instance's init says of an execution. */
void execution_started(guint32 id, int error, guint32 pid);
void execution_exited(guint32 id, int status);

/* All of an instance has ended: so have its executions. */
void executions_end_with(Instance *instance);

/* ---- export.c ---- */

void on_folder(BhGuestMessage *message);
void on_export(BhGuestMessage *message);

/* A child that was no sandbox's has been reaped. FALSE: it was no tar either. */
gboolean export_reaped(pid_t pid, int status);

/* Nobody waits for it any more. tar itself ends with the agent's other children. */
void export_abandon(void);

/* ---- watch.c ---- */

void on_watch(BhGuestMessage *message);
void on_find(BhGuestMessage *message);

G_END_DECLS
