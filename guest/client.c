#include "guest/client.h"

#include <string.h>

#include "core/sync.h"
#include "guest/launch.h"
#include "guest/protocol.h"
#include "guest/socket.h"

#define LOG_DOMAIN  "bulkhead-guest"
#define ANSWERS_MAX 4 /* that wait in one request; no request has more */

static const BhGuestClass agent_class;
static const BhLockClass vm_class = {.name = "guest-vm", .rank = BH_RANK_LEAF};
static const BhLockClass send_class = {.name = "guest-send", .rank = BH_RANK_LEAF};

typedef struct {
  BhGuest base;
  char *agent_path;
} AgentGuest;

typedef struct {
  BhVm base;
  BhResource control;
  BhLaunched launched;
  BhThread *reader;
  const BhVmEvents *events;
  gpointer data;

  BhMutex send_lock; /* one frame at a time; never held with lock */

  BhMutex lock; /* guards what follows */
  BhCond changed;
  GHashTable *requests; /* id → Request, on its caller's stack, while it waits for answers */
  guint32 last_id;
  guint32 last_instance;
  guint16 port;     /* of data connections; 0: the agent has not said hello */
  char *refusal;    /* why the agent will not, instead of hello */
  gboolean created; /* vm_create handed it out: its death is an event */
  gboolean dead;    /* there will be no more answers: all requests fail */
  gboolean ended;   /* and the agent has let go of the channel: it has ended everything */
  gboolean destroying;
} AgentVm;

/* Something asked of the agent. Answers arrive in order and wait here until their caller takes them. */
typedef struct {
  guint32 id;
  const BhGuestMessage *asked; /* the caller's; for the log */
  GQueue answers;              /* BhGuestMessage, each of g_new */
} Request;

/* ---- the reader ---- */

static void free_message(gpointer data) {
  bh_guest_message_clear(data);
  g_free(data);
}

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

/* Takes the message's contents. */
static void on_message(AgentVm *vm, BhGuestMessage *message) {
  Request *request;

  bh_mutex_lock(&vm->lock);
  request = g_hash_table_lookup(vm->requests, GUINT_TO_POINTER(message->id));
  if (message->id == 0) {
    on_unasked(vm, message);
  } else if (request != NULL && message->type != BH_GUEST_EXITED &&
             g_queue_get_length(&request->answers) < ANSWERS_MAX) {
    g_queue_push_tail(&request->answers, g_memdup2(message, sizeof *message));
    memset(message, 0, sizeof *message);
    bh_cond_broadcast(&vm->changed);
  }
  bh_mutex_unlock(&vm->lock);
  if (message->type == BH_GUEST_EXITED)
    g_log(LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "process of request %u ended, status 0x%x", message->id,
          (guint)message->status);
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

static gpointer read_channel(gpointer data) {
  AgentVm *vm = data;
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  guint8 some[8192];
  gboolean good = TRUE, tell;
  gssize got;

  while (good && (got = bh_socket_read(vm->control.value, some, sizeof some)) > 0) {
    g_byte_array_append(bytes, some, (guint)got);
    good = dispatch(vm, bytes);
  }
  if (!good) g_log(LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "the agent does not speak our protocol; its VM ends");
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

/* Sends message with an id of its own and makes request wait for its answers. */
static BhResult ask(AgentVm *vm, Request *request, BhGuestMessage *message) {
  g_autoptr(GBytes) frame = NULL;
  gboolean dead;

  request->asked = message;
  bh_mutex_lock(&vm->lock);
  dead = vm->dead;
  if (!dead) {
    do vm->last_id++;
    while (vm->last_id == 0 || g_hash_table_contains(vm->requests, GUINT_TO_POINTER(vm->last_id)));
    message->id = request->id = vm->last_id;
    g_queue_init(&request->answers);
    g_hash_table_insert(vm->requests, GUINT_TO_POINTER(request->id), request);
  }
  bh_mutex_unlock(&vm->lock);
  if (dead) return BH_E_NOT_VALID_STATE;

  frame = bh_guest_message_encode(message);
  if (frame == NULL) return BH_E_INVALIDARG;
  bh_mutex_lock(&vm->send_lock);
  /* Should it fail, the reader sees the end, too, and says so to all. */
  bh_socket_write_all(vm->control.value, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame));
  bh_mutex_unlock(&vm->send_lock);
  return BH_OK;
}

/* What an agent's refusal is to core. The log is told what core cannot be. The text is the agent's, also that of
 * errno: its numbers are Linux's, and under Windows ours would be others. */
static BhResult failure_result(const BhGuestMessage *asked, const BhGuestMessage *message) {
  g_autofree char *guest_path = g_strescape(asked->guest_path != NULL ? asked->guest_path : "", NULL);
  g_autofree char *host_path = g_strescape(asked->host_path != NULL ? asked->host_path : "", NULL);

  g_log(LOG_DOMAIN, G_LOG_LEVEL_MESSAGE,
        "%s failed: guest path \"%s\", host path \"%s\", instance %u: %s (errno %d)",
        bh_guest_message_name(asked->type), guest_path, host_path, asked->instance, message->text, message->error);
  switch (message->failure) {
    case BH_GUEST_NO_FOLDER: return BH_E_FILE_NOT_FOUND;
    case BH_GUEST_NO_INSTANCE: return BH_E_DISTRO_NOT_RUNNING;
    case BH_GUEST_BAD_PATH: return BH_E_INVALIDARG;
    default: return BH_E_FAIL;
  }
}

/* Waits for the next answer, which is to be of this type. *answer must be all zero, and is the caller's. */
static BhResult await(AgentVm *vm, Request *request, BhGuestMessageType type, BhGuestMessage *answer) {
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

/* Waits for no more answers. Also after ask failed. */
static void forget(AgentVm *vm, Request *request) {
  if (request->id == 0) return;
  bh_mutex_lock(&vm->lock);
  g_hash_table_remove(vm->requests, GUINT_TO_POINTER(request->id));
  bh_mutex_unlock(&vm->lock);
  g_queue_clear_full(&request->answers, free_message);
}

/* Most requests: one question, one answer. */
static BhResult ask_once(AgentVm *vm, BhGuestMessage *message, BhGuestMessageType type, BhGuestMessage *answer) {
  Request request = {0};
  BhResult result = ask(vm, &request, message);

  if (BH_SUCCEEDED(result)) result = await(vm, &request, type, answer);
  forget(vm, &request);
  return result;
}

/* ---- a VM's functions ---- */

static BhResult agent_mount(BhVm *base, const char *host_path, const char *linux_path, gboolean read_only,
                            const char *name) {
  BhGuestMessage message = {.type = BH_GUEST_MOUNT, .guest_path = (char *)linux_path, .read_only = read_only};
  g_auto(BhGuestMessage) answer = {0};
  g_autofree char *folder = NULL;
  BhResult result;

  (void)name; /* a Linux mount has none */
  if (linux_path[0] != '/') return BH_E_INVALIDARG;
  result = bh_launch_host_folder(host_path, &folder);
  if (BH_FAILED(result)) return result;
  message.host_path = folder;
  return ask_once((AgentVm *)base, &message, BH_GUEST_DONE, &answer);
}

static BhResult agent_execute(BhVm *base, guint32 instance, const char *path, const char *const *arguments,
                              BhResource *socket) {
  AgentVm *vm = (AgentVm *)base;
  const char *only_path[] = {path, NULL};
  BhGuestMessage message = {.type = BH_GUEST_EXECUTE, .instance = instance, .guest_path = (char *)path};
  g_auto(BhGuestMessage) token = {0}, done = {0};
  BhResource data = {0};
  Request request = {0};
  BhResult result;

  message.arguments = (char **)(arguments != NULL && arguments[0] != NULL ? arguments : only_path);
  result = ask(vm, &request, &message);
  if (BH_SUCCEEDED(result)) result = await(vm, &request, BH_GUEST_CONNECT, &token);
  if (BH_SUCCEEDED(result)) {
    /* Should either fail, the agent will miss us, and answer so. */
    if (BH_SUCCEEDED(bh_socket_connect(vm->port, &data)))
      bh_socket_write_all(data.value, token.token, sizeof token.token);
    result = await(vm, &request, BH_GUEST_DONE, &done);
  }
  forget(vm, &request);
  if (BH_SUCCEEDED(result))
    *socket = data;
  else
    bh_resource_clear(&data);
  return result;
}

static BhResult agent_instance_start(BhVm *base, const BhDistribution *distribution, BhInstance *instance) {
  AgentVm *vm = (AgentVm *)base;
  BhGuestMessage message = {.type = BH_GUEST_INSTANCE_START, .host_path = distribution->root};
  g_auto(BhGuestMessage) answer = {0};
  BhResult result;

  bh_mutex_lock(&vm->lock);
  message.instance = ++vm->last_instance;
  bh_mutex_unlock(&vm->lock);
  result = ask_once(vm, &message, BH_GUEST_INSTANCE, &answer);
  if (BH_SUCCEEDED(result)) *instance = (BhInstance){message.instance, answer.pid, answer.pid_namespace};
  return result;
}

static BhResult agent_instance_stop(BhVm *base, guint32 instance) {
  BhGuestMessage message = {.type = BH_GUEST_INSTANCE_STOP, .instance = instance};
  g_auto(BhGuestMessage) answer = {0};

  return ask_once((AgentVm *)base, &message, BH_GUEST_DONE, &answer);
}

/* ---- its life ---- */

static void agent_vm_destroy(BhVm *base) {
  AgentVm *vm = (AgentVm *)base;
  gint64 deadline = bh_clock_now() + BH_GUEST_END_SECONDS * G_USEC_PER_SEC;
  gboolean late = FALSE;

  bh_mutex_lock(&vm->lock);
  vm->destroying = TRUE;
  bh_mutex_unlock(&vm->lock);
  if (vm->reader != NULL) {
    bh_socket_end_writing(vm->control.value);
    bh_mutex_lock(&vm->lock);
    while (!vm->ended && !late) late = !bh_cond_wait_until(&vm->changed, &vm->lock, deadline);
    bh_mutex_unlock(&vm->lock);
    if (late) {
      g_log(LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "an agent does not come to an end; it is left to itself");
      bh_socket_shutdown(vm->control.value);
    }
    bh_thread_join(vm->reader);
  }
  bh_resource_clear(&vm->control);
  bh_launch_forget(&vm->launched, late);
  g_hash_table_unref(vm->requests);
  g_free(vm->refusal);
  bh_cond_clear(&vm->changed);
  bh_mutex_clear(&vm->lock);
  bh_mutex_clear(&vm->send_lock);
  g_free(vm);
}

/* Starts agent and reader. On failure *why is for people, the caller's. */
static BhResult start_agent(AgentVm *vm, const char *agent_path, char **why) {
  BhResource theirs = {0};
  BhResult result = bh_socket_pair(&vm->control, &theirs);

  if (BH_SUCCEEDED(result)) result = bh_launch_agent(agent_path, theirs.value, &vm->launched, why);
  bh_resource_clear(&theirs);
  if (BH_FAILED(result)) return result;
  vm->reader = bh_thread_new("guest-reader", BH_RANK_LEAF, read_channel, vm);
  return vm->reader != NULL ? BH_OK : BH_E_OUTOFMEMORY;
}

static BhResult await_hello(AgentVm *vm, char **why) {
  gint64 deadline = bh_clock_now() + BH_GUEST_START_SECONDS * G_USEC_PER_SEC;
  BhResult result = BH_OK;

  bh_mutex_lock(&vm->lock);
  while (vm->port == 0 && vm->refusal == NULL && !vm->dead && result == BH_OK)
    if (!bh_cond_wait_until(&vm->changed, &vm->lock, deadline)) result = BH_E_TIMEOUT;
  if (vm->dead || vm->refusal != NULL) result = BH_E_FAIL;
  if (vm->port != 0 && result == BH_E_TIMEOUT) result = BH_OK;
  if (result == BH_E_TIMEOUT)
    *why = g_strdup("it said nothing in time");
  else if (BH_FAILED(result))
    *why = g_strdup(vm->refusal != NULL ? vm->refusal : "it ended at once");
  vm->created = BH_SUCCEEDED(result);
  bh_mutex_unlock(&vm->lock);
  return result;
}

static BhResult agent_vm_create(BhGuest *base, const BhVmSettings *settings, const BhVmEvents *events,
                                gpointer data, BhVm **result_vm) {
  AgentGuest *guest = (AgentGuest *)base;
  AgentVm *vm = g_new0(AgentVm, 1);
  g_autofree char *why = NULL;
  BhResult result;

  (void)settings; /* a custom kernel is for real VMs */
  vm->base.class = &agent_class;
  vm->events = events;
  vm->data = data;
  vm->requests = g_hash_table_new(NULL, NULL);
  bh_mutex_init(&vm->send_lock, &send_class);
  bh_mutex_init(&vm->lock, &vm_class);
  bh_cond_init(&vm->changed);

  result = start_agent(vm, guest->agent_path, &why);
  if (BH_SUCCEEDED(result)) result = await_hello(vm, &why);
  if (BH_SUCCEEDED(result)) {
    *result_vm = &vm->base;
  } else {
    g_log(LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "no VM: the agent %s cannot serve: %s", guest->agent_path,
          why != NULL ? why : "no socket or thread can be had");
    agent_vm_destroy(&vm->base);
  }
  return result;
}

static const BhGuestClass agent_class = {
    .name = "agent",
    .vm_create = agent_vm_create,
    .vm_destroy = agent_vm_destroy,
    .mount = agent_mount,
    .execute = agent_execute,
    .instance_start = agent_instance_start,
    .instance_stop = agent_instance_stop,
};

BhGuest *bh_guest_agent_new(const char *agent_path) {
  AgentGuest *guest = g_new0(AgentGuest, 1);

  guest->base.class = &agent_class;
  guest->agent_path = g_strdup(agent_path);
  return &guest->base;
}

void bh_guest_agent_free(BhGuest *base) {
  AgentGuest *guest = (AgentGuest *)base;

  if (guest == NULL) return;
  g_free(guest->agent_path);
  g_free(guest);
}
