/* Proves that the build works on both targets: GLib links, threads run, tests speak TAP. */
#include <glib.h>

static gpointer double_it(gpointer data) {
  return GINT_TO_POINTER(2 * GPOINTER_TO_INT(data));
}

static void test_thread(void) {
  GThread *thread = g_thread_new("double", double_it, GINT_TO_POINTER(21));
  g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(thread)), ==, 42);
}

static void test_variant(void) {
  g_autoptr(GVariant) pair = g_variant_ref_sink(g_variant_new("(su)", "mount", 7u));
  g_autofree char *text = g_variant_print(pair, FALSE);
  g_assert_cmpstr(text, ==, "('mount', 7)");
}

static void test_regex(void) {
  g_assert_true(g_regex_match_simple("^b.lk(head)?$", "Bulkhead", G_REGEX_CASELESS, 0));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/build/thread", test_thread);
  g_test_add_func("/build/variant", test_variant);
  g_test_add_func("/build/regex", test_regex);
  return g_test_run();
}
