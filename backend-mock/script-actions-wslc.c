#include "script-internal.h"

#define WORD(index) bh_script_word(node, index)

const char *const bh_script_handles[] = {"null", "bogus", NULL};

/* A handle that no service gives: their numbers count from 1. */
#define BOGUS G_GUINT64_CONSTANT(0x7fffb0b0b0b0)

/* Makes a call of the script's session, or about one of its processes. Returns reply->result. */
static BhResult perform(const BhScriptContext *context, BhCall *call, BhCallReply *reply) {
  call->session = context->session;
  return context->run->port->call(context->run->host, call, reply);
}

/* ---- Folders ------------------------------------------------------------------------------------------- */

BhFlow bh_script_wslc_mount(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *host_path = bh_script_expand_or_null(context, WORD(0));
  g_autofree char *linux_path = bh_script_expand_or_null(context, WORD(1));
  g_auto(BhCallReply) reply = {0};
  BhCall call = {
      .api = BH_API_CONTAINER_MOUNT_FOLDER,
      .host_path = host_path,
      .linux_path = linux_path,
      .read_only = g_str_equal(WORD(2)->text, "ro"),
  };

  bh_script_report(context, perform(context, &call, &reply), NULL, "wslc-mount");
  return BH_FLOW_NEXT;
}

BhFlow bh_script_wslc_unmount(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *linux_path = bh_script_expand_or_null(context, WORD(0));
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = BH_API_CONTAINER_UNMOUNT_FOLDER, .linux_path = linux_path};

  bh_script_report(context, perform(context, &call, &reply), NULL, "wslc-unmount");
  return BH_FLOW_NEXT;
}

/* ---- Handles, by their names --------------------------------------------------------------------------- */

/* Each session's hooks have names of their own: they run at once, in one script. The caller's. */
static char *key_of(const BhScriptContext *context, const char *name) {
  return g_strdup_printf("%u %s", context->frame->notification.session, name);
}

static void keep_handle(const BhScriptContext *context, const char *name, guint64 handle) {
  BhScriptRun *run = context->run;

  bh_mutex_lock(&run->lock);
  g_hash_table_insert(run->processes, key_of(context, name), g_memdup2(&handle, sizeof handle));
  bh_mutex_unlock(&run->lock);
}

/* 0, which is NULL, where nothing has become of it. */
static guint64 find_handle(const BhScriptContext *context, const char *name) {
  BhScriptRun *run = context->run;
  g_autofree char *key = key_of(context, name);
  const guint64 *found;
  guint64 handle;

  if (g_str_equal(name, "bogus")) return BOGUS;
  bh_mutex_lock(&run->lock);
  found = g_hash_table_lookup(run->processes, key);
  handle = found != NULL ? *found : 0;
  bh_mutex_unlock(&run->lock);
  return handle;
}

/* Asks about the process that the line's first word names. */
static BhResult ask(const BhScriptContext *context, const BhScriptNode *node, BhApi api, guint32 fd,
                    BhCallReply *reply) {
  BhCall call = {.api = api, .process = find_handle(context, WORD(0)->text), .fd = fd};

  return perform(context, &call, reply);
}

/* ---- Processes ----------------------------------------------------------------------------------------- */

BhFlow bh_script_env(BhScriptContext *context, const BhScriptNode *node) {
  guint length = context->environment != NULL ? g_strv_length(context->environment) : 0;

  context->environment = g_renew(char *, context->environment, length + 2);
  context->environment[length] = bh_script_expand(context, WORD(0));
  context->environment[length + 1] = NULL;
  return BH_FLOW_NEXT;
}

BhFlow bh_script_process(BhScriptContext *context, const BhScriptNode *node) {
  const char *name = WORD(0)->text;
  g_autofree char *path = bh_script_expand_or_null(context, WORD(1));
  g_auto(GStrv) arguments = bh_script_arguments(context, node, 1);
  g_autofree char *error = NULL;
  g_auto(BhCallReply) reply = {0};
  BhCall call = {
      .api = BH_API_CONTAINER_CREATE_PROCESS,
      .path = path,
      .arguments = arguments,
      .environment = context->environment,
  };

  perform(context, &call, &reply);
  keep_handle(context, name, reply.process);
  if (reply.number != 0) error = g_strdup_printf(" errno=%d", (gint32)reply.number);
  bh_script_report(context, reply.result, error, "process %s", name);
  return BH_FLOW_NEXT;
}

BhFlow bh_script_process_write(BhScriptContext *context, const BhScriptNode *node) {
  const BhScriptPort *port = context->run->port;
  g_autofree char *text = bh_script_expand(context, WORD(1));
  g_auto(BhCallReply) reply = {0};
  BhResult result = ask(context, node, BH_API_PROCESS_GET_FD, BH_STDIN, &reply);

  if (BH_SUCCEEDED(result) && !port->write_all(context->run->host, &reply.resource, text)) result = BH_E_FAIL;
  bh_resource_clear(&reply.resource); /* the process has its end before the next line runs */
  bh_script_report(context, result, NULL, "process-write %s", WORD(0)->text);
  return BH_FLOW_NEXT;
}

BhFlow bh_script_process_read(BhScriptContext *context, const BhScriptNode *node) {
  const BhScriptPort *port = context->run->port;
  const char *stream = WORD(1)->text;
  guint32 fd = g_str_equal(stream, "stdout") ? BH_STDOUT : BH_STDERR;
  g_autofree char *output = NULL;
  g_auto(BhCallReply) reply = {0};
  BhResult result = ask(context, node, BH_API_PROCESS_GET_FD, fd, &reply);

  if (BH_SUCCEEDED(result)) {
    output = port->read_all(context->run->host, &reply.resource, BH_SCRIPT_MAX_OUTPUT);
    if (output == NULL) result = BH_E_FAIL;
  }
  if (BH_FAILED(result))
    bh_script_report(context, result, NULL, "process-read %s %s", WORD(0)->text, stream);
  else if (!context->quiet)
    bh_script_log(context, "process-read %s %s: %s", WORD(0)->text, stream, g_strchomp(output));
  return BH_FLOW_NEXT;
}

BhFlow bh_script_process_fd(BhScriptContext *context, const BhScriptNode *node) {
  g_auto(BhCallReply) reply = {0};
  BhResult result = ask(context, node, BH_API_PROCESS_GET_FD, bh_script_number(WORD(1)), &reply);

  bh_script_report(context, result, NULL, "process-fd %s", WORD(0)->text);
  return BH_FLOW_NEXT;
}

BhFlow bh_script_process_wait(BhScriptContext *context, const BhScriptNode *node) {
  const BhScriptPort *port = context->run->port;
  g_auto(BhCallReply) reply = {0};
  BhResult result = ask(context, node, BH_API_PROCESS_GET_EXIT_EVENT, 0, &reply);

  if (BH_SUCCEEDED(result) && !port->wait(context->run->host, &reply.resource)) result = BH_E_FAIL;
  bh_script_report(context, result, NULL, "process-wait %s", WORD(0)->text);
  return BH_FLOW_NEXT;
}

BhFlow bh_script_process_code(BhScriptContext *context, const BhScriptNode *node) {
  g_autofree char *code = NULL;
  g_auto(BhCallReply) reply = {0};
  BhResult result = ask(context, node, BH_API_PROCESS_GET_EXIT_CODE, 0, &reply);

  if (BH_SUCCEEDED(result)) code = g_strdup_printf(" %d", (gint32)reply.number);
  bh_script_report(context, result, code, "process-code %s", WORD(0)->text);
  return BH_FLOW_NEXT;
}

/* The call returns nothing, so there is nothing to log. The name keeps its handle, as a careless plugin would. */
BhFlow bh_script_process_release(BhScriptContext *context, const BhScriptNode *node) {
  g_auto(BhCallReply) reply = {0};

  ask(context, node, BH_API_PROCESS_RELEASE, 0, &reply);
  return BH_FLOW_NEXT;
}
