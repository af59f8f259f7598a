/* client-vm.h: the client's VM, as its files share it. client.h draws the threads.
 *
 *   client.c           its life, folders, instances, the guest
 *   client-channel.c   the reader, and requests: what is asked and what is answered
 *   client-process.c   what runs: executions, processes, containers
 *   client-watch.c     the watcher: what began and ended
 *
 * A request, which waits for its answers; and what it started, which is told of later by EXITED, under the same id:
 *
 *   Request request = { 0 };
 *   result = agent_ask(vm, &request, &message, &(Running){ .number = 3 });
 *   if (BH_SUCCEEDED(result)) result = agent_await(vm, &request, BH_GUEST_DONE, &answer);
 *   agent_forget(vm, &request, result); */
#pragma once

#include "core/guest.h"
#include "core/sync.h"
#include "guest/launch.h"
#include "guest/protocol.h"

G_BEGIN_DECLS

#define AGENT_LOG_DOMAIN "bulkhead-guest"

/* What client-watch.c has in a VM; guarded by its lock. */
typedef struct {
  BhThread *thread;   /* the watcher: begun by the first watch, joined by vm_destroy */
  gpointer self;      /* bh_thread_self() of it */
  BhWatch what;       /* is told; BH_WATCH_NOTHING: nothing */
  BhResource next;    /* a watch channel that the watcher is to read */
  BhResource channel; /* the one it reads; it alone closes it */
  gboolean wanted;    /* what comes from there is still to be told */
  guint changes;      /* of what is told, that were asked for, and did not come along the channel yet */
  gboolean in_event;  /* it is in `activity` */
} AgentWatch;

typedef struct {
  BhVm base;
  BhResource control;
  BhLaunched launched;
  BhThread *reader;
  const BhVmEvents *events; /* NULL: nobody wants to know */
  gpointer data;

  BhMutex send_lock; /* one frame at a time; never held with lock */

  BhMutex lock; /* guards what follows */
  BhCond changed;
  GHashTable *requests;   /* id → Request, on its caller's stack, while it waits for answers */
  GHashTable *running;    /* id → Running: what was asked to run, until EXITED */
  GHashTable *containers; /* the numbers of those that were started and not stopped */
  guint32 last_id;
  guint32 last_instance; /* containers included */
  guint16 port;          /* of data connections; 0: the agent has not said hello */
  char *refusal;         /* why the agent will not, instead of hello */
  gboolean created;      /* vm_create handed it out: its death is an event */
  gboolean dead;         /* there will be no more answers: all requests fail */
  gboolean ended;        /* and the agent has let go of the channel: it has ended everything */
  gboolean destroying;
  AgentWatch watch;
} AgentVm;

/* Something asked of the agent. Answers arrive in order and wait here until their caller takes them. */
typedef struct {
  guint32 id;
  const BhGuestMessage *asked; /* the caller's; for the log */
  GQueue answers;              /* BhGuestMessage, each of g_new */
} Request;

/* Something that runs, or is about to: an execution, a process or a container. */
typedef struct {
  guint32 number;     /* of the instance that an execution is in; of a container */
  gboolean container; /* its end is an event */
  BhProcess *process; /* NULL, or told of its end; a reference of its own */
} Running;

/* As a shell has it, from a status as Linux's wait(2) has it: also where there is no such call. */
gint32 agent_exit_code(gint32 status);

/* The reader's thread; data is its AgentVm. */
gpointer agent_read_channel(gpointer data);

void agent_running_free(gpointer running);

/* Sends message with an id of its own and makes request, all zero before, wait for its answers. running, copied, is what
 * it starts; NULL: nothing. */
BhResult agent_ask(AgentVm *vm, Request *request, BhGuestMessage *message, const Running *running);

/* Waits for the next answer, which is to be of this type. *answer must be all zero, and is the caller's; where the agent
 * refused, it holds the refusal. */
BhResult agent_await(AgentVm *vm, Request *request, BhGuestMessageType type, BhGuestMessage *answer);

/* Waits for no more answers. Also after agent_ask failed. If result is a failure, nothing runs either. */
void agent_forget(AgentVm *vm, Request *request, BhResult result);

/* Most requests: one question, one answer. *answer as agent_await has it. */
BhResult agent_ask_once(AgentVm *vm, BhGuestMessage *message, BhGuestMessageType type, BhGuestMessage *answer);

/* Takes the next answer, a token, and makes the connection that it is for. */
BhResult agent_connect(AgentVm *vm, Request *request, BhResource *socket);

/* A number for an instance or a container. */
guint32 agent_new_number(AgentVm *vm);

/* ---- a VM's functions in client-process.c; as BhGuestClass has them ---- */

BhResult agent_execute(BhVm *base, guint32 instance, const char *path, const char *const *arguments,
                       BhResource *socket);
BhResult agent_process_start(BhVm *base, const BhProgram *program, BhResource streams[BH_STREAM_COUNT],
                             BhProcess **process, gint32 *error);
gboolean agent_instance_is_idle(BhVm *base, guint32 instance);
BhResult agent_container_start(BhVm *base, const BhContainerSpec *spec, BhDescription *container);
BhResult agent_container_stop(BhVm *base, guint32 number);

/* ---- and in client-watch.c ---- */

BhResult agent_watch(BhVm *base, BhWatch what);
gboolean agent_has_process(BhVm *base, guint32 process, guint32 thread);

/* After the agent's end: waits for the watcher's. */
void agent_watch_end(AgentVm *vm);

G_END_DECLS
