#include "environment.h"

#include <glib/gstdio.h>

void environment_open(Environment *environment, const char *name, const BhCallbacks *callbacks) {
  g_autoptr(GError) error = NULL;

  *environment = (Environment){
      .backend_name = name, .callbacks = callbacks, .hosts = g_array_new(FALSE, FALSE, sizeof(guint32))};
  bh_gate_init(&environment->host_ended);
  bh_gate_init(&environment->crash_noticed);
  bh_gate_init(&environment->vm_died);
  platform_open(environment);
  bh_probe_guest_init(&environment->guest, environment->inner_guest);
  environment->folder = g_dir_make_tmp("bulkhead-XXXXXX", &error);
  g_assert_no_error(error);
}

static void remove_tree(const char *path) {
  GDir *folder = g_dir_open(path, 0, NULL);

  if (folder != NULL) {
    for (const char *name = g_dir_read_name(folder); name != NULL; name = g_dir_read_name(folder)) {
      g_autofree char *child = g_build_filename(path, name, NULL);
      remove_tree(child);
    }
    g_dir_close(folder);
  }
  g_assert_cmpint(g_remove(path), ==, 0); /* also: nobody uses it any more */
}

void environment_trace(const BhTraceEvent *event, gpointer data) {
  Environment *environment = data;
  g_autofree char *code = bh_result_to_string(event->result);

  if (g_str_equal(event->what, "host started")) g_array_append_val(environment->hosts, event->process);
  if (g_str_equal(event->what, "host ended")) bh_gate_open(&environment->host_ended);
  if (g_str_equal(event->what, "VM died")) bh_gate_open(&environment->vm_died);
  if (g_str_equal(event->what, "crashed")) bh_gate_open(&environment->crash_noticed);
  g_test_message("%s [%u.%" G_GUINT64_FORMAT "] %s %s %s", event->who, event->process, event->thread, event->what,
                 code, event->detail != NULL ? event->detail : "");
}

void environment_close(Environment *environment) {
  platform_close(environment);
  for (guint i = 0; i < environment->hosts->len; i++)
    g_assert_false(platform_host_runs(g_array_index(environment->hosts, guint32, i)));
  g_array_unref(environment->hosts);
  bh_gate_clear(&environment->host_ended);
  bh_gate_clear(&environment->crash_noticed);
  bh_gate_clear(&environment->vm_died);
  remove_tree(environment->folder);
  g_free(environment->folder);
}

static void write_file(const char *path, const char *contents, gssize size) {
  g_autoptr(GError) error = NULL;

  g_file_set_contents(path, contents, size, &error);
  g_assert_no_error(error);
}

char *environment_add_plugin(Environment *environment, const char *name, const char *script) {
  g_autofree char *folder = g_build_filename(environment->folder, name, NULL);
  g_autofree char *script_path = g_build_filename(folder, "plugin.script", NULL);
  g_autofree char *path = g_build_filename(folder, "plugin.dll", NULL);
  g_autofree char *contents = NULL;
  g_autoptr(GError) error = NULL;
  gsize size;

  g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
  write_file(script_path, script, -1);
  if (platform_plugin(environment) == NULL) return g_steal_pointer(&script_path);
  g_file_get_contents(platform_plugin(environment), &contents, &size, &error);
  g_assert_no_error(error);
  write_file(path, contents, (gssize)size);
  return g_steal_pointer(&path);
}

char *environment_read_log(const char *plugin) {
  g_autofree char *folder = g_path_get_dirname(plugin), *path = g_build_filename(folder, "plugin.log", NULL);
  char *log = NULL;

  g_file_get_contents(path, &log, NULL, NULL);
  return log;
}
