/* Files that cannot be a plugin: one line that names the file and the cause, a code, and a host that goes
 * quietly. */
#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* Loads the file, which must fail with this result, and a cause that says this and names the file. */
static void assert_refused(const char *path, guint result, const char *says) {
  g_autofree char *name = g_path_get_basename(path);
  Fixture fixture;
  BhResult status;

  fixture_load_path(&fixture, path, &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)fixture.load.result, ==, result);
  g_assert_nonnull(fixture.load.cause);
  g_test_message("%s", fixture.load.cause);
  if (strstr(fixture.load.cause, says) == NULL || strstr(fixture.load.cause, name) == NULL)
    g_error("'%s' does not say '%s' of %s", fixture.load.cause, says, name);
  g_assert_cmphex(fixture.load.hooks, ==, 0);
  fixture_stop(&fixture);
}

static void test_absent(void) {
  assert_refused("C:\\nowhere\\absent.dll", 0x8007007E, "there is no file");
}

static void write_file(const char *path, gconstpointer bytes, gsize size) {
  g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
}

static void test_not_a_dll(void) {
  g_autofree char *path = fixture_copy_plugin("noexport", "text");

  write_file(path, "This is no DLL, but a line of text.\n", 36);
  assert_refused(path, 0x800700C1, "is not a DLL");
  write_file(path, "", 0);
  assert_refused(path, 0x800700C1, "is not a DLL");
}

/* Cut off at every place where a header ends. */
static void test_cut_off(void) {
  g_autofree char *path = fixture_copy_plugin("noexport", "cut");
  g_autofree char *bytes = NULL;
  gsize size;
  guint32 offset;

  g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
  memcpy(&offset, bytes + 0x3c, sizeof offset);
  write_file(path, bytes, 0x3e);
  assert_refused(path, 0x800700C1, "is not a DLL");
  write_file(path, bytes, offset + 6);
  assert_refused(path, 0x800700C1, "is not a DLL");
  offset = 0x7fffffff; /* a header that would lie far behind the file's end */
  memcpy(bytes + 0x3c, &offset, sizeof offset);
  write_file(path, bytes, size);
  assert_refused(path, 0x800700C1, "is not a DLL");
}

/* As no 32-bit compiler is needed to build this: a DLL whose header says so. */
static void test_32_bit(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "narrow");
  g_autofree char *bytes = NULL;
  gsize size;
  guint32 offset;

  g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
  memcpy(&offset, bytes + 0x3c, sizeof offset);
  bytes[offset + 4] = 0x4c; /* IMAGE_FILE_MACHINE_I386 */
  bytes[offset + 5] = 0x01;
  write_file(path, bytes, size);
  assert_refused(path, 0x800700C1, "32-bit x86");
}

static void test_program(void) {
  g_autofree char *path = fixture_built("backend-win32/wslpluginhost.exe");
  assert_refused(path, 0x800700C1, "is a program, not a DLL");
}

static void test_folder(void) {
  assert_refused("C:\\windows", 0x80070005, "cannot be read");
}

static void test_no_export(void) {
  g_autofree char *path = fixture_copy_plugin("noexport", "noexport");
  assert_refused(path, 0x8007007F, "does not export WSLPluginAPIV1_EntryPoint");
}

static void test_import_missing(void) {
  g_autofree char *path = fixture_copy_plugin("import-missing", "import-missing");
  assert_refused(path, 0x8007007E, "needs a DLL that is not there: absent.dll");
}

/* The plugin's own DLL is there, and is the one that lacks something. */
static void test_import_of_import_missing(void) {
  g_autofree char *path = fixture_copy_plugin("import-missing", "import-missing");
  g_autofree char *beside = fixture_copy_plugin("import-missing", "absent");
  g_autofree char *bytes = NULL;
  gsize size;
  char *name;

  /* In the copy that is called absent.dll, the imported name is another. */
  g_assert_true(g_file_get_contents(beside, &bytes, &size, NULL));
  for (name = bytes; memcmp(name, "absent.dll", 11) != 0; name++) g_assert_true(name + 11 < bytes + size);
  memcpy(name, "fehlen.dll", 10);
  write_file(beside, bytes, size);
  assert_refused(path, 0x8007007E, "fehlen.dll (imported by absent.dll)");
  g_unlink(beside);
}

static void test_dllmain_refuses(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "dllmain-refuses");
  assert_refused(path, 0x8007045A, "DllMain");
}

static void test_entry_point_fails(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "entry-fails");
  assert_refused(path, 0x8000FFFF, "returned E_UNEXPECTED");
}

static void test_requires_update(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "requires-update");
  assert_refused(path, 0x8004032A, "entry point");
}

int main(int argc, char **argv) {
  fixture_init(&argc, &argv);
  g_test_add_func("/win32/files/absent", test_absent);
  g_test_add_func("/win32/files/not-a-dll", test_not_a_dll);
  g_test_add_func("/win32/files/cut-off", test_cut_off);
  g_test_add_func("/win32/files/32-bit", test_32_bit);
  g_test_add_func("/win32/files/program", test_program);
  g_test_add_func("/win32/files/folder", test_folder);
  g_test_add_func("/win32/files/no-export", test_no_export);
  g_test_add_func("/win32/files/import-missing", test_import_missing);
  g_test_add_func("/win32/files/import-of-import-missing", test_import_of_import_missing);
  g_test_add_func("/win32/files/dllmain-refuses", test_dllmain_refuses);
  g_test_add_func("/win32/files/entry-point-fails", test_entry_point_fails);
  g_test_add_func("/win32/files/08-requires-update", test_requires_update);
  return g_test_run();
}
