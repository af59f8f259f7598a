#include "work.h"

#include "guest/event.h"
#include "watch.h"

#define NAMES         3
#define HELD          4
#define DISTRIBUTIONS 4

/* One thread. */
typedef struct {
  const SoakWork *work;
  guint number;
  GRand *random;
  BhContainerSession *held[HELD]; /* it is a user of these, each with a reference */
  guint count, failures;
} Worker;

typedef struct {
  const char *name;
  gboolean stops; /* something, so that plugins are told of an end */
  BhResult (*run)(Worker *worker, BhError **error);
} Operation;

static const BhVmSettings vm_settings;

static guint below(Worker *worker, guint limit) {
  return (guint)g_rand_int_range(worker->random, 0, (gint32)limit);
}

/* --- VM sessions ------------------------------------------------------------------------------------------------- */

static BhSession *some_vm(Worker *worker) {
  return worker->work->vms[below(worker, SOAK_VM_SESSIONS)];
}

static BhGuid some_id(Worker *worker) {
  return (BhGuid){{(guint8)(1 + below(worker, DISTRIBUTIONS))}};
}

static BhDistribution distribution_of(BhGuid id) {
  static const char *const names[DISTRIBUTIONS] = {"Debian", "Ubuntu", "Alpine", "Fedora"};
  return (BhDistribution){.id = id, .name = (char *)names[id.bytes[0] - 1], .flavor = (char *)"soaked"};
}

static BhResult vm_register(Worker *worker, BhError **error) {
  const BhDistribution distribution = distribution_of(some_id(worker));
  return bh_session_register(some_vm(worker), &distribution, error);
}

static BhResult vm_import(Worker *worker, BhError **error) {
  const BhDistribution distribution = distribution_of(some_id(worker));
  return bh_session_import(some_vm(worker), &distribution, &vm_settings, error);
}

static BhResult vm_unregister(Worker *worker, BhError **error) {
  const BhGuid id = some_id(worker);
  return bh_session_unregister(some_vm(worker), &id, error);
}

static BhResult vm_start(Worker *worker, BhError **error) {
  const BhGuid id = some_id(worker);
  return bh_session_start(some_vm(worker), &id, &vm_settings, error);
}

static BhResult vm_terminate(Worker *worker, BhError **error) {
  const BhGuid id = some_id(worker);
  return bh_session_terminate(some_vm(worker), &id, error);
}

static BhResult vm_stop_if_idle(Worker *worker, BhError **error) {
  const BhGuid id = some_id(worker);
  return bh_session_stop_if_idle(some_vm(worker), &id, error);
}

static BhResult vm_export(Worker *worker, BhError **error) {
  g_autofree char *path = g_strdup_printf("%s/export-%u.tar", worker->work->folder, worker->number);
  const BhGuid id = some_id(worker);
  return bh_session_export(some_vm(worker), &id, path, error);
}

static BhResult vm_stop(Worker *worker, G_GNUC_UNUSED BhError **error) {
  bh_session_stop_vm(some_vm(worker));
  return BH_OK;
}

/* --- WSLC sessions ----------------------------------------------------------------------------------------------- */

/* A place in held; what was there is released. */
static BhContainerSession **place(Worker *worker) {
  BhContainerSession **place = &worker->held[below(worker, HELD)];

  for (guint i = 0; i < HELD && *place != NULL; i++)
    if (worker->held[i] == NULL) place = &worker->held[i];
  if (*place != NULL) bh_service_release_container_session(worker->work->service, *place);
  *place = NULL;
  return place;
}

static BhResult wslc_create(Worker *worker, BhError **error) {
  const gboolean lasting = worker->work->nothing_stops;
  /* Two that want the same name at once: one of them is stopped again. */
  g_autofree char *name = g_strdup_printf("soak-%u", lasting ? worker->number : below(worker, NAMES));
  const BhContainerSettings settings = {.name = name,
                                        .application_pid = worker->number,
                                        .user = worker->work->user,
                                        .persistent = lasting || below(worker, 2) == 0,
                                        .on_demand = below(worker, 2) == 0,
                                        .idle_timeout = lasting ? 0 : below(worker, 2) * 20 * 1000};

  return bh_service_create_container_session(worker->work->service, &settings, place(worker), error);
}

static BhResult wslc_open(Worker *worker, BhError **error) {
  g_autofree char *name =
      g_strdup_printf("soak-%u", worker->work->nothing_stops ? worker->number : below(worker, NAMES));
  return bh_service_open_container_session(worker->work->service, name, place(worker), error);
}

static BhContainerSession **some_held(Worker *worker) {
  const guint first = below(worker, HELD);

  for (guint i = 0; i < HELD; i++)
    if (worker->held[(first + i) % HELD] != NULL) return &worker->held[(first + i) % HELD];
  return NULL;
}

static BhResult wslc_release(Worker *worker, BhError **error) {
  BhContainerSession **held = some_held(worker);

  if (held == NULL) return wslc_open(worker, error);
  bh_service_release_container_session(worker->work->service, g_steal_pointer(held));
  return BH_OK;
}

static BhResult wslc_terminate(Worker *worker, BhError **error) {
  BhContainerSession **held = some_held(worker);

  if (held == NULL) return wslc_open(worker, error);
  bh_service_terminate_container_session(worker->work->service, *held);
  return BH_OK;
}

/* Waits for the program as a user would; now and then it is left alone. */
static void await_process(BhProcess *process, G_GNUC_UNUSED BhResource streams[BH_STREAM_COUNT], gpointer worker) {
  BhResource event = {0};
  gint32 code = 0;

  if (below(worker, 4) == 0) return;
  if (BH_FAILED(process->class->process_event(process, &event))) g_error("a program has no event");
  if (!bh_event_wait(event.value, 60 * G_USEC_PER_SEC)) g_error("a program does not end");
  bh_resource_clear(&event);
  if (BH_FAILED(process->class->process_exit_code(process, &code))) g_error("a program that has ended runs");
}

static BhResult wslc_run(Worker *worker, BhError **error) {
  static const char *const paths[] = {"/bin/true", "/bin/false", "/bin/echo", "/no/such"};
  const BhProgram program = {.path = paths[below(worker, G_N_ELEMENTS(paths))]};
  BhContainerSession **held = some_held(worker);
  gint32 linux_error;

  if (held == NULL) return wslc_create(worker, error);
  return bh_container_session_run(*held, &program, await_process, worker, &linux_error, error);
}

static BhResult wslc_start_container(Worker *worker, BhError **error) {
  static const char *const sleeps[] = {"/bin/sleep", "1000", NULL};
  const gboolean brief = !worker->work->nothing_stops && below(worker, 2) == 0; /* ends by itself */
  BhContainerSession **held = some_held(worker);
  const BhContainerSpec spec = {
      .name = below(worker, 2) == 0 ? "web" : "db",
      .image = below(worker, 2) == 0 ? "alpine" : "debian",
      .program = {.path = brief ? "/bin/true" : "/bin/sleep", .arguments = brief ? NULL : sleeps}};

  if (held == NULL) return wslc_create(worker, error);
  return bh_container_session_start_container(*held, &spec, error);
}

static BhResult wslc_stop_container(Worker *worker, BhError **error) {
  BhContainerSession **held = some_held(worker);

  if (held == NULL) return wslc_open(worker, error);
  return bh_container_session_stop_container(*held, below(worker, 2) == 0 ? "web" : "db", error);
}

static BhResult wslc_create_image(Worker *worker, BhError **error) {
  BhContainerSession **held = some_held(worker);

  if (held == NULL) return wslc_create(worker, error);
  return bh_container_session_create_image(*held, below(worker, 2) == 0 ? "alpine" : "debian", NULL,
                                           (BhImageOrigin)below(worker, BH_IMAGE_BUILT + 1), error);
}

static BhResult wslc_delete_image(Worker *worker, BhError **error) {
  BhContainerSession **held = some_held(worker);

  if (held == NULL) return wslc_open(worker, error);
  return bh_container_session_delete_image(*held, below(worker, 2) == 0 ? "alpine" : "debian", error);
}

static BhResult wslc_stop_idle(Worker *worker, BhError **error) {
  BhContainerSession **held = some_held(worker);

  if (held == NULL) return wslc_open(worker, error);
  return bh_container_session_stop_idle_vm(*held, error);
}

/* --- At random --------------------------------------------------------------------------------------------------- */

/* What stands here twice comes twice as often. */
static const Operation operations[] = {
    {"register", FALSE, vm_register},
    {"register", FALSE, vm_register},
    {"import", FALSE, vm_import},
    {"start", FALSE, vm_start},
    {"start", FALSE, vm_start},
    {"start", FALSE, vm_start},
    {"unregister", TRUE, vm_unregister},
    {"terminate", TRUE, vm_terminate},
    {"stop if idle", TRUE, vm_stop_if_idle},
    {"export", TRUE, vm_export},
    {"stop VM", TRUE, vm_stop},
    {"create WSLC session", FALSE, wslc_create},
    {"create WSLC session", FALSE, wslc_create},
    {"open WSLC session", FALSE, wslc_open},
    {"release WSLC session", FALSE, wslc_release}, /* where nothing may stop, it is persistent */
    {"terminate WSLC session", TRUE, wslc_terminate},
    {"run", FALSE, wslc_run},
    {"run", FALSE, wslc_run},
    {"start container", FALSE, wslc_start_container},
    {"start container", FALSE, wslc_start_container},
    {"stop container", TRUE, wslc_stop_container},
    {"create image", FALSE, wslc_create_image},
    {"create image", FALSE, wslc_create_image},
    {"delete image", FALSE, wslc_delete_image},
    {"stop idle VM", TRUE, wslc_stop_idle},
};

static void check(const Operation *operation, BhResult result, const BhError *error) {
  g_autofree char *code = bh_result_to_string(result);

  if (BH_SUCCEEDED(result) && error == NULL) return;
  if (BH_SUCCEEDED(result)) g_error("%s: succeeded, and gave an error: %s", operation->name, error->message);
  if (error == NULL) g_error("%s: failed with %s, and no text", operation->name, code);
  if (error->code != result || error->message == NULL || *error->message == '\0' || error->path == NULL)
    g_error("%s: failed with %s, and a text that does not say so", operation->name, code);
}

static gpointer work_on(gpointer data) {
  Worker *worker = data;

  for (guint done = 0; done < worker->count;) {
    const Operation *operation = &operations[below(worker, G_N_ELEMENTS(operations))];
    g_autoptr(BhError) error = NULL;
    BhResult result;

    if (operation->stops && worker->work->nothing_stops) continue;
    soak_watch_doing(worker->number, operation->name);
    result = operation->run(worker, &error);
    check(operation, result, error);
    worker->failures += BH_FAILED(result);
    done++;
  }
  for (guint i = 0; i < HELD; i++)
    if (worker->held[i] != NULL) bh_service_release_container_session(worker->work->service, worker->held[i]);
  soak_watch_doing(worker->number, NULL);
  return NULL;
}

/* Half of them, so that there is something to start from the first operation on. */
static void register_some(const SoakWork *work) {
  for (guint i = 0; i < SOAK_VM_SESSIONS; i++)
    for (guint8 id = 1; id <= DISTRIBUTIONS / 2; id++) {
      const BhDistribution distribution = distribution_of((BhGuid){{id}});
      bh_session_register(work->vms[i], &distribution, NULL);
    }
}

void soak_work(SoakWork *work, guint count, GRand *random) {
  Worker workers[SOAK_THREADS_AT_WORK] = {0};
  BhThread *threads[SOAK_THREADS_AT_WORK];

  register_some(work);

  for (guint i = 0; i < SOAK_THREADS_AT_WORK; i++) {
    workers[i] =
        (Worker){.work = work, .number = i, .random = g_rand_new_with_seed(g_rand_int(random)), .count = count};
    threads[i] = bh_thread_new("soak", BH_RANK_SESSION_TABLE, work_on, &workers[i]);
    if (threads[i] == NULL) g_error("no thread can be had");
  }
  for (guint i = 0; i < SOAK_THREADS_AT_WORK; i++) {
    bh_thread_join(threads[i]);
    work->operations += workers[i].count;
    work->failures += workers[i].failures;
    g_rand_free(workers[i].random);
  }
}
