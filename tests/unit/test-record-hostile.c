/* Records from somebody who means harm, or whose memory is no longer its own: each is refused, or is exactly
 * what its content is encoded to. Never a crash, never something left behind. */
#include "record-samples.h"

#include <string.h>

static GBytes *encoded(guint kind, SampleFill fill) {
  g_autoptr(Sample) sample = sample_new(kind, fill);
  GBytes *bytes = sample_encode(sample, NULL);

  g_assert_nonnull(bytes);
  return bytes;
}

/* --- Nearly right --------------------------------------------------------------------------------------- */

/* Each prefix lies in memory of its own, so that a read past its end is seen by valgrind. */
static void each_truncation_is_refused_or_normal(gconstpointer kind) {
  for (SampleFill fill = SAMPLE_NULLS; fill <= SAMPLE_FULL; fill++) {
    g_autoptr(GBytes) bytes = encoded(GPOINTER_TO_UINT(kind), fill);

    for (gsize size = 0; size < g_bytes_get_size(bytes); size++) {
      g_autofree guint8 *prefix = g_memdup2(g_bytes_get_data(bytes, NULL), size);
      assert_refused_or_normal(GPOINTER_TO_UINT(kind), prefix, size);
    }
  }
}

static void each_changed_byte_is_refused_or_normal(gconstpointer kind) {
  for (SampleFill fill = SAMPLE_NULLS; fill <= SAMPLE_FULL; fill++) {
    g_autoptr(GBytes) bytes = encoded(GPOINTER_TO_UINT(kind), fill);
    gsize size = g_bytes_get_size(bytes);
    g_autofree guint8 *changed = g_memdup2(g_bytes_get_data(bytes, NULL), size);

    g_assert_true(assert_refused_or_normal(GPOINTER_TO_UINT(kind), changed, size));
    for (gsize i = 0; i < size; i++) {
      for (guint step = 1; step < 256; step++) {
        changed[i]++;
        assert_refused_or_normal(GPOINTER_TO_UINT(kind), changed, size);
      }
      changed[i]++; /* what it was */
    }
  }
}

static void bytes_too_many_are_refused_or_normal(gconstpointer kind) {
  g_autoptr(GBytes) bytes = encoded(GPOINTER_TO_UINT(kind), SAMPLE_FULL);
  gsize size = g_bytes_get_size(bytes);
  g_autofree guint8 *longer = g_malloc0(size + 16);

  memcpy(longer, g_bytes_get_data(bytes, NULL), size);
  for (gsize more = 1; more <= 16; more++) assert_refused_or_normal(GPOINTER_TO_UINT(kind), longer, size + more);
}

static void several_random_changes_are_refused_or_normal(gconstpointer kind) {
  g_autoptr(GBytes) bytes = encoded(GPOINTER_TO_UINT(kind), SAMPLE_FULL);
  gsize size = g_bytes_get_size(bytes);
  g_autofree guint8 *changed = g_malloc(size);

  for (guint round = 0; round < 500; round++) {
    memcpy(changed, g_bytes_get_data(bytes, NULL), size);
    for (gint32 changes = g_test_rand_int_range(2, 9); changes > 0; changes--)
      changed[g_test_rand_int_range(0, (gint32)size)] = (guint8)g_test_rand_int_range(0, 256);
    assert_refused_or_normal(GPOINTER_TO_UINT(kind), changed, size);
  }
}

static void random_bytes_are_refused_or_normal(gconstpointer kind) {
  guint8 bytes[256];

  for (guint round = 0; round < 500; round++) {
    gsize size = (gsize)g_test_rand_int_range(0, sizeof bytes + 1);
    /* All bytes, or those only that lengths, offsets and padding are made of. */
    gint32 highest = round % 2 == 0 ? 256 : 16;
    for (gsize i = 0; i < size; i++) bytes[i] = (guint8)g_test_rand_int_range(0, highest);
    assert_refused_or_normal(GPOINTER_TO_UINT(kind), bytes, size);
  }
}

/* --- The limit ------------------------------------------------------------------------------------------ */

/* There are no bytes: had anything been looked at or allocated, this test would have ended. */
static void over_the_limit_nothing_is_looked_at(gconstpointer kind) {
  static const gsize sizes[] = {BH_RECORD_MAX + 1, G_MAXSIZE / 2, G_MAXSIZE};

  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(Sample) decoded = sample_new(GPOINTER_TO_UINT(kind), SAMPLE_EMPTY);
    const char *why = NULL;

    g_assert_false(sample_decode(decoded, NULL, sizes[i], &why));
    g_assert_cmpstr(why, ==, "longer than a record may be");
    g_assert_false(sample_decode(decoded, NULL, sizes[i], NULL));
    assert_sample_is_empty(decoded);
  }
}

/* --- Right for GVariant, wrong for a record ------------------------------------------------------------- */

typedef struct {
  char *string;
  char **strings;
  BhGuid guid;
} Holder;

#define ONE_FIELD(name, member, type, when_null) \
  static const BhField name##_field = {#member, BH_FIELD_##type, G_STRUCT_OFFSET(Holder, member), when_null}; \
  static const BhFields name = {&name##_field, 1}

ONE_FIELD(text_fields, string, TEXT, BH_E_INVALIDARG);
ONE_FIELD(text_or_null_fields, string, TEXT, BH_OK);
ONE_FIELD(bytes_fields, string, BYTES, BH_E_INVALIDARG);
ONE_FIELD(bytes_or_null_fields, string, BYTES, BH_OK);
ONE_FIELD(strings_fields, strings, STRINGS, BH_OK);
ONE_FIELD(guid_fields, guid, GUID, BH_E_INVALIDARG);

static const char not_a_record[] = "not a record of this type in normal form";
static const char bad_end[] = "a string that does not end where it should";

/* Takes a floating value, which becomes the record. */
static void assert_decodes(const BhFields *fields, GVariant *value, gboolean accepted, const char *reason) {
  g_autoptr(GVariant) record = g_variant_ref_sink(value);
  Holder holder, empty;
  const char *why = NULL;

  memset(&holder, 0, sizeof holder);
  memset(&empty, 0, sizeof empty);
  g_assert_cmpint(bh_record_decode(fields, g_variant_get_data(record), g_variant_get_size(record), &holder, &why),
                  ==, accepted);
  g_assert_cmpstr(why, ==, reason);
  if (accepted) bh_record_clear(fields, &holder);
  g_assert_cmpmem(&holder, sizeof holder, &empty, sizeof empty);
}

/* ((ay)) of these bytes, as they are. */
static GVariant *raw(const char *bytes, gsize size) {
  return g_variant_new("((@ay))", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, size, 1));
}

static void a_string_must_end_with_its_only_nul(void) {
  assert_decodes(&bytes_fields, raw("ab", 3), TRUE, NULL);
  assert_decodes(&bytes_fields, raw("", 1), TRUE, NULL);
  assert_decodes(&bytes_fields, raw("ab", 2), FALSE, bad_end);
  assert_decodes(&bytes_fields, raw("a\0b", 4), FALSE, bad_end);
  assert_decodes(&bytes_fields, raw("ab\0", 4), FALSE, bad_end);
  assert_decodes(&bytes_fields, raw("\0a", 2), FALSE, bad_end);
  assert_decodes(&bytes_fields, raw("", 0), FALSE, bad_end);
  assert_decodes(&bytes_or_null_fields, g_variant_new_parsed("((@may b'ab',),)"), TRUE, NULL);
  assert_decodes(&bytes_or_null_fields, g_variant_new_parsed("((@may [byte 0x61],),)"), FALSE, bad_end);
}

static void each_of_several_strings_must_end_with_its_only_nul(void) {
  assert_decodes(&strings_fields, g_variant_new_parsed("((@maay [b'a', b'', b'b'],),)"), TRUE, NULL);
  assert_decodes(&strings_fields, g_variant_new_parsed("((@maay [b'a', []],),)"), FALSE, bad_end);
  assert_decodes(&strings_fields, g_variant_new_parsed("((@maay [b'a', [0x62]],),)"), FALSE, bad_end);
  assert_decodes(&strings_fields, g_variant_new_parsed("((@maay [[0x61, 0, 0x62, 0], b'a'],),)"), FALSE, bad_end);
}

static void text_must_be_utf_8_without_a_nul(void) {
  /* A text is its bytes and a NUL: so are these, but for what is between. */
  assert_decodes(&text_fields, raw("a\xc3\xa9", 4), TRUE, NULL);
  assert_decodes(&text_fields, raw("a\xc3", 3), FALSE, not_a_record);
  assert_decodes(&text_fields, raw("\xff", 2), FALSE, not_a_record);
  assert_decodes(&text_fields, raw("\xed\xa0\x80", 4), FALSE, not_a_record);
  assert_decodes(&text_fields, raw("a\0b", 4), FALSE, not_a_record);
  assert_decodes(&text_fields, raw("ab", 2), FALSE, not_a_record);
  assert_decodes(&text_fields, raw("", 0), FALSE, not_a_record);
}

static void a_guid_has_16_bytes(void) {
  static const char bytes[32] = {1};

  for (gsize size = 0; size <= sizeof bytes; size++)
    assert_decodes(&guid_fields, raw(bytes, size), size == 16,
                   size == 16 ? NULL : "a GUID that is not 16 bytes long");
}

static void null_is_refused_where_it_may_not_be(void) {
  assert_decodes(&text_or_null_fields, g_variant_new_parsed("((@ms nothing,),)"), TRUE, NULL);
  assert_decodes(&text_fields, g_variant_new_parsed("((@ms nothing,),)"), FALSE, not_a_record);
  assert_decodes(&bytes_fields, g_variant_new_parsed("((@may nothing,),)"), FALSE, bad_end);
}

/* What came first is freed again when what comes after is refused. */
static void a_later_field_takes_the_earlier_ones_along(void) {
  static const BhField two[] = {
      {"strings", BH_FIELD_STRINGS, G_STRUCT_OFFSET(Holder, strings), BH_OK},
      {"string", BH_FIELD_BYTES, G_STRUCT_OFFSET(Holder, string), BH_E_INVALIDARG},
  };
  static const BhFields fields = {two, G_N_ELEMENTS(two)};

  assert_decodes(&fields, g_variant_new_parsed("((@maay [b'a'], b'b'),)"), TRUE, NULL);
  assert_decodes(&fields, g_variant_new_parsed("((@maay [b'a'], @ay []),)"), FALSE, bad_end);
}

static void hooks_and_calls_that_there_are_not_are_refused(void) {
  static const BhApi apis[] = {BH_API_PLUGIN_ERROR, BH_API_COUNT, (BhApi)-1};
  static const BhHook hooks[] = {BH_HOOK_COUNT, (BhHook)-1};
  BhNotification notification = {0};
  BhCall call = {0};

  for (guint i = 0; i < G_N_ELEMENTS(hooks); i++) {
    const char *why = NULL;
    g_assert_false(bh_record_decode_notification(hooks[i], "", 1, &notification, &why));
    g_assert_cmpstr(why, ==, "no such hook");
  }
  for (guint i = 0; i < G_N_ELEMENTS(apis); i++) {
    const char *why = NULL;
    g_assert_false(bh_record_decode_call(apis[i], "", 1, &call, &why));
    g_assert_cmpstr(why, ==, "no such call");
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  samples_add_test("/record/refuses/truncated", each_truncation_is_refused_or_normal);
  samples_add_long_test("/record/refuses/a-changed-byte", each_changed_byte_is_refused_or_normal);
  samples_add_test("/record/refuses/bytes-too-many", bytes_too_many_are_refused_or_normal);
  samples_add_test("/record/refuses/random-changes", several_random_changes_are_refused_or_normal);
  samples_add_test("/record/refuses/random-bytes", random_bytes_are_refused_or_normal);
  samples_add_test("/record/refuses/over-the-limit-without-a-look", over_the_limit_nothing_is_looked_at);
  g_test_add_func("/record/refuses/a-string-without-its-only-nul-at-its-end", a_string_must_end_with_its_only_nul);
  g_test_add_func("/record/refuses/several-strings-without-their-only-nul-at-their-end",
                  each_of_several_strings_must_end_with_its_only_nul);
  g_test_add_func("/record/refuses/text-that-is-not-utf-8", text_must_be_utf_8_without_a_nul);
  g_test_add_func("/record/refuses/a-guid-of-another-length", a_guid_has_16_bytes);
  g_test_add_func("/record/refuses/null-where-it-may-not-be", null_is_refused_where_it_may_not_be);
  g_test_add_func("/record/refuses/with-nothing-left-of-earlier-fields",
                  a_later_field_takes_the_earlier_ones_along);
  g_test_add_func("/record/refuses/hooks-and-calls-that-there-are-not",
                  hooks_and_calls_that_there_are_not_are_refused);
  return g_test_run();
}
