/* The agent as the protocol shows it: what the client keeps for itself, and what only somebody who does not keep to the
 * protocol meets. Native only. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/socket.h"
#include "raw-agent.h"

static void without_bubblewrap_it_says_so(void) {
  g_auto(BhGuestMessage) failed = {0};
  RawAgent agent;

  raw_start(&agent, NULL, "/nowhere");
  failed = raw_hear(&agent);
  g_assert_cmpuint(failed.type, ==, BH_GUEST_FAILED);
  g_assert_cmpint(failed.error, ==, ENOENT);
  g_assert_nonnull(strstr(failed.text, "bubblewrap"));
  raw_await_end(&agent);
}

/* ---- those who do not keep to the protocol ---- */

static void a_wrong_token_closes_that_connection_only(void) {
  char *arguments[] = {(char *)"/bin/cat", NULL};
  guint8 wrong[BH_GUEST_TOKEN_SIZE];
  g_auto(BhGuestMessage) connect = {0};
  BhResource stranger, silent, second, ours;
  RawAgent agent;
  char letter;

  raw_start_ready(&agent);
  connect = raw_execute(&agent, 7, arguments);
  memcpy(wrong, connect.token, sizeof wrong);
  wrong[15] ^= 1;
  silent = raw_connect(&agent, NULL);
  stranger = raw_connect(&agent, wrong);
  g_assert_cmpint(bh_socket_read(stranger.value, &letter, 1), <=, 0);
  ours = raw_connect(&agent, connect.token);
  raw_await(&agent, 7, BH_GUEST_DONE);
  second = raw_connect(&agent, connect.token); /* it was good once */
  g_assert_cmpint(bh_socket_read(second.value, &letter, 1), <=, 0);
  bh_socket_write_all(ours.value, "x", 1);
  g_assert_cmpint(bh_socket_read(ours.value, &letter, 1), ==, 1);
  bh_resource_clear(&stranger);
  bh_resource_clear(&second);
  bh_resource_clear(&ours);
  bh_resource_clear(&silent);
  raw_end(&agent);
}

static void of_too_many_silent_connections_the_oldest_goes(void) {
  char *arguments[] = {(char *)"/bin/cat", NULL};
  g_auto(BhGuestMessage) connect = {0};
  BhResource silent[100], ours;
  RawAgent agent;
  char letter;

  raw_start_ready(&agent);
  for (guint i = 0; i < G_N_ELEMENTS(silent); i++) silent[i] = raw_connect(&agent, NULL);
  connect = raw_execute(&agent, 1, arguments);
  ours = raw_connect(&agent, connect.token);
  raw_await(&agent, 1, BH_GUEST_DONE);
  g_assert_cmpint(bh_socket_read(silent[0].value, &letter, 1), <=, 0);
  g_assert_cmpuint(raw_count_descriptors(raw_child_of(agent.guard)), <, 64 + 32);
  for (guint i = 0; i < G_N_ELEMENTS(silent); i++) bh_resource_clear(&silent[i]);
  bh_resource_clear(&ours);
  raw_end(&agent);
}

static void whoever_says_nothing_is_closed_in_time(void) {
  char *arguments[] = {(char *)"/bin/cat", NULL};
  g_auto(BhGuestMessage) connect = {0}, failed = {0};
  BhResource silent, slow;
  RawAgent agent;
  char letter;

  raw_start_ready(&agent);
  connect = raw_execute(&agent, 1, arguments);
  silent = raw_connect(&agent, NULL);
  slow = raw_connect(&agent, NULL);
  bh_socket_write_all(slow.value, connect.token, BH_GUEST_TOKEN_SIZE - 1);
  g_assert_cmpint(bh_socket_read(silent.value, &letter, 1), <=, 0);
  g_assert_cmpint(bh_socket_read(slow.value, &letter, 1), <=, 0);
  failed = raw_await(&agent, 1, BH_GUEST_FAILED); /* and nobody came for the execution */
  g_assert_cmpint(failed.error, ==, ETIMEDOUT);
  bh_resource_clear(&silent);
  bh_resource_clear(&slow);
  raw_end(&agent);
}

static void what_is_malformed_ends_the_vm(void) {
  static const guint32 oversized[] = {0xFFFFFFFFu, BH_GUEST_MOUNT, 1}, unknown[] = {0, 4711, 1},
                       wrong_way[] = {8, BH_GUEST_HELLO, 1};
  static const guint32 *const headers[] = {oversized, unknown, wrong_way};

  for (guint i = 0; i < G_N_ELEMENTS(headers); i++) {
    RawAgent agent;

    raw_start_ready(&agent);
    raw_say_bytes(&agent, headers[i], 12);
    raw_await_end(&agent);
  }
}

static void errno_of_what_cannot_be_executed_is_told(void) {
  static const struct {
    const char *path;
    int error;
  } cases[] = {{"/bin/missing", ENOENT}, {"/etc", EACCES}, {"/etc/passwd", EACCES}, {"/etc/passwd/x", ENOTDIR}};
  RawAgent agent;

  raw_start_ready(&agent);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    char *arguments[] = {(char *)cases[i].path, NULL};
    g_auto(BhGuestMessage) connect = raw_execute(&agent, 100 + i, arguments), failed = {0};
    BhResource data = raw_connect(&agent, connect.token);

    failed = raw_await(&agent, 100 + i, BH_GUEST_FAILED);
    g_assert_cmpuint(failed.failure, ==, BH_GUEST_NO_EXEC);
    g_assert_cmpint(failed.error, ==, cases[i].error);
    bh_resource_clear(&data);
  }
  raw_end(&agent);
}

static void a_process_that_ends_is_told(void) {
  char *arguments[] = {(char *)"/bin/sh", (char *)"-c", (char *)"exit 42", NULL};
  g_auto(BhGuestMessage) connect = {0}, exited = {0};
  BhResource data;
  RawAgent agent;

  raw_start_ready(&agent);
  connect = raw_execute(&agent, 9, arguments);
  data = raw_connect(&agent, connect.token);
  exited = raw_await(&agent, 9, BH_GUEST_EXITED);
  g_assert_true(WIFEXITED(exited.status));
  g_assert_cmpint(WEXITSTATUS(exited.status), ==, 42);
  bh_resource_clear(&data);
  raw_end(&agent);
}

/* ---- processes ---- */

static void ask_process(RawAgent *agent, guint32 id, char **arguments, BhGuestMessage *tokens) {
  BhGuestMessage ask = {.type = BH_GUEST_PROCESS, .id = id, .guest_path = arguments[0], .arguments = arguments};

  raw_say(agent, &ask);
  for (int i = 0; i < 3; i++) tokens[i] = raw_await(agent, id, BH_GUEST_CONNECT);
}

static void assert_hears(BhResource *data, const char *expected) {
  g_autofree char *output = NULL;
  gsize length;

  g_assert_cmpint(bh_socket_read_to_end(data->value, 100, &output, &length), ==, BH_OK);
  g_assert_cmpstr(output, ==, expected);
}

static void which_token_it_is_decides_and_not_which_comes_first(void) {
  char *arguments[] = {(char *)"/bin/sh", (char *)"-c", (char *)"echo out; echo err >&2; cat; exit 4", NULL};
  BhGuestMessage tokens[3];
  g_auto(BhGuestMessage) exited = {0};
  BhResource in, out, err;
  RawAgent agent;

  raw_start_ready(&agent);
  ask_process(&agent, 5, arguments, tokens);
  err = raw_connect(&agent, tokens[2].token);
  out = raw_connect(&agent, tokens[1].token);
  in = raw_connect(&agent, tokens[0].token);
  bh_socket_write_all(in.value, "in", 2);
  bh_socket_end_writing(in.value);
  assert_hears(&out, "out\nin");
  assert_hears(&err, "err\n");
  exited = raw_await(&agent, 5, BH_GUEST_EXITED);
  g_assert_cmpint(exited.status, ==, 4 << 8);
  bh_resource_clear(&in);
  bh_resource_clear(&out);
  bh_resource_clear(&err);
  raw_end(&agent);
}

static void a_process_of_which_a_stream_is_missing_does_not_run(void) {
  char *arguments[] = {(char *)"/bin/cat", NULL};
  BhGuestMessage tokens[3];
  g_auto(BhGuestMessage) failed = {0}, taken = {0};
  BhResource in, out;
  RawAgent agent;
  char letter;

  raw_start_ready(&agent);
  ask_process(&agent, 5, arguments, tokens);
  raw_say(&agent, &(BhGuestMessage){.type = BH_GUEST_PROCESS, .id = 5, .guest_path = (char *)"/bin/true"});
  taken = raw_await(&agent, 5, BH_GUEST_FAILED); /* the id is */
  in = raw_connect(&agent, tokens[0].token);
  out = raw_connect(&agent, tokens[1].token);
  failed = raw_await(&agent, 5, BH_GUEST_FAILED);
  g_assert_cmpint(failed.error, ==, ETIMEDOUT);
  g_assert_cmpint(bh_socket_read(in.value, &letter, 1), <=, 0);
  g_assert_cmpint(bh_socket_read(out.value, &letter, 1), <=, 0);
  bh_resource_clear(&in);
  bh_resource_clear(&out);
  raw_end(&agent);
}

static void a_process_whose_sandbox_dies_first_does_not_run(void) {
  char *arguments[] = {(char *)"/bin/cat", NULL};
  BhGuestMessage tokens[3];
  g_auto(BhGuestMessage) failed = {0};
  BhResource in, late;
  RawAgent agent;
  char letter;
  guint open;

  raw_start_ready(&agent);
  open = raw_count_descriptors(raw_child_of(agent.guard));
  ask_process(&agent, 5, arguments, tokens);
  in = raw_connect(&agent, tokens[0].token);
  g_assert_cmpint(kill(raw_child_of(raw_child_of(agent.guard)), SIGKILL), ==, 0);
  failed = raw_await(&agent, 5, BH_GUEST_FAILED);
  g_assert_cmpuint(failed.failure, ==, BH_GUEST_UNABLE);
  g_assert_cmpint(bh_socket_read(in.value, &letter, 1), <=, 0);
  late = raw_connect(&agent, tokens[1].token); /* which is of no meaning any more */
  g_assert_cmpint(bh_socket_read(late.value, &letter, 1), <=, 0);
  g_assert_cmpuint(raw_count_descriptors(raw_child_of(agent.guard)), <=, open);
  bh_resource_clear(&in);
  bh_resource_clear(&late);
  raw_end(&agent);
}

static void what_runs_in_an_instance_exits_before_the_instance_is_done(void) {
  char *arguments[] = {(char *)"/bin/cat", NULL};
  BhGuestMessage start = {.type = BH_GUEST_INSTANCE_START, .id = 1, .instance = 3},
                 execute = {.type = BH_GUEST_EXECUTE,
                            .id = 2,
                            .instance = 3,
                            .guest_path = arguments[0],
                            .arguments = arguments},
                 stop = {.type = BH_GUEST_INSTANCE_STOP, .id = 4, .instance = 3};
  g_auto(BhGuestMessage) instance = {0}, connect = {0}, exited = {0}, done = {0};
  BhResource data;
  RawAgent agent;

  raw_start_ready(&agent);
  raw_say(&agent, &start);
  instance = raw_await(&agent, 1, BH_GUEST_INSTANCE);
  raw_say(&agent, &execute);
  connect = raw_await(&agent, 2, BH_GUEST_CONNECT);
  data = raw_connect(&agent, connect.token);
  raw_await(&agent, 2, BH_GUEST_DONE);
  raw_say(&agent, &stop);
  exited = raw_hear(&agent);
  g_assert_cmpuint(exited.type, ==, BH_GUEST_EXITED);
  g_assert_cmpuint(exited.id, ==, 2);
  g_assert_cmpint(exited.status, ==, SIGKILL);
  done = raw_hear(&agent);
  g_assert_cmpuint(done.type, ==, BH_GUEST_DONE);
  g_assert_cmpuint(done.id, ==, 4);
  bh_resource_clear(&data);
  raw_end(&agent);
}

/* ---- containers and folders ---- */

static void assert_failed(RawAgent *agent, BhGuestMessage ask, guint32 failure) {
  g_auto(BhGuestMessage) failed = {0};

  raw_say(agent, &ask);
  failed = raw_await(agent, ask.id, BH_GUEST_FAILED);
  g_assert_cmpuint(failed.failure, ==, failure);
}

static void a_number_is_one_containers_or_instances(void) {
  char *arguments[] = {(char *)"/bin/sleep", (char *)"1000", NULL};
  BhGuestMessage start = {.type = BH_GUEST_CONTAINER_START,
                          .id = 1,
                          .instance = 3,
                          .guest_path = arguments[0],
                          .arguments = arguments};
  g_auto(BhGuestMessage) first = {0}, exited = {0}, done = {0};
  RawAgent agent;

  raw_start_ready(&agent);
  raw_say(&agent, &start);
  first = raw_await(&agent, 1, BH_GUEST_INSTANCE);
  start.id = 2;
  assert_failed(&agent, start, BH_GUEST_UNABLE);
  assert_failed(&agent, (BhGuestMessage){.type = BH_GUEST_INSTANCE_START, .id = 3, .instance = 3},
                BH_GUEST_UNABLE);
  start.instance = 0;
  assert_failed(&agent, start, BH_GUEST_UNABLE);
  start.instance = 4;
  start.guest_path = (char *)"";
  assert_failed(&agent, start, BH_GUEST_NO_EXEC);
  raw_say(&agent, &(BhGuestMessage){.type = BH_GUEST_INSTANCE_STOP, .id = 9, .instance = 3});
  exited = raw_hear(&agent);
  g_assert_cmpuint(exited.type, ==, BH_GUEST_EXITED);
  g_assert_cmpuint(exited.id, ==, 1);
  done = raw_await(&agent, 9, BH_GUEST_DONE);
  raw_end(&agent);
}

/* An execution under the id of its container's start is its own program all the same. */
static void an_id_that_is_used_again_ends_no_container(void) {
  char *sleep[] = {(char *)"/bin/sleep", (char *)"1000", NULL}, *program[] = {(char *)"/bin/true", NULL};
  BhGuestMessage start = {
      .type = BH_GUEST_CONTAINER_START, .id = 1, .instance = 3, .guest_path = sleep[0], .arguments = sleep};
  BhGuestMessage execute = {
      .type = BH_GUEST_EXECUTE, .id = 1, .instance = 3, .guest_path = program[0], .arguments = program};
  RawAgent agent;

  raw_start_ready(&agent);
  raw_say(&agent, &start);
  raw_await(&agent, 1, BH_GUEST_INSTANCE);
  for (guint32 id = 1; id <= 2; id++) {
    g_auto(BhGuestMessage) connect = {0}, exited = {0};
    BhResource data;

    execute.id = id;
    raw_say(&agent, &execute);
    connect = raw_await(&agent, id, BH_GUEST_CONNECT);
    data = raw_connect(&agent, connect.token);
    raw_await(&agent, id, BH_GUEST_DONE);
    exited = raw_await(&agent, id, BH_GUEST_EXITED);
    g_assert_cmpint(exited.status, ==, 0);
    bh_resource_clear(&data);
  }
  raw_end(&agent);
}

static void odd_paths_are_refused(void) {
  static const char *const odd[] = {"", "relative", "/etc/passwd", "/there/is/no/such/folder", "/etc/passwd/x"};
  g_autofree char *folder = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL),
                  *fifo = g_build_filename(folder, "fifo", NULL);
  BhGuestMessage export = {
      .type = BH_GUEST_EXPORT, .id = 1, .host_path = (char *)"/usr/share/doc/bubblewrap", .archive = fifo};
  RawAgent agent;

  raw_start_ready(&agent);
  for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
    char *path = (char *)odd[i];

    assert_failed(&agent, (BhGuestMessage){.type = BH_GUEST_FOLDER, .id = 1, .host_path = path},
                  BH_GUEST_NO_FOLDER);
    assert_failed(&agent, (BhGuestMessage){.type = BH_GUEST_EXPORT, .id = 1, .host_path = path, .archive = fifo},
                  BH_GUEST_NO_FOLDER);
    assert_failed(&agent, (BhGuestMessage){.type = BH_GUEST_UNMOUNT, .id = 1, .guest_path = path},
                  path[0] == '/' ? BH_GUEST_NO_MOUNT : BH_GUEST_BAD_PATH);
  }
  g_assert_false(g_file_test(fifo, G_FILE_TEST_EXISTS));
  g_assert_cmpint(mkfifo(fifo, 0600), ==, 0); /* nobody reads from it, and nobody waits for that */
  export.host_path = folder;
  assert_failed(&agent, export, BH_GUEST_UNABLE);
  export.archive = folder;
  assert_failed(&agent, export, BH_GUEST_UNABLE);
  export.host_path = (char *)"//";
  assert_failed(&agent, export, BH_GUEST_BAD_PATH);
  raw_end(&agent);
  unlink(fifo);
  rmdir(folder);
}

/* A tar of ours, which goes before the machine's. */
static void start_with_tar(RawAgent *agent, const char *folder, const char *script) {
  g_autofree char *tar = g_build_filename(folder, "tar", NULL),
                  *path = g_strconcat(folder, ":", g_getenv("PATH"), NULL);
  g_auto(BhGuestMessage) hello = {0};

  g_assert_true(g_file_set_contents(tar, script, -1, NULL));
  g_assert_cmpint(chmod(tar, 0755), ==, 0);
  raw_start(agent, NULL, path);
  hello = raw_await(agent, 0, BH_GUEST_HELLO);
}

static void half_an_archive_is_removed(void) {
  g_autofree char *folder = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL),
                  *tar = g_build_filename(folder, "tar", NULL), *archive = g_build_filename(folder, "a.tar", NULL);
  BhGuestMessage export = {.type = BH_GUEST_EXPORT, .id = 1, .host_path = folder, .archive = archive};
  RawAgent agent;

  start_with_tar(&agent, folder, "#!/bin/sh\necho half; exit 2\n");
  assert_failed(&agent, export, BH_GUEST_UNABLE);
  g_assert_false(g_file_test(archive, G_FILE_TEST_EXISTS));
  assert_failed(&agent, export, BH_GUEST_UNABLE); /* it may be tried again */
  raw_end(&agent);
  unlink(tar);
  rmdir(folder);
}

static void an_export_that_nobody_waits_for_is_given_up(void) {
  g_autofree char *folder = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL),
                  *tar = g_build_filename(folder, "tar", NULL), *archive = g_build_filename(folder, "a.tar", NULL),
                  *begun = g_build_filename(folder, "begun", NULL),
                  *script = g_strdup_printf("#!/bin/sh\necho half; echo >%s; exec sleep 1000\n", begun);
  BhGuestMessage export = {.type = BH_GUEST_EXPORT, .id = 1, .host_path = folder, .archive = archive};
  RawAgent agent;
  char line[2];
  int fifo;

  g_assert_cmpint(mkfifo(begun, 0600), ==, 0);
  start_with_tar(&agent, folder, script);
  raw_say(&agent, &export);
  g_assert_cmpint(fifo = open(begun, O_RDONLY | O_CLOEXEC), >=, 0);
  g_assert_cmpint(read(fifo, line, sizeof line), ==, 1);
  close(fifo);
  g_assert_true(g_file_test(archive, G_FILE_TEST_EXISTS));
  export.id = 2;
  assert_failed(&agent, export, BH_GUEST_UNABLE); /* one at a time */
  g_assert_true(g_file_test(archive, G_FILE_TEST_EXISTS));
  raw_end(&agent);
  g_assert_false(g_file_test(archive, G_FILE_TEST_EXISTS));
  unlink(begun);
  unlink(tar);
  rmdir(folder);
}

/* Which mounts come before one is known when it has its turn, not when it is asked for. */
static void mounts_that_are_asked_for_at_once_are_checked_in_turn(void) {
  char *folder = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL);
  BhGuestMessage first = {.type = BH_GUEST_MOUNT, .id = 1, .host_path = folder, .guest_path = (char *)"/a"};
  BhGuestMessage second = {.type = BH_GUEST_MOUNT, .id = 2, .host_path = folder, .guest_path = (char *)"/a/b"};
  g_auto(BhGuestMessage) done = {0}, failed = {0};
  g_autofree char *made = g_build_filename(folder, "b", NULL);
  RawAgent agent;

  raw_start_ready(&agent);
  raw_say(&agent, &first);
  raw_say(&agent, &second);
  done = raw_await(&agent, 1, BH_GUEST_DONE);
  failed = raw_await(&agent, 2, BH_GUEST_FAILED);
  g_assert_cmpuint(failed.failure, ==, BH_GUEST_BAD_PATH);
  g_assert_false(g_file_test(made, G_FILE_TEST_EXISTS));
  raw_end(&agent);
  rmdir(folder);
  g_free(folder);
}

static void it_works_without_privileges(void) {
  static const char *const nobody[] = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", NULL};
  char *arguments[] = {(char *)"/usr/bin/id", (char *)"-u", NULL};
  g_autofree char *reachable = g_strdup_printf("setpriv --reuid=65534 --regid=65534 --clear-groups test -x '%s'",
                                               g_getenv("BULKHEAD_AGENT"));
  g_auto(BhGuestMessage) hello = {0}, connect = {0};
  g_autofree char *output = NULL;
  BhResource data;
  RawAgent agent;
  gsize length;
  int status;

  if (geteuid() != 0) {
    g_test_skip("not root: then all the others show it");
    return;
  }
  if (!g_spawn_command_line_sync(reachable, NULL, NULL, &status, NULL) || status != 0) {
    g_test_skip("no setpriv here, or the agent lies where only root can reach it");
    return;
  }
  raw_start(&agent, nobody, NULL);
  hello = raw_hear(&agent);
  if (hello.type == BH_GUEST_FAILED && strstr(hello.text, "ermi") != NULL) {
    g_test_skip(hello.text); /* user namespaces are forbidden on this machine */
    raw_await_end(&agent);
    return;
  }
  g_assert_cmpuint(hello.type, ==, BH_GUEST_HELLO);
  agent.port = (guint16)hello.port;
  connect = raw_execute(&agent, 1, arguments);
  data = raw_connect(&agent, connect.token);
  g_assert_cmpint(bh_socket_read_to_end(data.value, 100, &output, &length), ==, BH_OK);
  g_assert_cmpstr(output, ==, "65534\n");
  bh_resource_clear(&data);
  raw_end(&agent);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/guest/raw-agent/" name, test)
  ADD("without-bubblewrap-it-says-so", without_bubblewrap_it_says_so);
  ADD("a-wrong-token-closes-that-connection-only", a_wrong_token_closes_that_connection_only);
  ADD("of-too-many-silent-connections-the-oldest-goes", of_too_many_silent_connections_the_oldest_goes);
  ADD("whoever-says-nothing-is-closed-in-time", whoever_says_nothing_is_closed_in_time);
  ADD("what-is-malformed-ends-the-vm", what_is_malformed_ends_the_vm);
  ADD("errno-of-what-cannot-be-executed-is-told", errno_of_what_cannot_be_executed_is_told);
  ADD("a-process-that-ends-is-told", a_process_that_ends_is_told);
  ADD("which-token-it-is-decides", which_token_it_is_decides_and_not_which_comes_first);
  ADD("a-process-of-which-a-stream-is-missing-does-not-run", a_process_of_which_a_stream_is_missing_does_not_run);
  ADD("a-process-whose-sandbox-dies-first-does-not-run", a_process_whose_sandbox_dies_first_does_not_run);
  ADD("what-runs-in-an-instance-exits-before-the-instance-is-done",
      what_runs_in_an_instance_exits_before_the_instance_is_done);
  ADD("a-number-is-one-containers-or-instances", a_number_is_one_containers_or_instances);
  ADD("an-id-that-is-used-again-ends-no-container", an_id_that_is_used_again_ends_no_container);
  ADD("odd-paths-are-refused", odd_paths_are_refused);
  ADD("half-an-archive-is-removed", half_an_archive_is_removed);
  ADD("an-export-that-nobody-waits-for-is-given-up", an_export_that_nobody_waits_for_is_given_up);
  ADD("mounts-that-are-asked-for-at-once-are-checked-in-turn",
      mounts_that_are_asked_for_at_once_are_checked_in_turn);
  ADD("it-works-without-privileges", it_works_without_privileges);
  return g_test_run();
}
