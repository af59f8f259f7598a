/* watch.c: the requests to watch and to find, the watch channel, and what is to be answered there. */
#include "guest/agent/watch.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/activity.h"
#include "guest/agent/control.h"
#include "guest/agent/seize.h"
#include "guest/agent/trace.h"

static struct {
  AgentChannel *channel; /* NULL: nobody watches */
  int fd;                /* the channel's */
  guint32 what;          /* BhWatch */
  guint32 id;            /* of the request that waits for its connection; 0: none does */
  guint32 last_asked;
  GHashTable *asked; /* id → the task that waits for an answer */
} watch;

guint32 agent_watch_ask(pid_t task) {
  if (++watch.last_asked == 0) watch.last_asked = 1;
  g_hash_table_insert(watch.asked, GUINT_TO_POINTER(watch.last_asked), GINT_TO_POINTER(task));
  return watch.last_asked;
}

void agent_watch_tell(const BhGuestMessage *message) {
  if (watch.channel != NULL) agent_channel_queue(watch.channel, message);
}

void agent_watch_flush(void) {
  if (watch.channel != NULL) agent_channel_flush(watch.channel);
}

gboolean agent_watch_is_behind(void) {
  return watch.channel != NULL && agent_channel_waiting(watch.channel) > AGENT_WATCH_BACKLOG;
}

/* ---- the channel ---- */

typedef struct {
  AgentChannel *channel;
  int fd;
} Dropped;

static gboolean free_channel(gpointer user_data) {
  Dropped *dropped = user_data;

  agent_channel_free(dropped->channel);
  close(dropped->fd);
  g_free(dropped);
  return G_SOURCE_REMOVE;
}

/* Later: it may be the channel itself that brought us here. */
static void drop_channel(void) {
  Dropped *dropped;

  if (watch.channel == NULL) return;
  dropped = g_new(Dropped, 1);
  *dropped = (Dropped){watch.channel, watch.fd};
  shutdown(watch.fd, SHUT_RDWR);
  g_idle_add_full(G_PRIORITY_DEFAULT, free_channel, dropped, NULL);
  watch.channel = NULL;
  watch.what = BH_WATCH_NOTHING;
  g_hash_table_remove_all(watch.asked);
}

static void on_ended(gpointer user);

static void on_message(gpointer user, BhGuestMessage *message) {
  gpointer task;

  if (watch.fd != GPOINTER_TO_INT(user) || watch.channel == NULL) return;
  if (message->type != BH_GUEST_VERDICT) {
    g_printerr("bulkhead-agent: the watch channel is for verdicts\n");
    on_ended(user);
  } else if (g_hash_table_steal_extended(watch.asked, GUINT_TO_POINTER(message->id), NULL, &task)) {
    agent_trace_verdict(GPOINTER_TO_INT(task), message->id, message->error);
    agent_trace_settle();
  }
}

/* Whoever watched is gone, and nobody has said that what it was asked about may go on. */
static void on_ended(gpointer user) {
  if (watch.fd != GPOINTER_TO_INT(user) || watch.channel == NULL) return;
  drop_channel();
  agent_trace_stop(TRUE);
}

static void on_drained(gpointer user) {
  (void)user;
  agent_trace_go_on();
}

static void on_connection(gpointer user, int fd) {
  static const AgentChannelEvents events = {on_message, on_ended, on_drained};
  guint32 id = watch.id;
  int error;

  (void)user;
  watch.id = 0;
  if (fd < 0) {
    answer_failed(id, BH_GUEST_UNABLE, ETIMEDOUT, "nobody came for the watch channel");
    return;
  }
  if (watch.asked == NULL) watch.asked = g_hash_table_new(NULL, NULL);
  watch.fd = fd;
  watch.channel = agent_channel_new(fd, &events, GINT_TO_POINTER(fd));
  error = agent_trace_start((watch.what & BH_WATCH_THREADS) != 0);
  if (error == 0) {
    agent_trace_settle();
    answer_done(id, 0);
    return;
  }
  drop_channel();
  agent_trace_stop(FALSE);
  answer_failed(id, BH_GUEST_UNABLE, error, "this agent may not trace what it runs");
}

/* ---- requests ---- */

void on_watch(BhGuestMessage *message) {
  BhGuestMessage answer = {.type = BH_GUEST_CONNECT, .id = message->id};

  if (watch.id != 0) {
    answer_failed(message->id, BH_GUEST_UNABLE, EBUSY, "the watch channel is awaited");
  } else if (message->watch == BH_WATCH_NOTHING) {
    drop_channel();
    agent_trace_stop(FALSE);
    answer_done(message->id, 0);
  } else if (watch.channel != NULL) {
    watch.what = message->watch;
    agent_watch_tell(&(BhGuestMessage){.type = BH_GUEST_TELL_WATCH, .watch = watch.what});
    agent_trace_threads((watch.what & BH_WATCH_THREADS) != 0);
    agent_trace_settle();
    answer_done(message->id, 0);
  } else if (!agent_data_expect(agent.data, answer.token, on_connection, &watch)) {
    answer_failed(message->id, BH_GUEST_UNABLE, errno, NULL);
  } else {
    watch.id = message->id;
    watch.what = message->watch;
    agent_channel_send(agent.channel, &answer);
  }
}

void on_find(BhGuestMessage *message) {
  pid_t pid = (pid_t)message->pid, thread = (pid_t)message->thread;

  answer_done(message->id, agent_seize_finds(pid, thread) ? message->pid : 0);
}
