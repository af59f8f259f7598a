/* channel.h: how a scenario gets into the service that runs on this machine, and its timeline out of it.
 *
 *   BhChannel *channel = bh_channel_new(&events, data, &cause);         the service
 *   if (!bh_channel_listen(channel)) …
 *   …  bh_channel_say(channel, FALSE, "a line");                        any thread
 *   bh_channel_stop(channel);
 *   bh_channel_free(channel);
 *
 *   status = bh_channel_run(text, size, quiet);                         the client: `bulkhead run --service`
 *
 * It is a named pipe of this machine, open to SYSTEM, to administrators and to the user the service runs as, and to nobody
 * over the network. One client at a time is served; the others wait in CreateFile.
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
 * the client is told how many. A client that sends nothing for 10 s, more than a scenario may have, or what is no scenario,
 * is told so or hung up on; one that goes away stops its run after the operation that is under way. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct BhChannel BhChannel;

typedef struct {
  /* A client has sent this text: returns a status (commands.h). The run thread. user is the client's token (TOKEN_QUERY and
   * TOKEN_DUPLICATE), the channel's. */
  int (*serve)(gpointer data, const char *text, gsize size, guint64 user);
  /* The client is gone, or the channel ends: serve is to return soon. Listener or stopping thread; also when none runs. */
  void (*stop)(gpointer data);
} BhChannelEvents;

/* Opens the pipe; clients wait. events is static. NULL: *cause (the caller's) says why. */
BhChannel *bh_channel_new(const BhChannelEvents *events, gpointer data, char **cause);

/* Serves clients from now on. FALSE: no thread can be had. Once. */
gboolean bh_channel_listen(BhChannel *channel);

/* Hangs up, and waits for serve. Nobody is served any more. */
void bh_channel_stop(BhChannel *channel);

/* Stopped, or never listening. */
void bh_channel_free(BhChannel *channel);

/* Sends the client a line, for its stdout or, an alarm, its stderr. Nothing, when there is none. Never blocks. */
void bh_channel_say(BhChannel *channel, gboolean alarm, const char *line);

/* The client's side: sends the scenario, prints what comes back. quiet: without what is for stdout. Returns a status. */
int bh_channel_run(const char *text, gsize size, gboolean quiet);

G_END_DECLS
