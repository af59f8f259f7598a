#include "guest/agent/data.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/protocol.h"

typedef struct {
  AgentData *data;
  AgentDataFunc func;
  gpointer user;
  guint timer;
  guint8 token[BH_GUEST_TOKEN_SIZE];
} Expected;

typedef struct {
  AgentData *data;
  int fd;
  guint watch, timer;
  gsize length; /* of what it said so far */
  guint8 said[BH_GUEST_TOKEN_SIZE];
} Stranger;

struct AgentData {
  int fd;
  int spare; /* given up for a moment when descriptors run out, so that a connection can be refused */
  guint watch;
  guint16 port;
  GList *expected;  /* Expected */
  GQueue strangers; /* Stranger, the oldest first */
};

static void expected_remove(Expected *expected) {
  expected->data->expected = g_list_remove(expected->data->expected, expected);
  if (expected->timer != 0) g_source_remove(expected->timer);
  g_free(expected);
}

/* Takes the stranger off the list. Its descriptor is the caller's. */
static int stranger_remove(Stranger *stranger) {
  int fd = stranger->fd;

  g_queue_remove(&stranger->data->strangers, stranger);
  if (stranger->watch != 0) g_source_remove(stranger->watch);
  if (stranger->timer != 0) g_source_remove(stranger->timer);
  g_free(stranger);
  return fd;
}

static gboolean on_nobody_came(gpointer user_data) {
  Expected *expected = user_data;
  AgentDataFunc func = expected->func;
  gpointer user = expected->user;

  expected->timer = 0;
  expected_remove(expected);
  func(user, -1);
  return G_SOURCE_REMOVE;
}

static gboolean on_said_nothing(gpointer user_data) {
  Stranger *stranger = user_data;

  stranger->timer = 0;
  close(stranger_remove(stranger));
  return G_SOURCE_REMOVE;
}

/* Looks at every token, so that the time tells nothing. */
static Expected *find_expected(AgentData *data, const guint8 *said) {
  Expected *found = NULL;

  for (GList *at = data->expected; at != NULL; at = at->next) {
    Expected *expected = at->data;

    if (bh_guest_token_equal(expected->token, said)) found = expected;
  }
  return found;
}

static gboolean on_said(gint fd, GIOCondition condition, gpointer user_data) {
  Stranger *stranger = user_data;
  Expected *expected = NULL;
  AgentDataFunc func;
  gpointer user;
  gssize got;

  (void)condition;
  got = recv(fd, stranger->said + stranger->length, sizeof stranger->said - stranger->length, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return G_SOURCE_CONTINUE;
  if (got > 0) stranger->length += (gsize)got;
  if (got > 0 && stranger->length < sizeof stranger->said) return G_SOURCE_CONTINUE;

  if (got > 0) expected = find_expected(stranger->data, stranger->said);
  stranger->watch = 0;
  fd = stranger_remove(stranger);
  if (expected == NULL) {
    close(fd);
    return G_SOURCE_REMOVE;
  }
  func = expected->func;
  user = expected->user;
  expected_remove(expected);
  func(user, fd);
  return G_SOURCE_REMOVE;
}

static void refuse_one(AgentData *data) {
  close(data->spare);
  close(accept4(data->fd, NULL, NULL, SOCK_CLOEXEC));
  data->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static gboolean on_connection(gint listener, GIOCondition condition, gpointer user_data) {
  AgentData *data = user_data;
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
  Stranger *stranger;

  (void)condition;
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE) refuse_one(data);
    return G_SOURCE_CONTINUE;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (g_queue_get_length(&data->strangers) >= AGENT_DATA_STRANGERS)
    close(stranger_remove(g_queue_peek_head(&data->strangers)));
  stranger = g_new0(Stranger, 1);
  stranger->data = data;
  stranger->fd = fd;
  stranger->watch = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_said, stranger);
  stranger->timer = g_timeout_add_seconds(AGENT_DATA_DEADLINE_S, on_said_nothing, stranger);
  g_queue_push_tail(&data->strangers, stranger);
  return G_SOURCE_CONTINUE;
}

AgentData *agent_data_new(void) {
  g_autoptr(AgentData) data = g_new0(AgentData, 1);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;

  g_queue_init(&data->strangers);
  data->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
  data->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (data->fd < 0 || bind(data->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      listen(data->fd, 128) < 0 || getsockname(data->fd, (struct sockaddr *)&address, &length) < 0)
    return NULL;
  data->port = ntohs(address.sin_port);
  data->watch = g_unix_fd_add(data->fd, G_IO_IN, on_connection, data);
  return g_steal_pointer(&data);
}

void agent_data_free(AgentData *data) {
  int error = errno;

  while (data->expected != NULL) expected_remove(data->expected->data);
  while (!g_queue_is_empty(&data->strangers)) close(stranger_remove(g_queue_peek_head(&data->strangers)));
  if (data->watch != 0) g_source_remove(data->watch);
  if (data->fd >= 0) close(data->fd);
  if (data->spare >= 0) close(data->spare);
  g_free(data);
  errno = error;
}

guint16 agent_data_port(const AgentData *data) {
  return data->port;
}

gboolean agent_data_expect(AgentData *data, guint8 *token, AgentDataFunc func, gpointer user) {
  Expected *expected;

  /* So few bytes always come whole. */
  if (getrandom(token, BH_GUEST_TOKEN_SIZE, 0) != BH_GUEST_TOKEN_SIZE) return FALSE;
  expected = g_new0(Expected, 1);
  expected->data = data;
  expected->func = func;
  expected->user = user;
  memcpy(expected->token, token, sizeof expected->token);
  expected->timer = g_timeout_add_seconds(AGENT_DATA_DEADLINE_S, on_nobody_came, expected);
  data->expected = g_list_prepend(data->expected, expected);
  return TRUE;
}

void agent_data_forget(AgentData *data, gpointer user) {
  for (GList *at = data->expected, *next; at != NULL; at = next) {
    next = at->next;
    if (((Expected *)at->data)->user == user) expected_remove(at->data);
  }
}
