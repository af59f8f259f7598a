#include "round.h"

#include "backend-win32/backend-win32.h"
#include "guest/memory.h"
#include "measure.h"
#include "watch.h"
#include "work.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define OPERATIONS_S   150 /* what they may take together, on a busy machine */
#define STOP_S         120
#define HOST_LINGERS_S 60 /* one that was started and not needed ends by itself after this at most */

#define LOAD_TIMEOUT       (120 * G_USEC_PER_SEC)
#define SHORT_LOAD_TIMEOUT (4 * G_USEC_PER_SEC)
#define STOP_TIMEOUT       (60 * G_USEC_PER_SEC)
#define SHORT_STOP_TIMEOUT (1 * G_USEC_PER_SEC)

/* --- The world --------------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *contents, gssize size) {
  g_autoptr(GError) error = NULL;
  if (!g_file_set_contents(path, contents, size, &error)) g_error("%s", error->message);
}

static void copy_plugins(SoakWorld *world, const char *from) {
  g_autoptr(GError) error = NULL;
  g_autofree char *contents = NULL;
  gsize size;

  if (!g_file_get_contents(from, &contents, &size, &error)) g_error("%s", error->message);
  for (guint i = 0; i < SOAK_PLUGINS; i++) {
    g_autofree char *folder = g_strdup_printf("%s/%u", world->folder, i);

    if (g_mkdir(folder, 0700) != 0) g_error("%s cannot be made", folder);
    world->plugins[i] = g_build_filename(folder, "plugin.dll", NULL);
    write_file(world->plugins[i], contents, (gssize)size);
  }
}

void soak_world_open(SoakWorld *world, const char *build) {
  g_autofree char *proxystub = g_build_filename(build, "backend-win32", "wslpluginproxystub.dll", NULL);
  g_autofree char *plugin = g_build_filename(build, "tests", "plugins", "scripted", "scripted.dll", NULL);
  g_autofree char *cause = NULL;
  g_autoptr(GError) error = NULL;

  world->host = g_build_filename(build, "backend-win32", "wslpluginhost.exe", NULL);
  if (!bh_win32_register(TRUE, world->host, proxystub, &cause)) g_error("%s", cause);
  world->backend = bh_backend_win32_new(&(BhWin32Settings){.host_path = world->host}, &cause);
  if (world->backend == NULL) g_error("%s", cause);
  world->guest = bh_guest_memory_new();
  if (!bh_win32_current_user(&world->user.token, &world->user.sid)) g_error("nobody runs this");
  world->folder = g_dir_make_tmp("bulkhead-soak-XXXXXX", &error);
  if (world->folder == NULL) g_error("%s", error->message);
  copy_plugins(world, plugin);
}

static void remove_folder(const char *path) {
  GDir *folder = g_dir_open(path, 0, NULL);

  for (const char *name = g_dir_read_name(folder); name != NULL; name = g_dir_read_name(folder)) {
    g_autofree char *child = g_build_filename(path, name, NULL);

    if (g_file_test(child, G_FILE_TEST_IS_DIR))
      remove_folder(child);
    else if (g_remove(child) != 0)
      g_error("%s is still used", child);
  }
  g_dir_close(folder);
  g_rmdir(path);
}

void soak_world_close(SoakWorld *world) {
  bh_backend_win32_free(world->backend);
  bh_guest_memory_free(world->guest);
  bh_win32_token_close(world->user.token);
  g_bytes_unref(world->user.sid);
  remove_folder(world->folder);
  for (guint i = 0; i < SOAK_PLUGINS; i++) g_free(world->plugins[i]);
  g_free(world->folder);
  g_free(world->host);
}

/* Of several activations at once Wine 8 gives each the first host that comes, whoever had it started; and who finds none when
 * it looks again, after seconds, does so for half a minute. So as many are started as there are activations, before the first
 * (see also tests/common/spare-hosts.h). On Windows COM takes no server that it has not started. */
static void start_hosts(const SoakWorld *world) {
  g_autofree char *line = g_strdup_printf("\"%s\" -Embedding", world->host);
  STARTUPINFOA startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;

  for (guint i = 0; i < SOAK_PLUGINS && soak_is_wine(); i++) {
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process))
      g_error("a host cannot be started");
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
  }
}

/* --- A round ----------------------------------------------------------------------------------------------------- */

/* What became of a round's hosts; written under the trace's lock. */
typedef struct {
  gboolean started[SOAK_PLUGINS], ended[SOAK_PLUGINS], not_loaded[SOAK_PLUGINS];
  char *first; /* of what went wrong, in words */
} Fates;

static void on_trace(const BhTraceEvent *event, gpointer data) {
  Fates *fates = data;
  const guint plugin = (guint)g_ascii_strtoull(event->who, NULL, 10);
  gboolean bad = FALSE;

  if (!g_ascii_isdigit(*event->who)) return; /* the service itself, or a session */
  if (g_str_equal(event->what, "host started")) fates->started[plugin] = TRUE;
  if (g_str_equal(event->what, "host ended") || g_str_equal(event->what, "crashed"))
    bad = fates->ended[plugin] = TRUE;
  if (g_str_equal(event->what, "load") && BH_FAILED(event->result)) {
    fates->not_loaded[plugin] = TRUE;
    /* On a busy machine Wine 8 may not activate a host that is there; that is nobody's death. */
    bad = fates->started[plugin] || !soak_is_wine();
  }
  if (bad && fates->first == NULL)
    fates->first = g_strdup_printf("plugin %s, %s: 0x%08X %s", event->who, event->what, (guint)event->result,
                                   event->detail != NULL ? event->detail : "");
}

static void count_fates(const Fates *fates, SoakMood mood, const GPtrArray *scripts, SoakCounts *counts) {
  guint ends = 0, not_loaded = 0;

  for (guint i = 0; i < SOAK_PLUGINS; i++) {
    counts->hosts += fates->started[i];
    not_loaded += fates->not_loaded[i];
    ends += fates->started[i] && (fates->ended[i] || fates->not_loaded[i]); /* what did not load is ended */
  }
  counts->ends += ends;
  counts->unstarted += not_loaded;
  if (mood != SOAK_CALM || fates->first == NULL) return;
  g_error("nobody was to die in this round; %s; its script:\n%s", fates->first,
          (const char *)scripts->pdata[g_ascii_strtoull(fates->first + strlen("plugin "), NULL, 10)]);
}

static BhService *make_service(SoakWorld *world, SoakMood mood, const GPtrArray *scripts, Fates *fates) {
  BhService *service = bh_service_new(&(BhServiceSettings){
      .backend = world->backend,
      .guest = world->guest,
      .load_timeout = mood == SOAK_HANGS_AT_LOAD ? SHORT_LOAD_TIMEOUT : LOAD_TIMEOUT,
      .stop_timeout = mood == SOAK_HANGS_AT_STOP ? SHORT_STOP_TIMEOUT : STOP_TIMEOUT,
      .vm_idle_timeout = mood == SOAK_CRASHES ? G_USEC_PER_SEC / 20 : 0,
  });

  bh_trace_attach(bh_service_trace(service), on_trace, fates);
  for (guint i = 0; i < SOAK_PLUGINS; i++) {
    g_autofree char *folder = g_path_get_dirname(world->plugins[i]);
    g_autofree char *script = g_build_filename(folder, "plugin.script", NULL);
    g_autofree char *log = g_build_filename(folder, "plugin.log", NULL);
    g_autofree char *name = g_strdup_printf("%u", i);

    g_remove(log);
    write_file(script, scripts->pdata[i], -1);
    if (!bh_service_add_plugin(service, name, world->plugins[i])) g_error("a plugin was left out");
  }
  return service;
}

static void await_hosts(SoakCounts *counts) {
  guint late;
  const guint32 host = soak_await_hosts(HOST_LINGERS_S * G_USEC_PER_SEC, &late);

  counts->late += late;
  if (host != 0) g_error("host process %u outlives its service", host);
}

void soak_round(SoakWorld *world, SoakMood mood, GRand *random, SoakCounts *counts) {
  g_autoptr(GPtrArray) scripts = soak_scripts(mood, random);
  Fates fates = {0};
  SoakWork work = {.user = &world->user, .folder = world->folder, .nothing_stops = mood == SOAK_HANGS_AT_STOP};

  start_hosts(world);
  work.service = make_service(world, mood, scripts, &fates);
  for (guint i = 0; i < SOAK_VM_SESSIONS; i++) work.vms[i] = bh_service_open_session(work.service, &world->user);
  soak_watch("operations", OPERATIONS_S);
  soak_work(&work, (guint)g_rand_int_range(random, 5, 25), random);
  if (mood != SOAK_HANGS_AT_STOP && g_rand_boolean(random)) bh_service_close_session(work.service, work.vms[0]);
  soak_watch("the service's stop", STOP_S);
  bh_service_free(work.service);
  for (guint i = 0; i < SOAK_VM_SESSIONS; i++) bh_session_unref(work.vms[i]);
  soak_watch("the hosts' end", STOP_S);
  await_hosts(counts);
  counts->operations += work.operations;
  counts->failures += work.failures;
  count_fates(&fates, mood, scripts, counts);
  g_free(fates.first);
}
