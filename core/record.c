#include "record.h"

#include <string.h>

/* A record is made of up to three runs of fields, one tuple each: header, session, payload. */
typedef struct {
  const BhFields *runs[3];
  guint count;
} Layout;

static const BhField notification_header_fields[] = {
    {"number", BH_FIELD_U64, G_STRUCT_OFFSET(BhNotification, number), BH_OK},
};
static const BhField call_header_fields[] = {
    {"notification", BH_FIELD_U64, G_STRUCT_OFFSET(BhCall, notification), BH_OK},
    {"thread", BH_FIELD_U64, G_STRUCT_OFFSET(BhCall, thread), BH_OK},
};
static const BhFields notification_header = {notification_header_fields, G_N_ELEMENTS(notification_header_fields)};
static const BhFields call_header = {call_header_fields, G_N_ELEMENTS(call_header_fields)};

/* The GVariant type of each kind of field, when it may not be NULL and when it may. */
static const struct {
  const char *required, *nullable;
} types[] = {
    [BH_FIELD_U32] = {"u", "u"},    [BH_FIELD_U64] = {"t", "t"},      [BH_FIELD_BOOL] = {"b", "b"},
    [BH_FIELD_TEXT] = {"s", "ms"},  [BH_FIELD_BYTES] = {"ay", "may"}, [BH_FIELD_STRINGS] = {"aay", "maay"},
    [BH_FIELD_GUID] = {"ay", "ay"}, [BH_FIELD_BLOB] = {"ay", "may"},
};

static const char *type_of(const BhField *field) {
  return field->when_null == BH_OK ? types[field->type].nullable : types[field->type].required;
}

#define MEMBER(c_type, data, field) G_STRUCT_MEMBER(c_type, data, (field)->offset)

/* --- To bytes --------------------------------------------------------------------------------------------------- */

/* The value of a pointer field that is not NULL; *size grows by what it holds, before anything is copied. NULL: it is
 * not text, or too much. */
static GVariant *encode_present(const BhField *field, gconstpointer pointer, gsize *size, const char **why) {
  gsize length = 0;

  switch (field->type) {
    case BH_FIELD_BLOB: *size += length = g_bytes_get_size((GBytes *)pointer); break;
    case BH_FIELD_STRINGS:
      for (const char *const *string = pointer; *string != NULL && *size <= BH_RECORD_MAX; string++)
        *size += strlen(*string) + 1;
      break;
    default: *size += length = strlen(pointer); break;
  }
  if (*size > BH_RECORD_MAX) {
    *why = "longer than a record may be";
    return NULL;
  }

  switch (field->type) {
    case BH_FIELD_BLOB: return g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, (GBytes *)pointer, TRUE);
    case BH_FIELD_STRINGS: return g_variant_new_bytestring_array(pointer, -1);
    case BH_FIELD_BYTES: return g_variant_new_bytestring(pointer);
    default: break;
  }
  if (!g_utf8_validate(pointer, (gssize)length, NULL)) {
    *why = "text that is not UTF-8";
    return NULL;
  }
  return g_variant_new_string(pointer);
}

static GVariant *encode_field(const BhField *field, gconstpointer data, gsize *size, const char **why) {
  gconstpointer pointer;
  GVariant *value;

  switch (field->type) {
    case BH_FIELD_U32: return g_variant_new_uint32(MEMBER(guint32, data, field));
    case BH_FIELD_U64: return g_variant_new_uint64(MEMBER(guint64, data, field));
    case BH_FIELD_BOOL: return g_variant_new_boolean(MEMBER(gboolean, data, field) != FALSE);
    case BH_FIELD_GUID:
      return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, &MEMBER(BhGuid, data, field), sizeof(BhGuid), 1);
    default: break;
  }

  pointer = MEMBER(gconstpointer, data, field);
  if (pointer == NULL && field->when_null != BH_OK) {
    *why = "a NULL that may not be";
    return NULL;
  }
  value = pointer != NULL ? encode_present(field, pointer, size, why) : NULL;
  if (pointer != NULL && value == NULL) return NULL;
  if (field->when_null != BH_OK) return value;
  return g_variant_new_maybe(G_VARIANT_TYPE(type_of(field) + 1), value);
}

static GBytes *encode(const Layout *layout, gconstpointer data, const char **why) {
  GVariantBuilder record;
  g_autoptr(GVariant) value = NULL;
  const char *reason = NULL;
  gsize size = 0;

  g_variant_builder_init(&record, G_VARIANT_TYPE_TUPLE);
  for (guint run = 0; run < layout->count && reason == NULL; run++) {
    g_variant_builder_open(&record, G_VARIANT_TYPE_TUPLE);
    for (guint i = 0; i < layout->runs[run]->count && reason == NULL; i++) {
      GVariant *field = encode_field(&layout->runs[run]->fields[i], data, &size, &reason);
      if (field != NULL) g_variant_builder_add_value(&record, field);
    }
    if (reason == NULL) g_variant_builder_close(&record);
  }
  if (reason == NULL) {
    value = g_variant_ref_sink(g_variant_builder_end(&record));
    if (g_variant_get_size(value) > BH_RECORD_MAX) reason = "longer than a record may be";
  } else {
    g_variant_builder_clear(&record);
  }
  if (reason != NULL) {
    if (why != NULL) *why = reason;
    return NULL;
  }
  return g_variant_get_data_as_bytes(value);
}

/* --- From bytes ------------------------------------------------------------------------------------------------- */

/* A byte string with its only NUL at its end. */
static char *decode_bytestring(GVariant *value, const char **why) {
  gsize size;
  const char *bytes = g_variant_get_fixed_array(value, &size, 1);

  if (size == 0 || memchr(bytes, 0, size) != bytes + size - 1) {
    *why = "a string that does not end where it should";
    return NULL;
  }
  return g_strndup(bytes, size - 1);
}

static char **decode_strings(GVariant *value, const char **why) {
  gsize count = g_variant_n_children(value);
  g_auto(GStrv) strings = NULL;

  /* An element takes at least its NUL, so the record's size bounds their number. */
  if (count > BH_RECORD_MAX) {
    *why = "too many strings";
    return NULL;
  }
  strings = g_new0(char *, count + 1);
  for (gsize i = 0; i < count; i++) {
    g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
    strings[i] = decode_bytestring(child, why);
    if (strings[i] == NULL) return NULL;
  }
  return g_steal_pointer(&strings);
}

static void decode_field(const BhField *field, GVariant *child, gpointer data, const char **why) {
  g_autoptr(GVariant) inner = NULL;
  gconstpointer bytes;
  gsize size;

  if (g_variant_is_of_type(child, G_VARIANT_TYPE_MAYBE)) {
    inner = g_variant_get_maybe(child);
    if (inner == NULL) return; /* it is NULL, and may be */
    child = inner;
  }
  switch (field->type) {
    case BH_FIELD_U32: MEMBER(guint32, data, field) = g_variant_get_uint32(child); break;
    case BH_FIELD_U64: MEMBER(guint64, data, field) = g_variant_get_uint64(child); break;
    case BH_FIELD_BOOL: MEMBER(gboolean, data, field) = g_variant_get_boolean(child); break;
    case BH_FIELD_TEXT: MEMBER(char *, data, field) = g_variant_dup_string(child, NULL); break;
    case BH_FIELD_BYTES: MEMBER(char *, data, field) = decode_bytestring(child, why); break;
    case BH_FIELD_STRINGS: MEMBER(char **, data, field) = decode_strings(child, why); break;
    case BH_FIELD_BLOB:
      bytes = g_variant_get_fixed_array(child, &size, 1);
      MEMBER(GBytes *, data, field) = g_bytes_new(bytes, size);
      break;
    case BH_FIELD_GUID:
      bytes = g_variant_get_fixed_array(child, &size, 1);
      if (size != sizeof(BhGuid))
        *why = "a GUID that is not 16 bytes long";
      else
        memcpy(&MEMBER(BhGuid, data, field), bytes, size);
      break;
  }
}

static char *layout_type(const Layout *layout) {
  GString *type = g_string_new("(");
  for (guint run = 0; run < layout->count; run++) {
    g_string_append_c(type, '(');
    for (guint i = 0; i < layout->runs[run]->count; i++)
      g_string_append(type, type_of(&layout->runs[run]->fields[i]));
    g_string_append_c(type, ')');
  }
  g_string_append_c(type, ')');
  return g_string_free(type, FALSE);
}

static void clear(const Layout *layout, gpointer data) {
  for (guint run = 0; run < layout->count; run++) bh_record_clear(layout->runs[run], data);
}

/* A copy, because the sender may still write to its own; with a byte behind it, because GLib 2.74, where it checks
 * that padding is zero, looks at the one after the last. */
static GBytes *copy_of(gconstpointer bytes, gsize size) {
  guint8 *copy = g_malloc(size + 1);

  if (size > 0) memcpy(copy, bytes, size);
  copy[size] = 0xff; /* no padding: what would go on there is refused */
  return g_bytes_new_take(copy, size);
}

static gboolean decode(const Layout *layout, gconstpointer bytes, gsize size, gpointer data, const char **why) {
  g_autofree char *type = NULL;
  g_autoptr(GBytes) copy = NULL;
  g_autoptr(GVariant) record = NULL;
  const char *reason = NULL;

  if (size > BH_RECORD_MAX) {
    if (why != NULL) *why = "longer than a record may be";
    return FALSE;
  }
  type = layout_type(layout);
  copy = copy_of(bytes, size);
  record = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), copy, FALSE));
  if (!g_variant_is_normal_form(record)) reason = "not a record of this type in normal form";

  for (guint run = 0; run < layout->count && reason == NULL; run++) {
    g_autoptr(GVariant) tuple = g_variant_get_child_value(record, run);
    for (guint i = 0; i < layout->runs[run]->count && reason == NULL; i++) {
      g_autoptr(GVariant) child = g_variant_get_child_value(tuple, i);
      decode_field(&layout->runs[run]->fields[i], child, data, &reason);
    }
  }
  if (reason == NULL) return TRUE;
  clear(layout, data);
  if (why != NULL) *why = reason;
  return FALSE;
}

/* --- The structs ------------------------------------------------------------------------------------------------ */

static Layout fields_layout(const BhFields *fields) {
  return (Layout){{fields}, 1};
}

static Layout notification_layout(BhHook hook) {
  g_assert((guint)hook < BH_HOOK_COUNT);
  return (Layout){{&notification_header, &bh_hooks[hook].session, &bh_hooks[hook].payload}, 3};
}

static Layout call_layout(BhApi api) {
  g_assert((guint)api < BH_API_COUNT);
  return (Layout){{&call_header, &bh_apis[api].arguments}, 2};
}

GBytes *bh_record_encode(const BhFields *fields, gconstpointer data, const char **why) {
  Layout layout = fields_layout(fields);
  return encode(&layout, data, why);
}

gboolean bh_record_decode(const BhFields *fields, gconstpointer bytes, gsize size, gpointer data,
                          const char **why) {
  Layout layout = fields_layout(fields);
  return decode(&layout, bytes, size, data, why);
}

void bh_record_clear(const BhFields *fields, gpointer data) {
  for (guint i = 0; i < fields->count; i++) {
    const BhField *field = &fields->fields[i];
    switch (field->type) {
      case BH_FIELD_TEXT:
      case BH_FIELD_BYTES: g_clear_pointer(&MEMBER(char *, data, field), g_free); break;
      case BH_FIELD_STRINGS: g_clear_pointer(&MEMBER(char **, data, field), g_strfreev); break;
      case BH_FIELD_BLOB: g_clear_pointer(&MEMBER(GBytes *, data, field), g_bytes_unref); break;
      case BH_FIELD_U32: MEMBER(guint32, data, field) = 0; break;
      case BH_FIELD_U64: MEMBER(guint64, data, field) = 0; break;
      case BH_FIELD_BOOL: MEMBER(gboolean, data, field) = FALSE; break;
      case BH_FIELD_GUID: memset(&MEMBER(BhGuid, data, field), 0, sizeof(BhGuid)); break;
    }
  }
}

GBytes *bh_record_encode_notification(const BhNotification *notification, const char **why) {
  Layout layout = notification_layout(notification->hook);
  return encode(&layout, notification, why);
}

gboolean bh_record_decode_notification(BhHook hook, gconstpointer bytes, gsize size, BhNotification *notification,
                                       const char **why) {
  Layout layout;

  if ((guint)hook >= BH_HOOK_COUNT) {
    if (why != NULL) *why = "no such hook";
    return FALSE;
  }
  notification->hook = hook;
  layout = notification_layout(hook);
  return decode(&layout, bytes, size, notification, why);
}

void bh_record_clear_notification(BhNotification *notification) {
  Layout layout = notification_layout(notification->hook);
  clear(&layout, notification);
}

GBytes *bh_record_encode_call(const BhCall *call, const char **why) {
  Layout layout = call_layout(call->api);
  return encode(&layout, call, why);
}

gboolean bh_record_decode_call(BhApi api, gconstpointer bytes, gsize size, BhCall *call, const char **why) {
  Layout layout;

  if ((guint)api >= BH_API_COUNT || !bh_apis[api].travels) {
    if (why != NULL) *why = "no such call";
    return FALSE;
  }
  call->api = api;
  layout = call_layout(api);
  return decode(&layout, bytes, size, call, why);
}

void bh_record_clear_call(BhCall *call) {
  Layout layout = call_layout(call->api);
  clear(&layout, call);
}
