/* The agent's processes, containers and exports, where only a real Linux can show them. Native only. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/lock-order.h"
#include "guest-fixture.h"
#include "guest/socket.h"
#include "raw-agent.h"

/* ---- processes ---- */

static void a_process_has_only_its_own_descriptors_and_environment(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  g_assert_cmpint(guest_assert_script(fixture, "exec ls /proc/self/fd", NULL, "0\n1\n2\n3\n"), ==, 0);
  g_assert_cmpint(guest_assert_script(fixture, "unset BULKHEAD_MARK; env | LC_ALL=C sort | cut -d= -f1",
                                      (const char *const[]){"ADDED=", "PATH=/bin", NULL},
                                      "ADDED\nHOME\nLANG\nPATH\nPWD\n"),
                  ==, 0);
}

static void a_signals_exit_code_is_a_shells(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  g_assert_cmpint(guest_assert_script(fixture, "kill -9 $$", NULL, ""), ==, 137);
  g_assert_cmpint(guest_assert_script(fixture, "kill -15 $$", NULL, ""), ==, 143);
  g_assert_cmpint(guest_assert_script(fixture, "exit 255", NULL, ""), ==, 255);
}

static void what_a_process_leaves_behind_runs_on(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(
      fixture, GUEST_SH("exec 3<&0; (read line <&3; echo from the daemon: $line) & exit 3"), NULL);
  g_autofree char *output = NULL;

  (void)unused;
  g_assert_cmpint(guest_process_await(&process), ==, 3);
  guest_process_say(&process, "hello\n");
  output = guest_process_hear(&process, BH_STDOUT);
  g_assert_cmpstr(output, ==, "from the daemon: hello\n");
  guest_process_clear(&process);
}

static void other_errnos_are_told_too(GuestFixture *fixture, gconstpointer unused) {
  BhProgram program = {.path = "/etc/passwd"};
  BhResource streams[BH_STREAM_COUNT] = {{0}};
  BhProcess *process = NULL;
  gint32 error = 0;

  (void)unused;
  g_assert_cmpint(fixture->vm->class->process_start(fixture->vm, &program, streams, &process, &error), ==,
                  BH_E_FAIL);
  g_assert_cmpint(error, ==, EACCES);
}

/* ---- containers ---- */

static void assert_script(GuestFixture *fixture, guint32 instance, const char *script, const char *expected) {
  g_autofree char *output = guest_run_argv(fixture, instance, GUEST_SH(script), NULL);

  g_assert_cmpstr(output, ==, expected);
}

static guint32 start_container(GuestFixture *fixture, const char *root, const char *const *argv,
                               const char *const *environment) {
  BhContainerSpec spec = {.name = "web", .image = "image", .root = root, .program = {argv[0], argv, environment}};
  g_auto(BhDescription) container = {0};

  g_assert_cmpint(fixture->vm->class->container_start(fixture->vm, &spec, &container), ==, BH_OK);
  return container.number;
}

static void what_a_container_leaves_behind_ends(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *marker = g_strdup_printf("bulkhead-container-%d", getpid());
  const char *argv[] = {"/bin/sh", "-c", "setsid sleep 1000 & sh -c 'sleep 1000; :' $0 & exit 0", marker, NULL};

  (void)unused;
  guest_await_ended(fixture, start_container(fixture, NULL, argv, NULL));
  g_assert_cmpuint(raw_count_processes(marker), ==, 0);
}

static void a_containers_first_process_has_its_environment_and_no_stdin(GuestFixture *fixture,
                                                                        gconstpointer unused) {
  static const char *const argv[] = {"/bin/sleep", "1000", NULL}, *const environment[] = {"NAME=value", NULL};
  guint32 number = start_container(fixture, NULL, argv, environment);

  (void)unused;
  assert_script(fixture, number,
                "cat /proc/2/comm; tr '\\0' '\\n' </proc/2/environ | grep ^NAME; readlink /proc/2/fd/0",
                "sleep\nNAME=value\n/dev/null\n");
  assert_script(fixture, number,
                "test -z \"$NAME\" && test \"$(readlink /proc/2/fd/1)\" = \"$(readlink /proc/$$/fd/2)\" && "
                "echo to the log",
                "to the log\n");
}

static void a_container_has_its_images_root(GuestFixture *fixture, gconstpointer unused) {
  guint32 number;

  (void)unused;
  raw_make_root(fixture->folder);
  number = start_container(fixture, fixture->folder, (const char *const[]){"/bin/say", "pause", NULL}, NULL);
  guest_assert_output(fixture, number, "/bin/say some words", NULL, "parent 1: some words");
  g_assert_cmpint(guest_try(fixture, number, "/bin/sh"), ==, BH_E_FAIL);
  g_assert_cmpint(fixture->vm->class->container_stop(fixture->vm, number), ==, BH_OK);
}

/* ---- exports ---- */

static void tar_reads_what_was_exported(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *target = g_dir_make_tmp("bulkhead-export-XXXXXX", NULL), *listing = NULL;
  g_autofree char *file = g_build_filename(target, "an export's.tar", NULL),
                  *link = g_build_filename(fixture->folder, "link", NULL);
  char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)"tar -tf \"$0\" | LC_ALL=C sort", file, NULL};
  BhDistribution distribution = {.name = (char *)"Debian", .root = fixture->folder};
  int status;

  (void)unused;
  guest_write(fixture, "-f", "a name that looks like an option");
  guest_write(fixture, "file", "OK");
  g_assert_cmpint(symlink("file", link), ==, 0);
  g_assert_cmpint(fixture->guest->class->distribution_export(fixture->guest, &distribution, file), ==, BH_OK);
  g_assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &listing, NULL, &status, NULL));
  g_assert_cmpstr(listing, ==, "./\n./-f\n./file\n./link\n");
  guest_remove_folder(target);
}

/* What the service's user has tar do elsewhere, and an archive that lies where it is made from. */
static void an_export_is_the_same_whatever_the_environment(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *file = g_build_filename(fixture->folder, "export.tar", NULL), *contents = NULL;
  BhDistribution distribution = {.name = (char *)"Debian", .root = fixture->folder};
  gsize length;

  (void)unused;
  guest_write(fixture, "file", "OK");
  g_setenv("TAR_OPTIONS", "--gzip --exclude=file", TRUE);
  g_assert_cmpint(fixture->guest->class->distribution_export(fixture->guest, &distribution, file), ==, BH_OK);
  g_unsetenv("TAR_OPTIONS");
  g_assert_true(g_file_get_contents(file, &contents, &length, NULL));
  g_assert_cmpuint(length, >=, 4 * 512);
  g_assert_cmpint(memcmp(contents + 257, "ustar", 5), ==, 0);
  g_assert_nonnull(memmem(contents, length, "./file", 6));
  g_assert_null(memmem(contents, length, "export.tar", 10));
}

static const GuestTestRow tests[] = {
    {"a-process-has-only-its-own-descriptors", a_process_has_only_its_own_descriptors_and_environment},
    {"a-signals-exit-code-is-a-shells", a_signals_exit_code_is_a_shells},
    {"what-a-process-leaves-behind-runs-on", what_a_process_leaves_behind_runs_on},
    {"other-errnos-are-told-too", other_errnos_are_told_too},
    {"what-a-container-leaves-behind-ends", what_a_container_leaves_behind_ends},
    {"a-containers-first-process-has-its-environment",
     a_containers_first_process_has_its_environment_and_no_stdin},
    {"a-container-has-its-images-root", a_container_has_its_images_root},
    {"tar-reads-what-was-exported", tar_reads_what_was_exported},
    {"an-export-is-the-same-whatever-the-environment", an_export_is_the_same_whatever_the_environment},
};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++) guest_test_add("agent", tests[i].name, tests[i].test);
  return g_test_run();
}
