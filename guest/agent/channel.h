/* channel.h: the agent's end of the control channel: frames in, frames out, never blocking.
 *
 * What cannot be sent at once is kept, up to AGENT_CHANNEL_BACKLOG bytes: a client that lets more wait has stopped
 * listening, and the channel counts as ended. One thread, the default main context. */
#pragma once

#include "guest/protocol.h"

G_BEGIN_DECLS

#define AGENT_CHANNEL_BACKLOG (8u * 1024u * 1024u)

typedef struct AgentChannel AgentChannel;

typedef struct {
  void (*message)(gpointer user, BhGuestMessage *message); /* the channel's; take members by g_steal_pointer */
  void (*ended)(gpointer user); /* once: end of stream, an error, or a malformed frame */
} AgentChannelEvents;

/* fd stays the caller's. */
AgentChannel *agent_channel_new(int fd, const AgentChannelEvents *events, gpointer user);
void agent_channel_free(AgentChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentChannel, agent_channel_free)

void agent_channel_send(AgentChannel *channel, const BhGuestMessage *message);

G_END_DECLS
