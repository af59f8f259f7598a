#include "guest/protocol.h"

#include <string.h>

#define HEADER_SIZE 12u
#define FIELDS_MAX  6

typedef enum { UINT32, INT32, UINT64, BOOLEAN, BYTES, BYTES_LIST, TOKEN } Kind;

/* How a kind is written. The number of bytes a kind needs is GVariant's business. */
static const char *const kind_types[] = {
    [UINT32] = "u", [INT32] = "i",        [UINT64] = "t", [BOOLEAN] = "b",
    [BYTES] = "ay", [BYTES_LIST] = "aay", [TOKEN] = "ay",
};

typedef struct {
  Kind kind;
  gsize offset; /* in BhGuestMessage */
} Field;

#define AT(kind, member) \
  { kind, G_STRUCT_OFFSET(BhGuestMessage, member) }

static const Field instance = AT(UINT32, instance), version = AT(UINT32, version), port = AT(UINT32, port),
                   pid = AT(UINT32, pid), thread = AT(UINT32, thread), parent = AT(UINT32, parent),
                   creator = AT(UINT32, creator), watch = AT(UINT32, watch), failure = AT(UINT32, failure),
                   error = AT(INT32, error), status = AT(INT32, status), pid_namespace = AT(UINT64, pid_namespace),
                   read_only = AT(BOOLEAN, read_only), host_path = AT(BYTES, host_path),
                   guest_path = AT(BYTES, guest_path), archive = AT(BYTES, archive), text = AT(BYTES, text),
                   arguments = AT(BYTES_LIST, arguments), environment = AT(BYTES_LIST, environment),
                   token = AT(TOKEN, token);

typedef struct {
  BhGuestMessageType type;
  const char *name;
  BhGuestDirection direction;
  const Field *fields[FIELDS_MAX + 1]; /* NULL-terminated */
} Row;

/* The one list of messages. */
static const Row rows[] = {
    {BH_GUEST_MOUNT, "mount", BH_GUEST_TO_AGENT, {&host_path, &guest_path, &read_only}},
    {BH_GUEST_EXECUTE, "execute", BH_GUEST_TO_AGENT, {&instance, &guest_path, &arguments}},
    {BH_GUEST_INSTANCE_START, "instance-start", BH_GUEST_TO_AGENT, {&instance, &host_path}},
    {BH_GUEST_INSTANCE_STOP, "instance-stop", BH_GUEST_TO_AGENT, {&instance}},
    {BH_GUEST_UNMOUNT, "unmount", BH_GUEST_TO_AGENT, {&guest_path}},
    {BH_GUEST_PROCESS, "process", BH_GUEST_TO_AGENT, {&guest_path, &arguments, &environment}},
    {BH_GUEST_CONTAINER_START,
     "container-start",
     BH_GUEST_TO_AGENT,
     {&instance, &host_path, &guest_path, &arguments, &environment}},
    {BH_GUEST_FOLDER, "folder", BH_GUEST_TO_AGENT, {&host_path}},
    {BH_GUEST_EXPORT, "export", BH_GUEST_TO_AGENT, {&host_path, &archive}},
    {BH_GUEST_WATCH, "watch", BH_GUEST_TO_AGENT, {&watch}},
    {BH_GUEST_FIND, "find", BH_GUEST_TO_AGENT, {&pid, &thread}},
    {BH_GUEST_VERDICT, "verdict", BH_GUEST_TO_AGENT, {&error}},
    {BH_GUEST_HELLO, "hello", BH_GUEST_TO_CLIENT, {&version, &port}},
    {BH_GUEST_DONE, "done", BH_GUEST_TO_CLIENT, {&pid}},
    {BH_GUEST_CONNECT, "connect", BH_GUEST_TO_CLIENT, {&token}},
    {BH_GUEST_INSTANCE, "instance", BH_GUEST_TO_CLIENT, {&pid, &pid_namespace}},
    {BH_GUEST_EXITED, "exited", BH_GUEST_TO_CLIENT, {&status}},
    {BH_GUEST_FAILED, "failed", BH_GUEST_TO_CLIENT, {&failure, &error, &text}},
    {BH_GUEST_TELL_PROCESS,
     "tell-process",
     BH_GUEST_TO_CLIENT,
     {&pid, &parent, &creator, &thread, &guest_path, &text}},
    {BH_GUEST_TELL_IMAGE, "tell-image", BH_GUEST_TO_CLIENT, {&pid, &guest_path, &text}},
    {BH_GUEST_TELL_EXIT, "tell-exit", BH_GUEST_TO_CLIENT, {&pid, &status}},
    {BH_GUEST_TELL_THREAD, "tell-thread", BH_GUEST_TO_CLIENT, {&pid, &thread}},
    {BH_GUEST_TELL_THREAD_EXIT, "tell-thread-exit", BH_GUEST_TO_CLIENT, {&pid, &thread}},
    {BH_GUEST_TELL_WATCH, "tell-watch", BH_GUEST_TO_CLIENT, {&watch}},
};

static const Row *find_row(guint32 type) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].type == type) return &rows[i];
  return NULL;
}

const char *bh_guest_message_name(guint32 type) {
  const Row *row = find_row(type);

  return row != NULL ? row->name : NULL;
}

guint32 bh_guest_message_type(guint number, BhGuestDirection *direction) {
  if (number >= G_N_ELEMENTS(rows)) return 0;
  *direction = rows[number].direction;
  return rows[number].type;
}

/* ---- to bytes ---- */

static GVariant *list_to_variant(char *const *list) {
  GVariantBuilder builder;

  g_variant_builder_init(&builder, G_VARIANT_TYPE("aay"));
  for (; list != NULL && *list != NULL; list++)
    g_variant_builder_add_value(&builder, g_variant_new_bytestring(*list));
  return g_variant_builder_end(&builder);
}

static GVariant *field_to_variant(const Field *field, const BhGuestMessage *message) {
  gconstpointer at = G_STRUCT_MEMBER_P(message, field->offset);
  const char *bytes;

  switch (field->kind) {
    case UINT32: return g_variant_new_uint32(*(const guint32 *)at);
    case INT32: return g_variant_new_int32(*(const gint32 *)at);
    case UINT64: return g_variant_new_uint64(*(const guint64 *)at);
    case BOOLEAN: return g_variant_new_boolean(*(const gboolean *)at);
    case BYTES: bytes = *(char *const *)at; return g_variant_new_bytestring(bytes != NULL ? bytes : "");
    case BYTES_LIST: return list_to_variant(*(char **const *)at);
    case TOKEN: return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, at, BH_GUEST_TOKEN_SIZE, 1);
  }
  g_assert_not_reached();
}

GBytes *bh_guest_message_encode(const BhGuestMessage *message) {
  const Row *row = find_row(message->type);
  g_autoptr(GVariant) body = NULL;
  GVariantBuilder builder;
  guint32 header[3];
  guint8 *frame;
  gsize size;

  g_assert(row != NULL);
  g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
  for (const Field *const *field = row->fields; *field != NULL; field++)
    g_variant_builder_add_value(&builder, field_to_variant(*field, message));
  body = g_variant_ref_sink(g_variant_builder_end(&builder));

  size = g_variant_get_size(body);
  if (size > BH_GUEST_FRAME_LIMIT - HEADER_SIZE) return NULL;
  header[0] = (guint32)size;
  header[1] = message->type;
  header[2] = message->id;
  frame = g_malloc(HEADER_SIZE + size);
  memcpy(frame, header, HEADER_SIZE);
  /* Not g_variant_store, which wants its destination aligned. */
  memcpy(frame + HEADER_SIZE, g_variant_get_data(body), size);
  return g_bytes_new_take(frame, HEADER_SIZE + size);
}

/* ---- and back ---- */

/* Bytes that end with a NUL and hold no other. The caller's; NULL: these do not. */
static char *variant_to_bytes(GVariant *value) {
  gsize size;
  const char *bytes = g_variant_get_fixed_array(value, &size, 1);

  if (size == 0 || memchr(bytes, '\0', size) != bytes + size - 1) return NULL;
  return g_memdup2(bytes, size);
}

static char **variant_to_list(GVariant *value) {
  gsize count = g_variant_n_children(value);
  g_auto(GStrv) list = g_new0(char *, count + 1);

  for (gsize i = 0; i < count; i++) {
    g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

    list[i] = variant_to_bytes(child);
    if (list[i] == NULL) return NULL;
  }
  return g_steal_pointer(&list);
}

static gboolean field_from_variant(const Field *field, GVariant *value, BhGuestMessage *message) {
  gpointer at = G_STRUCT_MEMBER_P(message, field->offset);
  gconstpointer bytes;
  gsize size;

  switch (field->kind) {
    case UINT32: *(guint32 *)at = g_variant_get_uint32(value); return TRUE;
    case INT32: *(gint32 *)at = g_variant_get_int32(value); return TRUE;
    case UINT64: *(guint64 *)at = g_variant_get_uint64(value); return TRUE;
    case BOOLEAN: *(gboolean *)at = g_variant_get_boolean(value); return TRUE;
    case BYTES: return (*(char **)at = variant_to_bytes(value)) != NULL;
    case BYTES_LIST: return (*(char ***)at = variant_to_list(value)) != NULL;
    case TOKEN:
      bytes = g_variant_get_fixed_array(value, &size, 1);
      if (size != BH_GUEST_TOKEN_SIZE) return FALSE;
      memcpy(at, bytes, size);
      return TRUE;
  }
  g_assert_not_reached();
}

static GVariant *body_to_variant(const Row *row, const guint8 *body, gsize size) {
  g_autoptr(GString) type = g_string_new("(");
  g_autoptr(GBytes) bytes = g_bytes_new(body, size);

  for (const Field *const *field = row->fields; *field != NULL; field++)
    g_string_append(type, kind_types[(*field)->kind]);
  g_string_append_c(type, ')');
  return g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type->str), bytes, FALSE));
}

BhGuestFrame bh_guest_message_decode(const guint8 *data, gsize length, BhGuestDirection direction, gsize *used,
                                     BhGuestMessage *message) {
  g_auto(BhGuestMessage) heard = {0};
  g_autoptr(GVariant) body = NULL;
  guint32 header[3];
  const Row *row;

  if (length < HEADER_SIZE) return BH_GUEST_FRAME_INCOMPLETE;
  memcpy(header, data, HEADER_SIZE);
  if (header[0] > BH_GUEST_FRAME_LIMIT - HEADER_SIZE) return BH_GUEST_FRAME_MALFORMED;
  row = find_row(header[1]);
  if (row == NULL || row->direction != direction) return BH_GUEST_FRAME_MALFORMED;
  if (direction == BH_GUEST_TO_AGENT && header[2] == 0) return BH_GUEST_FRAME_MALFORMED;
  if (length - HEADER_SIZE < header[0]) return BH_GUEST_FRAME_INCOMPLETE;

  body = body_to_variant(row, data + HEADER_SIZE, header[0]);
  if (!g_variant_is_normal_form(body)) return BH_GUEST_FRAME_MALFORMED;
  for (guint i = 0; row->fields[i] != NULL; i++) {
    g_autoptr(GVariant) value = g_variant_get_child_value(body, i);

    if (!field_from_variant(row->fields[i], value, &heard)) return BH_GUEST_FRAME_MALFORMED;
  }
  heard.type = header[1];
  heard.id = header[2];
  *used = HEADER_SIZE + header[0];
  *message = heard;
  memset(&heard, 0, sizeof heard);
  return BH_GUEST_FRAME_COMPLETE;
}

void bh_guest_message_clear(BhGuestMessage *message) {
  g_free(message->host_path);
  g_free(message->guest_path);
  g_free(message->archive);
  g_free(message->text);
  g_strfreev(message->arguments);
  g_strfreev(message->environment);
  memset(message, 0, sizeof *message);
}

gboolean bh_guest_token_equal(const guint8 *left, const guint8 *right) {
  volatile guint8 difference = 0;

  for (guint i = 0; i < BH_GUEST_TOKEN_SIZE; i++) difference |= left[i] ^ right[i];
  return difference == 0;
}
