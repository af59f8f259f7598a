/* The client's reader: an agent that says what it likes, to a client with one request outstanding and one process that
 * runs. Whatever it says, the request is answered or fails, and the reader comes to an end. */
#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "guest/client-vm.h"
#include "guest/socket.h"

static const BhLockClass vm_class = {"fuzzed VM", BH_RANK_LEAF, FALSE};

static void close_fd(gintptr fd) {
  close((int)fd);
}

static void ignore(gpointer data) {
  (void)data;
}

static void ignore_container(gpointer data, guint32 number) {
  (void)data, (void)number;
}

static const BhVmEvents events = {.died = ignore, .container_ended = ignore_container};

static AgentVm *vm_new(int control) {
  AgentVm *vm = g_new0(AgentVm, 1);

  vm->control = (BhResource){control, close_fd};
  vm->events = &events;
  vm->created = TRUE;
  bh_mutex_init(&vm->lock, &vm_class);
  bh_mutex_init(&vm->send_lock, &vm_class);
  bh_cond_init(&vm->changed);
  vm->requests = g_hash_table_new(NULL, NULL);
  vm->running = g_hash_table_new_full(NULL, NULL, NULL, agent_running_free);
  vm->containers = g_hash_table_new(NULL, NULL);
  return vm;
}

static void vm_free(AgentVm *vm) {
  g_assert_cmpuint(g_hash_table_size(vm->requests), ==, 0);
  g_assert_cmpuint(g_hash_table_size(vm->running), ==, 0); /* each was told of its end */
  g_hash_table_unref(vm->requests);
  g_hash_table_unref(vm->running);
  g_hash_table_unref(vm->containers);
  bh_cond_clear(&vm->changed);
  bh_mutex_clear(&vm->send_lock);
  bh_mutex_clear(&vm->lock);
  bh_resource_clear(&vm->control);
  g_free(vm->refusal);
  g_free(vm);
}

/* What the agent says is there before it is asked anything: request and process have the ids 1 and 2. */
static void hear(AgentVm *vm) {
  BhGuestMessage message = {.type = BH_GUEST_INSTANCE_STOP, .instance = 1};
  BhGuestMessage run = {.type = BH_GUEST_CONTAINER_START, .instance = 2};
  Request request = {0}, container = {0};
  g_auto(BhGuestMessage) answer = {0};
  BhResult result;

  g_assert_cmpint(agent_ask(vm, &request, &message, NULL), ==, BH_OK);
  g_assert_cmpint(agent_ask(vm, &container, &run, &(Running){.number = 2, .container = TRUE}), ==, BH_OK);
  g_assert_null(agent_read_channel(vm));
  g_assert_true(vm->dead && vm->ended);
  result = agent_await(vm, &request, BH_GUEST_DONE, &answer);
  if (BH_SUCCEEDED(result)) g_assert_cmpuint(answer.type, ==, BH_GUEST_DONE);
  agent_forget(vm, &request, result);
  agent_forget(vm, &container, BH_OK);
}

static GLogWriterOutput quiet(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data) {
  (void)level, (void)fields, (void)count, (void)data;
  return G_LOG_WRITER_HANDLED;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  static gboolean is_quiet;
  int ends[2];
  AgentVm *vm;

  if (!is_quiet) g_log_set_writer_func(quiet, NULL, NULL); /* once only */
  is_quiet = TRUE;
  if (size > 64 * 1024) return 0; /* which the socket holds; nobody reads while we write */
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
  g_assert_true(bh_socket_write_all(ends[1], data, size));
  shutdown(ends[1], SHUT_WR);
  vm = vm_new(ends[0]);
  hear(vm);
  vm_free(vm);
  close(ends[1]);
  return 0;
}
