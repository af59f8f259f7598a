#include "guest/client-vm.h"

#include <string.h>

#include "guest/socket.h"

/* ---- the watcher ---- */

/* What a message is to core. FALSE: it is not told on a watch channel, or is larger than can be. */
static gboolean to_activity(const BhGuestMessage *message, BhActivity *activity) {
  static const struct {
    guint32 message;
    BhActivityType type;
  } types[] = {
      {BH_GUEST_TELL_PROCESS, BH_PROCESS_CREATED},   {BH_GUEST_TELL_IMAGE, BH_PROCESS_IMAGE},
      {BH_GUEST_TELL_EXIT, BH_PROCESS_EXITED},       {BH_GUEST_TELL_THREAD, BH_THREAD_CREATED},
      {BH_GUEST_TELL_THREAD_EXIT, BH_THREAD_EXITED},
  };
  guint i = 0;

  while (i < G_N_ELEMENTS(types) && types[i].message != message->type) i++;
  if (i == G_N_ELEMENTS(types) || message->pid == 0) return FALSE;
  *activity = (BhActivity){.type = types[i].type, .process = message->pid};
  if (activity->type >= BH_THREAD_CREATED) activity->thread = message->thread;
  if (activity->type == BH_PROCESS_EXITED) activity->exit_status = agent_exit_code(message->status);
  if (activity->type == BH_PROCESS_CREATED) {
    activity->parent = message->parent;
    activity->creator = message->creator;
    activity->creator_thread = message->thread;
  }
  if (activity->type > BH_PROCESS_IMAGE) return message->id == 0;
  activity->may_refuse = message->id != 0;
  if (message->guest_path[0] != '\0') activity->image = message->guest_path;
  if (message->text[0] != '\0') activity->command_line = message->text;
  return strlen(message->text) <= BH_COMMAND_LINE_MAX;
}

/* Tells it, if it is to be told as things stand now. */
static BhResult tell_one(AgentVm *vm, const BhActivity *activity) {
  AgentWatch *watch = &vm->watch;
  BhResult result = BH_OK;
  gboolean wanted;

  bh_mutex_lock(&vm->lock);
  wanted = watch->wanted && vm->events != NULL && vm->events->activity != NULL;
  if (activity->type >= BH_THREAD_CREATED && ((watch->what & BH_WATCH_THREADS) == 0 || watch->changes > 0))
    wanted = FALSE; /* of before the last change */
  watch->in_event = wanted;
  bh_mutex_unlock(&vm->lock);
  if (!wanted) return BH_OK;
  result = vm->events->activity(vm->data, activity);
  bh_mutex_lock(&vm->lock);
  watch->in_event = FALSE;
  bh_cond_broadcast(&vm->changed);
  bh_mutex_unlock(&vm->lock);
  return result;
}

static void on_change(AgentVm *vm) {
  bh_mutex_lock(&vm->lock);
  if (vm->watch.changes > 0) vm->watch.changes--;
  bh_mutex_unlock(&vm->lock);
}

static void answer(AgentVm *vm, guint32 id, BhResult result) {
  g_autoptr(GBytes) frame =
      bh_guest_message_encode(&(BhGuestMessage){.type = BH_GUEST_VERDICT, .id = id, .error = result});

  /* Should it fail, the channel has ended, which shows when it is read. The thread's own, so open. */
  bh_socket_write_all(vm->watch.channel.value, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame));
}

/* Tells what is complete. FALSE: it is malformed. */
static gboolean tell(AgentVm *vm, GByteArray *bytes) {
  gsize at = 0, used;

  for (;;) {
    g_auto(BhGuestMessage) message = {0};
    BhGuestFrame frame =
        bh_guest_message_decode(bytes->data + at, bytes->len - at, BH_GUEST_TO_CLIENT, &used, &message);
    BhActivity activity;
    BhResult result;

    if (frame == BH_GUEST_FRAME_MALFORMED) return FALSE;
    if (frame == BH_GUEST_FRAME_INCOMPLETE) break;
    at += used;
    if (message.type == BH_GUEST_TELL_WATCH) {
      on_change(vm);
      continue;
    }
    if (!to_activity(&message, &activity)) return FALSE;
    result = tell_one(vm, &activity);
    if (message.id != 0) answer(vm, message.id, result);
  }
  if (at > 0) g_byte_array_remove_range(bytes, 0, (guint)at);
  return TRUE;
}

static void read_channel(AgentVm *vm) {
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  guint8 some[16384];
  gboolean good = TRUE;
  gssize got;

  while (good && (got = bh_socket_read(vm->watch.channel.value, some, sizeof some)) > 0) {
    g_byte_array_append(bytes, some, (guint)got);
    good = tell(vm, bytes);
  }
  if (!good) g_log(AGENT_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "the agent does not speak our protocol; its VM ends");
}

/* Reads one watch channel after another, until the VM is destroyed. */
static gpointer watch_thread(gpointer data) {
  AgentVm *vm = data;
  AgentWatch *watch = &vm->watch;

  bh_mutex_lock(&vm->lock);
  watch->self = bh_thread_self();
  for (;;) {
    while (watch->next.close == NULL && !vm->ended) bh_cond_wait(&vm->changed, &vm->lock);
    if (watch->next.close == NULL) break;
    watch->channel = watch->next;
    watch->next = (BhResource){0};
    watch->wanted = TRUE;
    watch->changes = 0;
    bh_mutex_unlock(&vm->lock);
    read_channel(vm);
    bh_mutex_lock(&vm->lock);
    bh_resource_clear(&watch->channel);
    bh_cond_broadcast(&vm->changed);
    /* Nothing shall run unseen where somebody wants to see it. */
    if (watch->wanted && !vm->ended) bh_socket_end_writing(vm->control.value);
    watch->wanted = FALSE;
  }
  watch->self = NULL;
  bh_mutex_unlock(&vm->lock);
  return NULL;
}

void agent_watch_end(AgentVm *vm) {
  AgentWatch *watch = &vm->watch;

  if (watch->thread == NULL) return;
  bh_mutex_lock(&vm->lock);
  vm->ended = TRUE;
  watch->wanted = FALSE;
  bh_resource_clear(&watch->next);
  if (watch->channel.close != NULL) bh_socket_shutdown(watch->channel.value);
  bh_cond_broadcast(&vm->changed);
  bh_mutex_unlock(&vm->lock);
  bh_thread_join(watch->thread);
}

/* ---- requests ---- */

/* Asks; *channel is the new one, if there is to be one. */
static BhResult ask(AgentVm *vm, BhWatch what, BhResource *channel) {
  BhGuestMessage message = {.type = BH_GUEST_WATCH, .watch = what};
  g_auto(BhGuestMessage) done = {0};
  Request request = {0};
  gboolean connect;
  BhResult result;

  bh_mutex_lock(&vm->lock);
  connect = what != BH_WATCH_NOTHING && !vm->watch.wanted && vm->watch.next.close == NULL;
  bh_mutex_unlock(&vm->lock);
  result = agent_ask(vm, &request, &message, NULL);
  if (BH_SUCCEEDED(result) && connect) result = agent_connect(vm, &request, channel);
  if (BH_SUCCEEDED(result)) result = agent_await(vm, &request, BH_GUEST_DONE, &done);
  if (BH_SUCCEEDED(result) && connect && channel->close == NULL) result = BH_E_UNEXPECTED;
  agent_forget(vm, &request, result);
  return result;
}

BhResult agent_watch(BhVm *base, BhWatch what) {
  AgentVm *vm = (AgentVm *)base;
  AgentWatch *watch = &vm->watch;
  BhResource channel = {0}, unread = {0};
  BhResult result;
  BhWatch before;

  if (watch->thread == NULL) {
    if (what == BH_WATCH_NOTHING) return BH_OK;
    watch->thread = bh_thread_new("guest-watcher", BH_RANK_LEAF, watch_thread, vm);
    if (watch->thread == NULL) return BH_E_OUTOFMEMORY;
  }
  bh_mutex_lock(&vm->lock);
  before = watch->what;
  /* What is told anew is not to be mistaken for what was told before: that first comes to its end. */
  if ((what & ~before) != 0 && watch->self == bh_thread_self()) {
    bh_mutex_unlock(&vm->lock);
    return BH_E_ILLEGAL_METHOD_CALL;
  }
  while ((what & ~before) != 0 &&
         (watch->in_event || (before == BH_WATCH_NOTHING && watch->channel.close != NULL)))
    bh_cond_wait(&vm->changed, &vm->lock);
  if (before != BH_WATCH_NOTHING && what != BH_WATCH_NOTHING) watch->changes++;
  watch->what = what; /* first: what is wanted from now on may come before we are told that it does */
  if (what == BH_WATCH_NOTHING) {
    watch->wanted = FALSE;
    unread = watch->next; /* not closed yet: to the agent that would be a client that is gone */
    watch->next = (BhResource){0};
  }
  bh_mutex_unlock(&vm->lock);
  result = ask(vm, what, &channel);

  bh_mutex_lock(&vm->lock);
  if (BH_FAILED(result) && what != BH_WATCH_NOTHING) watch->what = before;
  /* Read to its end by now or not: the agent has let go of it. */
  if (what == BH_WATCH_NOTHING && watch->channel.close != NULL) bh_socket_shutdown(watch->channel.value);
  if (BH_SUCCEEDED(result) && channel.close != NULL) {
    watch->next = channel;
    channel = (BhResource){0};
    bh_cond_broadcast(&vm->changed);
  }
  bh_mutex_unlock(&vm->lock);
  bh_resource_clear(&channel);
  bh_resource_clear(&unread);
  return result;
}

gboolean agent_has_process(BhVm *base, guint32 process, guint32 thread) {
  BhGuestMessage message = {.type = BH_GUEST_FIND, .pid = process, .thread = thread};
  g_auto(BhGuestMessage) answer = {0};

  return process != 0 && BH_SUCCEEDED(agent_ask_once((AgentVm *)base, &message, BH_GUEST_DONE, &answer)) &&
         answer.pid != 0;
}
