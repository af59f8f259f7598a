/* raw-agent.h: an agent without the client: its channel as the protocol has it, and its processes as /proc shows
 * them. Native only. Waits are bounded; one that takes too long fails the test. */
#pragma once

#include "core/result.h"
#include "guest/protocol.h"

typedef struct {
  GPid guard; /* what was started; 0: reaped */
  BhResource control;
  GByteArray *heard;
  guint16 port; /* from its hello */
} RawAgent;

/* Starts BULKHEAD_AGENT, with words before it (NULL: none), and this PATH (NULL: ours). */
void raw_start(RawAgent *agent, const char *const *before, const char *path);

/* As raw_start, and takes its hello. */
void raw_start_ready(RawAgent *agent);

void raw_say(RawAgent *agent, const BhGuestMessage *message);
void raw_say_bytes(RawAgent *agent, gconstpointer bytes, gsize length);

/* The next message, the caller's; one with type 0: the channel has ended. */
BhGuestMessage raw_hear(RawAgent *agent);

/* The next message of this request that is of this type; fails the test if the channel ends first. */
BhGuestMessage raw_await(RawAgent *agent, guint32 id, guint32 type);

/* Asks for an execution in the root namespace and takes its token. */
BhGuestMessage raw_execute(RawAgent *agent, guint32 id, char **arguments);

/* A data connection that says this token, or nothing (NULL). */
BhResource raw_connect(RawAgent *agent, const guint8 *token);

/* The channel's end of stream must come, after whatever is still said; then the guard is reaped. */
void raw_await_end(RawAgent *agent);

/* Ends our side, waits for its end. */
void raw_end(RawAgent *agent);

/* The only child of a process, or 0. */
GPid raw_child_of(GPid pid);

/* How many processes have this word on their command line. */
guint raw_count_processes(const char *word);

/* How many descriptors a process has open. */
guint raw_count_descriptors(GPid pid);

/* Makes a folder a root with one program in it, /bin/say (static-program.c). */
void raw_make_root(const char *folder);
