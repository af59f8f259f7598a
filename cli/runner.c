#include "runner.h"

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
} Runner;

static const BhContext scenario_context = {NULL, "Scenario"};

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

static BhResult run_step(Runner *runner, const BhStep *step, BhError **error) {
  static const BhGuid nowhere;
  const BhGuid *id = NULL;
  BhVmSettings settings = {0};

  if (step->words[0] != NULL) id = g_hash_table_lookup(runner->current->distributions, step->words[0]);
  if (id == NULL) id = &nowhere; /* the session says that it does not know it */
  switch (step->kind) {
    case BH_STEP_DISTRO_REGISTER:
    case BH_STEP_DISTRO_IMPORT: return add_distribution(runner, step, error);
    case BH_STEP_DISTRO_START:
      settings.flags = (bh_step_has(step, 1, "custom-kernel") ? BH_CUSTOM_KERNEL : 0) |
                       (bh_step_has(step, 1, "custom-kernel-command-line") ? BH_CUSTOM_KERNEL_COMMAND_LINE : 0);
      return bh_session_start(runner->current->session, id, &settings, error);
    case BH_STEP_DISTRO_TERMINATE: return bh_session_terminate(runner->current->session, id, error);
    case BH_STEP_DISTRO_UNREGISTER: return bh_session_unregister(runner->current->session, id, error);
    case BH_STEP_VM_STOP: bh_session_stop_vm(runner->current->session); return BH_OK;
    case BH_STEP_SESSION_OPEN: return open_session(runner, step->words[0], error);
    case BH_STEP_SESSION_USE: return use_session(runner, step->words[0], error);
    case BH_STEP_WAIT:
      g_usleep((gulong)(g_ascii_strtod(step->words[0], NULL) * G_USEC_PER_SEC)); /* what the scenario asks for */
      return BH_OK;
    default: g_assert_not_reached();
  }
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

gboolean bh_run(BhService *service, const BhUser *user, const BhScenario *scenario, const BhRunReport *report) {
  Runner runner = {service, user, NULL, NULL};
  GHashTableIter iter;
  gpointer open;
  gboolean held = TRUE;

  runner.sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, open_free);
  held = BH_SUCCEEDED(open_session(&runner, "main", NULL));
  for (guint i = 0; i < scenario->steps->len && runner.current != NULL; i++) {
    const BhStep *step = scenario->steps->pdata[i];
    g_autoptr(BhError) error = NULL;
    g_autofree char *text = NULL, *complaint = NULL;
    BhResult result;

    report->begin(step, report->data);
    result = run_step(&runner, step, &error);
    if (error != NULL) text = bh_error_text(error);
    complaint = compare(step, result, text);
    if (complaint != NULL) held = FALSE;
    report->end(step, text, complaint, report->data);
  }

  g_hash_table_iter_init(&iter, runner.sessions);
  while (g_hash_table_iter_next(&iter, NULL, &open)) bh_service_close_session(service, ((Open *)open)->session);
  g_hash_table_unref(runner.sessions);
  return held;
}
