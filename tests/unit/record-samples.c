#include "record-samples.h"

#include <string.h>

/* --- The kinds ------------------------------------------------------------------------------------------ */

#define REPLIES 3

/* The calls that travel, in order. */
static guint travelling(BhApi apis[BH_API_COUNT]) {
  guint count = 0;
  for (guint i = 0; i < BH_API_COUNT; i++)
    if (bh_apis[i].travels) apis[count++] = (BhApi)i;
  return count;
}

guint samples_count(void) {
  BhApi apis[BH_API_COUNT];
  return BH_HOOK_COUNT + travelling(apis) + REPLIES;
}

static gboolean is_hook(guint kind) {
  return kind < BH_HOOK_COUNT;
}

static gboolean is_reply(guint kind) {
  return kind >= samples_count() - REPLIES;
}

static BhApi api_of(guint kind) {
  BhApi apis[BH_API_COUNT];
  travelling(apis);
  return apis[kind - BH_HOOK_COUNT];
}

static const BhFields *reply_fields(guint kind) {
  static const BhFields *const fields[REPLIES] = {&bh_notify_reply_fields, &bh_call_reply_fields,
                                                  &bh_load_reply_fields};
  return fields[kind + REPLIES - samples_count()];
}

const char *sample_name(guint kind) {
  static const char *const replies[REPLIES] = {"NotifyReply", "CallReply", "LoadReply"};

  if (is_hook(kind)) return bh_hooks[kind].name;
  if (is_reply(kind)) return replies[kind + REPLIES - samples_count()];
  return bh_apis[api_of(kind)].name;
}

/* --- Walking the fields --------------------------------------------------------------------------------- */

#define MEMBER(type, data, field) G_STRUCT_MEMBER(type, data, (field)->offset)

/* The runs of fields that a kind has. */
typedef struct {
  const BhFields *session, *rest;
} Runs;

static Runs runs_of(guint kind) {
  static const BhFields none = {NULL, 0};

  if (is_hook(kind)) return (Runs){&bh_hooks[kind].session, &bh_hooks[kind].payload};
  return (Runs){&none, is_reply(kind) ? reply_fields(kind) : &bh_apis[api_of(kind)].arguments};
}

typedef void (*FieldFunc)(const BhField *field, gpointer data, gpointer user);

static void each_field(Sample *sample, FieldFunc func, gpointer user) {
  Runs runs = runs_of(sample->kind);

  for (guint i = 0; i < runs.session->count; i++) func(&runs.session->fields[i], &sample->data, user);
  for (guint i = 0; i < runs.rest->count; i++) func(&runs.rest->fields[i], &sample->data, user);
}

static gboolean has_fields_of_an_earlier_one(guint kind) {
  Runs runs = runs_of(kind);

  for (guint i = 0; i < kind; i++) {
    Runs earlier = runs_of(i);
    if (is_hook(i) == is_hook(kind) && earlier.session->fields == runs.session->fields &&
        earlier.rest->fields == runs.rest->fields)
      return TRUE;
  }
  return FALSE;
}

/* A value of its own for each field: made from the field's name and type. */
static void fill(const BhField *field, gpointer data, gpointer user) {
  guint32 seed = g_str_hash(field->name);
  SampleFill how = *(SampleFill *)user;
  gboolean pointer = field->type == BH_FIELD_TEXT || field->type == BH_FIELD_BYTES ||
                     field->type == BH_FIELD_STRINGS || field->type == BH_FIELD_BLOB;

  if (how == SAMPLE_NULLS && (!pointer || field->when_null == BH_OK)) return;
  switch (field->type) {
    case BH_FIELD_U32: MEMBER(guint32, data, field) = seed; break;
    case BH_FIELD_U64: MEMBER(guint64, data, field) = (guint64)seed << 32 | ~seed; break;
    case BH_FIELD_BOOL: MEMBER(gboolean, data, field) = TRUE; break;
    case BH_FIELD_TEXT:
      MEMBER(char *, data, field) = g_strdup_printf("%c\xc3\xa9\xf0\x9f\x90\xa7", field->name[0]);
      break;
    case BH_FIELD_BYTES: MEMBER(char *, data, field) = g_strdup_printf("%c\xff\x01", field->name[0]); break;
    case BH_FIELD_STRINGS: {
      const char *strings[] = {field->name, "", "\xfe", NULL};
      MEMBER(char **, data, field) = g_strdupv((char **)strings);
      break;
    }
    case BH_FIELD_GUID:
      for (guint i = 0; i < 16; i++) MEMBER(BhGuid, data, field).bytes[i] = (guint8)(seed + i);
      break;
    case BH_FIELD_BLOB: MEMBER(GBytes *, data, field) = g_bytes_new("\x01\x00\x05", 3); break;
  }
}

static void assert_equal(const BhField *field, gpointer data, gpointer user) {
  switch (field->type) {
    case BH_FIELD_U32: g_assert_cmpuint(MEMBER(guint32, data, field), ==, MEMBER(guint32, user, field)); break;
    case BH_FIELD_U64: g_assert_cmpuint(MEMBER(guint64, data, field), ==, MEMBER(guint64, user, field)); break;
    case BH_FIELD_BOOL: g_assert_cmpint(MEMBER(gboolean, data, field), ==, MEMBER(gboolean, user, field)); break;
    case BH_FIELD_TEXT:
    case BH_FIELD_BYTES: g_assert_cmpstr(MEMBER(char *, data, field), ==, MEMBER(char *, user, field)); break;
    case BH_FIELD_STRINGS: {
      char **strings = MEMBER(char **, data, field), **expected = MEMBER(char **, user, field);
      g_assert_cmpint(strings == NULL, ==, expected == NULL);
      if (strings != NULL) g_assert_cmpstrv(strings, expected);
      break;
    }
    case BH_FIELD_GUID: g_assert_cmpmem(&MEMBER(BhGuid, data, field), 16, &MEMBER(BhGuid, user, field), 16); break;
    case BH_FIELD_BLOB: {
      GBytes *blob = MEMBER(GBytes *, data, field), *expected = MEMBER(GBytes *, user, field);
      g_assert_cmpint(blob == NULL, ==, expected == NULL);
      if (blob != NULL) g_assert_true(g_bytes_equal(blob, expected));
      break;
    }
  }
}

/* --- Samples -------------------------------------------------------------------------------------------- */

static void set_kind(Sample *sample) {
  if (is_hook(sample->kind))
    sample->data.notification.hook = (BhHook)sample->kind;
  else if (!is_reply(sample->kind))
    sample->data.call.api = api_of(sample->kind);
}

Sample *sample_new(guint kind, SampleFill how) {
  Sample *sample = g_new0(Sample, 1);

  sample->kind = kind;
  set_kind(sample);
  if (how == SAMPLE_EMPTY) return sample;
  each_field(sample, fill, &how);
  if (how == SAMPLE_NULLS) return sample;
  if (is_hook(kind)) {
    sample->data.notification.number = G_GUINT64_CONSTANT(0x1122334455667788);
  } else if (!is_reply(kind)) {
    sample->data.call.notification = G_GUINT64_CONSTANT(0x8877665544332211);
    sample->data.call.thread = 4711;
  }
  return sample;
}

void sample_clear(Sample *sample) {
  if (is_hook(sample->kind))
    bh_record_clear_notification(&sample->data.notification);
  else if (is_reply(sample->kind))
    bh_record_clear(reply_fields(sample->kind), &sample->data);
  else
    bh_record_clear_call(&sample->data.call);
}

void sample_free(Sample *sample) {
  sample_clear(sample);
  g_free(sample);
}

GBytes *sample_encode(const Sample *sample, const char **why) {
  if (is_hook(sample->kind)) return bh_record_encode_notification(&sample->data.notification, why);
  if (is_reply(sample->kind)) return bh_record_encode(reply_fields(sample->kind), &sample->data, why);
  return bh_record_encode_call(&sample->data.call, why);
}

gboolean sample_decode(Sample *sample, gconstpointer bytes, gsize size, const char **why) {
  if (is_hook(sample->kind))
    return bh_record_decode_notification((BhHook)sample->kind, bytes, size, &sample->data.notification, why);
  if (is_reply(sample->kind)) return bh_record_decode(reply_fields(sample->kind), bytes, size, &sample->data, why);
  return bh_record_decode_call(api_of(sample->kind), bytes, size, &sample->data.call, why);
}

void assert_samples_equal(const Sample *sample, const Sample *expected) {
  g_assert_cmpuint(sample->kind, ==, expected->kind);
  each_field((Sample *)sample, assert_equal, (gpointer)&expected->data);
  if (is_hook(sample->kind)) {
    g_assert_cmpint(sample->data.notification.hook, ==, expected->data.notification.hook);
    g_assert_cmpuint(sample->data.notification.number, ==, expected->data.notification.number);
  } else if (!is_reply(sample->kind)) {
    g_assert_cmpint(sample->data.call.api, ==, expected->data.call.api);
    g_assert_cmpuint(sample->data.call.notification, ==, expected->data.call.notification);
    g_assert_cmpuint(sample->data.call.thread, ==, expected->data.call.thread);
  }
}

void assert_sample_is_empty(const Sample *sample) {
  g_autoptr(Sample) empty = sample_new(sample->kind, SAMPLE_EMPTY);
  g_assert_cmpmem(sample, sizeof(Sample), empty, sizeof(Sample));
}

gboolean assert_refused_or_normal(guint kind, gconstpointer bytes, gsize size) {
  g_autoptr(Sample) decoded = sample_new(kind, SAMPLE_EMPTY);
  g_autoptr(GBytes) again = NULL;
  const char *why = NULL;

  if (!sample_decode(decoded, bytes, size, &why)) {
    g_assert_nonnull(why);
    assert_sample_is_empty(decoded);
    return FALSE;
  }
  g_assert_null(why);
  again = sample_encode(decoded, &why);
  g_assert_nonnull(again);
  g_assert_cmpmem(g_bytes_get_data(again, NULL), g_bytes_get_size(again), bytes, size);
  return TRUE;
}

static void add_test(const char *path, guint kind, GTestDataFunc func) {
  g_autofree char *full = g_strdup_printf("%s/%s", path, sample_name(kind));
  g_test_add_data_func(full, GUINT_TO_POINTER(kind), func);
}

void samples_add_test(const char *path, GTestDataFunc func) {
  for (guint kind = 0; kind < samples_count(); kind++) add_test(path, kind, func);
}

void samples_add_long_test(const char *path, GTestDataFunc func) {
  for (guint kind = 0; kind < samples_count(); kind++)
    if (!has_fields_of_an_earlier_one(kind)) add_test(path, kind, func);
}
