/* The agent's side of a whole session: what a client says in frames, while sandboxes and data connections, which are made up
 * here, behave in any order. Every request is answered once, a program's end is told once and after its start, and all that is
 * said is well formed. Nothing is run and no file is written: bubblewrap, tar and ptrace are left out.
 *
 *   [n] [n bytes: one turn each, of the table below] [frames] */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/agent/control.h"
#include "guest/agent/trace.h"

/* --- Sandboxes --------------------------------------------------------------------------------------------------- */

#define RUNS 4

struct AgentSandbox {
  const AgentSandboxEvents *events;
  gpointer user;
  gboolean ready;
  guint32 asked[RUNS], started[RUNS]; /* ids, what init would still say of them; in use: below the count */
  guint asked_count, started_count;
};

static GPtrArray *sandboxes; /* in the order in which they were started */
static gboolean starved;     /* what needs descriptors or processes fails */

AgentSandbox *agent_sandbox_start(const AgentSettings *settings, GPtrArray *layout,
                                  const AgentSandboxEvents *events, gpointer user, int *error) {
  AgentSandbox *sandbox = starved ? NULL : g_new0(AgentSandbox, 1);

  (void)settings;
  g_assert_nonnull(layout);
  *error = EAGAIN;
  if (sandbox == NULL) return NULL;
  sandbox->events = events;
  sandbox->user = user;
  g_ptr_array_add(sandboxes, sandbox);
  return sandbox;
}

int agent_sandbox_run(AgentSandbox *sandbox, guint32 id, const AgentProgram *program, const int *streams,
                      gboolean last) {
  (void)last;
  g_assert_true(sandbox->ready);
  g_assert_nonnull(program->path);
  for (guint i = 0; i < 3; i++) g_assert_cmpint(fcntl(streams[i], F_GETFD), >=, 0);
  if (starved || sandbox->asked_count == RUNS) return EAGAIN;
  sandbox->asked[sandbox->asked_count++] = id;
  return 0;
}

void agent_sandbox_kill(AgentSandbox *sandbox) {
  g_assert_true(g_ptr_array_find(sandboxes, sandbox, NULL)); /* or it has ended, and is nobody's */
}

guint32 agent_sandbox_init_pid(const AgentSandbox *sandbox) {
  g_assert_true(sandbox->ready);
  return 1;
}

guint64 agent_sandbox_pid_namespace(const AgentSandbox *sandbox) {
  g_assert_true(sandbox->ready);
  return 1;
}

gboolean agent_sandbox_reaped(pid_t pid) {
  (void)pid;
  return FALSE;
}

static void get_ready(AgentSandbox *sandbox) {
  if (sandbox->ready) return;
  sandbox->ready = TRUE;
  sandbox->events->ready(sandbox->user);
}

static void start_program(AgentSandbox *sandbox, int error) {
  guint32 id;

  if (sandbox->asked_count == 0) return;
  id = sandbox->asked[--sandbox->asked_count];
  if (error == 0 && sandbox->started_count < RUNS) sandbox->started[sandbox->started_count++] = id;
  sandbox->events->started(sandbox->user, id, error, error == 0 ? 2 : 0);
}

static void end_program(AgentSandbox *sandbox) {
  if (sandbox->started_count > 0)
    sandbox->events->exited(sandbox->user, sandbox->started[--sandbox->started_count], 0);
}

static void end_sandbox(AgentSandbox *sandbox) {
  sandbox->events->ended(sandbox->user, "");
  g_ptr_array_remove(sandboxes, sandbox);
  g_free(sandbox);
}

/* --- Data connections -------------------------------------------------------------------------------------------- */

typedef struct {
  AgentDataFunc func;
  gpointer user;
} Expected;

static GArray *expected; /* Expected */

AgentData *agent_data_new(void) {
  return (AgentData *)&expected;
}

guint16 agent_data_port(const AgentData *data) {
  (void)data;
  return 1;
}

gboolean agent_data_expect(AgentData *data, guint8 *token, AgentDataFunc func, gpointer user) {
  const Expected one = {func, user};

  (void)data;
  errno = EMFILE;
  if (starved) return FALSE;
  memset(token, 1, BH_GUEST_TOKEN_SIZE);
  g_array_append_val(expected, one);
  return TRUE;
}

void agent_data_forget(AgentData *data, gpointer user) {
  (void)data;
  for (guint i = expected->len; i-- > 0;)
    if (g_array_index(expected, Expected, i).user == user) g_array_remove_index(expected, i);
}

static void connection(guint which, gboolean comes) {
  Expected one;

  if (expected->len == 0) return;
  one = g_array_index(expected, Expected, which % expected->len);
  g_array_remove_index(expected, which % expected->len);
  one.func(one.user, comes ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1);
}

/* --- What is watched, which only what really runs can be ----------------------------------------------------------- */

void on_watch(BhGuestMessage *message) {
  answer_done(message->id, 0);
}

void on_find(BhGuestMessage *message) {
  answer_done(message->id, 0);
}

gboolean agent_trace_waited(pid_t task, int status) {
  (void)task, (void)status;
  return FALSE;
}

void agent_trace_early(pid_t task, int status) {
  (void)task, (void)status;
}

void agent_trace_settle(void) {
}

/* --- Archives ---------------------------------------------------------------------------------------------------- */

void on_folder(BhGuestMessage *message) {
  answer_done(message->id, 0);
}

void on_export(BhGuestMessage *message) {
  answer_done(message->id, 0);
}

gboolean export_reaped(pid_t pid, int status) {
  (void)pid, (void)status;
  return FALSE;
}

void export_abandon(void) {
}

/* --- The client -------------------------------------------------------------------------------------------------- */

typedef struct {
  int balance; /* requests less answers */
  int runs;    /* starts less ends */
} Id;

static struct {
  int socket;
  const guint8 *turns, *frames;
  gsize turn_count, turn, size, sent;
  GByteArray *heard;
  GHashTable *ids; /* Id */
  gboolean malformed;
} client;

static Id *id_of(guint32 number) {
  Id *id = g_hash_table_lookup(client.ids, GUINT_TO_POINTER(number));

  if (id == NULL) g_hash_table_insert(client.ids, GUINT_TO_POINTER(number), id = g_new0(Id, 1));
  return id;
}

/* Says the next frame, or what is left if that is no whole one. */
static void say(void) {
  gsize used = client.size - client.sent;
  g_auto(BhGuestMessage) message = {0};

  if (used == 0 || client.malformed) return;
  if (bh_guest_message_decode(client.frames + client.sent, used, BH_GUEST_TO_AGENT, &used, &message) ==
      BH_GUEST_FRAME_COMPLETE)
    id_of(message.id)->balance++;
  else
    client.malformed = TRUE; /* or has no end: nothing can follow */
  g_assert_cmpint(send(client.socket, client.frames + client.sent, used, MSG_DONTWAIT), ==, (gssize)used);
  client.sent += used;
}

static void understand(const BhGuestMessage *message) {
  Id *id = id_of(message->id);

  switch ((BhGuestMessageType)message->type) {
    case BH_GUEST_DONE:
      id->balance--;
      id->runs += message->pid != 0;
      break;
    case BH_GUEST_INSTANCE:
      id->balance--;
      id->runs++; /* a container; an instance does not say when it ends */
      break;
    case BH_GUEST_FAILED: id->balance--; break;
    case BH_GUEST_EXITED: g_assert_cmpint(id->runs--, >, 0); break;
    default: break;
  }
  if (message->id != 0) g_assert_cmpint(id->balance, >=, 0);
}

static void hear(void) {
  guint8 bytes[4096];
  gsize at = 0, used;
  gssize got;

  while ((got = recv(client.socket, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
    g_byte_array_append(client.heard, bytes, (guint)got);
  while (at < client.heard->len) {
    g_auto(BhGuestMessage) message = {0};
    const BhGuestFrame frame = bh_guest_message_decode(client.heard->data + at, client.heard->len - at,
                                                       BH_GUEST_TO_CLIENT, &used, &message);

    g_assert_cmpint(frame, !=, BH_GUEST_FRAME_MALFORMED);
    if (frame == BH_GUEST_FRAME_INCOMPLETE) break;
    understand(&message);
    at += used;
  }
  if (at > 0) g_byte_array_remove_range(client.heard, 0, (guint)at);
}

/* --- Turns ------------------------------------------------------------------------------------------------------- */

static AgentSandbox *pick(guint which) {
  return sandboxes->len > 0 ? sandboxes->pdata[which % sandboxes->len] : NULL;
}

static void take_turn(guint8 turn) {
  const guint which = turn >> 4;
  AgentSandbox *sandbox = pick(which);

  switch (turn & 15) {
    case 0: say(); break;
    case 1: connection(which, TRUE); break;
    case 2: connection(which, FALSE); break;
    case 3: starved = !starved; break;
    case 4:
      if (sandbox != NULL) get_ready(sandbox);
      break;
    case 5:
      if (sandbox != NULL) start_program(sandbox, 0);
      break;
    case 6:
      if (sandbox != NULL) start_program(sandbox, ENOENT);
      break;
    case 7:
      if (sandbox != NULL) end_program(sandbox);
      break;
    case 8:
      if (sandbox != NULL) end_sandbox(sandbox);
      break;
    default: say(); break;
  }
}

/* When all has been said, all sandboxes end: nothing is left that a request could wait for. */
static gboolean on_idle(gpointer data) {
  hear();
  if (client.turn < client.turn_count) {
    take_turn(client.turns[client.turn++]);
  } else if (client.sent < client.size && !client.malformed) {
    say();
  } else if (expected->len > 0) {
    connection(0, FALSE);
  } else if (sandboxes->len > 0) {
    end_sandbox(sandboxes->pdata[0]);
  } else {
    shutdown(client.socket, SHUT_WR);
    return G_SOURCE_REMOVE;
  }
  (void)data;
  return G_SOURCE_CONTINUE;
}

/* --- A session --------------------------------------------------------------------------------------------------- */

static void end_of_session(void) {
  GHashTableIter iter;
  gpointer number;
  Id *id;

  while (expected->len > 0) connection(0, FALSE);
  while (sandboxes->len > 0) end_sandbox(sandboxes->pdata[0]);
  hear();
  g_assert_cmpuint(g_hash_table_size(agent.executions), ==, 0);
  g_assert_cmpuint(g_hash_table_size(agent.instances), ==, 0);
  g_hash_table_iter_init(&iter, client.ids);
  while (!client.malformed && g_hash_table_iter_next(&iter, &number, (gpointer *)&id))
    if (number != NULL) g_assert_cmpint(id->balance, ==, 0);
}

static void free_agent(void) {
  g_ptr_array_unref(agent.mounts);
  g_hash_table_unref(agent.instances);
  g_hash_table_unref(agent.executions);
  g_main_loop_unref(agent.loop);
  agent_channel_free(agent.channel);
  while (g_source_remove_by_user_data(NULL)) continue; /* the signals', and the turns' */
  agent = (Agent){0};
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  const gsize turns = size > 0 ? MIN(data[0], size - 1) : 0;
  AgentSettings settings = {.init_fd = -1, .tmp = (char *)"/tmp", .signal_fd = eventfd(0, EFD_CLOEXEC)};
  int ends[2];

  if (size > 64 * 1024) return 0; /* which the socket holds */
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  g_assert_cmpint(dup2(ends[0], AGENT_CONTROL_FD), ==, AGENT_CONTROL_FD);
  close(ends[0]);
  sandboxes = g_ptr_array_new();
  expected = g_array_new(FALSE, FALSE, sizeof(Expected));
  starved = FALSE;
  client.socket = ends[1];
  client.turns = size > 0 ? data + 1 : data;
  client.turn_count = turns;
  client.frames = client.turns + turns;
  client.size = size > 0 ? size - 1 - turns : 0;
  client.turn = client.sent = 0;
  client.malformed = FALSE;
  client.heard = g_byte_array_new();
  client.ids = g_hash_table_new_full(NULL, NULL, NULL, g_free);

  g_idle_add(on_idle, NULL);
  agent_serve(&settings);
  end_of_session();

  free_agent();
  g_hash_table_unref(client.ids);
  g_byte_array_unref(client.heard);
  g_array_unref(expected);
  g_ptr_array_unref(sandboxes);
  close(client.socket);
  close(settings.signal_fd);
  return 0;
}
