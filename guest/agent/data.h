/* data.h: data connections, which become the stdin and stdout of processes.
 *
 *   agent_data_expect(data, token, on_connection, execution);   → tell the client the token
 *   … a connection comes and says those 16 bytes → on_connection(execution, fd), once
 *
 * A token is random (getrandom), good for one connection, and for AGENT_DATA_DEADLINE_S seconds. The port is open to
 * every user of the machine, so: a connection that says anything else, or nothing within the same time, is closed,
 * and nothing else happens; of those that said nothing yet, at most AGENT_DATA_STRANGERS are kept, the oldest going
 * first. Nothing is read beyond the token. One thread, the default main context. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define AGENT_DATA_DEADLINE_S 5
#define AGENT_DATA_STRANGERS  64

typedef struct AgentData AgentData;

/* fd is the callee's, blocking; or -1: nobody came in time. */
typedef void (*AgentDataFunc)(gpointer user, int fd);

/* Listens on a loopback port. NULL: errno says why. */
AgentData *agent_data_new(void);
void agent_data_free(AgentData *data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentData, agent_data_free)

guint16 agent_data_port(const AgentData *data);

/* Makes a token (BH_GUEST_TOKEN_SIZE bytes) and waits for who brings it. FALSE: errno says why, and func won't be
 * called. */
gboolean agent_data_expect(AgentData *data, guint8 *token, AgentDataFunc func, gpointer user);

/* Expects nobody for user any more; func won't be called. Without effect if it was. */
void agent_data_forget(AgentData *data, gpointer user);

G_END_DECLS
