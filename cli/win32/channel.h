/* channel.h: how a scenario gets into the service that runs on this machine, and its timeline out of it.
 *
 *   BhChannel *channel = bh_channel_new(BH_CHANNEL_RUN, serve, data, &cause);     the service
 *   if (!bh_channel_listen(channel)) …
 *   …  bh_channel_say(channel, FALSE, "a line");                        any thread
 *   bh_channel_stop(channel);
 *   bh_channel_free(channel);
 *
 *   status = bh_channel_ask(BH_CHANNEL_RUN, text, size, quiet);         the client: `bulkhead run --service`
 *
 * It is a named pipe of this machine, open to SYSTEM, to administrators and to the user the service runs as, and to nobody
 * over the network: who may run a scenario has the service's power. Anybody, though, can make a pipe of that name while there
 * is none; so the client speaks only to one that belongs to SYSTEM, to administrators or to whom its own things belong, which
 * nobody else can have it belong to, and lets none act as its user. One client at a time is served; the others wait.
 *
 *     client                      listener thread                 run thread          anybody in the service
 *     ──────                      ───────────────                 ──────────          ──────────────────────
 *     size, text ───────────────▶ reads, bounded and in time
 *                                   ├───────────────────────────▶ serve()
 *                                 waits for lines ◀───────────────┼─ say ◀─────────── say (trace sinks)
 *     ".line" for stdout ◀─────── writes them                     │
 *     "!line" for stderr ◀───────   …                             │
 *     "=0", its status   ◀─────── the last ◀───────────────────── returns
 *     closes ───────────────────▶ next client
 *
 * Nobody in the service waits for a client: lines are queued, and when more than 16 MiB are waiting they are left out, and
 * the client is told how many. Who has not sent a whole request in 10 s, announces more than a scenario may have, or takes
 * nothing for 10 s, is hung up on. One that goes away, or speaks out of turn, stops its run at once: after the operation that
 * is under way. */
#pragma once

#include "cli/runner.h"

G_BEGIN_DECLS

/* One pipe for each purpose, so that who watches keeps nobody from running. */
#define BH_CHANNEL_RUN   L"\\\\.\\pipe\\bulkhead"       /* the text is a scenario */
#define BH_CHANNEL_WATCH L"\\\\.\\pipe\\bulkhead-watch" /* it is words: "json", "plain" */

#define BH_CHANNEL_PATIENCE (10 * 1000) /* ms */

typedef struct BhChannel BhChannel;

/* What a client wants. All of it is the channel's. */
typedef struct {
  const char *text; /* and a NUL behind it */
  gsize size;
  guint64 user;    /* the client's token (TOKEN_QUERY and TOKEN_DUPLICATE); 0: it cannot be had */
  BhRunStop *stop; /* wanted when the client is gone, or the channel ends */
} BhChannelRequest;

/* A client has sent this: returns a status (commands.h). The run thread. */
typedef int (*BhChannelServe)(gpointer data, const BhChannelRequest *request);

/* Opens the pipe of that (static) name; clients wait. NULL: *cause (the caller's) says why. */
BhChannel *bh_channel_new(const wchar_t *name, BhChannelServe serve, gpointer data, char **cause);

/* Another patience (ms) than BH_CHANNEL_PATIENCE. Before bh_channel_listen. */
void bh_channel_set_patience(BhChannel *channel, guint patience);

/* Serves clients from now on. FALSE: no thread can be had. Once. */
gboolean bh_channel_listen(BhChannel *channel);

/* Hangs up, and waits for serve. Nobody is served any more. */
void bh_channel_stop(BhChannel *channel);

/* Stopped, or never listening. */
void bh_channel_free(BhChannel *channel);

/* Sends the client a line, for its stdout or, an alarm, its stderr. Nothing, when there is none. Never blocks; any thread. */
void bh_channel_say(BhChannel *channel, gboolean alarm, const char *line);

/* The client's side: sends the text, prints what comes back. quiet: without what is for stdout. Returns a status. */
int bh_channel_ask(const wchar_t *name, const char *text, gsize size, gboolean quiet);

G_END_DECLS
