/* The rows in which a host or a VM dies outside of any hook, or in a call; and two sessions in one plugin. See rows.h. */
#include "compare.h"
#include "directed.h"

#include "guest/memory.h"
#include "tests/common/gate.h"

/* --- 37: a fault on a plugin's own thread ------------------------------------------------------------------------- */

void row_37_own_thread(Environment *environment) {
  g_autofree char *file = NULL, *log = NULL;
  BhService *service = directed_service(environment,
                                        "on OnVMStarted\n"
                                        "  thread own none\n"
                                        "    await hook\n"
                                        "    crash null\n"
                                        "  end\n"
                                        "on OnVMStopping\non OnDistributionStopping\n",
                                        &file);
  g_autoptr(BhSession) session = directed_session(service, environment);
  g_autoptr(BhError) error = NULL;

  directed_start(session, NULL);
  bh_gate_pass(&environment->crash_noticed); /* nobody asked the host for anything */
  bh_session_stop_vm(session);
  g_assert_cmpint(directed_start(session, &error), ==, BH_RPC_E_SERVER_DIED);
  g_assert_cmpstr(error->message, ==, "A fatal error was returned by plugin 'TestPlugin'");
  bh_service_close_session(service, session);
  bh_service_free(service);
  log = environment_read_log(file);
  bh_compare_logs("TestPlugin", "OnVMStarted *\nawait hook S_OK\ncrash null\n", log);
}

/* --- 55: the VM dies ---------------------------------------------------------------------------------------------- */

typedef struct {
  Environment *environment;
  gint calls; /* atomic: so many calls the VM has still to live through */
} Killer;

static void kill_vm(Environment *environment) {
  bh_guest_memory_kill_vm(g_atomic_pointer_get(&environment->guest.last_vm));
}

static BhResult kill_in_call(BhProbePoint point, gpointer data) {
  Killer *killer = data;

  if (point == BH_PROBE_EXECUTE && g_atomic_int_add(&killer->calls, -1) == 0) kill_vm(killer->environment);
  return BH_OK;
}

/* Its plugin asks for something in V+ and D+; the VM dies in the call with that number, or idle (-1). */
static void die(Environment *environment, gint in_call, const char *expected) {
  g_autofree char *file = NULL, *log = NULL;
  BhService *service = directed_service(environment,
                                        "on OnVMStarted\n  execute /bin/true\n"
                                        "on OnDistributionStarted\n  execute /bin/true\n"
                                        "on OnDistributionStopping\n  execute /bin/true\n"
                                        "on OnVMStopping\n  execute /bin/true\n",
                                        &file);
  g_autoptr(BhSession) session = directed_session(service, environment);
  Killer killer = {environment, in_call};

  environment->guest.before = kill_in_call;
  environment->guest.data = &killer;
  directed_start(session, NULL);
  if (in_call < 0) kill_vm(environment);
  bh_gate_pass(&environment->vm_died);
  g_assert_cmpint(directed_start(session, NULL), ==, BH_OK);
  bh_service_close_session(service, session);
  bh_service_free(service);
  log = environment_read_log(file);
  bh_compare_logs("TestPlugin", expected, log);
}

#define VM_UP       "OnVMStarted *\nexecute S_OK\n"
#define VM_DOWN     "OnVMStopping\nexecute S_OK\n"
#define VM_DEAD     "OnVMStopping\nexecute E_NOT_VALID_STATE\n"
#define DISTRO_UP   "OnDistributionStarted *\nexecute S_OK\n"
#define DISTRO_DOWN "OnDistributionStopping *\nexecute S_OK\n"
#define DISTRO_DEAD "OnDistributionStopping *\nexecute E_NOT_VALID_STATE\n"
#define ONCE_MORE   VM_UP DISTRO_UP DISTRO_DOWN VM_DOWN

void row_55_dies_idle(Environment *environment) {
  die(environment, -1, VM_UP DISTRO_UP DISTRO_DEAD VM_DEAD ONCE_MORE);
}

void row_55_dies_at_vm_start(Environment *environment) {
  die(environment, 0, "OnVMStarted *\nexecute E_NOT_VALID_STATE\n" VM_DEAD ONCE_MORE);
}

void row_55_dies_at_distro_start(Environment *environment) {
  die(environment, 1, VM_UP "OnDistributionStarted *\nexecute E_NOT_VALID_STATE\n" DISTRO_DEAD VM_DEAD ONCE_MORE);
}

/* --- 50: two sessions in one plugin at once ----------------------------------------------------------------------- */

static gpointer start_refused(gpointer session) {
  g_autoptr(BhError) error = NULL;

  g_assert_cmpint(directed_start(session, &error), ==, BH_E_FAIL);
  return g_steal_pointer(&error->message);
}

void row_50_two_sessions(Environment *environment) {
  g_autofree char *file = NULL;
  BhService *service = directed_service(
      environment, "on OnVMStarted\n  meet both 2\n  error session %SESSION%\n  return E_FAIL\n", &file);
  BhSession *sessions[2];
  BhThread *threads[2];

  for (guint i = 0; i < 2; i++) {
    sessions[i] = directed_session(service, environment);
    threads[i] = bh_thread_new("session", BH_RANK_SESSION_TABLE, start_refused, sessions[i]);
  }
  for (guint i = 0; i < 2; i++) {
    g_autofree char *message = bh_thread_join(threads[i]);
    g_autofree char *own = g_strdup_printf("*Error message: 'session %u'", bh_session_id(sessions[i]));

    if (!g_pattern_match_simple(own, message)) g_error("'%s' is not the message of %s", message, own);
    bh_service_close_session(service, sessions[i]);
    bh_session_unref(sessions[i]);
  }
  bh_service_free(service);
}

/* --- 59: a host dies while a result is on its way to it ----------------------------------------------------------- */

static BhResult kill_host(BhProbePoint point, gpointer data) {
  Environment *environment = data;

  if (point != BH_PROBE_EXECUTE) return BH_OK;
  platform_kill_host(g_array_index(environment->hosts, guint32, 0));
  bh_gate_pass(&environment->host_ended);
  return BH_OK; /* the guest makes the socket now, for nobody */
}

void row_59_result_on_its_way(Environment *environment) {
  g_autofree char *file = NULL;
  BhService *service = directed_service(environment, "on OnVMStarted\n  execute /bin/cat\n", &file);
  g_autoptr(BhSession) session = directed_session(service, environment);

  environment->guest.before = kill_host;
  environment->guest.data = environment;
  g_assert_cmpint(directed_start(session, NULL), ==, BH_RPC_E_SERVER_DIED);
  bh_service_close_session(service, session);
  bh_service_free(service);
  g_assert_cmpint(g_atomic_int_get(&environment->guest.passed[BH_PROBE_EXECUTE]), ==, 1);
  g_assert_cmpint(g_atomic_int_get(&environment->guest.open_sockets), ==, 0);
}
