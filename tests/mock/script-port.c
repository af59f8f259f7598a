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

static char *describe(const BhCall *call) {
  g_autofree char *guid = bh_guid_to_string(&call->distribution);
  g_autofree char *arguments = call->arguments != NULL ? g_strjoinv(",", call->arguments) : g_strdup("NULL");
  const char *name = bh_apis[call->api].name;

  switch (call->api) {
    case BH_API_MOUNT_FOLDER:
      return g_strdup_printf("%s %u %s %s %s %s", name, call->session, call->host_path, call->linux_path,
                             call->read_only ? "ro" : "rw", call->name);
    case BH_API_EXECUTE_BINARY: return g_strdup_printf("%s %u %s %s", name, call->session, call->path, arguments);
    default: return g_strdup_printf("%s %u %s %s %s", name, call->session, guid, call->path, arguments);
  }
}

static BhResult port_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  PortHost *host = data;

  reply->result = bh_call_check(call);
  if (BH_FAILED(reply->result)) return reply->result;
  if (call->session != 7) return reply->result = BH_E_NOT_FOUND;
  if (g_strcmp0(call->host_path, "missing") == 0) return reply->result = BH_E_FILE_NOT_FOUND;
  if (g_strcmp0(call->path, "missing") == 0) return reply->result = BH_E_FAIL;

  bh_mutex_lock(&host->lock);
  host->waiting++;
  bh_cond_broadcast(&host->changed);
  while (host->hold) bh_cond_wait(&host->changed, &host->lock);
  g_ptr_array_add(host->calls, describe(call));
  if (call->path != NULL) {
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

static const BhScriptPort port = {port_call,      port_plugin_error, port_log,  port_read_all,
                                  port_user_name, port_spawn,        port_join, port_crash};

void port_host_start(PortHost *host, const char *text) {
  g_autofree char *error = NULL;

  *host = (PortHost){.threads_left = 100, .crash = -1};
  closing = host;
  bh_mutex_init(&host->lock, &port_class);
  bh_cond_init(&host->changed);
  host->log = g_string_new(NULL);
  host->threads = g_ptr_array_new();
  host->calls = g_ptr_array_new_with_free_func(g_free);
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
  bh_cond_clear(&host->changed);
  bh_mutex_clear(&host->lock);
}

BhResult port_host_load(PortHost *host) {
  return bh_script_load(host->run, (BhVersion){2, 9, 5});
}

BhResult port_host_hook(PortHost *host, BhHook hook) {
  BhNotification notification = {
      .hook = hook,
      .number = 1,
      .session = 7,
      .token = 70,
      .display_name = (char *)"dev",
      .application_pid = 8,
      .vm_flags = 3,
      .name = (char *)"Debian",
      .pid_namespace = G_GUINT64_CONSTANT(4026531836),
      .init_pid = 9,
      .flavor = (char *)"debian",
      .document = (char *)"{}",
  };

  g_assert_true(bh_guid_parse("{12345678-9abc-4def-8123-456789abcdef}", &notification.distribution));
  return bh_script_hook(host->run, &notification);
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
