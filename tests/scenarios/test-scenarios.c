/* Runs the rows of shared/SCENARIOS.md on one backend, under one design: test-scenarios mock|win32 pumped|shared. */
#include "compare.h"
#include "rows.h"

#include "cli/runner.h"
#include "core/lock-order.h"

#include <string.h>

/* This run's. */
static const char *backend;
static const BhCallbacks *callbacks;

/* --- Running a row ---------------------------------------------------------------------------------------------- */

static void on_begin(const BhStep *step, gpointer data) {
  (void)data;
  g_test_message("> %s", step->text);
}

/* What did not come as expected is gathered in data, a GString. */
static void on_end(const BhStep *step, const char *error, const char *complaint, gpointer data) {
  if (error != NULL) g_test_message("! %s", error);
  if (complaint != NULL)
    g_string_append_printf(data, "\n%s: %s. The user is told: %s", step->text, complaint,
                           error != NULL ? error : "nothing");
}

/* Under the shared design, so many mounts at once is no chance: each waits for the others. */
typedef struct {
  guint inside, wanted; /* atomic */
  BhGate all;
} Meeting;

static BhResult meet(BhProbePoint point, gpointer data) {
  Meeting *meeting = data;

  if (point != BH_PROBE_MOUNT) return BH_OK;
  if ((guint)g_atomic_int_add(&meeting->inside, 1) + 1 == meeting->wanted) bh_gate_open(&meeting->all);
  bh_gate_pass(&meeting->all);
  return BH_OK;
}

/* Whose calls run at once under both designs. */
static gboolean is_wslc(const Row *row) {
  return row >= wslc_rows && row < wslc_rows + wslc_row_count;
}

static const char *const plugin_names[MAX_PLUGINS] = {"TestPlugin", "OtherPlugin", "ThirdPlugin"};

static void run_row(Environment *environment, const Row *row) {
  gint64 load_timeout = (gint64)row->load_timeout * (g_str_equal(backend, "mock") ? 1 : 10); /* ms */
  BhServiceSettings settings = {.backend = environment->backend,
                                .guest = &environment->guest.parent,
                                .callbacks = environment->callbacks,
                                .forbidden_flags = row->forbidden,
                                .load_timeout = load_timeout * 1000};
  BhService *service = bh_service_new(&settings);
  g_autofree char *problem = NULL;
  g_auto(GStrv) parts = g_strsplit(row->steps, "%FOLDER%", -1);
  g_autofree char *steps = g_strjoinv(environment->folder, parts);
  g_autoptr(BhScenario) scenario = bh_scenario_parse(steps, strlen(steps), &problem);
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  guint32 process = bh_process_number();
  gint64 began = bh_clock_now();
  Meeting meeting = {.wanted = row->at_once};
  g_autoptr(GString) complaints = g_string_new(NULL);
  gboolean held;

  if (scenario == NULL) g_error("%s: %s", row->name, problem);
  bh_trace_attach(bh_service_trace(service), environment_trace, environment);
  for (guint i = 0; i < MAX_PLUGINS && row->plugins[i].script != NULL; i++) {
    const char *name = plugin_names[i];
    gboolean again = g_str_equal(row->plugins[i].script, SAME_FILE);
    char *file =
        again ? g_strdup(files->pdata[i - 1]) : environment_add_plugin(environment, name, row->plugins[i].script);

    g_ptr_array_add(files, file);
    g_assert_cmpint(bh_service_add_plugin(service, name, file), ==, !again);
  }

  bh_gate_init(&meeting.all);
  if (meeting.wanted > 1 && (environment->callbacks == &bh_callbacks_shared || is_wslc(row))) {
    environment->guest.before = meet;
    environment->guest.data = &meeting;
  }
  held = bh_run(service, &environment->user, scenario, &(BhRunReport){on_begin, on_end, complaints});
  if (!held) g_error("%s:%s", row->name, complaints->str);
  if (row->host_dies) bh_gate_pass(&environment->host_ended);
  bh_service_free(service);
  bh_gate_clear(&meeting.all);
  if (environment->callbacks == &bh_callbacks_pumped && !is_wslc(row))
    g_assert_cmpint(environment->guest.max_inside, <=, 1); /* one after another */
  else if (row->at_once > 0)
    g_assert_cmpint(environment->guest.max_inside, ==, row->at_once);
  g_assert_cmpuint(bh_process_number(), ==, process);
  if (row->load_timeout != 0) g_assert_cmpint((bh_clock_now() - began) / 1000, <, 2 * load_timeout + 10 * 1000);

  for (guint i = 0; i < files->len; i++) {
    g_autofree char *log = environment_read_log(files->pdata[i]);
    if (row->plugins[i].log != NULL)
      bh_compare_logs(plugin_names[i], row->plugins[i].log, log != NULL ? log : "");
    else if (!g_str_equal(row->plugins[i].script, SAME_FILE))
      g_assert_null(log);
  }
}

static void test_row(gconstpointer data) {
  const Row *row = data;
  Environment environment;

  if (row->elsewhere != NULL) {
    g_test_skip(row->elsewhere);
    return;
  }
  environment_open(&environment, backend, callbacks);
  if (row->signing_required) platform_require_signatures(&environment);
  if (row->directed != NULL)
    row->directed(&environment);
  else
    run_row(&environment, row);
  environment_close(&environment);
}

static void add_rows(const Row *table, guint count, guint wanted) {
  for (guint i = 0; i < count; i++) {
    g_autofree char *path =
        g_strdup_printf("/scenario/%s/%s/%s/%s", table[i].name, callbacks->name, backend, platform_name());
    if (table[i].backends & wanted) g_test_add_data_func(path, &table[i], test_row);
  }
}

int main(int argc, char **argv) {
  static const BhSyncObserver observer = {.wait = directed_on_wait, .may_start_thread = directed_may_start_thread};
  guint wanted;

  g_test_init(&argc, &argv, NULL);
  if (argc == 3) callbacks = bh_callbacks_by_name(argv[2]);
  if (callbacks == NULL) g_error("usage: test-scenarios mock|win32 pumped|shared");
  backend = argv[1];
  wanted = g_str_equal(backend, "mock") ? ON_MOCK : ON_WIN32;
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_sync_add_observer(&observer);
  add_rows(rows, row_count, wanted);
  add_rows(wslc_rows, wslc_row_count, wanted);
  return g_test_run();
}
