/* channel.h: the agent's end of the control channel, or of the watch channel: frames in, frames out, never blocking.
 *
 * What cannot be sent at once is kept, up to AGENT_CHANNEL_BACKLOG bytes: a client that lets more wait has stopped
 * listening, and the channel counts as ended. One thread, the default main context. */
#pragma once

#include <glib-unix.h>

#include "guest/protocol.h"

G_BEGIN_DECLS

#define AGENT_CHANNEL_BACKLOG (8u * 1024u * 1024u)

/* g_unix_fd_add, for what is dispatched often, and never from within itself: GLib need not see to that, at the price of two
 * more wake-ups of its own each time. */
guint agent_fd_add(int fd, GIOCondition condition, GUnixFDSourceFunc func, gpointer user);

typedef struct AgentChannel AgentChannel;

typedef struct {
  void (*message)(gpointer user, BhGuestMessage *message); /* the channel's; take members by g_steal_pointer */
  void (*ended)(gpointer user); /* once: end of stream, an error, or a malformed frame. It is not freed in there */
  void (*drained)(gpointer user); /* what had to be kept has been sent; may be NULL */
} AgentChannelEvents;

/* fd stays the caller's. */
AgentChannel *agent_channel_new(int fd, const AgentChannelEvents *events, gpointer user);
void agent_channel_free(AgentChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentChannel, agent_channel_free)

void agent_channel_send(AgentChannel *channel, const BhGuestMessage *message);

/* The same in two steps: several messages that go out at once. Only flush may have the channel end. */
void agent_channel_queue(AgentChannel *channel, const BhGuestMessage *message);
void agent_channel_flush(AgentChannel *channel);

/* Bytes that wait to be sent. */
guint agent_channel_waiting(const AgentChannel *channel);

G_END_DECLS
