#include "script-internal.h"

#include "core/record.h"

#include <string.h>

static const BhLockClass run_class = {"script", BH_RANK_LEAF, FALSE};

/* ---- Frames -------------------------------------------------------------------------------------------- */

/* A frame outlives its hook when threads were begun in it, so it has a copy of the notification. NULL: the
 * notification could not have come from a service. */
static BhScriptFrame *frame_new(const BhNotification *notification) {
  BhScriptFrame *frame = g_new0(BhScriptFrame, 1);
  g_autoptr(GBytes) record = NULL;
  gconstpointer bytes;
  gsize size;

  frame->references = 1;
  frame->notification.hook = BH_HOOK_NONE;
  if (notification == NULL) return frame;
  record = bh_record_encode_notification(notification, NULL);
  bytes = record != NULL ? g_bytes_get_data(record, &size) : NULL;
  if (bytes != NULL && bh_record_decode_notification(notification->hook, bytes, size, &frame->notification, NULL))
    return frame;
  g_free(frame);
  return NULL;
}

BhScriptFrame *bh_script_frame_ref(BhScriptRun *run, BhScriptFrame *frame) {
  bh_mutex_lock(&run->lock);
  frame->references++;
  bh_mutex_unlock(&run->lock);
  return frame;
}

void bh_script_frame_unref(BhScriptRun *run, BhScriptFrame *frame) {
  gboolean last;

  bh_mutex_lock(&run->lock);
  last = --frame->references == 0;
  bh_mutex_unlock(&run->lock);
  if (!last) return;
  if (frame->notification.hook != BH_HOOK_NONE) bh_record_clear_notification(&frame->notification);
  g_free(frame);
}

/* ---- Words --------------------------------------------------------------------------------------------- */

typedef enum { FOLDER, SESSION, DISTRIBUTION, NAME, DOCUMENT, TOKEN, SID, VERSION, LONG } BhScriptVariable;
const char *const bh_script_variables[] = {"FOLDER", "SESSION", "DISTRIBUTION", "NAME", "DOCUMENT",
                                           "TOKEN",  "SID",     "VERSION",      "LONG", NULL};

static void append_variable(const BhScriptContext *context, BhScriptVariable variable, GString *text) {
  const BhNotification *notification = &context->frame->notification;
  const char *name = notification->name != NULL ? notification->name : notification->display_name;
  const BhVersion *version = &context->run->version;
  g_autofree char *guid = NULL;
  gsize length = text->len;

  switch (variable) {
    case FOLDER: g_string_append(text, context->run->folder); break;
    case SESSION: g_string_append_printf(text, "%u", context->session); break;
    case DISTRIBUTION:
      guid = bh_guid_to_string(&notification->distribution);
      g_string_append(text, guid);
      break;
    case NAME: g_string_append(text, name != NULL ? name : "-"); break;
    case DOCUMENT: g_string_append(text, notification->document != NULL ? notification->document : "-"); break;
    case TOKEN: g_string_append(text, notification->token != 0 ? "set" : "-"); break;
    case SID: g_string_append(text, notification->sid != NULL ? "set" : "-"); break;
    case VERSION:
      g_string_append_printf(text, "%u.%u.%u", version->major, version->minor, version->revision);
      break;
    case LONG:
      g_string_set_size(text, length + BH_RECORD_MAX + 1);
      memset(text->str + length, 'x', BH_RECORD_MAX + 1);
      break;
  }
}

char *bh_script_expand(const BhScriptContext *context, const BhScriptWord *word) {
  GString *text = g_string_new(NULL);
  const char *at = word->text;

  for (const char *percent = strchr(at, '%'); percent != NULL; percent = strchr(at, '%')) {
    const char *end = strchr(percent + 1, '%'); /* the parser has seen to it that it is there */
    g_autofree char *name = g_strndup(percent + 1, (gsize)(end - percent - 1));

    g_string_append_len(text, at, percent - at);
    if (*name == '\0')
      g_string_append_c(text, '%');
    else
      append_variable(context, (BhScriptVariable)bh_script_index(bh_script_variables, name), text);
    at = end + 1;
  }
  g_string_append(text, at);
  return g_string_free(text, FALSE);
}

char *bh_script_expand_or_null(const BhScriptContext *context, const BhScriptWord *word) {
  return !word->quoted && g_str_equal(word->text, "null") ? NULL : bh_script_expand(context, word);
}

/* ---- The log ------------------------------------------------------------------------------------------- */

/* Makes one line of it: a process may print anything. */
static char *one_line(const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  GString *line = g_string_new(NULL);

  for (const char *at = valid; *at != '\0'; at++) {
    if (*at == '\n')
      g_string_append(line, "\\n");
    else if ((guchar)*at < ' ' || *at == 0x7f)
      g_string_append_printf(line, "\\x%02x", (guint)(guchar)*at);
    else
      g_string_append_c(line, *at);
  }
  return g_string_free(line, FALSE);
}

void bh_script_log(const BhScriptContext *context, const char *format, ...) {
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  va_list arguments;

  va_start(arguments, format);
  text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  line = one_line(text);
  context->run->port->log(context->run->host, line);
}

void bh_script_report(BhScriptContext *context, BhResult result, const char *more, const char *what, ...) {
  g_autofree char *name = bh_result_to_string(result);
  g_autofree char *action = NULL;
  va_list arguments;

  if (BH_FAILED(result) && context->failures++ == 0) context->first_failure = result;
  if (context->quiet) return;
  va_start(arguments, what);
  action = g_strdup_vprintf(what, arguments);
  va_end(arguments);
  bh_script_log(context, "%s %s%s", action, name, more != NULL ? more : "");
}

/* Hooks of which the log shows the session's name, and those that bring a document or an id along. */
#define BIT(hook) (1u << BH_HOOK_##hook)
#define NAMED \
  (BIT(SESSION_CREATED) | BIT(SESSION_STOPPING) | BIT(CONTAINER_VM_STARTED) | BIT(CONTAINER_VM_STOPPING))
#define CREATED BIT(SESSION_CREATED)
#define ANY     G_MAXUINT32

/* What of a notification the log shows, in this order. The numbers of session and token are chance. */
static const struct {
  const char *key;
  guint offset;
  guint32 hooks;   /* bit n: hook n, if it has that */
  gboolean is_set; /* only whether there is one */
} shown[] = {
    {"flags", G_STRUCT_OFFSET(BhNotification, vm_flags), ANY, FALSE},
    {"name", G_STRUCT_OFFSET(BhNotification, name), ANY, FALSE},
    {"name", G_STRUCT_OFFSET(BhNotification, display_name), NAMED, FALSE},
    {"id", G_STRUCT_OFFSET(BhNotification, distribution), ANY, FALSE},
    {"init", G_STRUCT_OFFSET(BhNotification, init_pid), ANY, FALSE},
    {"pidns", G_STRUCT_OFFSET(BhNotification, pid_namespace), ANY, FALSE},
    {"family", G_STRUCT_OFFSET(BhNotification, package_family_name), ANY, FALSE},
    {"flavor", G_STRUCT_OFFSET(BhNotification, flavor), ANY, FALSE},
    {"version", G_STRUCT_OFFSET(BhNotification, version), ANY, FALSE},
    {"pid", G_STRUCT_OFFSET(BhNotification, application_pid), CREATED, FALSE},
    {"token", G_STRUCT_OFFSET(BhNotification, token), CREATED, TRUE},
    {"sid", G_STRUCT_OFFSET(BhNotification, sid), CREATED, TRUE},
};

static gboolean is_set(const BhNotification *notification, const BhField *field) {
  return field->type == BH_FIELD_BLOB ? G_STRUCT_MEMBER(GBytes *, notification, field->offset) != NULL
                                      : G_STRUCT_MEMBER(guint64, notification, field->offset) != 0;
}

static void append_field(GString *line, const BhNotification *notification, const BhField *field) {
  g_autofree char *guid = NULL;
  const char *text;

  switch (field->type) {
    case BH_FIELD_U32:
      g_string_append_printf(line, "%u", G_STRUCT_MEMBER(guint32, notification, field->offset));
      break;
    case BH_FIELD_U64:
      g_string_append_printf(line, "%" G_GUINT64_FORMAT, G_STRUCT_MEMBER(guint64, notification, field->offset));
      break;
    case BH_FIELD_GUID:
      guid = bh_guid_to_string(&G_STRUCT_MEMBER(BhGuid, notification, field->offset));
      g_string_append(line, guid);
      break;
    default:
      text = G_STRUCT_MEMBER(const char *, notification, field->offset);
      g_string_append(line, text != NULL ? text : "-");
      break;
  }
}

static const BhField *find_field(const BhHookInfo *hook, guint offset) {
  const BhFields *runs[] = {&hook->session, &hook->payload};

  for (guint run = 0; run < G_N_ELEMENTS(runs); run++)
    for (guint i = 0; i < runs[run]->count; i++)
      if (runs[run]->fields[i].offset == offset) return &runs[run]->fields[i];
  return NULL;
}

/* ---- Containers and images, of which a hook brings a JSON document or, later, only the id --------------- */

static const struct {
  BhHook made, gone;
  const char *what;
  const char *name_key; /* in the document */
  const char *prefix;   /* of the id */
} things[] = {
    {BH_HOOK_CONTAINER_STARTED, BH_HOOK_CONTAINER_STOPPING, "container", "Name", ""},
    {BH_HOOK_IMAGE_CREATED, BH_HOOK_IMAGE_DELETED, "image", "RepoTags", "sha256:"},
};

/* As Docker makes them: 64 hexadecimal digits. */
static gboolean is_id(const char *text, const char *prefix) {
  if (!g_str_has_prefix(text, prefix)) return FALSE;
  text += strlen(prefix);
  return strlen(text) == 64 && text[strspn(text, "0123456789abcdef")] == '\0';
}

/* Two sessions may have the same image. The caller's. */
static char *key_of(const BhNotification *notification, const char *id) {
  return g_strdup_printf("%u %s", notification->session, id);
}

/* The name in a document, which is remembered with the id. */
static void append_made(BhScriptRun *run, GString *line, guint thing, const BhNotification *notification) {
  const char *document = notification->document;
  g_autofree char *id = bh_script_document_text(document, "Id");
  g_autofree char *name = bh_script_document_text(document, things[thing].name_key);
  const char *plain = name == NULL ? "-" : *name == '/' ? name + 1 : name; /* Docker's containers have a slash */

  g_string_append_printf(line, " %s=%s", things[thing].what, plain);
  if (id == NULL || !is_id(id, things[thing].prefix)) {
    g_string_append(line, " id=-");
    return;
  }
  bh_mutex_lock(&run->lock);
  g_hash_table_insert(run->names, key_of(notification, id), g_strdup(plain));
  bh_mutex_unlock(&run->lock);
}

/* The name of what had this id when it was made, which is over now. */
static void append_gone(BhScriptRun *run, GString *line, guint thing, const BhNotification *notification) {
  const char *id = notification->document, *name;
  g_autofree char *key = key_of(notification, id);

  bh_mutex_lock(&run->lock);
  name = g_hash_table_lookup(run->names, key);
  if (name != NULL)
    g_string_append_printf(line, " %s=%s", things[thing].what, name);
  else
    g_string_append(line, is_id(id, things[thing].prefix) ? " id=set" : " id=-");
  g_hash_table_remove(run->names, key);
  bh_mutex_unlock(&run->lock);
}

static void log_hook(const BhScriptContext *context) {
  const BhNotification *notification = &context->frame->notification;
  const BhHookInfo *hook = &bh_hooks[notification->hook];
  g_autoptr(GString) line = g_string_new(hook->name);

  for (guint i = 0; i < G_N_ELEMENTS(shown); i++) {
    const BhField *field = find_field(hook, shown[i].offset);
    if (field == NULL || (shown[i].hooks & (1u << notification->hook)) == 0) continue;
    g_string_append_printf(line, " %s=", shown[i].key);
    if (shown[i].is_set)
      g_string_append(line, is_set(notification, field) ? "set" : "-");
    else
      append_field(line, notification, field);
  }
  for (guint i = 0; i < G_N_ELEMENTS(things); i++) {
    if (notification->hook == things[i].made) append_made(context->run, line, i, notification);
    if (notification->hook == things[i].gone) append_gone(context->run, line, i, notification);
  }
  bh_script_log(context, "%s", line->str);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static gboolean is_gone(BhScriptRun *run) {
  gboolean gone;

  bh_mutex_lock(&run->lock);
  gone = run->gone;
  bh_mutex_unlock(&run->lock);
  return gone;
}

BhScriptContext bh_script_inner(const BhScriptContext *context, BhScriptFrame *frame, gboolean quiet) {
  return (BhScriptContext){
      .run = context->run,
      .frame = frame,
      .session = context->session,
      .environment = g_strdupv(context->environment),
      .quiet = quiet,
  };
}

void bh_script_context_end(BhScriptContext *context) {
  g_clear_pointer(&context->environment, g_strfreev);
}

static BhFlow run_lines(BhScriptContext *context, const GPtrArray *body) {
  for (guint i = 0; i < body->len; i++) {
    const BhScriptNode *node = body->pdata[i];
    BhFlow flow;

    if (is_gone(context->run)) return BH_FLOW_GONE;
    flow = node->action->run(context, node);
    if (flow != BH_FLOW_NEXT) return flow;
  }
  return is_gone(context->run) ? BH_FLOW_GONE : BH_FLOW_NEXT;
}

BhFlow bh_script_run_block(BhScriptContext *context, const GPtrArray *body) {
  BhFlow flow = run_lines(context, body);

  bh_script_context_end(context);
  return flow;
}

static BhResult run_handler(BhScriptRun *run, guint handler, const BhNotification *notification) {
  const GPtrArray *body = run->script->handlers[handler];
  BhScriptFrame *frame = body != NULL ? frame_new(notification) : NULL;
  BhScriptContext context = {.run = run, .frame = frame, .result = BH_OK};

  if (body == NULL) return BH_OK;
  if (frame == NULL) return BH_E_INVALIDARG;
  context.session = frame->notification.session;
  if (notification != NULL)
    log_hook(&context);
  else
    bh_script_log(&context, handler == BH_HANDLER_LOAD ? "load" : "attach");
  bh_script_run_block(&context, body);

  bh_mutex_lock(&run->lock);
  frame->returning = TRUE;
  bh_cond_broadcast(&run->changed);
  bh_mutex_unlock(&run->lock);
  bh_script_frame_unref(run, frame);
  return context.result;
}

void bh_script_attach(BhScriptRun *run) {
  run_handler(run, BH_HANDLER_ATTACH, NULL);
}

BhResult bh_script_load(BhScriptRun *run, BhVersion version) {
  run->version = version;
  return run_handler(run, BH_HANDLER_LOAD, NULL);
}

BhResult bh_script_hook(BhScriptRun *run, const BhNotification *notification) {
  return run_handler(run, notification->hook, notification);
}

void bh_script_end(BhScriptRun *run) {
  bh_mutex_lock(&run->lock);
  run->gone = TRUE;
  bh_cond_broadcast(&run->changed);
  bh_mutex_unlock(&run->lock);
}

BhScriptRun *bh_script_run_new(const BhScript *script, const BhScriptPort *port, gpointer host,
                               const char *folder) {
  BhScriptRun *run = g_new0(BhScriptRun, 1);

  run->script = script;
  run->port = port;
  run->host = host;
  run->folder = g_strdup(folder);
  run->signals = g_hash_table_new(g_str_hash, g_str_equal);
  run->meetings = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  run->threads = g_hash_table_new(g_str_hash, g_str_equal);
  run->processes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  run->children = g_hash_table_new(g_str_hash, g_str_equal);
  run->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  bh_mutex_init(&run->lock, &run_class);
  bh_cond_init(&run->changed);
  return run;
}

void bh_script_run_free(BhScriptRun *run) {
  g_hash_table_unref(run->signals);
  g_hash_table_unref(run->meetings);
  g_hash_table_unref(run->threads);
  g_hash_table_unref(run->processes);
  g_hash_table_unref(run->children);
  g_hash_table_unref(run->names);
  bh_cond_clear(&run->changed);
  bh_mutex_clear(&run->lock);
  g_free(run->folder);
  g_free(run);
}
