/* Row 49: see rows.h. */
#include "compare.h"
#include "directed.h"

#include "tests/common/gate.h"

/* WslcVmStopping has the guest mount something; there the stop is held until new work waits for it. */
typedef struct {
  BhContainerSession *session;
  BhGate announced, work_waits;
  gpointer worker; /* atomic: the new work's thread */
} Stop;

static Stop *current;

static BhResult hold_mount(BhProbePoint point, gpointer data) {
  Stop *stop = data;

  if (point != BH_PROBE_MOUNT || stop->session == NULL) return BH_OK;
  bh_gate_open(&stop->announced);
  bh_gate_pass(&stop->work_waits);
  return BH_OK;
}

void directed_wslc_on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  Stop *stop = g_atomic_pointer_get(&current);

  (void)lock;
  if (stop != NULL && g_str_equal(lock_class->name, "WSLC VM") &&
      g_atomic_pointer_get(&stop->worker) == bh_thread_self())
    bh_gate_open(&stop->work_waits);
}

static void end_stdin(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)data;
  for (guint i = 0; i < BH_STREAM_COUNT; i++) bh_resource_clear(&streams[i]);
}

static BhResult run(Stop *stop) {
  gint32 linux_error;
  return bh_container_session_run(stop->session, &(BhProgram){.path = "/bin/true"}, end_stdin, NULL, &linux_error,
                                  NULL);
}

static gpointer run_again(gpointer data) {
  Stop *stop = data;

  g_atomic_pointer_set(&stop->worker, bh_thread_self());
  return GINT_TO_POINTER(run(stop));
}

static gpointer stop_idle(gpointer data) {
  return GINT_TO_POINTER(bh_container_session_stop_idle_vm(((Stop *)data)->session, NULL));
}

void row_49_announced_stop(Environment *environment) {
  g_autofree char *file = NULL, *log = NULL;
  BhService *service = directed_service(environment,
                                        "on OnSessionCreated\non OnSessionStopping\n"
                                        "on WslcVmStarted\n"
                                        "on WslcVmStopping\n"
                                        "  process left /bin/sleep 1000\n"
                                        "  wslc-mount %FOLDER% /mnt/late ro\n",
                                        &file);
  BhContainerSettings settings = {.name = "dev", .user = &environment->user, .on_demand = TRUE};
  BhContainerSession *session;
  BhThread *stopper, *worker;
  Stop stop = {.session = NULL};

  bh_gate_init(&stop.announced);
  bh_gate_init(&stop.work_waits);
  environment->guest.before = hold_mount;
  environment->guest.data = &stop;
  g_assert_cmpint(bh_service_create_container_session(service, &settings, &session, NULL), ==, BH_OK);
  stop.session = session;
  g_atomic_pointer_set(&current, &stop);
  g_assert_cmpint(run(&stop), ==, BH_OK);
  stopper = bh_thread_new("stopper", BH_RANK_SESSION_TABLE, stop_idle, &stop);
  bh_gate_pass(&stop.announced);
  worker = bh_thread_new("worker", BH_RANK_SESSION_TABLE, run_again, &stop);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(stopper)), ==, BH_OK);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(worker)), ==, BH_OK);
  g_atomic_pointer_set(&current, NULL);
  bh_service_release_container_session(service, session);
  bh_service_free(service);
  bh_gate_clear(&stop.announced);
  bh_gate_clear(&stop.work_waits);

  g_assert_cmpint(environment->guest.passed[BH_PROBE_VM_CREATE], ==, 2);
  log = environment_read_log(file);
  bh_compare_logs("TestPlugin",
                  "OnSessionCreated *\n"
                  "WslcVmStarted *\n"
                  "WslcVmStopping *\nprocess left S_OK\nwslc-mount S_OK\n"
                  "WslcVmStarted *\n"
                  "WslcVmStopping *\nprocess left E_NOT_VALID_STATE\nwslc-mount E_NOT_VALID_STATE\n"
                  "OnSessionStopping *\n",
                  log);
}
