#include "runner.h"

#include "program.h"

/* An open session, and the distributions that were registered in it. */
typedef struct {
  BhSession *session;
  GHashTable *distributions; /* name → BhGuid */
} Open;

typedef struct {
  BhService *service;
  const BhUser *user;
  GHashTable *sessions; /* name → Open */
  Open *current;
  GPtrArray *uses;               /* BhContainerSession: once for each time that the scenario became its user */
  BhContainerSession *container; /* of those, the current one; NULL: there is none */
  BhRunStop *stop;
} Runner;

/* One operation, and what came of it. */
typedef struct {
  Runner *runner; /* of which an operation of `at once` only reads */
  const BhStep *step;
  BhThread *thread; /* of `at once` */
  BhResult result;
  BhError *error;
  char *output;               /* what a program printed */
  BhContainerSession *opened; /* the scenario became its user */
} Operation;

static const BhContext scenario_context = {NULL, "Scenario"};

/* ---- VM sessions ---------------------------------------------------------------------------------------- */

static void open_free(gpointer data) {
  Open *open = data;

  bh_session_unref(open->session);
  g_hash_table_unref(open->distributions);
  g_free(open);
}

static BhResult open_session(Runner *runner, const char *name, BhError **error) {
  Open *open;
  BhSession *session;

  if (g_hash_table_contains(runner->sessions, name))
    return bh_error_set(error, BH_E_ALREADY_EXISTS, &scenario_context, "There is a session '%s' already", name);
  session = bh_service_open_session(runner->service, runner->user);
  if (session == NULL)
    return bh_error_set(error, BH_E_OUTOFMEMORY, &scenario_context, "No session could be opened");
  open = g_new(Open, 1);
  open->session = session;
  open->distributions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_insert(runner->sessions, g_strdup(name), open);
  runner->current = open;
  return BH_OK;
}

static BhResult use_session(Runner *runner, const char *name, BhError **error) {
  Open *open = g_hash_table_lookup(runner->sessions, name);

  if (open == NULL)
    return bh_error_set(error, BH_E_NOT_FOUND, &scenario_context, "There is no session '%s'", name);
  runner->current = open;
  return BH_OK;
}

/* Registers or imports. */
static BhResult add_distribution(Runner *runner, const BhStep *step, BhError **error) {
  const char *id = bh_step_option(step, 1, "id");
  BhDistribution distribution = {
      .name = step->words[0],
      .wsl1 = bh_step_has(step, 1, "wsl1"),
      .root = (char *)bh_step_option(step, 1, "root"),
      .flavor = (char *)bh_step_option(step, 1, "flavor"),
      .version = (char *)bh_step_option(step, 1, "version"),
      .package_family_name = (char *)bh_step_option(step, 1, "package"),
  };
  BhResult result;

  if (id == NULL || !bh_guid_parse(id, &distribution.id)) distribution.id = bh_guid_random();
  result = step->kind == BH_STEP_DISTRO_IMPORT
               ? bh_session_import(runner->current->session, &distribution, &(BhVmSettings){0}, error)
               : bh_session_register(runner->current->session, &distribution, error);
  if (BH_SUCCEEDED(result))
    g_hash_table_insert(runner->current->distributions, g_strdup(distribution.name),
                        g_memdup2(&distribution.id, sizeof distribution.id));
  return result;
}

/* ---- Distributions -------------------------------------------------------------------------------------- */

static BhResult start_distribution(const Operation *operation, const BhGuid *id, BhError **error) {
  const BhStep *step = operation->step;
  BhVmSettings settings = {0};

  if (bh_step_has(step, 1, "custom-kernel")) settings.flags |= BH_CUSTOM_KERNEL;
  if (bh_step_has(step, 1, "custom-kernel-command-line")) settings.flags |= BH_CUSTOM_KERNEL_COMMAND_LINE;
  return bh_session_start(operation->runner->current->session, id, &settings, error);
}

static BhResult run_distribution_step(Operation *operation, BhError **error) {
  static const BhGuid nowhere;
  Runner *runner = operation->runner;
  const BhStep *step = operation->step;
  BhSession *session = runner->current->session;
  const BhGuid *id = g_hash_table_lookup(runner->current->distributions, step->words[0]);
  g_autofree char *file = NULL;

  if (id == NULL) id = &nowhere; /* the session says that it does not know it */
  switch (step->kind) {
    case BH_STEP_DISTRO_START: return start_distribution(operation, id, error);
    case BH_STEP_DISTRO_STOP: return bh_session_stop_if_idle(session, id, error);
    case BH_STEP_DISTRO_TERMINATE: return bh_session_terminate(session, id, error);
    case BH_STEP_DISTRO_EXPORT:
      file = g_canonicalize_filename(step->words[1], NULL); /* the guest may be another process */
      return bh_session_export(session, id, file, error);
    case BH_STEP_DISTRO_UNREGISTER: return bh_session_unregister(session, id, error);
    default: return add_distribution(runner, step, error);
  }
}

/* ---- WSLC sessions -------------------------------------------------------------------------------------- */

/* The one of that name that the scenario became a user of last; NULL: none. */
static BhContainerSession *find_use(const Runner *runner, const char *name) {
  for (guint i = runner->uses->len; i > 0; i--)
    if (g_str_equal(bh_container_session_name(runner->uses->pdata[i - 1]), name))
      return runner->uses->pdata[i - 1];
  return NULL;
}

static BhResult create_container_session(Operation *operation, BhError **error) {
  const Runner *runner = operation->runner;
  const BhStep *step = operation->step;
  const char *pid = bh_step_option(step, 1, "pid"), *idle = bh_step_option(step, 1, "idle");
  BhContainerSettings settings = {
      .name = step->words[0],
      .application_pid = pid != NULL ? (guint32)g_ascii_strtoull(pid, NULL, 10) : bh_process_number(),
      .user = runner->user,
      .persistent = bh_step_has(step, 1, "persistent"),
      .on_demand = bh_step_has(step, 1, "on-demand"),
      .idle_timeout = idle != NULL ? (gint64)(g_ascii_strtod(idle, NULL) * G_USEC_PER_SEC) : 0,
  };

  return bh_service_create_container_session(runner->service, &settings, &operation->opened, error);
}

/* What is named: gone on in, no longer used, or ended. */
static BhResult run_use_step(Operation *operation, BhError **error) {
  Runner *runner = operation->runner;
  const char *name = operation->step->words[0];
  BhContainerSession *session = find_use(runner, name);

  if (session == NULL)
    return bh_error_set(error, BH_E_NOT_FOUND, &scenario_context, "The scenario uses no WSLC session '%s'", name);
  switch (operation->step->kind) {
    case BH_STEP_WSLC_USE: runner->container = session; break;
    case BH_STEP_WSLC_TERMINATE: bh_service_terminate_container_session(runner->service, session); break;
    default:
      g_ptr_array_remove(runner->uses, session);
      if (runner->container == session && !g_ptr_array_find(runner->uses, session, NULL)) runner->container = NULL;
      bh_service_release_container_session(runner->service, session);
  }
  return BH_OK;
}

static BhResult start_container(const Operation *operation, BhError **error) {
  static const char *const sleep[] = {"/bin/sleep", "3600", NULL};
  char **words = operation->step->words;
  const char *const *program = words[2] != NULL ? (const char *const *)words + 2 : sleep;
  BhContainerSpec spec = {
      .name = words[0],
      .image = bh_step_option(operation->step, 1, "image"),
      .program = {.path = program[0], .arguments = program},
  };

  return bh_container_session_start_container(operation->runner->container, &spec, error);
}

static BhResult create_image(const Operation *operation, BhImageOrigin origin, BhError **error) {
  const BhStep *step = operation->step;

  return bh_container_session_create_image(operation->runner->container, step->words[0],
                                           bh_step_option(step, 1, "root"), origin, error);
}

/* What happens in the current one. */
static BhResult run_container_step(Operation *operation, BhError **error) {
  BhContainerSession *session = operation->runner->container;
  char **words = operation->step->words;

  if (session == NULL)
    return bh_error_set(error, BH_E_NOT_FOUND, &scenario_context, "The scenario is in no WSLC session");
  switch (operation->step->kind) {
    case BH_STEP_WSLC_RUN: return bh_program_run(session, words, &operation->output, error);
    case BH_STEP_WSLC_IDLE: return bh_container_session_stop_idle_vm(session, error);
    case BH_STEP_CONTAINER_START: return start_container(operation, error);
    case BH_STEP_CONTAINER_STOP: return bh_container_session_stop_container(session, words[0], error);
    case BH_STEP_IMAGE_PULL: return create_image(operation, BH_IMAGE_PULLED, error);
    case BH_STEP_IMAGE_IMPORT: return create_image(operation, BH_IMAGE_IMPORTED, error);
    case BH_STEP_IMAGE_LOAD: return create_image(operation, BH_IMAGE_LOADED, error);
    case BH_STEP_IMAGE_BUILD: return create_image(operation, BH_IMAGE_BUILT, error);
    default: return bh_container_session_delete_image(session, words[0], error);
  }
}

/* ---- Operations ----------------------------------------------------------------------------------------- */

static BhResult run_step(Operation *operation, BhError **error) {
  Runner *runner = operation->runner;
  const BhStep *step = operation->step;

  switch (step->kind) {
    case BH_STEP_DISTRO_REGISTER:
    case BH_STEP_DISTRO_IMPORT:
    case BH_STEP_DISTRO_START:
    case BH_STEP_DISTRO_STOP:
    case BH_STEP_DISTRO_TERMINATE:
    case BH_STEP_DISTRO_EXPORT:
    case BH_STEP_DISTRO_UNREGISTER: return run_distribution_step(operation, error);
    case BH_STEP_VM_STOP: bh_session_stop_vm(runner->current->session); return BH_OK;
    case BH_STEP_SESSION_OPEN: return open_session(runner, step->words[0], error);
    case BH_STEP_SESSION_USE: return use_session(runner, step->words[0], error);
    case BH_STEP_WSLC_CREATE: return create_container_session(operation, error);
    case BH_STEP_WSLC_OPEN:
      return bh_service_open_container_session(runner->service, step->words[0], &operation->opened, error);
    case BH_STEP_WSLC_USE:
    case BH_STEP_WSLC_CLOSE:
    case BH_STEP_WSLC_TERMINATE: return run_use_step(operation, error);
    case BH_STEP_WAIT:
      bh_run_stop_await(runner->stop,
                        bh_clock_deadline((gint64)(g_ascii_strtod(step->words[0], NULL) * G_USEC_PER_SEC)));
      return BH_OK;
    default: return run_container_step(operation, error);
  }
}

static gpointer operate(gpointer data) {
  Operation *operation = data;

  operation->result = run_step(operation, &operation->error);
  return NULL;
}

static void operate_on_thread(Operation *operation) {
  operation->thread = bh_thread_new("scenario", BH_RANK_SESSION_TABLE, operate, operation);
  if (operation->thread == NULL)
    operation->result =
        bh_error_set(&operation->error, BH_E_OUTOFMEMORY, &scenario_context, "No thread could be had");
}

/* What was expected and did not happen; NULL: all did. */
static char *compare(const BhStep *step, BhResult result, const char *text) {
  g_autofree char *code = bh_result_to_string(result);
  g_autofree char *wanted = bh_result_to_string(step->code);

  if (!step->fails && BH_FAILED(result)) return g_strdup_printf("expected success, but it failed with %s", code);
  if (step->fails && BH_SUCCEEDED(result))
    return g_strdup_printf("expected failure%s%s, but it succeeded", step->has_code ? " " : "",
                           step->has_code ? wanted : "");
  if (step->has_code && step->code != result)
    return g_strdup_printf("expected failure %s, but it failed with %s", wanted, code);
  for (guint i = 0; i < step->patterns->len; i++) {
    const char *pattern = step->patterns->pdata[i];
    if (!g_pattern_match_simple(pattern, text != NULL ? text : ""))
      return g_strdup_printf("expected the text \"%s\", but there %s", pattern,
                             text != NULL ? "is another" : "is none");
  }
  return NULL;
}

/* What a program printed goes into the trace, the line by the program's path. */
static void trace_output(const Operation *operation) {
  g_auto(GStrv) lines = g_strsplit(operation->output, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    bh_trace_event(bh_service_trace(operation->runner->service), operation->step->words[0], "printed", BH_OK, "%s",
                   *line);
}

/* Takes over what came of an operation, and reports it. TRUE: what was expected of it. */
static gboolean conclude(Operation *operation, const BhRunReport *report) {
  Runner *runner = operation->runner;
  g_autofree char *error = operation->error != NULL ? bh_error_text(operation->error) : NULL;
  g_autofree char *complaint = NULL, *shown = NULL;

  if (BH_SUCCEEDED(operation->result) && operation->opened != NULL) {
    g_ptr_array_add(runner->uses, operation->opened);
    runner->container = operation->opened;
  }
  if (operation->output != NULL && *operation->output != '\0') {
    trace_output(operation);
    shown = g_strconcat(operation->output, error != NULL ? "\n" : NULL, error, NULL);
  }
  complaint = compare(operation->step, operation->result, shown != NULL ? shown : error);
  report->end(operation->step, error, complaint, report->data);
  g_clear_pointer(&operation->error, bh_error_free);
  g_clear_pointer(&operation->output, g_free);
  return complaint == NULL;
}

/* Runs those steps, on threads of their own if there are several. TRUE: all expectations held. */
static gboolean run_steps(Runner *runner, BhStep *const *steps, guint count, const BhRunReport *report) {
  Operation operations[BH_SCENARIO_MAX_TOGETHER] = {0};
  gboolean held = TRUE;

  g_assert(count <= BH_SCENARIO_MAX_TOGETHER);
  for (guint i = 0; i < count; i++) {
    operations[i] = (Operation){.runner = runner, .step = steps[i]};
    report->begin(steps[i], report->data);
  }
  if (count == 1)
    operate(&operations[0]);
  else
    for (guint i = 0; i < count; i++) operate_on_thread(&operations[i]);
  for (guint i = 0; i < count; i++)
    if (operations[i].thread != NULL) bh_thread_join(operations[i].thread);
  for (guint i = 0; i < count; i++)
    if (!conclude(&operations[i], report)) held = FALSE;
  return held;
}

static void close_all(Runner *runner) {
  GHashTableIter iter;
  gpointer open;

  for (guint i = runner->uses->len; i > 0; i--)
    bh_service_release_container_session(runner->service, runner->uses->pdata[i - 1]);
  g_ptr_array_unref(runner->uses);
  g_hash_table_iter_init(&iter, runner->sessions);
  while (g_hash_table_iter_next(&iter, NULL, &open))
    bh_service_close_session(runner->service, ((Open *)open)->session);
  g_hash_table_unref(runner->sessions);
}

void bh_run_stop_init(BhRunStop *stop) {
  static const BhLockClass stop_class = {"scenario-stop", BH_RANK_LEAF, FALSE};

  bh_mutex_init(&stop->lock, &stop_class);
  bh_cond_init(&stop->changed);
  stop->wanted = FALSE;
}

void bh_run_stop_clear(BhRunStop *stop) {
  bh_cond_clear(&stop->changed);
  bh_mutex_clear(&stop->lock);
}

void bh_run_stop(BhRunStop *stop) {
  bh_mutex_lock(&stop->lock);
  stop->wanted = TRUE;
  bh_cond_broadcast(&stop->changed);
  bh_mutex_unlock(&stop->lock);
}

void bh_run_stop_await(BhRunStop *stop, gint64 deadline) {
  bh_mutex_lock(&stop->lock);
  while (!stop->wanted && bh_cond_wait_until(&stop->changed, &stop->lock, deadline)) continue;
  bh_mutex_unlock(&stop->lock);
}

static gboolean is_stopped(BhRunStop *stop) {
  gboolean wanted;

  bh_mutex_lock(&stop->lock);
  wanted = stop->wanted;
  bh_mutex_unlock(&stop->lock);
  return wanted;
}

gboolean bh_run_until(BhService *service, const BhUser *user, const BhScenario *scenario,
                      const BhRunReport *report, BhRunStop *stop) {
  Runner runner = {.service = service, .user = user, .uses = g_ptr_array_new(), .stop = stop};
  gboolean held;

  runner.sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, open_free);
  held = BH_SUCCEEDED(open_session(&runner, "main", NULL));
  for (guint i = 0; i < scenario->steps->len && runner.current != NULL && !is_stopped(stop); i++) {
    BhStep *step = scenario->steps->pdata[i];
    BhStep *const *steps = step->together != NULL ? (BhStep *const *)step->together->pdata : &step;
    guint count = step->together != NULL ? step->together->len : 1;

    if (!run_steps(&runner, steps, count, report)) held = FALSE;
  }
  close_all(&runner);
  return held && !is_stopped(stop);
}

gboolean bh_run(BhService *service, const BhUser *user, const BhScenario *scenario, const BhRunReport *report) {
  BhRunStop never;
  gboolean held;

  bh_run_stop_init(&never);
  held = bh_run_until(service, user, scenario, report, &never);
  bh_run_stop_clear(&never);
  return held;
}
