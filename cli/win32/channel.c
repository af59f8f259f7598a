#include "channel.h"

#include "protocol.h"

#include "backend-win32/backend-win32.h"
#include "backend-win32/wire.h"
#include "cli/scenario.h"
#include "core/sync.h"

#include <sddl.h>
#include <string.h>

#define QUEUE_MAX  (16 * 1024 * 1024) /* bytes of lines that wait for the client */
#define PIPE_BYTES (64 * 1024)

struct BhChannel {
  BhChannelServe serve;
  gpointer data;
  guint patience; /* ms: for a client's request, for it to take what it is sent, for its good-bye */
  HANDLE pipe;
  HANDLE io, more, stop; /* events: an operation on the pipe is over; there are lines; the channel ends */
  BhThread *listener;

  BhMutex lock; /* guards what follows */
  GQueue lines; /* char *, with their first byte; BH_CHANNEL_END is the last */
  gsize queued; /* bytes of them */
  guint left_out;
  gboolean has_client;
};

/* Above a leaf: lines are said by sinks of a trace, which hold its lock. */
static const BhLockClass lines_class = {"channel", (BhLockRank)(BH_RANK_LEAF + 1), FALSE};

/* --- Lines ------------------------------------------------------------------------------------------------------- */

/* One line it stays, whatever a plugin has put into it: what followed a line's end would count as one of ours. */
static char *make_line(char kind, const char *text) {
  g_autofree char *flat = g_strdelimit(g_strdup(text), "\r\n", ' ');
  return g_strdup_printf("%c%s\n", kind, flat);
}

/* force: also if there are too many, or nobody to hear it. line becomes the channel's. */
static void queue_line(BhChannel *channel, char *line, gboolean force) {
  gboolean taken = FALSE;

  bh_mutex_lock(&channel->lock);
  if (force || (channel->has_client && channel->queued <= QUEUE_MAX)) {
    g_queue_push_tail(&channel->lines, line);
    channel->queued += strlen(line);
    taken = TRUE;
  } else if (channel->has_client) {
    channel->left_out++;
  }
  bh_mutex_unlock(&channel->lock);
  if (taken)
    SetEvent(channel->more);
  else
    g_free(line);
}

void bh_channel_say(BhChannel *channel, gboolean alarm, const char *text) {
  queue_line(channel, make_line(alarm ? BH_CHANNEL_ALARM : BH_CHANNEL_LINE, text), FALSE);
}

/* The next one (the caller's), and how many were left out since the last time. NULL: there is none yet. */
static char *next_line(BhChannel *channel, guint *left_out) {
  char *line;

  bh_mutex_lock(&channel->lock);
  line = g_queue_pop_head(&channel->lines);
  if (line != NULL) channel->queued -= strlen(line);
  *left_out = channel->left_out;
  channel->left_out = 0;
  bh_mutex_unlock(&channel->lock);
  return line;
}

/* What was said between two clients is for neither. */
static void begin_lines(BhChannel *channel, gboolean has_client) {
  bh_mutex_lock(&channel->lock);
  g_queue_clear_full(&channel->lines, g_free);
  channel->queued = 0;
  channel->left_out = 0;
  channel->has_client = has_client;
  bh_mutex_unlock(&channel->lock);
}

/* --- The pipe ---------------------------------------------------------------------------------------------------- */

/* Waits for an operation that was begun. FALSE: it failed, or was given up because of the time (ms) or the channel's end;
 * in no case is it still under way. */
static gboolean finish(BhChannel *channel, gboolean begun, OVERLAPPED *operation, DWORD timeout, DWORD *bytes) {
  const HANDLE either[] = {channel->io, channel->stop};

  if (!begun && GetLastError() == ERROR_PIPE_CONNECTED)
    return TRUE; /* a client was faster than ConnectNamedPipe */
  if (!begun && GetLastError() != ERROR_IO_PENDING) return FALSE;
  if (WaitForMultipleObjects(G_N_ELEMENTS(either), either, FALSE, timeout) != WAIT_OBJECT_0)
    CancelIoEx(channel->pipe, operation);
  return GetOverlappedResult(channel->pipe, operation, bytes, TRUE);
}

static gboolean has_ended(const BhChannel *channel) {
  return WaitForSingleObject(channel->stop, 0) == WAIT_OBJECT_0;
}

static gboolean await_client(BhChannel *channel) {
  OVERLAPPED operation = {.hEvent = channel->io};
  DWORD bytes;

  return finish(channel, ConnectNamedPipe(channel->pipe, &operation), &operation, INFINITE, &bytes);
}

/* Exactly so many bytes, within the patience for all of them. */
static gboolean receive(BhChannel *channel, void *buffer, gsize size) {
  gint64 deadline = bh_clock_deadline((gint64)channel->patience * 1000);

  for (gsize have = 0; have < size;) {
    OVERLAPPED operation = {.hEvent = channel->io};
    gint64 left = MAX(deadline - bh_clock_now(), 0) / 1000;
    DWORD got = 0;
    gboolean begun = ReadFile(channel->pipe, (char *)buffer + have, (DWORD)(size - have), NULL, &operation);

    if (!finish(channel, begun, &operation, (DWORD)left, &got) || got == 0) return FALSE;
    have += got;
  }
  return TRUE;
}

static gboolean send_line(BhChannel *channel, const char *line) {
  gsize size = strlen(line);

  for (gsize sent = 0; sent < size;) {
    OVERLAPPED operation = {.hEvent = channel->io};
    DWORD wrote = 0;
    gboolean begun = WriteFile(channel->pipe, line + sent, (DWORD)(size - sent), NULL, &operation);

    if (!finish(channel, begun, &operation, channel->patience, &wrote) || wrote == 0) return FALSE;
    sent += wrote;
  }
  return TRUE;
}

/* Who the client is. Reading comes first: before, a pipe knows nobody. 0: it cannot be had. */
static guint64 client_token(BhChannel *channel) {
  HANDLE token = NULL;

  if (!ImpersonateNamedPipeClient(channel->pipe)) return 0;
  if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY | TOKEN_DUPLICATE, TRUE, &token)) token = NULL;
  if (!RevertToSelf()) g_error("the service's thread stays its client"); /* nothing may go on like that */
  return (guint64)(gintptr)token;
}

/* --- A client ---------------------------------------------------------------------------------------------------- */

typedef struct {
  BhChannel *channel;
  BhChannelRequest request;
  HANDLE heard; /* event: the client has gone, or speaks */
} Client;

static gpointer run(gpointer data) {
  Client *client = data;
  g_autofree char *text = g_strdup_printf("%d", client->channel->serve(client->channel->data, &client->request));

  queue_line(client->channel, make_line(BH_CHANNEL_END, text), TRUE);
  return NULL;
}

/* Waits for lines while the client is there. FALSE: it is not, or the channel ends. */
static gboolean await_lines(const Client *client) {
  const HANDLE any[] = {client->heard, client->channel->stop, client->channel->more};
  return WaitForMultipleObjects(G_N_ELEMENTS(any), any, FALSE, INFINITE) == WAIT_OBJECT_0 + 2;
}

static gboolean send_with_gap(const Client *client, const char *line, guint left_out) {
  g_autofree char *gap = g_strdup_printf("%c(%u lines were left out)\n", BH_CHANNEL_LINE, left_out);

  return (left_out == 0 || send_line(client->channel, gap)) && send_line(client->channel, line) &&
         !has_ended(client->channel);
}

/* Sends what is said until the run ends; with nobody to send it to any more, has it end. */
static void send_lines(const Client *client) {
  BhChannel *channel = client->channel;
  gboolean there = TRUE, last = FALSE;

  while (!last) {
    guint left_out;
    g_autofree char *line = next_line(channel, &left_out);
    const gboolean was_there = there;

    if (line != NULL) {
      last = line[0] == BH_CHANNEL_END;
      there = there && send_with_gap(client, line, left_out);
    } else if (there) {
      there = await_lines(client);
    } else {
      WaitForSingleObject(channel->more, INFINITE); /* the run goes on to its next step; the last line comes */
    }
    if (was_there && !there) bh_run_stop(client->request.stop);
  }
}

/* Serves it. The client closes its end when it has read the last line; hung up on before, it would lose it. */
static void serve_request(Client *client) {
  BhChannel *channel = client->channel;
  OVERLAPPED hearing = {.hEvent = client->heard};
  const HANDLE either[] = {client->heard, channel->stop};
  BhThread *thread;
  DWORD got;
  char nothing;

  if (!ReadFile(channel->pipe, &nothing, 1, NULL, &hearing) && GetLastError() != ERROR_IO_PENDING) return;
  begin_lines(channel, TRUE);
  thread = bh_thread_new("scenario-run", BH_RANK_SESSION_TABLE, run, client);
  if (thread != NULL) {
    send_lines(client);
    bh_thread_join(thread);
    WaitForMultipleObjects(G_N_ELEMENTS(either), either, FALSE, channel->patience);
  }
  begin_lines(channel, FALSE);
  CancelIoEx(channel->pipe, &hearing);
  GetOverlappedResult(channel->pipe, &hearing, &got, TRUE);
}

static void serve_client(BhChannel *channel) {
  Client client = {.channel = channel};
  g_autofree char *text = NULL;
  BhRunStop stop;
  guint32 size = 0;

  if (!receive(channel, &size, sizeof size)) return;
  size = GUINT32_FROM_LE(size);
  if (size > BH_SCENARIO_MAX_SIZE + 1) return;
  text = g_malloc(size + 1);
  if (!receive(channel, text, size)) return;
  text[size] = '\0';

  client.heard = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (client.heard == NULL) return;
  bh_run_stop_init(&stop);
  client.request = (BhChannelRequest){text, size, client_token(channel), &stop};
  serve_request(&client);
  if (client.request.user != 0) CloseHandle((HANDLE)(gintptr)client.request.user);
  bh_run_stop_clear(&stop);
  CloseHandle(client.heard);
}

static gpointer listen_to_clients(gpointer data) {
  BhChannel *channel = data;

  while (!has_ended(channel)) {
    if (await_client(channel)) serve_client(channel);
    DisconnectNamedPipe(channel->pipe);
  }
  return NULL;
}

/* --- The channel ------------------------------------------------------------------------------------------------- */

/* All to SYSTEM, administrators and the user we run as; nothing to anybody else. The caller's, LocalFree; NULL: it cannot
 * be made. */
static PSECURITY_DESCRIPTOR pipe_security(void) {
  guint64 token = 0;
  g_autoptr(GBytes) sid = NULL;
  g_autofree wchar_t *wide = NULL;
  g_autofree char *sddl = NULL;
  char *text = NULL;
  PSECURITY_DESCRIPTOR security = NULL;

  if (!bh_win32_current_user(&token, &sid)) return NULL;
  if (ConvertSidToStringSidA((PSID)g_bytes_get_data(sid, NULL), &text)) {
    sddl = g_strdup_printf("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;%s)", text);
    wide = bh_wire_wide(sddl);
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(wide, SDDL_REVISION_1, &security, NULL))
      security = NULL;
    LocalFree(text);
  }
  bh_win32_token_close(token);
  return security;
}

/* The first of its name, so that it is ours, and the only one. */
static HANDLE make_pipe(const wchar_t *name) {
  SECURITY_ATTRIBUTES attributes = {.nLength = sizeof attributes, .lpSecurityDescriptor = pipe_security()};
  HANDLE pipe = INVALID_HANDLE_VALUE;

  if (attributes.lpSecurityDescriptor == NULL) return pipe;
  pipe = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
                          PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, PIPE_BYTES, PIPE_BYTES, 0,
                          &attributes);
  LocalFree(attributes.lpSecurityDescriptor);
  return pipe;
}

BhChannel *bh_channel_new(const wchar_t *name, BhChannelServe serve, gpointer data, char **cause) {
  BhChannel *channel = g_new0(BhChannel, 1);
  g_autofree char *words = NULL;

  channel->serve = serve;
  channel->data = data;
  channel->patience = BH_CHANNEL_PATIENCE;
  bh_mutex_init(&channel->lock, &lines_class);
  g_queue_init(&channel->lines);
  channel->pipe = make_pipe(name);
  channel->io = channel->pipe != INVALID_HANDLE_VALUE ? CreateEventW(NULL, TRUE, FALSE, NULL) : NULL;
  channel->more = channel->io != NULL ? CreateEventW(NULL, FALSE, FALSE, NULL) : NULL;
  channel->stop = channel->more != NULL ? CreateEventW(NULL, TRUE, FALSE, NULL) : NULL;
  if (channel->stop != NULL) return channel;
  words = bh_wire_error_words(bh_wire_error(GetLastError()));
  *cause = g_strdup_printf("the pipe %ls cannot be made (does another service run?): %s", name, words);
  bh_channel_free(channel);
  return NULL;
}

void bh_channel_set_patience(BhChannel *channel, guint patience) {
  channel->patience = patience;
}

gboolean bh_channel_listen(BhChannel *channel) {
  channel->listener = bh_thread_new("channel", BH_RANK_SESSION_TABLE, listen_to_clients, channel);
  return channel->listener != NULL;
}

void bh_channel_stop(BhChannel *channel) {
  SetEvent(channel->stop);
  if (channel->listener != NULL) bh_thread_join(channel->listener);
}

void bh_channel_free(BhChannel *channel) {
  const HANDLE events[] = {channel->io, channel->more, channel->stop};

  begin_lines(channel, FALSE);
  bh_mutex_clear(&channel->lock);
  if (channel->pipe != INVALID_HANDLE_VALUE) CloseHandle(channel->pipe);
  for (guint i = 0; i < G_N_ELEMENTS(events); i++)
    if (events[i] != NULL) CloseHandle(events[i]);
  g_free(channel);
}
