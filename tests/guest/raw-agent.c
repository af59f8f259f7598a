#include "raw-agent.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "guest/socket.h"

#define PATIENCE_S 40

void raw_start(RawAgent *agent, const char *const *before, const char *path) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_auto(GStrv) environment = g_get_environ();
  struct timeval patience = {.tv_sec = PATIENCE_S};
  BhResource theirs = {0};

  for (; before != NULL && *before != NULL; before++) g_ptr_array_add(argv, (gpointer)*before);
  g_ptr_array_add(argv, (gpointer)g_getenv("BULKHEAD_AGENT"));
  g_ptr_array_add(argv, NULL);
  if (path != NULL) environment = g_environ_setenv(environment, "PATH", path, TRUE);
  *agent = (RawAgent){.heard = g_byte_array_new()};
  g_assert_cmpint(bh_socket_pair(&agent->control, &theirs), ==, BH_OK);
  setsockopt((int)agent->control.value, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  g_assert_true(g_spawn_async_with_fds(NULL, (char **)argv->pdata, environment,
                                       G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, NULL, NULL, &agent->guard,
                                       (gint)theirs.value, -1, -1, NULL));
  bh_resource_clear(&theirs);
}

void raw_start_ready(RawAgent *agent) {
  g_auto(BhGuestMessage) hello = {0};

  raw_start(agent, NULL, NULL);
  hello = raw_await(agent, 0, BH_GUEST_HELLO);
  g_assert_cmpuint(hello.version, ==, BH_GUEST_PROTOCOL);
  agent->port = (guint16)hello.port;
}

void raw_say_bytes(RawAgent *agent, gconstpointer bytes, gsize length) {
  bh_socket_write_all(agent->control.value, bytes, length); /* the agent may have given up already */
}

void raw_say(RawAgent *agent, const BhGuestMessage *message) {
  g_autoptr(GBytes) frame = bh_guest_message_encode(message);

  raw_say_bytes(agent, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame));
}

BhGuestMessage raw_hear(RawAgent *agent) {
  BhGuestMessage message = {0};
  guint8 bytes[4096];
  gsize used = 0;
  gssize got;

  for (;;) {
    BhGuestFrame frame =
        bh_guest_message_decode(agent->heard->data, agent->heard->len, BH_GUEST_TO_CLIENT, &used, &message);

    g_assert_cmpint(frame, !=, BH_GUEST_FRAME_MALFORMED);
    if (frame == BH_GUEST_FRAME_COMPLETE) break;
    errno = 0;
    got = bh_socket_read(agent->control.value, bytes, sizeof bytes);
    g_assert_cmpint(errno, !=, EAGAIN); /* it took too long */
    if (got <= 0) return message;
    g_byte_array_append(agent->heard, bytes, (guint)got);
  }
  g_byte_array_remove_range(agent->heard, 0, (guint)used);
  return message;
}

BhGuestMessage raw_await(RawAgent *agent, guint32 id, guint32 type) {
  for (;;) {
    BhGuestMessage message = raw_hear(agent);

    g_assert_cmpuint(message.type, !=, 0);
    if (message.id == id && message.type == type) return message;
    bh_guest_message_clear(&message);
  }
}

BhGuestMessage raw_execute(RawAgent *agent, guint32 id, char **arguments) {
  BhGuestMessage ask = {.type = BH_GUEST_EXECUTE, .id = id, .guest_path = arguments[0], .arguments = arguments};

  raw_say(agent, &ask);
  return raw_await(agent, id, BH_GUEST_CONNECT);
}

BhResource raw_connect(RawAgent *agent, const guint8 *token) {
  struct timeval patience = {.tv_sec = PATIENCE_S};
  BhResource socket = {0};

  g_assert_cmpint(bh_socket_connect(agent->port, &socket), ==, BH_OK);
  setsockopt((int)socket.value, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (token != NULL) g_assert_true(bh_socket_write_all(socket.value, token, BH_GUEST_TOKEN_SIZE));
  return socket;
}

void raw_await_end(RawAgent *agent) {
  for (;;) {
    g_auto(BhGuestMessage) message = raw_hear(agent);

    if (message.type == 0) break;
  }
  if (agent->guard != 0) g_assert_cmpint(waitpid(agent->guard, NULL, 0), ==, agent->guard);
  agent->guard = 0;
  bh_resource_clear(&agent->control);
  g_clear_pointer(&agent->heard, g_byte_array_unref);
}

void raw_end(RawAgent *agent) {
  bh_socket_end_writing(agent->control.value);
  raw_await_end(agent);
}

GPid raw_child_of(GPid pid) {
  g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", pid, pid);
  g_autofree char *children = NULL;

  if (!g_file_get_contents(path, &children, NULL, NULL)) return 0;
  return (GPid)g_ascii_strtoll(children, NULL, 10);
}

guint raw_count_processes(const char *word) {
  g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
  const char *number;
  guint count = 0;

  while ((number = g_dir_read_name(processes)) != NULL) {
    g_autofree char *path = g_build_filename("/proc", number, "cmdline", NULL), *line = NULL;
    gsize length = 0;

    if (!g_ascii_isdigit(*number) || !g_file_get_contents(path, &line, &length, NULL)) continue;
    for (gsize at = 0; at < length; at += strlen(line + at) + 1)
      if (strcmp(line + at, word) == 0) count++;
  }
  return count;
}

guint raw_count_descriptors(GPid pid) {
  g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
  g_autoptr(GDir) descriptors = g_dir_open(path, 0, NULL);
  guint count = 0;

  while (g_dir_read_name(descriptors) != NULL) count++;
  return count;
}

void raw_make_root(const char *folder) {
  g_autofree char *bin = g_build_filename(folder, "bin", NULL), *to = g_build_filename(bin, "say", NULL);
  g_autofree char *program = NULL;
  gsize size;

  g_assert_true(g_file_get_contents(g_getenv("BULKHEAD_STATIC_PROGRAM"), &program, &size, NULL));
  g_assert_cmpint(g_mkdir(bin, 0755), ==, 0);
  g_assert_true(g_file_set_contents_full(to, program, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
}
