#include "channel.h"

#include "protocol.h"

#include "backend-win32/backend-win32.h"
#include "backend-win32/wire.h"
#include "cli/scenario.h"
#include "core/sync.h"

#include <sddl.h>
#include <string.h>

#define PATIENCE   (10 * 1000) /* ms: for a client's request, for it to take what it is sent, for its good-bye */
#define QUEUE_MAX  (16 * 1024 * 1024) /* bytes of lines that wait for the client */
#define PIPE_BYTES (64 * 1024)

struct BhChannel {
  const BhChannelEvents *events;
  gpointer data;
  HANDLE pipe;
  HANDLE io, stop; /* events: an operation on the pipe is over; the channel ends */
  BhThread *listener;

  GAsyncQueue *lines; /* char *, with their first byte; BH_CHANNEL_END is the last */
  gint queued;        /* bytes of them, atomic */
  gint left_out;      /* lines, atomic */
  gint has_client;    /* atomic */
  const char *text;   /* what the run thread gets */
  gsize size;
  guint64 user;
};

/* --- Lines ------------------------------------------------------------------------------------------------------- */

/* One line it stays, whatever a plugin has put into it: what followed a line's end would count as one of ours. */
static void queue_line(BhChannel *channel, char kind, const char *text) {
  g_autofree char *flat = g_strdelimit(g_strdup(text), "\r\n", ' ');
  char *line = g_strdup_printf("%c%s\n", kind, flat);

  g_atomic_int_add(&channel->queued, (gint)strlen(line));
  g_async_queue_push(channel->lines, line);
}

void bh_channel_say(BhChannel *channel, gboolean alarm, const char *text) {
  if (!g_atomic_int_get(&channel->has_client)) return;
  if (g_atomic_int_get(&channel->queued) > QUEUE_MAX) {
    g_atomic_int_inc(&channel->left_out);
    return;
  }
  queue_line(channel, alarm ? BH_CHANNEL_ALARM : BH_CHANNEL_LINE, text);
}

/* The next one; the caller's. block: waits for it, else it may be NULL. */
static char *next_line(BhChannel *channel, gboolean block) {
  char *line = block ? g_async_queue_pop(channel->lines) : g_async_queue_try_pop(channel->lines);

  if (line != NULL) g_atomic_int_add(&channel->queued, -(gint)strlen(line));
  return line;
}

/* What was said between two clients is for neither. */
static void forget_lines(BhChannel *channel) {
  for (char *line = next_line(channel, FALSE); line != NULL; line = next_line(channel, FALSE)) g_free(line);
  g_atomic_int_set(&channel->left_out, 0);
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
  gint64 deadline = bh_clock_deadline((gint64)PATIENCE * 1000);

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

    if (!finish(channel, begun, &operation, PATIENCE, &wrote) || wrote == 0) return FALSE;
    sent += wrote;
  }
  return TRUE;
}

/* Who the client is, for as long as it is served. Reading comes first: before, a pipe knows nobody. */
static guint64 client_token(BhChannel *channel) {
  HANDLE token = NULL;

  if (!ImpersonateNamedPipeClient(channel->pipe)) return 0;
  if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY | TOKEN_DUPLICATE, TRUE, &token)) token = NULL;
  RevertToSelf();
  return (guint64)(gintptr)token;
}

/* --- A client ---------------------------------------------------------------------------------------------------- */

static gpointer run(gpointer data) {
  BhChannel *channel = data;
  int status = channel->events->serve(channel->data, channel->text, channel->size, channel->user);
  g_autofree char *text = g_strdup_printf("%d", status);

  queue_line(channel, BH_CHANNEL_END, text);
  return NULL;
}

/* Sends what is said until the run ends; with nobody to send it to any more, has it end. */
static void send_lines(BhChannel *channel) {
  gboolean there = TRUE, last = FALSE;

  while (!last) {
    g_autofree char *line = next_line(channel, TRUE);
    gint left_out = g_atomic_int_and((guint *)&channel->left_out, 0);

    last = line[0] == BH_CHANNEL_END;
    if (there && left_out > 0) {
      g_autofree char *gap = g_strdup_printf("%c(%d lines were left out)\n", BH_CHANNEL_LINE, left_out);
      there = send_line(channel, gap);
    }
    if (there) there = send_line(channel, line) && !has_ended(channel);
    if (!there && !last) channel->events->stop(channel->data);
  }
}

/* The client closes its end when it has read the last line; hung up on before, it would lose it. */
static void await_good_bye(BhChannel *channel) {
  char nothing;
  receive(channel, &nothing, 1);
}

static void serve_client(BhChannel *channel) {
  g_autofree char *text = NULL;
  guint32 size = 0;
  BhThread *thread;

  if (!receive(channel, &size, sizeof size)) return;
  size = GUINT32_FROM_LE(size);
  if (size > BH_SCENARIO_MAX_SIZE + 1) return;
  text = g_malloc(size + 1);
  if (!receive(channel, text, size)) return;
  text[size] = '\0';
  channel->text = text;
  channel->size = size;
  channel->user = client_token(channel);

  forget_lines(channel);
  g_atomic_int_set(&channel->has_client, TRUE);
  thread = bh_thread_new("scenario-run", BH_RANK_SESSION_TABLE, run, channel);
  if (thread != NULL) {
    send_lines(channel);
    bh_thread_join(thread);
    await_good_bye(channel);
  }
  g_atomic_int_set(&channel->has_client, FALSE);
  if (channel->user != 0) CloseHandle((HANDLE)(gintptr)channel->user);
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
static HANDLE make_pipe(void) {
  SECURITY_ATTRIBUTES attributes = {.nLength = sizeof attributes, .lpSecurityDescriptor = pipe_security()};
  HANDLE pipe = INVALID_HANDLE_VALUE;

  if (attributes.lpSecurityDescriptor == NULL) return pipe;
  pipe = CreateNamedPipeW(
      BH_CHANNEL_NAME, PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
      PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, PIPE_BYTES, PIPE_BYTES, 0, &attributes);
  LocalFree(attributes.lpSecurityDescriptor);
  return pipe;
}

BhChannel *bh_channel_new(const BhChannelEvents *events, gpointer data, char **cause) {
  BhChannel *channel = g_new0(BhChannel, 1);
  g_autofree char *words = NULL;

  channel->events = events;
  channel->data = data;
  channel->lines = g_async_queue_new();
  channel->pipe = make_pipe();
  channel->io = channel->pipe != INVALID_HANDLE_VALUE ? CreateEventW(NULL, TRUE, FALSE, NULL) : NULL;
  channel->stop = channel->io != NULL ? CreateEventW(NULL, TRUE, FALSE, NULL) : NULL;
  if (channel->stop != NULL) return channel;
  words = bh_wire_error_words(bh_wire_error(GetLastError()));
  *cause = g_strdup_printf("the pipe %ls cannot be made (does another service run?): %s", BH_CHANNEL_NAME, words);
  bh_channel_free(channel);
  return NULL;
}

gboolean bh_channel_listen(BhChannel *channel) {
  channel->listener = bh_thread_new("channel", BH_RANK_SESSION_TABLE, listen_to_clients, channel);
  return channel->listener != NULL;
}

void bh_channel_stop(BhChannel *channel) {
  SetEvent(channel->stop);
  channel->events->stop(channel->data);
  if (channel->listener != NULL) bh_thread_join(channel->listener);
}

void bh_channel_free(BhChannel *channel) {
  forget_lines(channel);
  g_async_queue_unref(channel->lines);
  if (channel->pipe != INVALID_HANDLE_VALUE) CloseHandle(channel->pipe);
  if (channel->io != NULL) CloseHandle(channel->io);
  if (channel->stop != NULL) CloseHandle(channel->stop);
  g_free(channel);
}
