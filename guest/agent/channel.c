#include "guest/agent/channel.h"

#include <errno.h>
#include <sys/socket.h>

struct AgentChannel {
  int fd;
  const AgentChannelEvents *events;
  gpointer user;
  GByteArray *in, *out;
  guint reading, writing;
  gboolean ended;
};

guint agent_fd_add(int fd, GIOCondition condition, GUnixFDSourceFunc func, gpointer user) {
  g_autoptr(GSource) source = g_unix_fd_source_new(fd, condition);

  g_source_set_can_recurse(source, TRUE);
  g_source_set_callback(source, G_SOURCE_FUNC(func), user, NULL);
  return g_source_attach(source, NULL);
}

static void end(AgentChannel *channel) {
  if (channel->ended) return;
  channel->ended = TRUE;
  channel->events->ended(channel->user);
}

/* Hands on what is complete. FALSE: it was malformed. */
static gboolean dispatch(AgentChannel *channel) {
  gsize at = 0, used;

  for (;;) {
    g_auto(BhGuestMessage) message = {0};
    BhGuestFrame frame =
        bh_guest_message_decode(channel->in->data + at, channel->in->len - at, BH_GUEST_TO_AGENT, &used, &message);

    if (frame == BH_GUEST_FRAME_MALFORMED) return FALSE;
    if (frame == BH_GUEST_FRAME_INCOMPLETE) break;
    at += used;
    channel->events->message(channel->user, &message);
  }
  if (at > 0) g_byte_array_remove_range(channel->in, 0, (guint)at);
  return TRUE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data) {
  AgentChannel *channel = user_data;
  guint8 bytes[16384];
  gssize got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

  (void)condition;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return G_SOURCE_CONTINUE;
  if (got > 0) {
    g_byte_array_append(channel->in, bytes, (guint)got);
    if (dispatch(channel)) return G_SOURCE_CONTINUE;
    g_printerr("bulkhead-agent: the client does not speak our protocol\n");
  }
  channel->reading = 0;
  end(channel);
  return G_SOURCE_REMOVE;
}

/* Sends what the socket takes. FALSE: it is broken. */
static gboolean flush(AgentChannel *channel) {
  while (channel->out->len > 0) {
    gssize sent = send(channel->fd, channel->out->data, channel->out->len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    g_byte_array_remove_range(channel->out, 0, (guint)sent);
  }
  return TRUE;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer user_data) {
  AgentChannel *channel = user_data;

  (void)fd, (void)condition;
  if (flush(channel) && channel->out->len > 0) return G_SOURCE_CONTINUE;
  channel->writing = 0; /* of a broken channel the reading side tells */
  if (channel->out->len == 0 && channel->events->drained != NULL) channel->events->drained(channel->user);
  return G_SOURCE_REMOVE;
}

void agent_channel_queue(AgentChannel *channel, const BhGuestMessage *message) {
  g_autoptr(GBytes) frame = bh_guest_message_encode(message);

  g_assert(frame != NULL); /* nothing we say is that long */
  if (!channel->ended)
    g_byte_array_append(channel->out, g_bytes_get_data(frame, NULL), (guint)g_bytes_get_size(frame));
}

void agent_channel_flush(AgentChannel *channel) {
  if (channel->ended || channel->out->len == 0) return;
  if (channel->out->len > AGENT_CHANNEL_BACKLOG || !flush(channel))
    end(channel);
  else if (channel->out->len > 0 && channel->writing == 0)
    channel->writing = g_unix_fd_add(channel->fd, G_IO_OUT, on_writable, channel);
}

void agent_channel_send(AgentChannel *channel, const BhGuestMessage *message) {
  agent_channel_queue(channel, message);
  agent_channel_flush(channel);
}

guint agent_channel_waiting(const AgentChannel *channel) {
  return channel->out->len;
}

AgentChannel *agent_channel_new(int fd, const AgentChannelEvents *events, gpointer user) {
  AgentChannel *channel = g_new0(AgentChannel, 1);

  channel->fd = fd;
  channel->events = events;
  channel->user = user;
  channel->in = g_byte_array_new();
  channel->out = g_byte_array_new();
  channel->reading = agent_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, channel);
  return channel;
}

void agent_channel_free(AgentChannel *channel) {
  if (channel->reading != 0) g_source_remove(channel->reading);
  if (channel->writing != 0) g_source_remove(channel->writing);
  g_byte_array_unref(channel->in);
  g_byte_array_unref(channel->out);
  g_free(channel);
}
