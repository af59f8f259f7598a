/* The service's channel against clients that keep to nothing. After each of them the next client is served. */
#include <windows.h>

#include "cli/commands.h"
#include "cli/scenario.h"
#include "cli/win32/channel.h"
#include "cli/win32/protocol.h"
#include "core/lock-order.h"
#include "core/sync.h"

#include <aclapi.h>
#include <sddl.h>
#include <string.h>

#define PATIENCE 300 /* ms */

/* --- A service that does what a scenario's text says -------------------------------------------------------------- */

typedef struct {
  BhChannel *channel;
  gint served, inside, most_inside; /* atomic: calls of serve */
  HANDLE begun;                     /* event: a text that waits has begun; one that floods has ended */
} World;

static BhMutex trace_lock;

/* Until the run is to stop. */
static void await_stop(BhRunStop *stop) {
  bh_mutex_lock(&stop->lock);
  while (!stop->wanted) bh_cond_wait(&stop->changed, &stop->lock);
  bh_mutex_unlock(&stop->lock);
}

static gboolean is_wanted(BhRunStop *stop) {
  gboolean wanted;

  bh_mutex_lock(&stop->lock);
  wanted = stop->wanted;
  bh_mutex_unlock(&stop->lock);
  return wanted;
}

/* "echo …": says that; "wait": until it is stopped; "flood": says lines until then; "burst": 20 MiB of them. */
static int serve(gpointer data, const BhChannelRequest *request) {
  World *world = data;
  const char *text = request->text;
  gint inside = g_atomic_int_add(&world->inside, 1) + 1;

  if (inside > g_atomic_int_get(&world->most_inside)) g_atomic_int_set(&world->most_inside, inside);
  g_atomic_int_inc(&world->served);
  g_assert_cmpuint(strlen(text), ==, request->size);
  g_assert_cmpuint(request->user, !=, 0);
  if (g_str_has_prefix(text, "echo ")) {
    bh_mutex_lock(&trace_lock); /* as a sink of a trace says it */
    bh_channel_say(world->channel, FALSE, text + 5);
    bh_mutex_unlock(&trace_lock);
  } else if (g_str_equal(text, "wait")) {
    SetEvent(world->begun);
    await_stop(request->stop);
  } else {
    g_autofree char *line = g_strnfill(64 * 1024, 'x');
    gboolean burst = g_str_equal(text, "burst");

    for (guint i = 0; burst ? i < 20 * 16 : !is_wanted(request->stop); i++)
      bh_channel_say(world->channel, FALSE, line);
    SetEvent(world->begun);
  }
  g_atomic_int_add(&world->inside, -1);
  return 7;
}

static void world_open_patient(World *world, guint patience) {
  g_autofree char *cause = NULL;

  *world = (World){.begun = CreateEventW(NULL, FALSE, FALSE, NULL)};
  world->channel = bh_channel_new(BH_CHANNEL_RUN, serve, world, &cause);
  g_assert_cmpstr(cause, ==, NULL);
  bh_channel_set_patience(world->channel, patience);
  g_assert_true(bh_channel_listen(world->channel));
}

static void world_open(World *world) {
  world_open_patient(world, PATIENCE);
}

static void world_close(World *world) {
  bh_channel_stop(world->channel);
  bh_channel_free(world->channel);
  CloseHandle(world->begun);
  g_assert_cmpint(world->inside, ==, 0);
}

/* --- Clients ------------------------------------------------------------------------------------------------------ */

static GString *printed; /* what well-behaved clients print; guarded by printed_lock */
static BhMutex printed_lock;

static void print(const char *text) {
  bh_mutex_lock(&printed_lock);
  g_string_append(printed, text);
  bh_mutex_unlock(&printed_lock);
}

/* GLib's tests print by the same way, so only meanwhile. */
static void capture(gboolean begin) {
  g_set_print_handler(begin ? print : NULL);
  g_set_printerr_handler(begin ? print : NULL);
  if (begin) g_string_truncate(printed, 0);
}

static int run(const char *text) {
  int status;

  capture(TRUE);
  status = bh_channel_ask(BH_CHANNEL_RUN, text, strlen(text), FALSE);
  capture(FALSE);
  return status;
}

static void assert_serves(World *world) {
  const gint before = g_atomic_int_get(&world->served);

  g_assert_cmpint(run("echo hello"), ==, 7);
  g_assert_cmpstr(printed->str, ==, "hello\n");
  g_assert_cmpint(g_atomic_int_get(&world->served), ==, before + 1);
}

static HANDLE connect_to_service(void) {
  HANDLE pipe;

  while ((pipe = CreateFileW(BH_CHANNEL_RUN, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                             SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL)) == INVALID_HANDLE_VALUE) {
    g_assert_cmpuint(GetLastError(), ==, ERROR_PIPE_BUSY);
    g_assert_true(WaitNamedPipeW(BH_CHANNEL_RUN, 20 * 1000));
  }
  return pipe;
}

static void write_bytes(HANDLE pipe, gconstpointer bytes, gsize size) {
  DWORD sent;

  g_assert_true(WriteFile(pipe, bytes, (DWORD)size, &sent, NULL));
  g_assert_cmpuint(sent, ==, size);
}

/* A whole request. */
static HANDLE request(const char *text) {
  HANDLE pipe = connect_to_service();
  guint32 size = GUINT32_TO_LE((guint32)strlen(text));

  write_bytes(pipe, &size, sizeof size);
  write_bytes(pipe, text, strlen(text));
  return pipe;
}

/* All that comes until the last line, or until the service hangs up. The caller's. */
static char *read_all(HANDLE pipe) {
  GString *all = g_string_new(NULL);
  char some[4096];
  DWORD got;

  while (!(all->len > 4 && g_str_equal(all->str + all->len - 4, "\n=7\n")) &&
         ReadFile(pipe, some, sizeof some, &got, NULL) && got > 0)
    g_string_append_len(all, some, (gssize)got);
  return g_string_free(all, FALSE);
}

/* --- Tests -------------------------------------------------------------------------------------------------------- */

typedef struct {
  const char *name;
  guint32 announced;
  gsize sent;       /* bytes, of the size and then of a text */
  gboolean at_once; /* it is hung up on whatever the patience is */
} Request;

static const Request requests[] = {
    {"nothing", 0, 0, FALSE},
    {"half-a-size", 5, 2, FALSE},
    {"a-size-alone", 5, 4, FALSE},
    {"half-a-text", 5, 7, FALSE},
    {"more-than-a-scenario-may-have", BH_SCENARIO_MAX_SIZE + 2, 4 + 64, TRUE},
    {"more-than-there-can-be", 0xFFFFFFFF, 4 + 64, TRUE},
};

static HANDLE send_request(const Request *wanted) {
  HANDLE pipe = connect_to_service();
  guint8 bytes[128] = {0};
  guint32 size = GUINT32_TO_LE(wanted->announced);

  memcpy(bytes, &size, sizeof size);
  if (wanted->sent > 0) write_bytes(pipe, bytes, wanted->sent);
  return pipe;
}

/* Who stays connected is hung up on; who leaves is forgotten. */
static void test_request(gconstpointer data) {
  const Request *wanted = data;
  World world;
  HANDLE pipe;

  world_open_patient(&world, wanted->at_once ? INFINITE : PATIENCE);
  pipe = send_request(wanted);
  g_autofree char *answer = read_all(pipe);
  g_assert_cmpstr(answer, ==, "");
  CloseHandle(pipe);
  CloseHandle(send_request(wanted));
  g_assert_cmpint(world.served, ==, 0);
  assert_serves(&world);
  world_close(&world);
}

/* It has the pipe full, and the service's queue, and is hung up on. */
static void test_never_reads(void) {
  World world;
  HANDLE pipe;

  world_open(&world);
  pipe = request("flood");
  g_assert_cmpuint(WaitForSingleObject(world.begun, 20 * 1000), ==, WAIT_OBJECT_0); /* it was stopped */
  assert_serves(&world);
  CloseHandle(pipe);
  world_close(&world);
}

/* It reads, but not soon enough for all. */
static void test_reads_late(void) {
  World world;
  HANDLE pipe;

  world_open_patient(&world, 20 * 1000);
  pipe = request("burst");
  g_assert_cmpuint(WaitForSingleObject(world.begun, 20 * 1000), ==, WAIT_OBJECT_0);
  g_autofree char *answer = read_all(pipe);
  g_assert_nonnull(strstr(answer, " lines were left out)\n"));
  g_assert_true(g_str_has_suffix(answer, "=7\n"));
  g_assert_cmpuint(strlen(answer), >, 15 * 1024 * 1024);
  g_assert_cmpuint(strlen(answer), <, 18 * 1024 * 1024);
  CloseHandle(pipe);
  world_close(&world);
}

/* Nothing is said that could not be delivered: its end itself is noticed. */
static void test_dies_midway(void) {
  World world;
  HANDLE pipe;

  world_open(&world);
  pipe = request("wait");
  g_assert_cmpuint(WaitForSingleObject(world.begun, 20 * 1000), ==, WAIT_OBJECT_0);
  CloseHandle(pipe);
  assert_serves(&world);
  world_close(&world);
}

static void test_speaks_out_of_turn(void) {
  World world;
  HANDLE pipe;

  world_open(&world);
  pipe = request("wait");
  g_assert_cmpuint(WaitForSingleObject(world.begun, 20 * 1000), ==, WAIT_OBJECT_0);
  write_bytes(pipe, "!", 1);
  g_autofree char *answer = read_all(pipe);
  g_assert_cmpstr(answer, ==, "");
  CloseHandle(pipe);
  assert_serves(&world);
  world_close(&world);
}

/* What is said cannot pass for the channel's own lines. */
static void test_line_ends(void) {
  World world;

  world_open(&world);
  g_assert_cmpint(run("echo one\n=0\r\n!two"), ==, 7);
  g_assert_cmpstr(printed->str, ==, "one =0  !two\n");
  world_close(&world);
}

static gpointer be_client(gpointer data) {
  (void)data;
  return GINT_TO_POINTER(bh_channel_ask(BH_CHANNEL_RUN, "echo many", 9, FALSE));
}

static void test_many(void) {
  BhThread *threads[16];
  World world;

  world_open(&world);
  capture(TRUE);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
    threads[i] = bh_thread_new("client", BH_RANK_SESSION_TABLE, be_client, NULL);
    g_assert_nonnull(threads[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(threads[i])), ==, 7);
  capture(FALSE);
  g_assert_cmpint(world.served, ==, G_N_ELEMENTS(threads));
  g_assert_cmpint(world.most_inside, ==, 1);
  g_assert_cmpuint(printed->len, ==, strlen("many\n") * G_N_ELEMENTS(threads));
  world_close(&world);
}

static gpointer be_waiting_client(gpointer data) {
  (void)data;
  return GINT_TO_POINTER(bh_channel_ask(BH_CHANNEL_RUN, "wait", 4, FALSE));
}

/* The service ends: the run is told, its client is hung up on. */
static void test_stop(void) {
  World world;
  BhThread *client;

  world_open(&world);
  capture(TRUE);
  client = bh_thread_new("client", BH_RANK_SESSION_TABLE, be_waiting_client, NULL);
  g_assert_cmpuint(WaitForSingleObject(world.begun, 20 * 1000), ==, WAIT_OBJECT_0);
  world_close(&world);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(client)), ==, BH_EXIT_FAILED);
  capture(FALSE);
  g_assert_cmpstr(printed->str, ==, "bulkhead: the service has hung up before the end\n");
}

/* A pipe of the channel's name, by somebody whom the text says. */
static HANDLE squat(const wchar_t *security) {
  SECURITY_ATTRIBUTES attributes = {.nLength = sizeof attributes};
  HANDLE pipe;

  g_assert_true(ConvertStringSecurityDescriptorToSecurityDescriptorW(security, SDDL_REVISION_1,
                                                                     &attributes.lpSecurityDescriptor, NULL));
  pipe = CreateNamedPipeW(BH_CHANNEL_RUN, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE | PIPE_WAIT, 1,
                          4096, 4096, 0, &attributes);
  LocalFree(attributes.lpSecurityDescriptor);
  g_assert_true(pipe != INVALID_HANDLE_VALUE);
  return pipe;
}

/* Somebody has made a pipe of that name: the service does not share it, and no client tells it anything. Wine 8 lets anybody
 * make any owner; on Windows that takes the right to restore files. */
static void test_squatter(void) {
  HANDLE pipe = squat(L"O:BUG:BUD:(A;;GA;;;WD)");
  g_autofree char *cause = NULL;
  OVERLAPPED operation = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
  DWORD waiting = 0;

  g_assert_null(bh_channel_new(BH_CHANNEL_RUN, serve, NULL, &cause));
  g_assert_nonnull(strstr(cause, "does another service run?"));
  ConnectNamedPipe(pipe, &operation);
  g_assert_cmpint(run("echo secret"), ==, BH_EXIT_FAILED);
  g_assert_nonnull(strstr(printed->str, " is another user's, and no service of this machine's\n"));
  g_assert_false(PeekNamedPipe(pipe, NULL, 0, NULL, &waiting, NULL) && waiting > 0);
  CloseHandle(pipe);
  CloseHandle(operation.hEvent);
}

int main(int argc, char **argv) {
  static const BhLockClass printed_class = {"printed", BH_RANK_LEAF, FALSE};
  static const BhLockClass trace_class = {"trace", BH_RANK_LEAF, FALSE};
  int status;

  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_mutex_init(&printed_lock, &printed_class);
  bh_mutex_init(&trace_lock, &trace_class);
  printed = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(requests); i++) {
    g_autofree char *path = g_strconcat("/channel/request/", requests[i].name, NULL);
    g_test_add_data_func(path, &requests[i], test_request);
  }
  g_test_add_func("/channel/never-reads", test_never_reads);
  g_test_add_func("/channel/reads-late", test_reads_late);
  g_test_add_func("/channel/dies-midway", test_dies_midway);
  g_test_add_func("/channel/speaks-out-of-turn", test_speaks_out_of_turn);
  g_test_add_func("/channel/line-ends", test_line_ends);
  g_test_add_func("/channel/many", test_many);
  g_test_add_func("/channel/stop", test_stop);
  g_test_add_func("/channel/squatter", test_squatter);
  status = g_test_run();
  g_string_free(printed, TRUE);
  bh_mutex_clear(&printed_lock);
  bh_mutex_clear(&trace_lock);
  return status;
}
