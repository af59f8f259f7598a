#include "scripted.h"

#include "guest/socket.h"

#include "script-file.h"
#include "scripted-wait.h"

#include <string.h>

typedef struct {
  BhMockHost *host;
  char *path;

  /* Set by load, before the script runs. */
  BhScript *script;
  BhScriptLog *log; /* NULL: it cannot be written */

  BhMutex lock; /* guards what follows */
  gboolean gone;
  BhScriptRun *run;
  GArray *sockets; /* gintptr: those that a thread reads from or writes to, to be shut when the host is gone */

  BhResource ended; /* an event that says that it is gone */
} Scripted;

static const BhLockClass scripted_class = {"mock-scripted", BH_RANK_LEAF, FALSE};

/* ---- The port ------------------------------------------------------------------------------------------ */

static BhResult port_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  return bh_mock_host_call(((Scripted *)data)->host, call, reply);
}

static BhResult port_plugin_error(gpointer data, const char *message) {
  return bh_mock_host_plugin_error(((Scripted *)data)->host, message);
}

static void port_log(gpointer data, const char *line) {
  Scripted *self = data;
  if (self->log != NULL && !bh_mock_host_is_gone(self->host)) bh_script_log_append(self->log, line);
}

static char *port_user_name(gpointer data, const BhNotification *notification) {
  (void)data;
  return notification->token != 0 ? g_strdup(g_get_user_name()) : NULL;
}

static gpointer port_spawn(gpointer data, BhApartment apartment, void (*func)(gpointer data), gpointer func_data) {
  (void)apartment;
  return bh_mock_host_spawn(((Scripted *)data)->host, func, func_data);
}

static void port_join(gpointer data, gpointer thread) {
  bh_mock_host_join(((Scripted *)data)->host, thread);
}

static gpointer port_start_child(gpointer data, const char *const *arguments) {
  g_autofree char *command_line = g_strjoinv(" ", (char **)arguments);
  return GUINT_TO_POINTER(bh_mock_host_start_child(((Scripted *)data)->host, arguments[0], command_line));
}

static gboolean port_end_child(gpointer data, gpointer child, guint32 code) {
  return bh_mock_host_end_child(((Scripted *)data)->host, GPOINTER_TO_UINT(child), (gint32)code);
}

static void port_crash(gpointer data, BhCrash kind) {
  static const char *const how[] = {
      [BH_CRASH_NULL] = "access violation", [BH_CRASH_OVERFLOW] = "stack overflow",
      [BH_CRASH_ABORT] = "abort",           [BH_CRASH_EXIT] = "exit code 0",
      [BH_CRASH_THROW] = "C++ exception",   [BH_CRASH_ILLEGAL] = "illegal instruction",
  };
  bh_mock_host_crash(((Scripted *)data)->host, how[kind]);
}

/* FALSE: the host is gone, so there is no point in waiting for a process. */
static gboolean begin_waiting(Scripted *self, gintptr socket) {
  gboolean gone;

  bh_mutex_lock(&self->lock);
  gone = self->gone;
  if (!gone) g_array_append_val(self->sockets, socket);
  bh_mutex_unlock(&self->lock);
  return !gone;
}

static void end_waiting(Scripted *self, gintptr socket) {
  bh_mutex_lock(&self->lock);
  for (guint i = 0; i < self->sockets->len; i++) {
    if (g_array_index(self->sockets, gintptr, i) != socket) continue;
    g_array_remove_index_fast(self->sockets, i);
    break;
  }
  bh_mutex_unlock(&self->lock);
}

static char *port_read_all(gpointer data, BhResource *socket, gsize limit) {
  Scripted *self = data;
  char *text = NULL;
  gsize length;

  if (!begin_waiting(self, socket->value)) return NULL;
  bh_socket_end_writing(socket->value); /* no more input: cat and the like end then */
  bh_socket_read_to_end(socket->value, limit, &text, &length);
  end_waiting(self, socket->value);
  return text;
}

static gboolean port_write_all(gpointer data, BhResource *socket, const char *text) {
  Scripted *self = data;
  gboolean written;

  if (!begin_waiting(self, socket->value)) return FALSE;
  written = bh_socket_write_all(socket->value, text, strlen(text));
  end_waiting(self, socket->value);
  return written;
}

static gboolean port_wait(gpointer data, BhResource *event) {
  Scripted *self = data;
  return self->ended.close != NULL && bh_mock_event_wait(self->ended.value, event->value);
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
    .start_child = port_start_child,
    .end_child = port_end_child,
    .crash = port_crash,
};

/* ---- The plugin ---------------------------------------------------------------------------------------- */

static void scripted_load(BhMockHost *host, BhLoadReply *reply, gpointer data) {
  Scripted *self = data;
  g_autofree char *folder = g_path_get_dirname(self->path);
  BhScriptRun *run;
  gboolean gone;

  (void)host;
  reply->result = bh_script_read(self->path, &self->script, &reply->cause);
  if (BH_FAILED(reply->result)) return;
  self->log = bh_script_log_open(self->path);
  run = bh_script_run_new(self->script, &port, self, folder);

  bh_mutex_lock(&self->lock);
  self->run = run;
  gone = self->gone;
  bh_mutex_unlock(&self->lock);
  if (gone) bh_script_end(run);

  reply->hooks = bh_script_hooks(self->script);
  bh_script_attach(run);
  reply->result = bh_script_load(run, bh_contract_version);
}

static BhResult scripted_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Scripted *self = data;

  (void)host;
  return bh_script_hook(self->run, notification); /* run: set by load, which came before */
}

static void scripted_gone(gpointer data) {
  Scripted *self = data;
  BhScriptRun *run;

  bh_mutex_lock(&self->lock);
  self->gone = TRUE;
  run = self->run;
  for (guint i = 0; i < self->sockets->len; i++) bh_socket_shutdown(g_array_index(self->sockets, gintptr, i));
  bh_mutex_unlock(&self->lock);
  if (self->ended.close != NULL) bh_mock_event_set(self->ended.value);
  if (run != NULL) bh_script_end(run);
}

static void scripted_destroy(gpointer data) {
  Scripted *self = data;

  g_clear_pointer(&self->run, bh_script_run_free);
  g_clear_pointer(&self->script, bh_script_free);
  g_clear_pointer(&self->log, bh_script_log_close);
  g_array_unref(self->sockets);
  bh_resource_clear(&self->ended);
  bh_mutex_clear(&self->lock);
  g_free(self->path);
  g_free(self);
}

BhMockPlugin bh_mock_scripted_plugin(BhMockHost *host, const char *path) {
  Scripted *self = g_new0(Scripted, 1);

  self->host = host;
  self->path = g_strdup(path);
  self->sockets = g_array_new(FALSE, FALSE, sizeof(gintptr));
  self->ended = bh_mock_event_new();
  bh_mutex_init(&self->lock, &scripted_class);
  return (BhMockPlugin){
      .load = scripted_load,
      .hook = scripted_hook,
      .gone = scripted_gone,
      .destroy = scripted_destroy,
      .data = self,
  };
}
