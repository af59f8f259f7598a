#include "script-port.h"

#include <string.h>

static const BhLockClass port_class = {"script-port", BH_RANK_LEAF, FALSE};
static PortHost *closing; /* a resource has no room for whose it is; one test runs at a time */

static void close_socket(gintptr value) {
  (void)value;
  bh_mutex_lock(&closing->lock);
  closing->sockets--;
  bh_mutex_unlock(&closing->lock);
}

/* ---- Processes ----------------------------------------------------------------------------------------- */

typedef struct {
  char *path, *printed[BH_STREAM_COUNT]; /* … into each stream; NULL: not yet */
  guint taken;                           /* bit n: stream n */
  gboolean ended, released;
} PortProcess;

/* What a resource's number means: none of the others is as large. */
#define STREAM(number, fd) ((gintptr)((number)*1000 + (fd)))
#define PROCESS_OF(value)  ((guint64)(value) / 1000)
#define FD_OF(value)       ((guint)((value) % 1000))
#define EVENT_FD           999u

static char *list(char *const *strings) {
  return strings != NULL ? g_strjoinv(",", (char **)strings) : g_strdup("NULL");
}

static void process_free(gpointer data) {
  PortProcess *process = data;

  g_free(process->path);
  for (guint i = 0; i < BH_STREAM_COUNT; i++) g_free(process->printed[i]);
  g_free(process);
}

static PortProcess *find_process(PortHost *host, guint64 number) {
  return number >= 1 && number <= host->processes->len ? host->processes->pdata[number - 1] : NULL;
}

static void process_start(PortHost *host, const BhCall *call, BhCallReply *reply) {
  PortProcess *process = g_new0(PortProcess, 1);

  process->path = g_strdup(call->path);
  process->ended = !g_str_equal(call->path, "/bin/cat");
  if (process->ended) process->printed[BH_STDOUT] = list(call->arguments);
  process->printed[BH_STDERR] = list(call->environment);
  g_ptr_array_add(host->processes, process);
  reply->process = host->processes->len;
}

/* Under the lock. */
static BhResult process_call(PortHost *host, const BhCall *call, BhCallReply *reply) {
  PortProcess *process = find_process(host, call->process);

  if (process == NULL || process->released) return BH_E_INVALIDARG;
  switch (call->api) {
    case BH_API_PROCESS_GET_FD:
      if (call->fd >= BH_STREAM_COUNT) return BH_E_INVALIDARG;
      if ((process->taken & (1u << call->fd)) != 0) return BH_E_NOT_VALID_STATE;
      process->taken |= 1u << call->fd;
      reply->resource = (BhResource){STREAM(call->process, call->fd), close_socket};
      host->sockets++;
      return BH_OK;
    case BH_API_PROCESS_GET_EXIT_EVENT:
      reply->resource = (BhResource){STREAM(call->process, EVENT_FD), close_socket};
      host->sockets++;
      return BH_OK;
    case BH_API_PROCESS_GET_EXIT_CODE:
      if (!process->ended) return BH_E_NOT_VALID_STATE;
      reply->number = g_str_equal(process->path, "/bin/fail") ? (guint32)-1 : 0;
      return BH_OK;
    default: process->released = TRUE; return BH_OK;
  }
}

static gboolean port_write_all(gpointer data, BhResource *socket, const char *text) {
  PortHost *host = data;
  PortProcess *process;

  bh_mutex_lock(&host->lock);
  process = find_process(host, PROCESS_OF(socket->value));
  g_assert_cmpuint(FD_OF(socket->value), ==, BH_STDIN);
  if (!process->ended) process->printed[BH_STDOUT] = g_strdup(text);
  process->ended = TRUE;
  bh_cond_broadcast(&host->changed);
  bh_mutex_unlock(&host->lock);
  return !g_str_equal(text, "missing");
}

static gboolean port_wait(gpointer data, BhResource *event) {
  PortHost *host = data;
  PortProcess *process;

  bh_mutex_lock(&host->lock);
  process = find_process(host, PROCESS_OF(event->value));
  g_assert_cmpuint(FD_OF(event->value), ==, EVENT_FD);
  while (!process->ended) bh_cond_wait(&host->changed, &host->lock);
  bh_mutex_unlock(&host->lock);
  return TRUE;
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

static char *describe(const BhCall *call) {
  g_autofree char *guid = bh_guid_to_string(&call->distribution);
  g_autofree char *arguments = list(call->arguments);
  g_autofree char *environment = list(call->environment);
  const char *name = bh_apis[call->api].name;
  const char *mode = call->read_only ? "ro" : "rw";

  switch (call->api) {
    case BH_API_MOUNT_FOLDER:
      return g_strdup_printf("%s %u %s %s %s %s", name, call->session, call->host_path, call->linux_path, mode,
                             call->name);
    case BH_API_EXECUTE_BINARY: return g_strdup_printf("%s %u %s %s", name, call->session, call->path, arguments);
    case BH_API_EXECUTE_BINARY_IN_DISTRIBUTION:
      return g_strdup_printf("%s %u %s %s %s", name, call->session, guid, call->path, arguments);
    case BH_API_CONTAINER_MOUNT_FOLDER:
      return g_strdup_printf("%s %u %s %s %s", name, call->session, call->host_path, call->linux_path, mode);
    case BH_API_CONTAINER_UNMOUNT_FOLDER:
      return g_strdup_printf("%s %u %s", name, call->session, call->linux_path);
    case BH_API_CONTAINER_CREATE_PROCESS:
      return g_strdup_printf("%s %u %s %s %s", name, call->session, call->path, arguments, environment);
    case BH_API_PROCESS_GET_FD:
      return g_strdup_printf("%s %" G_GUINT64_FORMAT " %u", name, call->process, call->fd);
    default: return g_strdup_printf("%s %" G_GUINT64_FORMAT, name, call->process);
  }
}

static BhResult check_call(const BhCall *call, BhCallReply *reply) {
  BhResult result = bh_call_check(call);

  if (BH_FAILED(result)) return result;
  if (call->api < BH_API_PROCESS_GET_FD && call->session != 7 && call->session != 9) return BH_E_NOT_FOUND;
  if (g_strcmp0(call->host_path, "missing") == 0)
    return call->api == BH_API_MOUNT_FOLDER ? BH_E_FILE_NOT_FOUND : BH_E_PATH_NOT_FOUND;
  if (g_strcmp0(call->path, "missing") != 0) return BH_OK;
  if (call->api == BH_API_CONTAINER_CREATE_PROCESS) reply->number = 2;
  return BH_E_FAIL;
}

static BhResult port_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  PortHost *host = data;

  reply->result = check_call(call, reply);
  if (BH_FAILED(reply->result)) return reply->result;

  bh_mutex_lock(&host->lock);
  host->waiting++;
  bh_cond_broadcast(&host->changed);
  while (host->hold) bh_cond_wait(&host->changed, &host->lock);
  g_ptr_array_add(host->calls, describe(call));
  if (call->api == BH_API_CONTAINER_CREATE_PROCESS) {
    process_start(host, call, reply);
  } else if (call->api >= BH_API_PROCESS_GET_FD) {
    reply->result = process_call(host, call, reply);
  } else if (call->path != NULL) {
    host->sockets++;
    reply->resource = (BhResource){(gintptr)host->calls->len, close_socket};
  }
  bh_mutex_unlock(&host->lock);
  return reply->result;
}

static BhResult port_plugin_error(gpointer data, const char *message) {
  (void)data;
  if (message == NULL) return BH_E_INVALIDARG;
  return g_str_equal(message, "missing") ? BH_E_ILLEGAL_METHOD_CALL : BH_OK;
}

static void port_log(gpointer data, const char *line) {
  PortHost *host = data;

  g_assert_null(strchr(line, '\n'));
  g_assert_true(g_utf8_validate(line, -1, NULL));
  bh_mutex_lock(&host->lock);
  g_string_append_printf(host->log, "%s\n", line);
  bh_mutex_unlock(&host->lock);
}

static char *port_read_all(gpointer data, BhResource *socket, gsize limit) {
  PortHost *host = data;
  const char *call;
  char *text;

  g_assert_cmpuint(limit, >=, 4096);
  bh_mutex_lock(&host->lock);
  if (PROCESS_OF(socket->value) > 0) {
    text = g_strdup(find_process(host, PROCESS_OF(socket->value))->printed[FD_OF(socket->value)]);
    bh_mutex_unlock(&host->lock);
    return text;
  }
  call = host->calls->pdata[socket->value - 1];
  text = strstr(call, "/bin/noise") != NULL ? g_strdup("one\ntwo\x01\xff\n\n") : g_strdup(strrchr(call, ' ') + 1);
  bh_mutex_unlock(&host->lock);
  return text;
}

static char *port_user_name(gpointer data, const BhNotification *notification) {
  (void)data;
  return notification->token != 0 ? g_strdup("somebody") : NULL;
}

typedef struct {
  void (*func)(gpointer data);
  gpointer data;
} Start;

static gpointer run_thread(gpointer data) {
  g_autofree Start *start = data;
  start->func(start->data);
  return NULL;
}

static gpointer port_spawn(gpointer data, BhApartment apartment, void (*func)(gpointer data), gpointer func_data) {
  PortHost *host = data;
  BhThread *thread;
  gboolean may;
  Start *start;

  bh_mutex_lock(&host->lock);
  may = host->threads_left > 0;
  if (may) host->threads_left--;
  host->apartment = apartment;
  bh_mutex_unlock(&host->lock);
  if (!may) return NULL;
  start = g_new(Start, 1);
  *start = (Start){func, func_data};
  thread = bh_thread_new("script", BH_RANK_SESSION_TABLE, run_thread, start);
  bh_mutex_lock(&host->lock);
  g_ptr_array_add(host->threads, thread);
  bh_mutex_unlock(&host->lock);
  return thread;
}

static void port_join(gpointer data, gpointer thread) {
  PortHost *host = data;

  bh_mutex_lock(&host->lock);
  g_ptr_array_remove(host->threads, thread);
  bh_mutex_unlock(&host->lock);
  bh_thread_join(thread);
}

static void port_crash(gpointer data, BhCrash kind) {
  PortHost *host = data;

  bh_mutex_lock(&host->lock);
  host->crash = (gint)kind;
  bh_mutex_unlock(&host->lock);
}

static const BhScriptPort port = {
    .call = port_call,
    .plugin_error = port_plugin_error,
    .log = port_log,
    .read_all = port_read_all,
    .write_all = port_write_all,
    .wait = port_wait,
    .user_name = port_user_name,
    .spawn = port_spawn,
    .join = port_join,
    .crash = port_crash,
};

void port_host_start(PortHost *host, const char *text) {
  g_autofree char *error = NULL;

  *host = (PortHost){.threads_left = 100, .crash = -1};
  closing = host;
  bh_mutex_init(&host->lock, &port_class);
  bh_cond_init(&host->changed);
  host->log = g_string_new(NULL);
  host->threads = g_ptr_array_new();
  host->calls = g_ptr_array_new_with_free_func(g_free);
  host->processes = g_ptr_array_new_with_free_func(process_free);
  host->script = bh_script_parse(text, strlen(text), &error);
  g_assert_cmpstr(error, ==, NULL);
  host->run = bh_script_run_new(host->script, &port, host, "/the/folder");
}

void port_host_end(PortHost *host) {
  bh_script_end(host->run);
  for (guint i = 0; i < host->threads->len; i++) bh_thread_join(host->threads->pdata[i]);
  g_ptr_array_unref(host->threads);
  g_assert_cmpuint(host->sockets, ==, 0);
  bh_script_run_free(host->run);
  bh_script_free(host->script);
  g_string_free(host->log, TRUE);
  g_ptr_array_unref(host->calls);
  g_ptr_array_unref(host->processes);
  bh_cond_clear(&host->changed);
  bh_mutex_clear(&host->lock);
}

BhResult port_host_load(PortHost *host) {
  return bh_script_load(host->run, (BhVersion){2, 9, 5});
}

static BhResult run_hook(PortHost *host, BhHook hook, guint32 session, const char *document) {
  BhNotification notification = {
      .hook = hook,
      .number = 1,
      .session = session,
      .token = 70,
      .display_name = (char *)"dev",
      .application_pid = 8,
      .vm_flags = 3,
      .name = (char *)"Debian",
      .pid_namespace = G_GUINT64_CONSTANT(4026531836),
      .init_pid = 9,
      .flavor = (char *)"debian",
      .document = (char *)document,
  };

  g_assert_true(bh_guid_parse("{12345678-9abc-4def-8123-456789abcdef}", &notification.distribution));
  return bh_script_hook(host->run, &notification);
}

BhResult port_host_hook(PortHost *host, BhHook hook) {
  return run_hook(host, hook, 7, "{}");
}

BhResult port_host_hook_in(PortHost *host, BhHook hook, guint32 session) {
  return run_hook(host, hook, session, "{}");
}

BhResult port_host_document(PortHost *host, BhHook hook, guint32 session, const char *document) {
  return run_hook(host, hook, session, document);
}

void port_host_assert_log(PortHost *host, const char *expected) {
  g_autofree char *log = NULL;
  g_auto(GStrv) lines = NULL;
  g_auto(GStrv) patterns = g_strsplit(expected, "\n", -1);
  gboolean matches;

  bh_mutex_lock(&host->lock);
  log = g_strdup(host->log->str);
  g_string_truncate(host->log, 0);
  bh_mutex_unlock(&host->lock);
  lines = g_strsplit(log, "\n", -1);
  matches = g_strv_length(lines) == g_strv_length(patterns);
  for (guint i = 0; matches && lines[i] != NULL; i++) matches = g_pattern_match_simple(patterns[i], lines[i]);
  if (!matches) g_assert_cmpstr(log, ==, expected);
}

void port_host_assert_calls(PortHost *host, const char *expected) {
  g_autofree char *calls = NULL;

  bh_mutex_lock(&host->lock);
  g_ptr_array_add(host->calls, NULL);
  calls = g_strjoinv("\n", (char **)host->calls->pdata);
  g_ptr_array_set_size(host->calls, 0);
  bh_mutex_unlock(&host->lock);
  g_assert_cmpstr(calls, ==, expected);
}
