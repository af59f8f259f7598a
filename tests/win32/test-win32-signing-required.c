/* A build that requires signatures: no setting asks for them, and an unsigned plugin is refused all the same. This program
 * has backend.c compiled so; win32/signature has what a signature is. */
#include "fixture.h"

static void test_unsigned_is_refused(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "unsigned");
  Fixture fixture;
  BhResult status;

  fixture_load_path(&fixture, path, &status); /* BH_WIN32_SIGNING_AS_BUILT */
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)fixture.load.result, ==, (guint)BH_TRUST_E_NOSIGNATURE);
  fixture_stop(&fixture);
}

int main(int argc, char **argv) {
  fixture_init(&argc, &argv);
  g_test_add_func("/win32/signing-required/unsigned-is-refused", test_unsigned_is_refused);
  return g_test_run();
}
