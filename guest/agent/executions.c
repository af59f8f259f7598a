/* executions.c: programs that are run, in the root namespace or in an instance, and their data connections. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "guest/agent/control.h"

#define EXECUTIONS_MAX 512 /* at one time */
#define STREAMS        3   /* stdin, stdout, stderr */

typedef struct Execution Execution;

/* A data connection that an execution needs. */
typedef struct {
  Execution *execution;
  int fd; /* -1: did not come yet, or was handed on */
} Connection;

struct Execution {
  guint32 id;
  AgentProgram *program; /* NULL once it was asked to run */
  Instance *instance;    /* NULL: in the root namespace */
  AgentSandbox *sandbox; /* its own, in the root namespace; NULL: none, or it has ended */
  guint count; /* of connections: one is stdin and stdout, and stderr is the log; or one for each stream */
  Connection connections[STREAMS];
  gboolean ready; /* its sandbox is */
  gboolean asked; /* to run */
  gboolean answered;
  gboolean runs; /* DONE was said, and EXITED was not */
};

/* ---- its end ---- */

static void drop_connections(Execution *execution) {
  for (guint i = 0; i < execution->count; i++) {
    Connection *connection = &execution->connections[i];

    agent_data_forget(agent.data, connection);
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
  }
}

static void execution_free(gpointer data) {
  Execution *execution = data;

  drop_connections(execution);
  g_clear_pointer(&execution->program, agent_program_free);
  g_free(execution);
}

void executions_init(void) {
  agent.executions = g_hash_table_new_full(NULL, NULL, NULL, execution_free);
}

static void exited(Execution *execution, int status) {
  if (execution->runs) answer_exited(execution->id, status);
  execution->runs = FALSE;
}

/* It runs no more, or will not run. It goes away now, or when its sandbox has ended. */
static void execution_over(Execution *execution, BhGuestFailure failure, int error, const char *text) {
  drop_connections(execution);
  if (!execution->answered) answer_failed(execution->id, failure, error, text);
  execution->answered = TRUE;
  if (execution->sandbox != NULL) {
    agent_sandbox_kill(execution->sandbox);
    return;
  }
  exited(execution, SIGKILL); /* unless it was said already how it ended */
  g_hash_table_remove(agent.executions, GUINT_TO_POINTER(execution->id));
}

void executions_end_with(Instance *instance) {
  g_autoptr(GList) executions = g_hash_table_get_values(agent.executions);

  for (GList *at = executions; at != NULL; at = at->next) {
    Execution *execution = at->data;

    if (execution->instance == instance) execution_over(execution, BH_GUEST_NO_INSTANCE, ESRCH, NULL);
  }
}

/* ---- its start ---- */

static void run_if_ready(Execution *execution) {
  AgentSandbox *sandbox = execution->instance != NULL ? execution->instance->sandbox : execution->sandbox;
  const Connection *connections = execution->connections;
  int streams[STREAMS] = {connections[0].fd, connections[0].fd, STDERR_FILENO}, error;

  if (!execution->ready || execution->asked || execution->answered) return;
  for (guint i = 0; i < execution->count; i++) {
    if (connections[i].fd < 0) return;
    if (execution->count == STREAMS) streams[i] = connections[i].fd;
  }
  execution->asked = TRUE;
  error = agent_sandbox_run(sandbox, execution->id, execution->program, streams, execution->instance == NULL);
  /* Init has them. The execution itself stays until its program ends, which may take long. */
  drop_connections(execution);
  g_clear_pointer(&execution->program, agent_program_free);
  if (error != 0) execution_over(execution, BH_GUEST_UNABLE, error, NULL);
}

static void on_data_connection(gpointer user, int fd) {
  Connection *connection = user;

  connection->fd = fd;
  if (fd < 0)
    execution_over(connection->execution, BH_GUEST_UNABLE, ETIMEDOUT,
                   "nobody came for one of the process's streams");
  else
    run_if_ready(connection->execution);
}

static void started(Execution *execution, int error, guint32 pid) {
  if (execution->answered) return;
  if (error != 0) {
    execution_over(execution, exec_failure(error), error, NULL);
    return;
  }
  answer_done(execution->id, pid);
  execution->answered = TRUE;
  execution->runs = TRUE;
}

void execution_started(guint32 id, int error, guint32 pid) {
  Execution *execution = g_hash_table_lookup(agent.executions, GUINT_TO_POINTER(id));

  if (execution != NULL && execution->instance != NULL) started(execution, error, pid);
}

void execution_exited(guint32 id, int status) {
  Execution *execution = g_hash_table_lookup(agent.executions, GUINT_TO_POINTER(id));

  if (execution == NULL || execution->instance == NULL) return;
  exited(execution, status);
  g_hash_table_remove(agent.executions, GUINT_TO_POINTER(id));
}

static void own_ready(gpointer user) {
  Execution *execution = user;

  execution->ready = TRUE;
  run_if_ready(execution);
}

static void own_started(gpointer user, guint32 id, int error, guint32 pid) {
  (void)id;
  started(user, error, pid);
}

static void own_exited(gpointer user, guint32 id, int status) {
  (void)id;
  exited(user, status);
}

static void own_ended(gpointer user, const char *complaint) {
  Execution *execution = user;

  execution->sandbox = NULL;
  execution_over(execution, BH_GUEST_UNABLE, EIO, complaint);
}

/* ---- requests ---- */

static Execution *execution_new(BhGuestMessage *message, Instance *instance, guint connections) {
  Execution *execution = g_new0(Execution, 1);

  execution->id = message->id;
  execution->program = agent_program_take(message);
  execution->instance = instance;
  execution->ready = instance != NULL;
  execution->count = connections;
  for (guint i = 0; i < STREAMS; i++) execution->connections[i] = (Connection){execution, -1};
  g_hash_table_insert(agent.executions, GUINT_TO_POINTER(execution->id), execution);
  return execution;
}

/* Makes the tokens, in the order of the streams. FALSE: errno says why there are none. */
static gboolean expect_connections(Execution *execution, BhGuestMessage *answers) {
  for (guint i = 0; i < execution->count; i++) {
    answers[i] = (BhGuestMessage){.type = BH_GUEST_CONNECT, .id = execution->id};
    if (!agent_data_expect(agent.data, answers[i].token, on_data_connection, &execution->connections[i]))
      return FALSE;
  }
  return TRUE;
}

/* instance NULL: in the root namespace. */
static void start(BhGuestMessage *message, Instance *instance, guint connections) {
  static const AgentSandboxEvents events = {own_ready, own_started, own_exited, own_ended};
  BhGuestMessage answers[STREAMS];
  Execution *execution;
  int error;

  if (g_hash_table_contains(agent.executions, GUINT_TO_POINTER(message->id)) ||
      g_hash_table_size(agent.executions) >= EXECUTIONS_MAX) {
    answer_failed(message->id, BH_GUEST_UNABLE, EAGAIN, "too many processes");
    return;
  }
  execution = execution_new(message, instance, connections);
  if (!expect_connections(execution, answers)) {
    execution_over(execution, BH_GUEST_UNABLE, errno, NULL);
    return;
  }
  if (instance == NULL) {
    g_autoptr(GPtrArray) layout = root_layout(FALSE);

    execution->sandbox = agent_sandbox_start(agent.settings, layout, &events, execution, &error);
    if (execution->sandbox == NULL) {
      execution_over(execution, BH_GUEST_UNABLE, error, no_sandbox(error));
      return;
    }
  }
  for (guint i = 0; i < connections; i++) agent_channel_send(agent.channel, &answers[i]);
}

void on_execute(BhGuestMessage *message) {
  Instance *instance = g_hash_table_lookup(agent.instances, GUINT_TO_POINTER(message->instance));

  if (message->instance != 0 && (instance == NULL || !instance->started || instance->stop_id != 0))
    answer_failed(message->id, BH_GUEST_NO_INSTANCE, ESRCH, NULL);
  else
    start(message, instance, 1);
}

void on_process(BhGuestMessage *message) {
  start(message, NULL, STREAMS);
}
