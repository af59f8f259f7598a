/* What a host leaves behind when it faults: where it was, in words, and a dump. */
#include "fixture.h"
#include "backend-win32/dump/dump.h"

#include <glib/gstdio.h>
#include <string.h>

/* Where this program's hosts put their dumps. */
static char *dumps;

/* Has hosts fault by this command until one's report names a dump, and returns its path, the caller's. Wine's
 * dbghelp.dll needs more than a second for one, and on a machine that has much else to do may need more than it gets. */
static char *fault_with_dump(const char *name) {
  char *path = NULL;

  for (guint i = 0; i < 5 && path == NULL; i++) {
    const gint64 began = bh_clock_now();
    const char *how, *mark;
    Fixture fixture;
    BhResult status;

    fixture_start(&fixture, "hostile");
    g_auto(BhNotifyReply) reply = fixture_command(&fixture, name, &status);
    how = fixture_await_death(&fixture);
    g_test_message("%s, after %.0f ms", how, (double)(bh_clock_now() - began) / 1e3);
    mark = strstr(how, "; dump: ");
    if (mark != NULL) path = g_strdup(mark + strlen("; dump: "));
    fixture_stop(&fixture);
  }
  if (path == NULL) g_error("no report names a dump");
  return path;
}

static void assert_is_dump(const char *path) {
  g_autofree char *bytes = NULL;
  g_autoptr(GError) error = NULL;
  gsize size = 0;

  g_file_get_contents(path, &bytes, &size, &error);
  g_assert_no_error(error);
  g_test_message("%s: %" G_GSIZE_FORMAT " bytes", path, size);
  g_assert_cmpuint(size, >, 1024);
  g_assert_cmpuint(size, <=, BH_DUMP_SIZE_MAX);
  g_assert_cmpmem(bytes, 4, "MDMP", 4);
}

static guint count_dumps(void) {
  GDir *directory = g_dir_open(dumps, 0, NULL);
  guint count = 0;

  while (directory != NULL && g_dir_read_name(directory) != NULL) count++;
  if (directory != NULL) g_dir_close(directory);
  return count;
}

static void test_dump_is_named(gconstpointer name) {
  g_autofree char *path = fault_with_dump(name);
  assert_is_dump(path);
}

/* Old ones go; and only what is a dump by its name. */
static void test_dumps_are_few(void) {
  g_autofree char *other = g_build_filename(dumps, "letter.txt", NULL);
  g_autofree char *first = g_build_filename(dumps, "host-20000101-000000-1.dmp", NULL);
  g_autofree char *path = NULL;

  g_mkdir_with_parents(dumps, 0700);
  g_assert_true(g_file_set_contents(other, "hello", -1, NULL));
  g_assert_true(g_file_set_contents(first, "old", -1, NULL));
  for (guint i = 2; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("host-20000101-0000%02u-1.dmp.part", i);
    g_autofree char *old = g_build_filename(dumps, name, NULL);
    g_assert_true(g_file_set_contents(old, "old", -1, NULL));
  }
  path = fault_with_dump("swallow-faults");
  assert_is_dump(path);
  g_assert_false(g_file_test(first, G_FILE_TEST_EXISTS));
  g_assert_cmpuint(count_dumps(), ==, BH_DUMPS_MAX + 1);
  g_assert_cmpint(g_unlink(other), ==, 0);
}

static void test_no_dumps_wanted(void) {
  Fixture fixture;
  BhResult status;

  g_setenv("BULKHEAD_DUMPS", "", TRUE);
  fixture_start(&fixture, "hostile");
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE); /* it was asked when the host said hello */
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "swallow-faults", &status);
  fixture_assert_how(&fixture, "access violation writing 0x0 at hostile.dll+0x");
  fixture_assert_how(&fixture, "; dump: none was asked for");
  fixture_stop(&fixture);
}

/* A folder that cannot be made: the report is there all the same. */
static void test_dump_cannot_be_written(void) {
  g_autofree char *file = fixture_copy_plugin("hostile", "no-folder");
  Fixture fixture;
  BhResult status;

  g_setenv("BULKHEAD_DUMPS", file, TRUE);
  fixture_start(&fixture, "hostile");
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "swallow-faults", &status);
  fixture_assert_how(&fixture, "access violation writing 0x0 at hostile.dll+0x");
  fixture_assert_how(&fixture, "; dump: none, ");
  fixture_stop(&fixture);
}

/* The report is a host's word: another exit code, bytes that are no text, no end. */
static void test_report_is_not_believed(void) {
  HANDLE section = bh_dump_report_new();
  BhDumpReport *report = bh_dump_report_map(section);
  g_autofree char *where = NULL, *dump = NULL, *other_where = NULL, *other_dump = NULL;

  g_assert_nonnull(report);
  memset(report->where, '\n', sizeof report->where);
  memset(report->dump, 0xFF, sizeof report->dump);
  report->code = 0xC0000005;
  bh_dump_report_take(section, 0xC0000005, &where, &dump);
  g_assert_null(strchr(where, '\n'));
  g_assert_cmpuint(strlen(where), ==, sizeof report->where);
  g_assert_true(g_utf8_validate(dump, -1, NULL));
  bh_dump_report_take(section, 0xC00000FD, &other_where, &other_dump);
  g_assert_cmpstr(other_where, ==, "");
  g_assert_cmpstr(other_dump, ==, "");
  UnmapViewOfFile(report);
  CloseHandle(section);
}

/* The helper is ended while it writes, as it is when that takes too long: what it has begun goes with it. */
static void test_unfinished_dump_goes(void) {
  g_autofree char *folder = g_build_filename(dumps, "unfinished", NULL);
  g_autofree char *path = NULL, *other = NULL;
  DWORD written;
  HANDLE file = bh_dump_folder_create(folder, 1, &path);

  g_assert_true(file != INVALID_HANDLE_VALUE);
  g_assert_true(WriteFile(file, "MDMP", 4, &written, NULL));
  CloseHandle(file); /* by Windows, with the process */
  g_assert_cmpint(g_rmdir(folder), ==, 0);

  file = bh_dump_folder_create(folder, 2, &other);
  g_assert_true(file != INVALID_HANDLE_VALUE);
  g_assert_true(WriteFile(file, "MDMP", 4, &written, NULL));
  g_assert_true(bh_dump_folder_close(file, other, TRUE));
  g_assert_cmpint(g_unlink(other), ==, 0);
  g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* --- Many at once --------------------------------------------------------------------------------------- */

#define CRASHES 8

static gpointer crash(gpointer path) {
  Fixture fixture;
  BhResult status;

  fixture_load_path(&fixture, path, &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "swallow-faults", &status);
  fixture_assert_how(&fixture, "access violation writing 0x0 at hostile.dll+0x");
  fixture_stop(&fixture);
  return NULL;
}

/* A helper is there before its plugin is, however busy the machine: no crash is told without its place. */
static void test_every_crash_has_its_place(void) {
  g_autofree char *path = fixture_copy_plugin("hostile", "hostile");
  BhThread *threads[CRASHES];

  g_setenv("BULKHEAD_DUMPS", "", TRUE);
  for (int i = 0; i < CRASHES; i++) threads[i] = bh_thread_new("crash", BH_RANK_LEAF, crash, path);
  for (int i = 0; i < CRASHES; i++) bh_thread_join(threads[i]);
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE);
}

int main(int argc, char **argv) {
  g_autofree char *example = NULL, *folder = NULL;
  int status;

  fixture_init(&argc, &argv);
  example = fixture_copy_plugin("hostile", "hostile");
  folder = g_path_get_dirname(example);
  dumps = g_build_filename(folder, "dumps", "of hosts", NULL);
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE);

  g_test_add_data_func("/win32/dump/of-an-overflowed-stack", "overflow-in-thread", test_dump_is_named);
  g_test_add_data_func("/win32/dump/of-many-threads", "fault-among-threads", test_dump_is_named);
  g_test_add_func("/win32/dump/is-named-and-they-are-few", test_dumps_are_few);
  g_test_add_func("/win32/dump/not-wanted", test_no_dumps_wanted);
  g_test_add_func("/win32/dump/cannot-be-written", test_dump_cannot_be_written);
  g_test_add_func("/win32/dump/report-is-not-believed", test_report_is_not_believed);
  g_test_add_func("/win32/dump/unfinished-goes", test_unfinished_dump_goes);
  g_test_add_func("/win32/dump/every-crash-has-its-place", test_every_crash_has_its_place);
  status = g_test_run();
  g_free(dumps);
  return status;
}
