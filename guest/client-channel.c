#include "guest/client-vm.h"

#include <string.h>

#include "guest/process.h"
#include "guest/socket.h"

#define ANSWERS_MAX 4 /* that wait in one request; no request has more */

static void free_message(gpointer data) {
  bh_guest_message_clear(data);
  g_free(data);
}

void agent_running_free(gpointer data) {
  Running *running = data;

  if (running->process != NULL) bh_guest_process_unref(running->process);
  g_free(running);
}

gint32 agent_exit_code(gint32 status) {
  int signal = status & 0x7F;

  return signal != 0 ? 128 + signal : (status >> 8) & 0xFF;
}

/* ---- the reader ---- */

static void on_unasked(AgentVm *vm, BhGuestMessage *message) {
  if (vm->port != 0 || vm->refusal != NULL) return; /* that is said once */
  if (message->type == BH_GUEST_HELLO && message->version != BH_GUEST_PROTOCOL)
    vm->refusal = g_strdup("it speaks another version of the protocol");
  else if (message->type == BH_GUEST_HELLO && (message->port == 0 || message->port > G_MAXUINT16))
    vm->refusal = g_strdup("its hello names no port");
  else if (message->type == BH_GUEST_HELLO)
    vm->port = (guint16)message->port;
  else if (message->type == BH_GUEST_FAILED)
    vm->refusal = g_steal_pointer(&message->text);
  bh_cond_broadcast(&vm->changed);
}

/* What ran has ended. Takes it; without the lock. */
static void on_exited(AgentVm *vm, Running *running, gint32 status) {
  gboolean tell;

  bh_mutex_lock(&vm->lock);
  tell = running->container && !vm->destroying && vm->events != NULL && vm->events->container_ended != NULL;
  bh_mutex_unlock(&vm->lock);
  if (tell) vm->events->container_ended(vm->data, running->number);
  if (running->process != NULL) bh_guest_process_ended(running->process, agent_exit_code(status));
  agent_running_free(running);
}

/* Takes the message's contents. */
static void on_message(AgentVm *vm, BhGuestMessage *message) {
  Running *exited = NULL;
  Request *request;

  bh_mutex_lock(&vm->lock);
  request = g_hash_table_lookup(vm->requests, GUINT_TO_POINTER(message->id));
  if (message->id == 0) {
    on_unasked(vm, message);
  } else if (message->type == BH_GUEST_EXITED) {
    g_hash_table_steal_extended(vm->running, GUINT_TO_POINTER(message->id), NULL, (gpointer *)&exited);
  } else if (request != NULL && g_queue_get_length(&request->answers) < ANSWERS_MAX) {
    g_queue_push_tail(&request->answers, g_memdup2(message, sizeof *message));
    memset(message, 0, sizeof *message);
    bh_cond_broadcast(&vm->changed);
  }
  bh_mutex_unlock(&vm->lock);
  if (exited == NULL) return;
  g_log(AGENT_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "process of request %u ended, status 0x%x", message->id,
        (guint)message->status);
  on_exited(vm, exited, message->status);
}

/* Dispatches what is complete. FALSE: it is malformed. */
static gboolean dispatch(AgentVm *vm, GByteArray *bytes) {
  gsize at = 0, used;

  for (;;) {
    g_auto(BhGuestMessage) message = {0};
    BhGuestFrame frame =
        bh_guest_message_decode(bytes->data + at, bytes->len - at, BH_GUEST_TO_CLIENT, &used, &message);

    if (frame == BH_GUEST_FRAME_MALFORMED) return FALSE;
    if (frame == BH_GUEST_FRAME_INCOMPLETE) break;
    at += used;
    on_message(vm, &message);
  }
  if (at > 0) g_byte_array_remove_range(bytes, 0, (guint)at);
  return TRUE;
}

/* The VM is dead: nothing runs in it any more, and nobody will tell. */
static void end_running(AgentVm *vm) {
  g_autoptr(GHashTable) running = NULL;
  GHashTableIter iterator;
  gpointer value;

  bh_mutex_lock(&vm->lock);
  running = g_steal_pointer(&vm->running);
  vm->running = g_hash_table_new_full(NULL, NULL, NULL, agent_running_free);
  bh_mutex_unlock(&vm->lock);
  g_hash_table_iter_init(&iterator, running);
  while (g_hash_table_iter_next(&iterator, NULL, &value))
    if (((Running *)value)->process != NULL) bh_guest_process_ended(((Running *)value)->process, BH_EXIT_KILLED);
}

gpointer agent_read_channel(gpointer data) {
  AgentVm *vm = data;
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  guint8 some[8192];
  gboolean good = TRUE, tell;
  gssize got;

  while (good && (got = bh_socket_read(vm->control.value, some, sizeof some)) > 0) {
    g_byte_array_append(bytes, some, (guint)got);
    good = dispatch(vm, bytes);
  }
  if (!good) g_log(AGENT_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "the agent does not speak our protocol; its VM ends");
  /* Either way nobody can send any more. One that is not understood is to end, and shows when it has. */
  if (good)
    bh_socket_shutdown(vm->control.value);
  else
    bh_socket_end_writing(vm->control.value);

  bh_mutex_lock(&vm->lock);
  vm->dead = TRUE;
  vm->ended = good;
  tell = vm->created && !vm->destroying;
  bh_cond_broadcast(&vm->changed);
  bh_mutex_unlock(&vm->lock);
  end_running(vm);
  if (tell && vm->events != NULL && vm->events->died != NULL) vm->events->died(vm->data);
  if (good) return NULL;

  while (bh_socket_read(vm->control.value, some, sizeof some) > 0) continue;
  bh_mutex_lock(&vm->lock);
  vm->ended = TRUE;
  bh_cond_broadcast(&vm->changed);
  bh_mutex_unlock(&vm->lock);
  return NULL;
}

/* ---- requests ---- */

/* Under the lock. */
static guint32 new_id(AgentVm *vm) {
  do vm->last_id++;
  while (vm->last_id == 0 || g_hash_table_contains(vm->requests, GUINT_TO_POINTER(vm->last_id)) ||
         g_hash_table_contains(vm->running, GUINT_TO_POINTER(vm->last_id)));
  return vm->last_id;
}

static Running *running_copy(const Running *running) {
  Running *copy = g_memdup2(running, sizeof *running);

  if (copy->process != NULL) bh_guest_process_ref(copy->process);
  return copy;
}

BhResult agent_ask(AgentVm *vm, Request *request, BhGuestMessage *message, const Running *running) {
  g_autoptr(GBytes) frame = NULL;
  gboolean dead, circle;

  request->asked = message;
  bh_mutex_lock(&vm->lock);
  dead = vm->dead;
  /* What is started has to be told first, by the thread that would wait for its start. */
  circle = running != NULL && vm->watch.self == bh_thread_self();
  if (!dead && !circle) {
    message->id = request->id = new_id(vm);
    g_queue_init(&request->answers);
    g_hash_table_insert(vm->requests, GUINT_TO_POINTER(request->id), request);
    if (running != NULL) g_hash_table_insert(vm->running, GUINT_TO_POINTER(request->id), running_copy(running));
  }
  bh_mutex_unlock(&vm->lock);
  if (dead) return BH_E_NOT_VALID_STATE;
  if (circle) return BH_E_ILLEGAL_METHOD_CALL;

  frame = bh_guest_message_encode(message);
  if (frame == NULL) return BH_E_INVALIDARG;
  bh_mutex_lock(&vm->send_lock);
  /* Should it fail, the reader sees the end, too, and says so to all. */
  bh_socket_write_all(vm->control.value, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame));
  bh_mutex_unlock(&vm->send_lock);
  return BH_OK;
}

/* That a container which is to be stopped has ended by itself is none. */
static gboolean is_news(const BhGuestMessage *asked, const BhGuestMessage *message) {
  return asked->type != BH_GUEST_INSTANCE_STOP || message->failure != BH_GUEST_NO_INSTANCE;
}

/* What an agent's refusal is to core. The log is told what core cannot be. The text is the agent's, also that of
 * errno: its numbers are Linux's, and under Windows ours would be others. */
static BhResult failure_result(const BhGuestMessage *asked, const BhGuestMessage *message) {
  g_autofree char *guest_path = g_strescape(asked->guest_path != NULL ? asked->guest_path : "", NULL);
  g_autofree char *host_path = g_strescape(asked->host_path != NULL ? asked->host_path : "", NULL);

  g_log(AGENT_LOG_DOMAIN, is_news(asked, message) ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_DEBUG,
        "%s failed: guest path \"%s\", host path \"%s\", instance %u: %s (errno %d)",
        bh_guest_message_name(asked->type), guest_path, host_path, asked->instance, message->text, message->error);
  switch (message->failure) {
    case BH_GUEST_NO_FOLDER:
      /* The two that have it from the first day say it in another way. */
      return asked->type == BH_GUEST_MOUNT || asked->type == BH_GUEST_INSTANCE_START ? BH_E_FILE_NOT_FOUND
                                                                                     : BH_E_PATH_NOT_FOUND;
    case BH_GUEST_NO_INSTANCE: return BH_E_DISTRO_NOT_RUNNING;
    case BH_GUEST_BAD_PATH: return BH_E_INVALIDARG;
    case BH_GUEST_NO_MOUNT: return BH_E_NOT_FOUND;
    case BH_GUEST_REFUSED: return BH_FAILED(message->error) ? message->error : BH_E_ACCESSDENIED;
    default: return BH_E_FAIL;
  }
}

BhResult agent_await(AgentVm *vm, Request *request, BhGuestMessageType type, BhGuestMessage *answer) {
  g_autofree BhGuestMessage *next = NULL;

  bh_mutex_lock(&vm->lock);
  while (g_queue_is_empty(&request->answers) && !vm->dead) bh_cond_wait(&vm->changed, &vm->lock);
  next = g_queue_pop_head(&request->answers);
  bh_mutex_unlock(&vm->lock);
  if (next == NULL) return BH_E_NOT_VALID_STATE;
  *answer = *next;
  if (answer->type == BH_GUEST_FAILED) return failure_result(request->asked, answer);
  return answer->type == type ? BH_OK : BH_E_UNEXPECTED;
}

void agent_forget(AgentVm *vm, Request *request, BhResult result) {
  Running *running = NULL;

  if (request->id == 0) return;
  bh_mutex_lock(&vm->lock);
  g_hash_table_remove(vm->requests, GUINT_TO_POINTER(request->id));
  if (BH_FAILED(result))
    g_hash_table_steal_extended(vm->running, GUINT_TO_POINTER(request->id), NULL, (gpointer *)&running);
  bh_mutex_unlock(&vm->lock);
  g_queue_clear_full(&request->answers, free_message);
  if (running != NULL) agent_running_free(running);
}

BhResult agent_ask_once(AgentVm *vm, BhGuestMessage *message, BhGuestMessageType type, BhGuestMessage *answer) {
  Request request = {0};
  BhResult result = agent_ask(vm, &request, message, NULL);

  if (BH_SUCCEEDED(result)) result = agent_await(vm, &request, type, answer);
  agent_forget(vm, &request, result);
  return result;
}

guint32 agent_new_number(AgentVm *vm) {
  guint32 number;

  bh_mutex_lock(&vm->lock);
  number = ++vm->last_instance;
  bh_mutex_unlock(&vm->lock);
  return number;
}
