/* Records: what is encoded comes back, for everything that travels; what may not be encoded is refused. */
#include "record-samples.h"

#include <string.h>

/* --- Round trips ---------------------------------------------------------------------------------------- */

static void check_round_trip(guint kind, SampleFill fill) {
  g_autoptr(Sample) sample = sample_new(kind, fill);
  g_autoptr(Sample) decoded = sample_new(kind, SAMPLE_EMPTY);
  g_autoptr(GBytes) bytes = NULL;
  const char *why = NULL;

  bytes = sample_encode(sample, &why);
  g_assert_cmpstr(why, ==, NULL);
  g_assert_nonnull(bytes);
  g_assert_true(sample_decode(decoded, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &why));
  g_assert_cmpstr(why, ==, NULL);
  assert_samples_equal(decoded, sample);

  /* Nothing is filled in but what travels: clearing that leaves nothing. */
  sample_clear(decoded);
  assert_sample_is_empty(decoded);
}

static void what_is_encoded_comes_back(gconstpointer kind) {
  check_round_trip(GPOINTER_TO_UINT(kind), SAMPLE_FULL);
}

static void nulls_and_zeros_come_back(gconstpointer kind) {
  check_round_trip(GPOINTER_TO_UINT(kind), SAMPLE_NULLS);
}

/* --- One field of each type, NULL allowed or not -------------------------------------------------------- */

typedef struct {
  guint32 number;
  gboolean flag;
  char *string;
  char **strings;
  BhGuid guid;
  GBytes *blob;
} Holder;

#define HOLDER_FIELD(member, type, when_null) \
  { #member, BH_FIELD_##type, G_STRUCT_OFFSET(Holder, member), when_null }
#define ONE_FIELD(name, member, type, when_null) \
  static const BhField name##_field = HOLDER_FIELD(member, type, when_null); \
  static const BhFields name = {&name##_field, 1}

ONE_FIELD(flag_fields, flag, BOOL, BH_OK);
ONE_FIELD(text_fields, string, TEXT, BH_E_INVALIDARG);
ONE_FIELD(text_or_null_fields, string, TEXT, BH_OK);
ONE_FIELD(bytes_fields, string, BYTES, BH_E_INVALIDARG);
ONE_FIELD(bytes_or_null_fields, string, BYTES, BH_OK);
ONE_FIELD(strings_fields, strings, STRINGS, BH_E_INVALIDARG);
ONE_FIELD(strings_or_null_fields, strings, STRINGS, BH_OK);
ONE_FIELD(blob_fields, blob, BLOB, BH_E_INVALIDARG);
ONE_FIELD(blob_or_null_fields, blob, BLOB, BH_OK);

static const BhFields *const required[] = {&text_fields, &bytes_fields, &strings_fields, &blob_fields};

#define TOO_LONG "longer than a record may be"

static void assert_encodes(const BhFields *fields, const Holder *holder) {
  const char *why = NULL;
  g_autoptr(GBytes) bytes = bh_record_encode(fields, holder, &why);
  Holder decoded;

  g_assert_cmpstr(why, ==, NULL);
  g_assert_cmpuint(g_bytes_get_size(bytes), <=, BH_RECORD_MAX);
  memset(&decoded, 0, sizeof decoded);
  g_assert_true(bh_record_decode(fields, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &decoded, NULL));
  g_assert_cmpint(decoded.flag, ==, holder->flag);
  g_assert_cmpstr(decoded.string, ==, holder->string);
  g_assert_cmpint(decoded.strings == NULL, ==, holder->strings == NULL);
  if (holder->strings != NULL) g_assert_cmpstrv(decoded.strings, holder->strings);
  g_assert_cmpint(decoded.blob == NULL, ==, holder->blob == NULL);
  if (holder->blob != NULL) g_assert_true(g_bytes_equal(decoded.blob, holder->blob));
  bh_record_clear(fields, &decoded);
}

static void assert_not_encoded(const BhFields *fields, const Holder *holder, const char *expected) {
  const char *why = NULL;

  g_assert_null(bh_record_encode(fields, holder, &why));
  g_assert_cmpstr(why, ==, expected);
  g_assert_null(bh_record_encode(fields, holder, NULL)); /* who does not ask is refused too */
}

static void null_and_empty_are_not_the_same(void) {
  char *none[] = {NULL}, *one_empty[] = {(char *)"", NULL};
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);

  assert_encodes(&text_or_null_fields, &(Holder){.string = NULL});
  assert_encodes(&text_or_null_fields, &(Holder){.string = (char *)""});
  assert_encodes(&bytes_or_null_fields, &(Holder){.string = NULL});
  assert_encodes(&bytes_or_null_fields, &(Holder){.string = (char *)""});
  assert_encodes(&strings_or_null_fields, &(Holder){.strings = NULL});
  assert_encodes(&strings_or_null_fields, &(Holder){.strings = none});
  assert_encodes(&strings_or_null_fields, &(Holder){.strings = one_empty});
  assert_encodes(&blob_or_null_fields, &(Holder){.blob = NULL});
  assert_encodes(&blob_or_null_fields, &(Holder){.blob = nothing});
}

static void any_true_is_true(void) {
  const char *why = NULL;
  g_autoptr(GBytes) odd = bh_record_encode(&flag_fields, &(Holder){.flag = 0x100}, &why);
  g_autoptr(GBytes) plain = bh_record_encode(&flag_fields, &(Holder){.flag = TRUE}, &why);

  g_assert_true(g_bytes_equal(odd, plain));
}

static void null_where_it_may_not_be_is_not_encoded(void) {
  for (guint i = 0; i < G_N_ELEMENTS(required); i++)
    assert_not_encoded(required[i], &(Holder){.string = NULL}, "a NULL that may not be");
}

static void a_notification_without_its_name_is_not_encoded(void) {
  BhNotification notification = {.hook = BH_HOOK_DISTRIBUTION_STARTED, .number = 1};
  const char *why = NULL;

  g_assert_null(bh_record_encode_notification(&notification, &why));
  g_assert_cmpstr(why, ==, "a NULL that may not be");
}

static void a_call_without_its_path_is_not_encoded(void) {
  BhCall call = {.api = BH_API_EXECUTE_BINARY};
  const char *why = NULL;

  g_assert_null(bh_record_encode_call(&call, &why));
  g_assert_cmpstr(why, ==, "a NULL that may not be");
}

static void text_must_be_utf_8_and_bytes_need_not(void) {
  static const char *const wrong[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"};

  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    Holder holder = {.string = (char *)wrong[i]};
    assert_not_encoded(&text_fields, &holder, "text that is not UTF-8");
    assert_encodes(&bytes_fields, &holder);
  }
}

/* --- The limit ------------------------------------------------------------------------------------------ */

/* A record of one text or byte string is that, its NUL, and for one that may be NULL one byte more. */
static void strings_may_fill_a_record_and_no_more(void) {
  static const struct {
    const BhFields *fields;
    gsize longest;
  } limits[] = {
      {&text_fields, BH_RECORD_MAX - 1},
      {&text_or_null_fields, BH_RECORD_MAX - 2},
      {&bytes_fields, BH_RECORD_MAX - 1},
      {&bytes_or_null_fields, BH_RECORD_MAX - 2},
  };

  for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
    g_autofree char *string = g_strnfill(limits[i].longest + 1, 'x');
    Holder holder = {.string = string};

    assert_not_encoded(limits[i].fields, &holder, TOO_LONG);
    string[limits[i].longest] = '\0';
    assert_encodes(limits[i].fields, &holder);
  }
}

static void a_blob_may_fill_a_record_and_no_more(void) {
  g_autofree char *bytes = g_malloc0(BH_RECORD_MAX + 1);
  g_autoptr(GBytes) largest = g_bytes_new(bytes, BH_RECORD_MAX);
  g_autoptr(GBytes) too_large = g_bytes_new(bytes, BH_RECORD_MAX + 1);

  assert_encodes(&blob_fields, &(Holder){.blob = largest});
  assert_not_encoded(&blob_fields, &(Holder){.blob = too_large}, TOO_LONG);
  assert_not_encoded(&blob_or_null_fields, &(Holder){.blob = largest}, TOO_LONG);
}

static void many_strings_are_bounded_together(void) {
  const guint count = BH_RECORD_MAX / 4;
  g_autofree char *string = g_strnfill(4 - 1, 'x');
  g_autofree char **strings = g_new0(char *, BH_RECORD_MAX + 2);
  Holder holder = {.strings = strings};

  /* Of 3 bytes and a NUL each, without what says where each ends. */
  for (guint i = 0; i < count; i++) strings[i] = string;
  assert_not_encoded(&strings_fields, &holder, TOO_LONG);
  strings[count / 2] = NULL; /* with that, 4 bytes more each: just so */
  assert_encodes(&strings_fields, &holder);
  strings[count / 2] = string;
  strings[count / 2 + 1] = NULL;
  assert_not_encoded(&strings_fields, &holder, TOO_LONG);

  /* As many as may be, of no length at all. */
  for (guint i = 0; i < BH_RECORD_MAX + 1; i++) strings[i] = (char *)"";
  assert_not_encoded(&strings_fields, &holder, TOO_LONG);
}

static void many_fields_are_bounded_together(void) {
  g_autofree char *half = g_strnfill(BH_RECORD_MAX / 2, 'x');
  BhCall call = {.api = BH_API_MOUNT_FOLDER, .host_path = half, .linux_path = half, .name = (char *)""};
  const char *why = NULL;

  g_assert_null(bh_record_encode_call(&call, &why));
  g_assert_cmpstr(why, ==, TOO_LONG);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  samples_add_test("/record/round-trip", what_is_encoded_comes_back);
  samples_add_test("/record/round-trip-of-nulls", nulls_and_zeros_come_back);
  g_test_add_func("/record/null-and-empty-are-not-the-same", null_and_empty_are_not_the_same);
  g_test_add_func("/record/any-true-is-true", any_true_is_true);
  g_test_add_func("/record/encode/null-where-it-may-not-be-is-refused", null_where_it_may_not_be_is_not_encoded);
  g_test_add_func("/record/encode/a-notification-without-its-name-is-refused",
                  a_notification_without_its_name_is_not_encoded);
  g_test_add_func("/record/encode/a-call-without-its-path-is-refused", a_call_without_its_path_is_not_encoded);
  g_test_add_func("/record/encode/text-must-be-utf-8-and-bytes-need-not", text_must_be_utf_8_and_bytes_need_not);
  g_test_add_func("/record/encode/strings-may-fill-a-record-and-no-more", strings_may_fill_a_record_and_no_more);
  g_test_add_func("/record/encode/a-blob-may-fill-a-record-and-no-more", a_blob_may_fill_a_record_and_no_more);
  g_test_add_func("/record/encode/many-strings-are-bounded-together", many_strings_are_bounded_together);
  g_test_add_func("/record/encode/many-fields-are-bounded-together", many_fields_are_bounded_together);
  return g_test_run();
}
