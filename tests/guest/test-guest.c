/* What every guest does: one table of tests, for the guest in memory and, where there is one, for the agent. Runs
 * natively and under Wine. */
#include <string.h>

#include "core/lock-order.h"
#include "core/sync.h"
#include "guest-fixture.h"
#include "guest/socket.h"

static void an_execution_has_its_socket_as_stdin_and_stdout(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat", "over and back", "over and back");
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo two words", NULL, "two words\n");
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/true", NULL, "");
}

static void without_arguments_argv_is_the_path(GuestFixture *fixture, gconstpointer unused) {
  BhResource cat = guest_start_cat(fixture, BH_ROOT_NAMESPACE);

  (void)unused;
  bh_resource_clear(&cat);
}

static void cat_reads_a_file_of_a_mounted_folder(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_write(fixture, "file", "OK");
  guest_mount(fixture, "/test-plugin/deep/folder", TRUE);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /test-plugin/deep/folder/file", NULL, "OK");
}

static void a_folder_may_be_mounted_twice(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_write(fixture, "file", "OK");
  guest_mount(fixture, "/first", TRUE);
  guest_mount(fixture, "/second/", FALSE);
  guest_mount(fixture, "//third//.//fourth/../fifth", TRUE);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /first/file", NULL, "OK");
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /second/file /third/fifth/file", NULL, "OKOK");
}

static void an_instance_does_not_see_the_mounts(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance;

  (void)unused;
  guest_write(fixture, "file", "OK");
  guest_mount(fixture, "/data", TRUE);
  instance = guest_start_instance(fixture, NULL);
  guest_assert_output(fixture, instance.number, "/bin/cat /data/file", NULL, "");
}

static void what_cannot_be_mounted_is_refused(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *missing = g_build_filename(fixture->folder, "missing", NULL);
  g_autofree char *file = g_build_filename(fixture->folder, "file", NULL);
  const BhGuestClass *class = fixture->vm->class;

  (void)unused;
  guest_write(fixture, "file", "no folder");
  g_assert_cmphex((guint32) class->mount(fixture->vm, missing, "/data", TRUE, "test"), ==, 0x80070002u);
  g_assert_cmphex((guint32) class->mount(fixture->vm, file, "/data", TRUE, "test"), ==, 0x80070002u);
  g_assert_cmpint(class->mount(fixture->vm, fixture->folder, "data", TRUE, "test"), ==, BH_E_INVALIDARG);
  g_assert_cmpint(class->mount(fixture->vm, fixture->folder, "", TRUE, "test"), ==, BH_E_INVALIDARG);
  g_assert_cmpint(class->mount(fixture->vm, fixture->folder, "/", TRUE, "test"), ==, BH_E_INVALIDARG);
  guest_mount(fixture, "/data", TRUE);
}

static void what_cannot_be_executed_fails(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  g_assert_cmpint(guest_try(fixture, BH_ROOT_NAMESPACE, "/bin/there-is-no-such-program"), ==, BH_E_FAIL);
  g_assert_cmpint(guest_try(fixture, BH_ROOT_NAMESPACE, "/bin"), ==, BH_E_FAIL);
  g_assert_cmpint(guest_try(fixture, BH_ROOT_NAMESPACE, ""), ==, BH_E_FAIL);
  g_assert_cmpint(guest_try(fixture, BH_ROOT_NAMESPACE, "/bin/true"), ==, BH_OK);
}

static void an_instance_runs_programs_until_it_is_stopped(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance = guest_start_instance(fixture, NULL);
  const BhGuestClass *class = fixture->vm->class;

  (void)unused;
  guest_assert_output(fixture, instance.number, "/bin/echo inside", NULL, "inside\n");
  g_assert_cmpint(guest_try(fixture, instance.number, "/bin/missing"), ==, BH_E_FAIL);
  guest_assert_output(fixture, instance.number, "/bin/cat", "still there", "still there");
  g_assert_cmpint(class->instance_stop(fixture->vm, instance.number), ==, BH_OK);
  g_assert_cmphex((guint32)guest_try(fixture, instance.number, "/bin/true"), ==, 0x80040313u);
  g_assert_cmphex((guint32) class->instance_stop(fixture->vm, instance.number), ==, 0x80040313u);
}

static void each_start_has_an_init_pid_of_its_own(GuestFixture *fixture, gconstpointer unused) {
  BhInstance first = guest_start_instance(fixture, NULL), second = guest_start_instance(fixture, NULL), third;

  (void)unused;
  g_assert_cmpuint(first.number, !=, second.number);
  g_assert_cmpuint(first.init_pid, !=, second.init_pid);
  g_assert_cmpuint(first.pid_namespace, !=, second.pid_namespace);
  g_assert_cmpint(fixture->vm->class->instance_stop(fixture->vm, first.number), ==, BH_OK);
  third = guest_start_instance(fixture, NULL);
  g_assert_cmpuint(third.number, !=, first.number);
  g_assert_cmpuint(third.init_pid, !=, first.init_pid);
}

static void nothing_runs_in_an_instance_that_never_was(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  g_assert_cmphex((guint32)guest_try(fixture, 77, "/bin/true"), ==, 0x80040313u);
}

static void assert_ends(BhResource *socket) {
  char letter;

  g_assert_cmpint(bh_socket_read(socket->value, &letter, 1), <=, 0);
  bh_resource_clear(socket);
}

static void stopping_an_instance_ends_what_runs_in_it_and_nothing_else(GuestFixture *fixture,
                                                                       gconstpointer unused) {
  BhInstance stopped = guest_start_instance(fixture, NULL), other = guest_start_instance(fixture, NULL);
  BhResource in_stopped = guest_start_cat(fixture, stopped.number),
             in_other = guest_start_cat(fixture, other.number),
             in_root = guest_start_cat(fixture, BH_ROOT_NAMESPACE);
  char letter;

  (void)unused;
  g_assert_cmpint(fixture->vm->class->instance_stop(fixture->vm, stopped.number), ==, BH_OK);
  assert_ends(&in_stopped);
  bh_socket_write_all(in_other.value, "y", 1);
  g_assert_cmpint(bh_socket_read(in_other.value, &letter, 1), ==, 1);
  bh_socket_write_all(in_root.value, "z", 1);
  g_assert_cmpint(bh_socket_read(in_root.value, &letter, 1), ==, 1);
  bh_resource_clear(&in_other);
  bh_resource_clear(&in_root);
}

static void destroying_the_vm_ends_what_runs_in_it(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance = guest_start_instance(fixture, NULL);
  BhResource in_root = guest_start_cat(fixture, BH_ROOT_NAMESPACE),
             in_instance = guest_start_cat(fixture, instance.number);

  (void)unused;
  guest_vm_destroy(fixture);
  assert_ends(&in_root);
  assert_ends(&in_instance);
  g_assert_cmpint(fixture->deaths, ==, 0);
}

static void a_large_file_arrives_whole(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *large = g_strnfill(3 * 1024 * 1024, 'a'), *output = NULL;

  (void)unused;
  guest_write(fixture, "large", large);
  guest_mount(fixture, "/data", TRUE);
  output = guest_run(fixture, BH_ROOT_NAMESPACE, "/bin/cat /data/large", NULL);
  g_assert_true(strcmp(output, large) == 0);
}

static gpointer execute_often(gpointer data) {
  for (int i = 0; i < 10; i++) {
    g_autofree char *words = g_strdup_printf("%d of %" G_GUINT64_FORMAT, i, bh_thread_number());

    guest_assert_output((GuestFixture *)data, BH_ROOT_NAMESPACE, "/bin/cat", words, words);
  }
  return NULL;
}

static void several_threads_execute_at_once(GuestFixture *fixture, gconstpointer unused) {
  BhThread *threads[6];

  (void)unused;
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_assert_nonnull(threads[i] = bh_thread_new("executes", BH_RANK_LEAF, execute_often, fixture));
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) bh_thread_join(threads[i]);
}

static void two_vms_know_nothing_of_each_other(GuestFixture *fixture, gconstpointer unused) {
  BhVmSettings settings = {0};
  BhVmEvents none = {0};
  GuestFixture other = *fixture;

  (void)unused;
  g_assert_cmpint(fixture->guest->class->vm_create(fixture->guest, &settings, &none, NULL, &other.vm), ==, BH_OK);
  guest_write(fixture, "file", "OK");
  guest_mount(fixture, "/only-here", TRUE);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /only-here/file", NULL, "OK");
  guest_assert_output(&other, BH_ROOT_NAMESPACE, "/bin/cat /only-here/file", NULL, "");
  guest_vm_destroy(&other);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo still", NULL, "still\n");
}

static const GuestTestRow tests[] = {
    {"an-execution-has-its-socket-as-stdin-and-stdout", an_execution_has_its_socket_as_stdin_and_stdout},
    {"without-arguments-argv-is-the-path", without_arguments_argv_is_the_path},
    {"cat-reads-a-file-of-a-mounted-folder", cat_reads_a_file_of_a_mounted_folder},
    {"a-folder-may-be-mounted-twice", a_folder_may_be_mounted_twice},
    {"an-instance-does-not-see-the-mounts", an_instance_does_not_see_the_mounts},
    {"what-cannot-be-mounted-is-refused", what_cannot_be_mounted_is_refused},
    {"what-cannot-be-executed-fails", what_cannot_be_executed_fails},
    {"an-instance-runs-programs-until-it-is-stopped", an_instance_runs_programs_until_it_is_stopped},
    {"each-start-has-an-init-pid-of-its-own", each_start_has_an_init_pid_of_its_own},
    {"nothing-runs-in-an-instance-that-never-was", nothing_runs_in_an_instance_that_never_was},
    {"stopping-an-instance-ends-what-runs-in-it-and-nothing-else",
     stopping_an_instance_ends_what_runs_in_it_and_nothing_else},
    {"destroying-the-vm-ends-what-runs-in-it", destroying_the_vm_ends_what_runs_in_it},
    {"a-large-file-arrives-whole", a_large_file_arrives_whole},
    {"several-threads-execute-at-once", several_threads_execute_at_once},
    {"two-vms-know-nothing-of-each-other", two_vms_know_nothing_of_each_other},
};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  guest_test_add_all(tests, G_N_ELEMENTS(tests));
  return g_test_run();
}
