/* GUIDs as Windows lays them out and spells them, and distributions, which carry one. */
#include "core/guest.h"

#include <string.h>

/* In memory the first three groups are little-endian numbers, the rest is as written. */
#define TEXT "{00112233-4455-6677-8899-aabbccddeeff}"
static const BhGuid sample = {
    {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}};

#define assert_guid(guid, expected) g_assert_cmpmem((guid).bytes, 16, (expected).bytes, 16)

static void is_written_in_braces_and_lower_case(void) {
  g_autofree char *text = bh_guid_to_string(&sample);
  g_assert_cmpstr(text, ==, TEXT);
}

static void is_read_with_and_without_braces_in_either_case(void) {
  static const char *const spellings[] = {
      TEXT,
      "00112233-4455-6677-8899-aabbccddeeff",
      "{00112233-4455-6677-8899-AABBCCDDEEFF}",
      "00112233-4455-6677-8899-AaBbCcDdEeFf",
  };

  for (guint i = 0; i < G_N_ELEMENTS(spellings); i++) {
    BhGuid parsed = {{0}};
    g_assert_true(bh_guid_parse(spellings[i], &parsed));
    assert_guid(parsed, sample);
  }
}

static void what_is_none_is_refused_and_nothing_changed(void) {
  static const char *const wrong[] = {
      "",
      "{}",
      "{00112233-4455-6677-8899-aabbccddeeff",  /* no closing brace */
      "00112233-4455-6677-8899-aabbccddeeff}",  /* no opening brace */
      "(00112233-4455-6677-8899-aabbccddeeff)", /* other brackets */
      "{{0112233-4455-6677-8899-aabbccddeeff}",
      "00112233-4455-6677-8899-aabbccddeef",   /* too short */
      "00112233-4455-6677-8899-aabbccddeeff0", /* too long */
      "0011223-34455-6677-8899-aabbccddeeff",  /* a dash in the wrong place */
      "00112233445566778899aabbccddeeff",      /* no dashes */
      "0011223g-4455-6677-8899-aabbccddeeff",  /* no hex digit */
      " 0112233-4455-6677-8899-aabbccddeeff",
      "{00112233-4455-6677-8899-aabbccddeeff} ",
  };

  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    BhGuid parsed = sample;
    if (bh_guid_parse(wrong[i], &parsed)) g_error("'%s' was taken for a GUID", wrong[i]);
    assert_guid(parsed, sample);
  }
}

static void random_ones_are_of_version_4_and_differ(void) {
  BhGuid before = bh_guid_random();

  for (guint i = 0; i < 100; i++) {
    BhGuid guid = bh_guid_random();
    g_autofree char *text = bh_guid_to_string(&guid);
    BhGuid again;

    g_assert_cmphex(guid.bytes[7] & 0xf0, ==, 0x40); /* the version, in the high byte of the third group */
    g_assert_cmphex(guid.bytes[8] & 0xc0, ==, 0x80); /* the variant */
    g_assert_true(bh_guid_parse(text, &again));
    assert_guid(again, guid);
    g_assert_true(memcmp(before.bytes, guid.bytes, 16) != 0);
    before = guid;
  }
}

static void assert_copied(const char *copy, const char *original) {
  g_assert_cmpstr(copy, ==, original);
  if (original != NULL) g_assert_true(copy != original);
}

static void check_copy(const BhDistribution *original) {
  g_autoptr(BhDistribution) copy = bh_distribution_copy(original);

  assert_guid(copy->id, original->id);
  assert_copied(copy->name, original->name);
  assert_copied(copy->package_family_name, original->package_family_name);
  assert_copied(copy->flavor, original->flavor);
  assert_copied(copy->version, original->version);
  assert_copied(copy->root, original->root);
  g_assert_cmpint(copy->wsl1, ==, original->wsl1);
}

static void a_copy_of_a_distribution_has_all_of_it(void) {
  BhDistribution full = {
      sample, (char *)"Debian", (char *)"TheDebianProject", (char *)"debian", (char *)"12", (char *)"/srv/debian",
      TRUE};
  check_copy(&full);
}

static void a_copy_of_a_distribution_keeps_its_nulls(void) {
  BhDistribution bare = {.id = sample, .name = (char *)"Debian"};
  check_copy(&bare);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/guid/is-written-in-braces-and-lower-case", is_written_in_braces_and_lower_case);
  g_test_add_func("/guid/is-read-with-and-without-braces-in-either-case",
                  is_read_with_and_without_braces_in_either_case);
  g_test_add_func("/guid/what-is-none-is-refused-and-nothing-changed",
                  what_is_none_is_refused_and_nothing_changed);
  g_test_add_func("/guid/random-ones-are-of-version-4-and-differ", random_ones_are_of_version_4_and_differ);
  g_test_add_func("/distribution/a-copy-has-all-of-it", a_copy_of_a_distribution_has_all_of_it);
  g_test_add_func("/distribution/a-copy-keeps-its-nulls", a_copy_of_a_distribution_keeps_its_nulls);
  return g_test_run();
}
