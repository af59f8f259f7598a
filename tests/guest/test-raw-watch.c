/* The watch channel as the protocol shows it: whoever watches goes away, or says what nobody understands. Native only. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "guest/socket.h"
#include "raw-agent.h"

static char *touch[] = {(char *)"/usr/bin/touch", (char *)"/data/file", NULL};
static char *cat[] = {(char *)"/bin/cat", NULL};

/* Watches everything; the caller's channel. */
static BhResource watch(RawAgent *agent) {
  g_auto(BhGuestMessage) connect = {0}, done = {0};
  BhResource channel;

  raw_say(agent, &(BhGuestMessage){.type = BH_GUEST_WATCH, .id = 100, .watch = 3});
  connect = raw_await(agent, 100, BH_GUEST_CONNECT);
  channel = raw_connect(agent, connect.token);
  done = raw_await(agent, 100, BH_GUEST_DONE);
  return channel;
}

/* A folder that is mounted as /data; the caller's. */
static char *mount(RawAgent *agent) {
  char *folder = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL);
  g_auto(BhGuestMessage) done = {0};

  raw_say(agent, &(BhGuestMessage){
                     .type = BH_GUEST_MOUNT, .id = 101, .host_path = folder, .guest_path = (char *)"/data"});
  done = raw_await(agent, 101, BH_GUEST_DONE);
  return folder;
}

/* The folder must be empty; it is removed. */
static void unmount(char *folder) {
  g_assert_cmpint(g_remove(folder), ==, 0);
  g_free(folder);
}

/* Executes touch, which is told and waits for its verdict. Returns its data connection. */
static BhResource hold(RawAgent *agent, guint32 id, BhResource channel, GPid *held) {
  g_auto(BhGuestMessage) connect = raw_execute(agent, id, touch), told = {0};
  BhResource data = raw_connect(agent, connect.token);
  guint8 bytes[4096];
  gsize used = 0;
  gssize got = bh_socket_read(channel.value, bytes, sizeof bytes);

  g_assert_cmpint(got, >, 0);
  g_assert_cmpint(bh_guest_message_decode(bytes, (gsize)got, BH_GUEST_TO_CLIENT, &used, &told), ==,
                  BH_GUEST_FRAME_COMPLETE);
  g_assert_cmpuint(told.type, ==, BH_GUEST_TELL_PROCESS);
  g_assert_cmpuint(told.id, !=, 0);
  g_assert_cmpstr(told.text, ==, "/usr/bin/touch /data/file");
  if (held != NULL) *held = (GPid)told.pid;
  return data;
}

static void a_client_that_dies_takes_what_it_holds_with_it(void) {
  BhResource channel, data;
  RawAgent agent;
  char *folder;
  GPid held;

  raw_start_ready(&agent);
  folder = mount(&agent);
  channel = watch(&agent);
  data = hold(&agent, 1, channel, &held);
  bh_resource_clear(&channel);
  bh_resource_clear(&data);
  raw_end(&agent);
  g_assert_cmpint(kill(held, 0), <, 0);
  unmount(folder);
}

/* And what is executed then, is watched by nobody. */
static void without_its_channel_what_waits_is_refused(void) {
  static const guint32 malformed[] = {8, 4711, 1}, other[] = {8, BH_GUEST_FIND, 1, 1, 1};
  static const struct {
    gconstpointer bytes;
    gsize length;
  } ends[] = {{NULL, 0}, {malformed, sizeof malformed}, {other, sizeof other}};
  RawAgent agent;
  char *folder;

  raw_start_ready(&agent);
  folder = mount(&agent);
  for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
    BhResource channel = watch(&agent), data = hold(&agent, 1 + i, channel, NULL), ours;
    g_auto(BhGuestMessage) failed = {0}, connect = {0}, done = {0}, exited = {0};
    char letter;

    if (ends[i].bytes == NULL)
      bh_socket_end_writing(channel.value);
    else
      g_assert_true(bh_socket_write_all(channel.value, ends[i].bytes, ends[i].length));
    while (bh_socket_read(channel.value, &letter, 1) > 0) continue;
    failed = raw_await(&agent, 1 + i, BH_GUEST_FAILED);
    g_assert_cmpuint(failed.failure, ==, BH_GUEST_REFUSED);
    g_assert_cmphex((guint32)failed.error, ==, (guint32)BH_E_ABORT);
    connect = raw_execute(&agent, 11 + i, cat);
    ours = raw_connect(&agent, connect.token);
    done = raw_await(&agent, 11 + i, BH_GUEST_DONE);
    bh_resource_clear(&ours);
    exited = raw_await(&agent, 11 + i, BH_GUEST_EXITED);
    bh_resource_clear(&data);
    bh_resource_clear(&channel);
  }
  raw_end(&agent);
  unmount(folder);
}

static guint count_traced(GPid tracer) {
  g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
  g_autofree char *line = g_strdup_printf("\nTracerPid:\t%d\n", tracer);
  const char *number;
  guint count = 0;

  while ((number = g_dir_read_name(processes)) != NULL) {
    g_autofree char *path = g_build_filename("/proc", number, "status", NULL), *status = NULL;

    if (g_ascii_isdigit(*number) && g_file_get_contents(path, &status, NULL, NULL) && strstr(status, line) != NULL)
      count++;
  }
  return count;
}

static void nothing_is_traced_that_nobody_watches(void) {
  g_auto(BhGuestMessage) connect = {0}, running = {0};
  BhResource channel, data;
  RawAgent agent;
  GPid tracer;
  char letter;

  raw_start_ready(&agent);
  tracer = raw_child_of(agent.guard);
  connect = raw_execute(&agent, 1, cat);
  data = raw_connect(&agent, connect.token);
  running = raw_await(&agent, 1, BH_GUEST_DONE);
  g_assert_cmpuint(count_traced(tracer), ==, 0);
  channel = watch(&agent);
  g_assert_cmpuint(count_traced(tracer), ==, 2); /* init, and cat */
  /* Each is let go when it stops, as it is asked to: soon, but nobody says when. */
  do {
    g_auto(BhGuestMessage) done = {0};

    raw_say(&agent, &(BhGuestMessage){.type = BH_GUEST_WATCH, .id = 2});
    done = raw_await(&agent, 2, BH_GUEST_DONE);
  } while (count_traced(tracer) > 0);
  g_assert_true(bh_socket_write_all(data.value, "x", 1));
  g_assert_cmpint(bh_socket_read(data.value, &letter, 1), ==, 1);
  bh_resource_clear(&data);
  bh_resource_clear(&channel);
  raw_end(&agent);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/raw-watch/a-client-that-dies-takes-what-it-holds-with-it",
                  a_client_that_dies_takes_what_it_holds_with_it);
  g_test_add_func("/raw-watch/without-its-channel-what-waits-is-refused",
                  without_its_channel_what_waits_is_refused);
  g_test_add_func("/raw-watch/nothing-is-traced-that-nobody-watches", nothing_is_traced_that_nobody_watches);
  return g_test_run();
}
