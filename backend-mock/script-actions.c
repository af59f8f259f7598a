#include "script-internal.h"

const char *const bh_script_apartments[] = {"none", "mta", "sta", NULL};
const char *const bh_script_crashes[] = {"null", "overflow", "abort", "exit", "throw", "illegal", NULL};

gint bh_script_index(const char *const *list, const char *text) {
  for (gint i = 0; list[i] != NULL; i++)
    if (g_str_equal(list[i], text)) return i;
  return -1;
}

guint32 bh_script_number(const BhScriptWord *word) {
  return (guint32)g_ascii_strtoull(word->text, NULL, 10);
}

#define WORD(index) bh_script_word(node, index)

/* ---- Calls --------------------------------------------------------------------------------------------- */

char **bh_script_arguments(const BhScriptContext *context, const BhScriptNode *node, guint first) {
  char **arguments;

  if (node->words->len <= first + 1) return NULL;
  arguments = g_new0(char *, node->words->len - first + 1);
  for (guint i = first; i < node->words->len; i++) arguments[i - first] = bh_script_expand(context, WORD(i));
  return arguments;
}

/* Makes the call and reports its result. Of a process, all that comes out. */
static void call_and_report(BhScriptContext *context, const char *name, BhCall *call) {
  const BhScriptPort *port = context->run->port;
  gpointer host = context->run->host;
  g_auto(BhCallReply) reply = {0};
  g_autofree char *output = NULL;
  g_autofree char *more = NULL;

  call->session = context->session;
  port->call(host, call, &reply);
  if (BH_SUCCEEDED(reply.result) && reply.resource.close != NULL)
    output = port->read_all(host, &reply.resource, BH_SCRIPT_MAX_OUTPUT);
  if (output != NULL && *g_strchomp(output) != '\0') more = g_strconcat(": ", output, NULL);
  bh_script_report(context, reply.result, more, "%s", name);
}

static BhFlow run_mount(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *host_path = bh_script_expand_or_null(context, WORD(0));
  g_autofree char *linux_path = bh_script_expand_or_null(context, WORD(1));
  g_autofree char *name = node->words->len > 3 ? bh_script_expand_or_null(context, WORD(3)) : g_strdup("script");
  BhCall call = {
      .api = BH_API_MOUNT_FOLDER,
      .host_path = host_path,
      .linux_path = linux_path,
      .read_only = g_str_equal(WORD(2)->text, "ro"),
      .name = name,
  };

  call_and_report(context, "mount", &call);
  return BH_FLOW_NEXT;
}

/* The word `path` of the line, and the arguments that follow it. */
static void execute(BhScriptContext *context, const BhScriptNode *node, BhCall *call, guint path) {
  g_autofree char *text = bh_script_expand_or_null(context, WORD(path));
  g_auto(GStrv) arguments = bh_script_arguments(context, node, path);

  call->path = text;
  call->arguments = arguments;
  call_and_report(context, node->action->name, call);
}

static BhFlow run_execute(BhScriptContext *context, const BhScriptNode *node) {
  BhCall call = {.api = BH_API_EXECUTE_BINARY};

  execute(context, node, &call, 0);
  return BH_FLOW_NEXT;
}

static BhFlow run_execute_in(BhScriptContext *context, const BhScriptNode *node) {
  BhCall call = {.api = BH_API_EXECUTE_BINARY_IN_DISTRIBUTION};
  g_autofree char *distribution = bh_script_expand(context, WORD(0));

  if (!bh_guid_parse(distribution, &call.distribution)) call.distribution = bh_guid_random(); /* unknown */
  execute(context, node, &call, 1);
  return BH_FLOW_NEXT;
}

static BhFlow run_error(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *message = bh_script_expand_or_null(context, WORD(0));
  BhResult result = context->run->port->plugin_error(context->run->host, message);

  bh_script_report(context, result, NULL, "error");
  return BH_FLOW_NEXT;
}

static BhFlow run_session(BhScriptContext *context, const BhScriptNode *node) {
  gboolean own = g_str_equal(WORD(0)->text, "hook");

  context->session = own ? context->frame->notification.session : bh_script_number(WORD(0));
  return BH_FLOW_NEXT;
}

/* ---- The plugin itself --------------------------------------------------------------------------------- */

static BhFlow run_return(BhScriptContext *context, const BhScriptNode *node) {
  bh_result_parse(WORD(0)->text, &context->result);
  if (BH_FAILED(context->result)) bh_script_report(context, context->result, NULL, "return");
  return BH_FLOW_RETURN;
}

static BhFlow run_require_version(BhScriptContext *context, const BhScriptNode *node) {
  const BhVersion *version = &context->run->version;
  guint32 actual[] = {version->major, version->minor, version->revision};
  guint part = 0;

  while (part < 2 && actual[part] == bh_script_number(WORD(part))) part++;
  if (actual[part] >= bh_script_number(WORD(part))) return BH_FLOW_NEXT;
  context->result = BH_E_REQUIRES_UPDATE;
  bh_script_report(context, context->result, NULL, "return");
  return BH_FLOW_RETURN;
}

static BhFlow run_user(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *name = context->run->port->user_name(context->run->host, &context->frame->notification);

  (void)node;
  if (!context->quiet) bh_script_log(context, "user %s", name != NULL ? name : "-");
  return BH_FLOW_NEXT;
}

static BhFlow run_write(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *path = bh_script_expand(context, WORD(0));
  g_autofree char *text = bh_script_expand(context, WORD(1));

  bh_script_report(context, g_file_set_contents(path, text, -1, NULL) ? BH_OK : BH_E_FAIL, NULL, "write");
  return BH_FLOW_NEXT;
}

static BhFlow run_log(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *text = bh_script_expand(context, WORD(0));

  bh_script_log(context, "%s", text);
  return BH_FLOW_NEXT;
}

static BhFlow run_crash(BhScriptContext *context, const BhScriptNode *node) {
  bh_script_log(context, "crash %s", WORD(0)->text);
  context->run->port->crash(context->run->host, (BhCrash)bh_script_index(bh_script_crashes, WORD(0)->text));
  return BH_FLOW_GONE;
}

static BhFlow run_hang(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;

  (void)node;
  bh_script_log(context, "hang");
  bh_mutex_lock(&run->lock);
  while (!run->gone) bh_cond_wait(&run->changed, &run->lock);
  bh_mutex_unlock(&run->lock);
  return BH_FLOW_GONE;
}

/* ---- Signals and meetings ------------------------------------------------------------------------------ */

static BhFlow set_signal(BhScriptRun *run, const char *name, gboolean given) {
  bh_mutex_lock(&run->lock);
  if (given)
    g_hash_table_add(run->signals, (gpointer)name); /* the script's, which outlives the run */
  else
    g_hash_table_remove(run->signals, name);
  bh_cond_broadcast(&run->changed);
  bh_mutex_unlock(&run->lock);
  return BH_FLOW_NEXT;
}

static BhFlow run_signal(BhScriptContext *context, const BhScriptNode *node) {
  return set_signal(context->run, WORD(0)->text, TRUE);
}

static BhFlow run_reset(BhScriptContext *context, const BhScriptNode *node) {
  return set_signal(context->run, WORD(0)->text, FALSE);
}

static BhFlow run_await(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  const char *name = WORD(0)->text;
  gboolean hook = g_str_equal(name, "hook");
  gboolean gone;

  bh_mutex_lock(&run->lock);
  while (!run->gone && !(hook ? context->frame->returning : g_hash_table_contains(run->signals, name)))
    bh_cond_wait(&run->changed, &run->lock);
  gone = run->gone;
  bh_mutex_unlock(&run->lock);
  if (gone) return BH_FLOW_GONE;
  bh_script_report(context, BH_OK, NULL, "await %s", name);
  return BH_FLOW_NEXT;
}

static BhFlow run_meet(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  const char *name = WORD(0)->text;
  BhScriptMeeting *meeting;
  gboolean gone;
  guint round;

  bh_mutex_lock(&run->lock);
  meeting = g_hash_table_lookup(run->meetings, name);
  if (meeting == NULL) {
    meeting = g_new0(BhScriptMeeting, 1);
    g_hash_table_insert(run->meetings, (gpointer)name, meeting);
  }
  round = meeting->round;
  if (++meeting->arrived >= bh_script_number(WORD(1))) {
    meeting->arrived = 0;
    meeting->round++;
    bh_cond_broadcast(&run->changed);
  }
  while (!run->gone && meeting->round == round) bh_cond_wait(&run->changed, &run->lock);
  gone = run->gone;
  bh_mutex_unlock(&run->lock);
  if (gone) return BH_FLOW_GONE;
  bh_script_report(context, BH_OK, NULL, "meet %s", name);
  return BH_FLOW_NEXT;
}

/* ---- Threads ------------------------------------------------------------------------------------------- */

/* What a thread is begun with. */
typedef struct {
  BhScriptContext context;
  const GPtrArray *body;
  gpointer thread; /* of a parallel: the port's, NULL when none could be had */
} Lane;

static void run_named_thread(gpointer data) {
  Lane *lane = data;

  bh_script_run_block(&lane->context, lane->body);
  bh_script_frame_unref(lane->context.run, lane->context.frame);
  g_free(lane);
}

static BhFlow run_thread(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  const char *name = WORD(0)->text;
  BhApartment apartment = (BhApartment)bh_script_index(bh_script_apartments, WORD(1)->text);
  BhResult result = BH_OK;
  gboolean taken;
  gpointer thread = NULL;
  Lane *lane;

  /* The name is taken before the thread begins, so that two that begin it at once do not both succeed. */
  bh_mutex_lock(&run->lock);
  taken = g_hash_table_contains(run->threads, name);
  if (!taken) g_hash_table_insert(run->threads, (gpointer)name, NULL);
  bh_mutex_unlock(&run->lock);
  if (taken) {
    bh_script_report(context, BH_E_ALREADY_EXISTS, NULL, "thread %s", name);
    return BH_FLOW_NEXT;
  }

  lane = g_new0(Lane, 1);
  lane->context = bh_script_inner(context, bh_script_frame_ref(run, context->frame), FALSE);
  lane->body = node->body;
  thread = run->port->spawn(run->host, apartment, run_named_thread, lane);
  if (thread == NULL) {
    bh_script_context_end(&lane->context);
    bh_script_frame_unref(run, lane->context.frame);
    g_free(lane);
    result = BH_E_OUTOFMEMORY;
  }
  bh_mutex_lock(&run->lock);
  if (thread != NULL)
    g_hash_table_insert(run->threads, (gpointer)name, thread);
  else
    g_hash_table_remove(run->threads, name);
  bh_mutex_unlock(&run->lock);
  if (BH_FAILED(result)) bh_script_report(context, result, NULL, "thread %s", name);
  return BH_FLOW_NEXT;
}

static BhFlow run_join(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  const char *name = WORD(0)->text;
  gpointer thread;

  bh_mutex_lock(&run->lock);
  thread = g_hash_table_lookup(run->threads, name);
  if (thread != NULL) g_hash_table_remove(run->threads, name);
  bh_mutex_unlock(&run->lock);
  if (thread != NULL) run->port->join(run->host, thread);
  bh_script_report(context, thread != NULL ? BH_OK : BH_E_NOT_FOUND, NULL, "join %s", name);
  return BH_FLOW_NEXT;
}

/* ---- Children of the host's ---------------------------------------------------------------------------- */

static BhFlow run_spawn(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  const char *name = WORD(0)->text;
  g_auto(GStrv) arguments = g_new0(char *, node->words->len);
  BhResult result = BH_OK;
  gpointer child = NULL;
  gboolean taken;

  for (guint i = 1; i < node->words->len; i++) arguments[i - 1] = bh_script_expand(context, WORD(i));
  bh_mutex_lock(&run->lock);
  taken = g_hash_table_contains(run->children, name);
  if (!taken) g_hash_table_insert(run->children, (gpointer)name, NULL);
  bh_mutex_unlock(&run->lock);
  if (taken)
    result = BH_E_ALREADY_EXISTS;
  else if (run->port->start_child == NULL)
    result = BH_E_NOTIMPL;
  else if ((child = run->port->start_child(run->host, (const char *const *)arguments)) == NULL)
    result = BH_E_FAIL;
  bh_mutex_lock(&run->lock);
  if (child != NULL)
    g_hash_table_insert(run->children, (gpointer)name, child);
  else if (!taken)
    g_hash_table_remove(run->children, name);
  bh_mutex_unlock(&run->lock);
  bh_script_report(context, result, NULL, "spawn %s", name);
  return BH_FLOW_NEXT;
}

static BhFlow run_kill(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  const char *name = WORD(0)->text;
  BhResult result = BH_E_NOT_FOUND;
  gpointer child;

  bh_mutex_lock(&run->lock);
  child = g_hash_table_lookup(run->children, name);
  if (child != NULL) g_hash_table_remove(run->children, name);
  bh_mutex_unlock(&run->lock);
  if (child != NULL)
    result = run->port->end_child(run->host, child, bh_script_number(WORD(1))) ? BH_OK : BH_E_FAIL;
  bh_script_report(context, result, NULL, "kill %s", name);
  return BH_FLOW_NEXT;
}

/* ---- Blocks that count --------------------------------------------------------------------------------- */

static void report_counts(BhScriptContext *context, guint success, guint failures, BhResult first,
                          const char *what) {
  g_autofree char *name = bh_result_to_string(first);

  if (failures > 0 && context->failures++ == 0) context->first_failure = first;
  if (context->quiet) return;
  bh_script_log(context, "%s success=%u failures=%u%s%s", what, success, failures, failures > 0 ? " first=" : "",
                failures > 0 ? name : "");
}

static void run_lane(gpointer data) {
  Lane *lane = data;
  bh_script_run_block(&lane->context, lane->body);
}

static BhFlow run_parallel(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  guint count = bh_script_number(WORD(0));
  g_autofree Lane *lanes = g_new0(Lane, count);
  guint failures = 0;
  BhResult first = BH_OK;

  for (guint i = 0; i < count; i++) {
    lanes[i].context = bh_script_inner(context, context->frame, TRUE);
    lanes[i].body = node->body;
    lanes[i].thread = run->port->spawn(run->host, BH_APARTMENT_NONE, run_lane, &lanes[i]);
  }
  for (guint i = 0; i < count; i++) {
    BhScriptContext *lane = &lanes[i].context;
    if (lanes[i].thread != NULL) {
      run->port->join(run->host, lanes[i].thread);
    } else {
      bh_script_context_end(lane);
      lane->failures = 1;
      lane->first_failure = BH_E_OUTOFMEMORY;
    }
    if (lane->failures > 0 && failures++ == 0) first = lane->first_failure;
  }
  report_counts(context, count - failures, failures, first, "parallel");
  return BH_FLOW_NEXT;
}

static BhFlow run_loop_until(BhScriptContext *context, const BhScriptNode *node) {
  BhScriptRun *run = context->run;
  const char *name = WORD(0)->text;
  g_autofree char *what = g_strdup_printf("loop-until %s", name);
  guint success = 0, failures = 0;
  BhResult first = BH_OK;

  for (;;) {
    BhScriptContext round;
    gboolean given;

    bh_mutex_lock(&run->lock);
    given = g_hash_table_contains(run->signals, name);
    bh_mutex_unlock(&run->lock);
    if (given) break;
    round = bh_script_inner(context, context->frame, TRUE);
    if (bh_script_run_block(&round, node->body) == BH_FLOW_GONE) return BH_FLOW_GONE;
    if (round.failures == 0)
      success++;
    else if (failures++ == 0)
      first = round.first_failure;
  }
  report_counts(context, success, failures, first, what);
  return BH_FLOW_NEXT;
}

/* ---- The table ----------------------------------------------------------------------------------------- */

/* Under the loader's lock nothing may be done that waits for a thread or loads a DLL. */
#define NOT_ATTACH BH_PLACE_ATTACH
#define OWN_THREAD (BH_PLACE_THREAD | BH_PLACE_PARALLEL | BH_PLACE_LOOP)
#define ALL        G_MAXUINT

/* clang-format off */
const BhScriptAction bh_script_actions[] = {
    /* name, usage, number of words, what they must be, where it cannot stand, block, function */
    {"mount", "HOST LINUX ro|rw [NAME]", 3, 4, {0, 0, BH_WORD_MODE}, NOT_ATTACH, 0, run_mount},
    {"execute", "PATH [ARGUMENT...]", 1, ALL, {0}, NOT_ATTACH, 0, run_execute},
    {"execute-in", "DISTRIBUTION PATH [ARGUMENT...]", 2, ALL, {BH_WORD_DISTRIBUTION}, NOT_ATTACH, 0, run_execute_in},
    {"wslc-mount", "HOST LINUX ro|rw", 3, 3, {0, 0, BH_WORD_MODE}, NOT_ATTACH, 0, bh_script_wslc_mount},
    {"wslc-unmount", "LINUX", 1, 1, {0}, NOT_ATTACH, 0, bh_script_wslc_unmount},
    {"env", "NAME=VALUE", 1, 1, {BH_WORD_ASSIGNMENT}, NOT_ATTACH, 0, bh_script_env},
    {"process", "NAME PATH [ARGUMENT...]", 2, ALL, {BH_WORD_NAME}, NOT_ATTACH, 0, bh_script_process},
    {"process-write", "NAME TEXT", 2, 2, {BH_WORD_NAME, BH_WORD_TEXT}, NOT_ATTACH, 0, bh_script_process_write},
    {"process-read", "NAME stdout|stderr", 2, 2, {BH_WORD_NAME, BH_WORD_STREAM}, NOT_ATTACH, 0, bh_script_process_read},
    {"process-fd", "NAME NUMBER", 2, 2, {BH_WORD_NAME, BH_WORD_NUMBER}, NOT_ATTACH, 0, bh_script_process_fd},
    {"process-wait", "NAME", 1, 1, {BH_WORD_NAME}, NOT_ATTACH, 0, bh_script_process_wait},
    {"process-code", "NAME", 1, 1, {BH_WORD_NAME}, NOT_ATTACH, 0, bh_script_process_code},
    {"process-release", "NAME", 1, 1, {BH_WORD_NAME}, NOT_ATTACH, 0, bh_script_process_release},
    {"error", "TEXT", 1, 1, {BH_WORD_TEXT}, NOT_ATTACH, 0, run_error},
    {"session", "NUMBER|hook", 1, 1, {BH_WORD_SESSION}, NOT_ATTACH, 0, run_session},
    {"require-version", "MAJOR MINOR REVISION", 3, 3, {BH_WORD_NUMBER, BH_WORD_NUMBER, BH_WORD_NUMBER},
     BH_PLACE_ATTACH | BH_PLACE_HOOK | OWN_THREAD, 0, run_require_version},
    {"user", "", 0, 0, {0}, NOT_ATTACH, 0, run_user},
    {"write", "PATH TEXT", 2, 2, {0, BH_WORD_TEXT}, NOT_ATTACH, 0, run_write},
    {"spawn", "NAME PROGRAM [ARGUMENT...]", 2, ALL, {BH_WORD_NAME}, NOT_ATTACH, 0, run_spawn},
    {"kill", "NAME CODE", 2, 2, {BH_WORD_NAME, BH_WORD_NUMBER}, NOT_ATTACH, 0, run_kill},
    {"log", "TEXT", 1, 1, {BH_WORD_TEXT}, 0, 0, run_log},
    {"return", "RESULT", 1, 1, {BH_WORD_RESULT}, BH_PLACE_ATTACH | OWN_THREAD, 0, run_return},
    {"crash", "null|overflow|abort|exit|throw|illegal", 1, 1, {BH_WORD_CRASH}, 0, 0, run_crash},
    {"hang", "", 0, 0, {0}, 0, 0, run_hang},
    {"thread", "NAME none|mta|sta", 2, 2, {BH_WORD_NAME, BH_WORD_APARTMENT}, NOT_ATTACH | OWN_THREAD, BH_PLACE_THREAD,
     run_thread},
    {"join", "NAME", 1, 1, {BH_WORD_NAME}, NOT_ATTACH | BH_PLACE_PARALLEL | BH_PLACE_LOOP, 0, run_join},
    {"parallel", "N", 1, 1, {BH_WORD_COUNT}, NOT_ATTACH | BH_PLACE_PARALLEL, BH_PLACE_PARALLEL, run_parallel},
    {"loop-until", "NAME", 1, 1, {BH_WORD_NAME}, NOT_ATTACH, BH_PLACE_LOOP, run_loop_until},
    {"signal", "NAME", 1, 1, {BH_WORD_NAME}, NOT_ATTACH, 0, run_signal},
    {"reset", "NAME", 1, 1, {BH_WORD_NAME}, NOT_ATTACH, 0, run_reset},
    {"await", "NAME|hook", 1, 1, {BH_WORD_NAME}, NOT_ATTACH, 0, run_await},
    {"meet", "NAME N", 2, 2, {BH_WORD_NAME, BH_WORD_COUNT}, NOT_ATTACH, 0, run_meet},
};
/* clang-format on */
const guint bh_script_action_count = G_N_ELEMENTS(bh_script_actions);
