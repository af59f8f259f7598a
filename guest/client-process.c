#include "guest/client-vm.h"

#include "guest/documents.h"
#include "guest/process.h"
#include "guest/socket.h"

/* argv as it is sent: the whole of it, or the path alone. only_path must have room for two. */
static char **argv_of(const char *path, const char *const *arguments, const char **only_path) {
  only_path[0] = path;
  only_path[1] = NULL;
  return (char **)(arguments != NULL && arguments[0] != NULL ? arguments : only_path);
}

BhResult agent_connect(AgentVm *vm, Request *request, BhResource *socket) {
  g_auto(BhGuestMessage) token = {0};
  BhResult result = agent_await(vm, request, BH_GUEST_CONNECT, &token);

  /* Should either fail, the agent will miss us, and answer so. */
  if (BH_SUCCEEDED(result) && BH_SUCCEEDED(bh_socket_connect(vm->port, socket)))
    bh_socket_write_all(socket->value, token.token, sizeof token.token);
  return result;
}

/* Waits until the program runs. An agent that says so though a stream was never connected is not believed. */
static BhResult await_done(AgentVm *vm, Request *request, const BhResource *sockets, int count,
                           BhGuestMessage *done) {
  BhResult result = agent_await(vm, request, BH_GUEST_DONE, done);

  for (int i = 0; i < count && BH_SUCCEEDED(result); i++)
    if (sockets[i].close == NULL) result = BH_E_UNEXPECTED;
  return result;
}

/* ---- executions ---- */

BhResult agent_execute(BhVm *base, guint32 instance, const char *path, const char *const *arguments,
                       BhResource *socket) {
  AgentVm *vm = (AgentVm *)base;
  BhGuestMessage message = {.type = BH_GUEST_EXECUTE, .instance = instance, .guest_path = (char *)path};
  g_auto(BhGuestMessage) done = {0};
  const char *only_path[2];
  BhResource data = {0};
  Request request = {0};
  BhResult result;

  message.arguments = argv_of(path, arguments, only_path);
  result = agent_ask(vm, &request, &message, &(Running){.number = instance});
  if (BH_SUCCEEDED(result)) result = agent_connect(vm, &request, &data);
  if (BH_SUCCEEDED(result)) result = await_done(vm, &request, &data, 1, &done);
  agent_forget(vm, &request, result);
  if (BH_SUCCEEDED(result))
    *socket = data;
  else
    bh_resource_clear(&data);
  return result;
}

gboolean agent_instance_is_idle(BhVm *base, guint32 instance) {
  AgentVm *vm = (AgentVm *)base;
  gboolean idle = TRUE;
  GHashTableIter iterator;
  gpointer value;

  bh_mutex_lock(&vm->lock);
  g_hash_table_iter_init(&iterator, vm->running);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    const Running *running = value;

    if (!running->container && running->process == NULL && running->number == instance) idle = FALSE;
  }
  bh_mutex_unlock(&vm->lock);
  return idle;
}

/* ---- processes ---- */

BhResult agent_process_start(BhVm *base, const BhProgram *program, BhResource streams[BH_STREAM_COUNT],
                             BhProcess **result_process, gint32 *error) {
  AgentVm *vm = (AgentVm *)base;
  BhGuestMessage message = {
      .type = BH_GUEST_PROCESS, .guest_path = (char *)program->path, .environment = (char **)program->environment};
  g_autoptr(BhProcess) process = bh_guest_process_new(base->class);
  BhResource sockets[BH_STREAM_COUNT] = {{0}};
  g_auto(BhGuestMessage) done = {0};
  const char *only_path[2];
  Request request = {0};
  BhResult result;

  *error = 0;
  if (process == NULL) return BH_E_OUTOFMEMORY;
  message.arguments = argv_of(program->path, program->arguments, only_path);
  result = agent_ask(vm, &request, &message, &(Running){.process = process});
  for (int i = 0; i < BH_STREAM_COUNT && BH_SUCCEEDED(result); i++)
    result = agent_connect(vm, &request, &sockets[i]);
  if (BH_SUCCEEDED(result)) result = await_done(vm, &request, sockets, BH_STREAM_COUNT, &done);
  agent_forget(vm, &request, result);
  if (done.type == BH_GUEST_FAILED && done.failure == BH_GUEST_NO_EXEC) *error = done.error;
  for (int i = 0; i < BH_STREAM_COUNT; i++) {
    if (BH_SUCCEEDED(result))
      streams[i] = sockets[i];
    else
      bh_resource_clear(&sockets[i]);
  }
  if (BH_SUCCEEDED(result)) *result_process = g_steal_pointer(&process);
  return result;
}

/* ---- containers ---- */

static void note_container(AgentVm *vm, guint32 number, gboolean there) {
  bh_mutex_lock(&vm->lock);
  if (there)
    g_hash_table_add(vm->containers, GUINT_TO_POINTER(number));
  else
    g_hash_table_remove(vm->containers, GUINT_TO_POINTER(number));
  bh_mutex_unlock(&vm->lock);
}

BhResult agent_container_start(BhVm *base, const BhContainerSpec *spec, BhDescription *container) {
  AgentVm *vm = (AgentVm *)base;
  BhGuestMessage message = {.type = BH_GUEST_CONTAINER_START,
                            .instance = agent_new_number(vm),
                            .host_path = (char *)spec->root,
                            .guest_path = (char *)spec->program.path,
                            .environment = (char **)spec->program.environment};
  g_auto(BhGuestMessage) answer = {0};
  const char *only_path[2];
  Request request = {0};
  BhResult result;

  message.arguments = argv_of(spec->program.path, spec->program.arguments, only_path);
  note_container(vm, message.instance, TRUE); /* first: it may be said to have ended before we go on */
  result = agent_ask(vm, &request, &message, &(Running){.number = message.instance, .container = TRUE});
  if (BH_SUCCEEDED(result)) result = agent_await(vm, &request, BH_GUEST_INSTANCE, &answer);
  agent_forget(vm, &request, result);
  if (BH_SUCCEEDED(result))
    bh_describe_container(spec, message.instance, container);
  else
    note_container(vm, message.instance, FALSE);
  return result;
}

/* The agent is asked in any case: its answer comes after the container's EXITED, so that no event comes once we are done.
 * One that has ended by itself is unknown to it. */
BhResult agent_container_stop(BhVm *base, guint32 number) {
  AgentVm *vm = (AgentVm *)base;
  BhGuestMessage message = {.type = BH_GUEST_INSTANCE_STOP, .instance = number};
  g_auto(BhGuestMessage) answer = {0};
  gboolean known, dead;
  BhResult result;

  bh_mutex_lock(&vm->lock);
  known = g_hash_table_remove(vm->containers, GUINT_TO_POINTER(number));
  dead = vm->dead;
  bh_mutex_unlock(&vm->lock);
  if (!known) return dead ? BH_E_NOT_VALID_STATE : BH_E_NOT_FOUND;
  result = agent_ask_once(vm, &message, BH_GUEST_DONE, &answer);
  return result == BH_E_DISTRO_NOT_RUNNING ? BH_OK : result;
}
