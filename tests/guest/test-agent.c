/* The agent as its client shows it, where only a real Linux can. Native only. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/lock-order.h"
#include "core/sync.h"
#include "guest-fixture.h"
#include "guest/client.h"
#include "guest/socket.h"
#include "raw-agent.h"

#define SH(script) ((const char *const[]){"/bin/sh", "-c", script, "sh", NULL})

static void assert_script(GuestFixture *fixture, guint32 instance, const char *script, const char *expected) {
  g_autofree char *output = guest_run_argv(fixture, instance, SH(script), NULL);

  g_assert_cmpstr(output, ==, expected);
}

/* ---- the file system ---- */

static void a_read_only_mount_cannot_be_written_to(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_write(fixture, "file", "old");
  guest_mount(fixture, "/data", TRUE);
  assert_script(fixture, BH_ROOT_NAMESPACE, "echo new 2>/dev/null >/data/file || echo refused; cat /data/file",
                "refused\nold");
}

static void a_writable_mount_can_and_the_host_sees_it(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *file = g_build_filename(fixture->folder, "new", NULL), *contents = NULL;

  (void)unused;
  guest_mount(fixture, "/data", FALSE);
  assert_script(fixture, BH_ROOT_NAMESPACE, "echo written >/data/new", "");
  g_assert_true(g_file_get_contents(file, &contents, NULL, NULL));
  g_assert_cmpstr(contents, ==, "written\n");
}

/* /usr/share is a folder of the machine's, bound read-only: to make a mount point there, it must be opened. */
static void a_mount_point_may_lie_in_the_machines_own_folders(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_write(fixture, "file", "OK");
  guest_mount(fixture, "/mnt/wsl/deep/folder", TRUE);
  guest_mount(fixture, "/usr/share/bulkhead-test/deep", FALSE);
  guest_mount(fixture, "/usr/bulkhead-test", FALSE);
  guest_mount(fixture, "/var/run/bulkhead-test", TRUE); /* a link to /run */
  guest_mount(fixture, "/home", TRUE);                  /* covers one that is there */
  assert_script(fixture, BH_ROOT_NAMESPACE,
                "cat /mnt/wsl/deep/folder/file /usr/share/bulkhead-test/deep/file /usr/bulkhead-test/file "
                "/run/bulkhead-test/file /home/file && test -e /usr/share/doc && test -x /usr/bin/env && "
                "! touch /usr/share/x 2>/dev/null && ! touch /etc/x 2>/dev/null && echo all",
                "OKOKOKOKOKall\n");
}

static void assert_bad_point(GuestFixture *fixture, const char *point) {
  g_assert_cmpint(fixture->vm->class->mount(fixture->vm, fixture->folder, point, TRUE, "test"), ==,
                  BH_E_INVALIDARG);
}

/* While bwrap makes mount points, the host is at /oldroot: a link to there must not have it make folders. */
static void a_guest_programs_link_makes_no_folder_on_the_host(GuestFixture *fixture, gconstpointer unused) {
  static const char *const folders[] = {"/tmp", "/writable", "/read-only"};
  g_autofree char *made = g_build_filename(fixture->folder, "made", NULL), *script = NULL;

  (void)unused;
  guest_mount(fixture, "/writable", FALSE);
  guest_mount(fixture, "/read-only", TRUE);
  script = g_strdup_printf("ln -s ../../oldroot%s /tmp/link; ln -s ../../oldroot%s /writable/link",
                           fixture->folder, fixture->folder);
  assert_script(fixture, BH_ROOT_NAMESPACE, script, "");
  for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autofree char *point = g_build_filename(folders[i], "link", "made", NULL);

    assert_bad_point(fixture, point);
  }
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo still", NULL, "still\n");
  g_assert_false(g_file_test(made, G_FILE_TEST_EXISTS));
}

/* Neither do the machine's: one that leads nowhere but in bwrap's eyes, and one that comes after the mount. */
static void a_link_of_the_machines_makes_no_folder_on_the_host(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *folder = g_strdup("/var/tmp/bulkhead-test-XXXXXX"), *target = NULL, *link = NULL, *point = NULL;
  g_autofree char *late_link = NULL, *late_point = NULL, *made = NULL;

  (void)unused;
  g_assert_nonnull(g_mkdtemp(folder));
  target = g_strconcat("/oldroot", fixture->folder, NULL);
  link = g_build_filename(folder, "link", NULL);
  point = g_build_filename(link, "made", NULL);
  late_link = g_build_filename(folder, "late", NULL);
  late_point = g_build_filename(late_link, "made", NULL);
  made = g_build_filename(fixture->folder, "made", NULL);
  g_assert_cmpint(symlink(target, link), ==, 0);
  assert_bad_point(fixture, point);
  guest_mount(fixture, late_point, TRUE);
  g_assert_cmpint(symlink(target, late_link), ==, 0);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo still", NULL, "still\n");
  g_assert_false(g_file_test(made, G_FILE_TEST_EXISTS));
  guest_remove_folder(folder);
}

/* What the machine has below /tmp, or where something is mounted, is not what the sandbox has there. */
static void mount_points_are_not_looked_up_where_the_sandbox_differs(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *folder = g_strdup("/var/tmp/bulkhead-test-XXXXXX"), *covered = NULL, *own = NULL, *point = NULL;

  (void)unused;
  guest_write(fixture, "file", "OK");
  g_assert_nonnull(g_mkdtemp(folder));
  covered = g_build_filename(folder, "link", NULL);
  point = g_build_filename(covered, "x", NULL);
  g_assert_cmpint(symlink("/mnt", covered), ==, 0);
  guest_mount(fixture, folder, TRUE);
  assert_bad_point(fixture, point);
  if (g_str_has_prefix(fixture->folder, "/tmp/")) {
    g_clear_pointer(&point, g_free);
    own = g_build_filename(fixture->folder, "link", NULL);
    point = g_build_filename(own, "x", NULL);
    g_assert_cmpint(symlink("/mnt", own), ==, 0);
    assert_bad_point(fixture, point);
  }
  guest_mount(fixture, "/tmp", TRUE);
  guest_mount(fixture, folder, TRUE); /* again, on the same point */
  g_clear_pointer(&point, g_free);
  point = g_strdup_printf("cat /tmp/file %s/file", folder);
  assert_script(fixture, BH_ROOT_NAMESPACE, point, "OKOK");
  guest_remove_folder(folder);
}

/* bulkhead-init is started through /proc. */
static void nothing_is_mounted_on_proc_or_dev(GuestFixture *fixture, gconstpointer unused) {
  static const char *const points[] = {"/proc",    "/proc/self/fd", "/proc/nowhere", "/dev",
                                       "/dev/shm", "/dev/x",        "/etc/../proc/", "//proc/1"};

  (void)unused;
  for (guint i = 0; i < G_N_ELEMENTS(points); i++) assert_bad_point(fixture, points[i]);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo still", NULL, "still\n");
}

static void a_mount_point_that_cannot_be_is_refused_and_does_no_harm(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_mount(fixture, "/data", TRUE);
  g_assert_cmpint(fixture->vm->class->mount(fixture->vm, fixture->folder, "/etc/passwd/x", TRUE, "test"), ==,
                  BH_E_FAIL);
  assert_bad_point(fixture, "/data/below");
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo still", NULL, "still\n");
}

static void a_mounted_folder_that_is_gone_does_no_harm(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *folder = g_build_filename(fixture->folder, "short-lived", NULL);

  (void)unused;
  g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
  g_assert_cmpint(fixture->vm->class->mount(fixture->vm, folder, "/gone", TRUE, "test"), ==, BH_OK);
  g_assert_cmpint(g_rmdir(folder), ==, 0);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo still", NULL, "still\n");
}

static void executions_share_tmp_and_it_is_not_the_machines(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  assert_script(fixture, BH_ROOT_NAMESPACE, "echo kept >/tmp/bulkhead-shared", "");
  assert_script(fixture, BH_ROOT_NAMESPACE, "cat /tmp/bulkhead-shared", "kept\n");
  g_assert_false(g_file_test("/tmp/bulkhead-shared", G_FILE_TEST_EXISTS));
}

static void the_machines_folders_are_there_and_read_only(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  assert_script(fixture, BH_ROOT_NAMESPACE,
                "test -d /etc -a -d /usr -a -e /dev/null -a -d /proc/self && cd / && pwd && "
                "{ touch /usr/bulkhead-test 2>/dev/null || echo refused; }",
                "/\nrefused\n");
}

/* ---- programs ---- */

static void arguments_are_bytes(GuestFixture *fixture, gconstpointer unused) {
  const char *argv[] = {"/usr/bin/printf", "%s|", "\xff\x80", "", "two words", "\x01\n", NULL};
  g_autofree char *output = guest_run_argv(fixture, BH_ROOT_NAMESPACE, argv, NULL);

  (void)unused;
  g_assert_cmpstr(output, ==, "\xff\x80||two words|\x01\n|");
}

static void stderr_is_not_the_socket(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  assert_script(fixture, BH_ROOT_NAMESPACE, "echo '# to the log' >&2; echo out", "out\n");
}

static void a_file_that_is_no_program_cannot_be_executed(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_write(fixture, "file", "neither executable nor a program");
  guest_mount(fixture, "/data", TRUE);
  g_assert_cmpint(guest_try(fixture, BH_ROOT_NAMESPACE, "/data/file"), ==, BH_E_FAIL);
}

static void a_request_that_is_too_large_is_refused_and_the_vm_lives(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *huge = g_strnfill(2 * 1024 * 1024, 'a'), *large = g_strnfill(100 * 1024, 'b'), *output = NULL;
  const char *with_huge[] = {"/bin/echo", huge, NULL}, *with_large[] = {"/bin/echo", "-n", large, large, NULL};
  BhResource socket = {0};

  (void)unused;
  g_assert_cmpint(fixture->vm->class->execute(fixture->vm, 0, "/bin/echo", with_huge, &socket), ==,
                  BH_E_INVALIDARG);
  output = guest_run_argv(fixture, BH_ROOT_NAMESPACE, with_large, NULL);
  g_assert_cmpuint(strlen(output), ==, 2 * 100 * 1024 + 1);
}

static void a_program_has_only_its_own_descriptors_and_environment(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  /* 3 is ls's own, on /proc/self/fd */
  assert_script(fixture, BH_ROOT_NAMESPACE, "exec ls /proc/self/fd", "0\n1\n2\n3\n");
  assert_script(fixture, BH_ROOT_NAMESPACE, "unset BULKHEAD_MARK; env | sort | cut -d= -f1",
                "HOME\nLANG\nPATH\nPWD\n");
}

static void a_daemon_outlives_the_program_that_started_it(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *output = NULL;

  (void)unused;
  output = guest_run_argv(fixture, BH_ROOT_NAMESPACE,
                          SH("exec 3<&0; (read line <&3; echo from the daemon: $line) & exit 0"), "hello\n");
  g_assert_cmpstr(output, ==, "from the daemon: hello\n");
}

static void a_thousand_executions_leave_no_descriptor(GuestFixture *fixture, gconstpointer unused) {
  GPid guard = raw_child_of(getpid()), agent = raw_child_of(guard);
  guint ours, theirs;

  (void)unused;
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo first", NULL, "first\n");
  ours = raw_count_descriptors(getpid());
  theirs = raw_count_descriptors(agent);
  for (int i = 0; i < 1000; i++) guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/true", NULL, "");
  g_assert_cmpuint(raw_count_descriptors(getpid()), ==, ours);
  /* The last few sandboxes may not have been reaped yet. */
  g_assert_cmpuint(raw_count_descriptors(agent), <=, theirs + 8);
}

/* ---- instances ---- */

static void an_instance_has_its_init_in_its_own_pid_namespace(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance = guest_start_instance(fixture, NULL);
  g_autofree char *link = g_strdup_printf("/proc/%u/ns/pid", instance.init_pid),
                  *inode = g_file_read_link(link, NULL);
  g_autofree char *expected = g_strdup_printf("pid:[%" G_GUINT64_FORMAT "]", instance.pid_namespace);
  g_autofree char *line = g_strconcat(expected, "\n", NULL);

  (void)unused;
  g_assert_cmpstr(inode, ==, expected);
  assert_script(fixture, instance.number, "readlink /proc/self/ns/pid", line);
  assert_script(fixture, instance.number, "readlink /proc/1/ns/pid", line);
}

static void programs_of_an_instance_see_each_other(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance = guest_start_instance(fixture, NULL);
  BhResource cat = guest_start_cat(fixture, instance.number);

  (void)unused;
  assert_script(fixture, instance.number, "cat /proc/[0-9]*/comm | grep -c ^cat", "2\n");
  assert_script(fixture, instance.number, "echo kept >/tmp/here; sleep 1000 >/dev/null </dev/null & exit 0", "");
  assert_script(fixture, instance.number, "cat /tmp/here; cat /proc/[0-9]*/comm | grep ^sleep", "kept\nsleep\n");
  bh_resource_clear(&cat);
}

static void an_instance_may_have_a_root_folder_of_its_own(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance;

  (void)unused;
  raw_make_root(fixture->folder);
  instance = guest_start_instance(fixture, fixture->folder);
  guest_assert_output(fixture, instance.number, "/bin/say some words", "and stdin",
                      "parent 1: some words and stdin");
  g_assert_cmpint(guest_try(fixture, instance.number, "/bin/sh"), ==, BH_E_FAIL);
}

static void a_root_folder_that_is_not_there_starts_nothing(GuestFixture *fixture, gconstpointer unused) {
  BhDistribution distribution = {.name = (char *)"Debian", .root = (char *)"/there/is/no/such/folder"};
  BhInstance instance = {0};

  (void)unused;
  g_assert_cmpint(fixture->vm->class->instance_start(fixture->vm, &distribution, &instance), ==,
                  BH_E_FILE_NOT_FOUND);
}

static void an_instance_whose_init_is_killed_does_not_run(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance = guest_start_instance(fixture, NULL);
  BhResource cat = guest_start_cat(fixture, instance.number);
  char letter;

  (void)unused;
  g_assert_cmpint(kill((pid_t)instance.init_pid, SIGKILL), ==, 0);
  g_assert_cmpint(bh_socket_read(cat.value, &letter, 1), <=, 0);
  bh_resource_clear(&cat);
  /* The cat's end comes a moment before the agent hears of init's: either way, nothing runs. */
  g_assert_true(BH_FAILED(guest_try(fixture, instance.number, "/bin/true")));
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo still", NULL, "still\n");
}

/* ---- death ---- */

typedef struct {
  GuestFixture *fixture;
  BhResult (*attempt)(GuestFixture *fixture);
  BhThread *thread;
  BhResult result;
} InFlight;

static BhResult try_execution(GuestFixture *fixture) {
  return guest_try(fixture, BH_ROOT_NAMESPACE, "/bin/true");
}

static BhResult try_process(GuestFixture *fixture) {
  BhProgram program = {.path = "/bin/true"};
  GuestProcess process = {0};
  gint32 error;
  BhResult result =
      fixture->vm->class->process_start(fixture->vm, &program, process.streams, &process.process, &error);

  g_assert_cmpint(error, ==, 0);
  for (int i = 0; i < BH_STREAM_COUNT; i++)
    g_assert_true(BH_SUCCEEDED(result) == (process.streams[i].close != NULL));
  if (BH_FAILED(result)) return result;
  g_assert_cmpint(process.process->class->process_event(process.process, &process.event), ==, BH_OK);
  guest_process_await(&process); /* whatever becomes of it, it ends */
  guest_process_clear(&process);
  return result;
}

static BhResult try_container(GuestFixture *fixture) {
  BhContainerSpec spec = {.name = "web", .program = {.path = "/bin/true"}};
  g_auto(BhDescription) container = {0};
  BhResult result = fixture->vm->class->container_start(fixture->vm, &spec, &container);

  return BH_SUCCEEDED(result) ? fixture->vm->class->container_stop(fixture->vm, container.number) : result;
}

static gpointer try_until_it_fails(gpointer data) {
  InFlight *flight = data;

  do flight->result = flight->attempt(flight->fixture);
  while (BH_SUCCEEDED(flight->result));
  return NULL;
}

/* Kills a process of the agent's while requests are in flight. */
static void assert_death(GuestFixture *fixture, GPid victim, int signal) {
  static BhResult (*const attempts[])(GuestFixture *) = {try_execution, try_process, try_container};
  InFlight flights[6] = {{0}};
  BhResource cat = guest_start_cat(fixture, BH_ROOT_NAMESPACE);
  BhInstance instance = guest_start_instance(fixture, NULL);
  GuestProcess process = guest_process_start(fixture, GUEST_SH("cat"), NULL);
  gint64 begin;
  char letter;

  for (guint i = 0; i < G_N_ELEMENTS(flights); i++) {
    flights[i].fixture = fixture;
    flights[i].attempt = attempts[i % G_N_ELEMENTS(attempts)];
    flights[i].thread = bh_thread_new("in-flight", BH_RANK_LEAF, try_until_it_fails, &flights[i]);
  }
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/true", NULL, "");
  begin = bh_clock_now();
  g_assert_cmpint(kill(victim, signal), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS(flights); i++) {
    bh_thread_join(flights[i].thread);
    g_assert_cmphex((guint32)flights[i].result, ==, 0x8007139Fu);
  }
  guest_await_death(fixture);
  g_test_message("from the kill to the last request's failure and the event: %d us",
                 (int)(bh_clock_now() - begin));
  g_assert_cmpint(bh_socket_read(cat.value, &letter, 1), <=, 0);
  bh_resource_clear(&cat);
  g_assert_cmpint(guest_process_await(&process), ==, 137);
  guest_process_clear(&process);
  g_assert_cmpint(kill((pid_t)instance.init_pid, 0), <, 0);
  g_assert_cmphex((guint32)guest_try(fixture, instance.number, "/bin/true"), ==, 0x8007139Fu);
  g_assert_cmphex((guint32)fixture->vm->class->mount(fixture->vm, fixture->folder, "/data", TRUE, ""), ==,
                  0x8007139Fu);
  guest_vm_destroy(fixture);
  g_assert_cmpint(fixture->deaths, ==, 1);
}

static void an_agent_that_is_killed_is_a_vm_that_died(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  assert_death(fixture, raw_child_of(raw_child_of(getpid())), SIGKILL);
}

static void a_guard_that_is_killed_is_a_vm_that_died(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  assert_death(fixture, raw_child_of(getpid()), SIGKILL);
}

static void an_agent_that_is_asked_to_end_is_a_vm_that_died(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  assert_death(fixture, raw_child_of(raw_child_of(getpid())), SIGTERM);
}

static void nothing_is_left_of_a_vm(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *marker = g_strdup_printf("bulkhead-marker-%d", getpid());
  const char *argv[] = {"/bin/sh", "-c", "setsid sleep 1000 & sleep 1000 & cat; wait", marker, NULL};
  BhInstance instance = guest_start_instance(fixture, NULL);
  guint32 where[] = {BH_ROOT_NAMESPACE, BH_ROOT_NAMESPACE, instance.number};
  BhResource sockets[3] = {{0}};
  char letter;

  (void)unused;
  for (int i = 0; i < 3; i++) {
    g_assert_cmpint(fixture->vm->class->execute(fixture->vm, where[i], argv[0], argv, &sockets[i]), ==, BH_OK);
    bh_socket_write_all(sockets[i].value, "x", 1);
    g_assert_cmpint(bh_socket_read(sockets[i].value, &letter, 1), ==, 1);
  }
  g_assert_cmpuint(raw_count_processes(marker), >=, 3);
  guest_vm_destroy(fixture);
  g_assert_cmpuint(raw_count_processes(marker), ==, 0);
  g_assert_cmpint(waitpid(-1, NULL, WNOHANG), <, 0); /* and no zombie of ours */
  for (int i = 0; i < 3; i++) bh_resource_clear(&sockets[i]);
}

/* ---- an agent that is not there ---- */

static void an_agent_that_cannot_be_started_is_no_vm(void) {
  static const struct {
    const char *path;
    BhResult result;
  } cases[] = {{"/there/is/no/agent", BH_E_FILE_NOT_FOUND}, {"/bin/true", BH_E_FAIL}, {"/etc/passwd", BH_E_FAIL}};
  BhVmSettings settings = {0};
  BhVmEvents none = {0};

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    BhGuest *guest = bh_guest_agent_new(cases[i].path);
    BhVm *vm = NULL;

    g_assert_cmphex((guint32)guest->class->vm_create(guest, &settings, &none, NULL, &vm), ==,
                    (guint32)cases[i].result);
    g_assert_null(vm);
    bh_guest_agent_free(guest);
  }
}

/* It is asked to end, and waited for until it has. */
static void an_agent_that_talks_nonsense_is_waited_for(void) {
  g_autofree char *folder = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL);
  g_autofree char *script = g_build_filename(folder, "agent", NULL),
                  *ended = g_build_filename(folder, "ended", NULL);
  g_autofree char *text = g_strdup_printf("#!/bin/sh\necho nonsense, no frame of ours >&0\ncat >/dev/null\n"
                                          "sleep 1\n: >%s\n",
                                          ended);
  BhVmSettings settings = {0};
  BhVmEvents none = {0};
  BhGuest *guest = bh_guest_agent_new(script);
  BhVm *vm = NULL;

  g_assert_true(g_file_set_contents(script, text, -1, NULL));
  g_assert_cmpint(g_chmod(script, 0700), ==, 0);
  g_assert_cmpint(guest->class->vm_create(guest, &settings, &none, NULL, &vm), ==, BH_E_FAIL);
  g_assert_true(g_file_test(ended, G_FILE_TEST_EXISTS));
  bh_guest_agent_free(guest);
  guest_remove_folder(folder);
}

static const struct {
  const char *name;
  GuestTest test;
} tests[] = {
    {"a-read-only-mount-cannot-be-written-to", a_read_only_mount_cannot_be_written_to},
    {"a-writable-mount-can-and-the-host-sees-it", a_writable_mount_can_and_the_host_sees_it},
    {"a-mount-point-may-lie-in-the-machines-own-folders", a_mount_point_may_lie_in_the_machines_own_folders},
    {"a-mount-point-that-cannot-be-is-refused", a_mount_point_that_cannot_be_is_refused_and_does_no_harm},
    {"a-guest-programs-link-makes-no-folder-on-the-host", a_guest_programs_link_makes_no_folder_on_the_host},
    {"a-link-of-the-machines-makes-no-folder-on-the-host", a_link_of_the_machines_makes_no_folder_on_the_host},
    {"mount-points-are-not-looked-up-where-the-sandbox-differs",
     mount_points_are_not_looked_up_where_the_sandbox_differs},
    {"nothing-is-mounted-on-proc-or-dev", nothing_is_mounted_on_proc_or_dev},
    {"a-mounted-folder-that-is-gone-does-no-harm", a_mounted_folder_that_is_gone_does_no_harm},
    {"executions-share-tmp", executions_share_tmp_and_it_is_not_the_machines},
    {"the-machines-folders-are-read-only", the_machines_folders_are_there_and_read_only},
    {"arguments-are-bytes", arguments_are_bytes},
    {"stderr-is-not-the-socket", stderr_is_not_the_socket},
    {"a-file-that-is-no-program-cannot-be-executed", a_file_that_is_no_program_cannot_be_executed},
    {"a-request-that-is-too-large-is-refused", a_request_that_is_too_large_is_refused_and_the_vm_lives},
    {"a-program-has-only-its-own-descriptors", a_program_has_only_its_own_descriptors_and_environment},
    {"a-daemon-outlives-the-program-that-started-it", a_daemon_outlives_the_program_that_started_it},
    {"a-thousand-executions-leave-no-descriptor", a_thousand_executions_leave_no_descriptor},
    {"an-instance-has-its-own-pid-namespace", an_instance_has_its_init_in_its_own_pid_namespace},
    {"programs-of-an-instance-see-each-other", programs_of_an_instance_see_each_other},
    {"an-instance-may-have-a-root-folder-of-its-own", an_instance_may_have_a_root_folder_of_its_own},
    {"a-root-folder-that-is-not-there-starts-nothing", a_root_folder_that_is_not_there_starts_nothing},
    {"an-instance-whose-init-is-killed-does-not-run", an_instance_whose_init_is_killed_does_not_run},
    {"an-agent-that-is-killed-is-a-vm-that-died", an_agent_that_is_killed_is_a_vm_that_died},
    {"a-guard-that-is-killed-is-a-vm-that-died", a_guard_that_is_killed_is_a_vm_that_died},
    {"an-agent-that-is-asked-to-end-is-a-vm-that-died", an_agent_that_is_asked_to_end_is_a_vm_that_died},
    {"nothing-is-left-of-a-vm", nothing_is_left_of_a_vm},
};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++) guest_test_add("agent", tests[i].name, tests[i].test);
  g_test_add_func("/guest/agent/an-agent-that-cannot-be-started-is-no-vm",
                  an_agent_that_cannot_be_started_is_no_vm);
  g_test_add_func("/guest/agent/an-agent-that-talks-nonsense-is-waited-for",
                  an_agent_that_talks_nonsense_is_waited_for);
  return g_test_run();
}
