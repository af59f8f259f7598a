#include "guest-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#ifdef G_OS_WIN32
#include <winsock2.h>
#include <windows.h>
#endif

#include "core/sync.h"
#include "guest/client.h"
#include "guest/event.h"
#include "guest/launch.h"
#include "guest/memory.h"
#include "guest/socket.h"

#define OUTPUT_LIMIT (16u * 1024u * 1024u)

static const BhLockClass deaths_class = {.name = "test-deaths", .rank = BH_RANK_LEAF};
static BhMutex deaths_lock;
static BhCond died;

static void on_died(gpointer data) {
  bh_mutex_lock(&deaths_lock);
  ((GuestFixture *)data)->deaths++;
  bh_cond_broadcast(&died);
  bh_mutex_unlock(&deaths_lock);
}

static void on_container_ended(gpointer data, guint32 number) {
  bh_mutex_lock(&deaths_lock);
  g_array_append_val(((GuestFixture *)data)->ended, number);
  bh_cond_broadcast(&died);
  bh_mutex_unlock(&deaths_lock);
}

static BhResult on_activity(gpointer data, const BhActivity *activity) {
  GuestFixture *fixture = data;

  return fixture->activity != NULL ? fixture->activity(fixture->activity_data, activity) : BH_OK;
}

static const BhVmEvents vm_events = {
    .died = on_died, .container_ended = on_container_ended, .activity = on_activity};

gboolean guest_test_has_agent(void) {
#ifdef G_OS_WIN32
  /* Windows itself starts no Linux program. */
  if (GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "wine_get_unix_file_name") == NULL) return FALSE;
#endif
  return g_getenv("BULKHEAD_AGENT") != NULL;
}

static void set_up(GuestFixture *fixture, gconstpointer guest) {
  BhVmSettings settings = {0};

  if (deaths_lock.class == NULL) {
    bh_mutex_init(&deaths_lock, &deaths_class);
    bh_cond_init(&died);
  }
  fixture->real = strcmp(guest, "agent") == 0;
  fixture->guest = fixture->real ? bh_guest_agent_new(g_getenv("BULKHEAD_AGENT")) : bh_guest_memory_new();
  fixture->folder = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL);
  g_assert_nonnull(fixture->folder);
  fixture->ended = g_array_new(FALSE, FALSE, sizeof(guint32));
  g_assert_cmpint(fixture->guest->class->vm_create(fixture->guest, &settings, &vm_events, fixture, &fixture->vm),
                  ==, BH_OK);
}

void guest_vm_destroy(GuestFixture *fixture) {
  fixture->vm->class->vm_destroy(fixture->vm);
  fixture->vm = NULL;
}

void guest_remove_folder(const char *path) {
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
    g_autofree char *inside = g_build_filename(path, name, NULL);

    guest_remove_folder(inside);
  }
  g_remove(path);
}

static void tear_down(GuestFixture *fixture, gconstpointer guest) {
  (void)guest;
  if (fixture->vm != NULL) guest_vm_destroy(fixture);
  if (fixture->real)
    bh_guest_agent_free(fixture->guest);
  else
    bh_guest_memory_free(fixture->guest);
  guest_remove_folder(fixture->folder);
  g_free(fixture->folder);
  g_array_unref(fixture->ended);
}

void guest_test_add(const char *guest, const char *name, GuestTest test) {
  g_autofree char *path = g_strdup_printf("/guest/%s/%s", guest, name);

  g_test_add(path, GuestFixture, guest, set_up, test, tear_down);
}

static void skip(void) {
  g_test_skip("BULKHEAD_AGENT names no agent, or this is Windows itself");
}

void guest_test_add_all(const GuestTestRow *tests, guint count) {
  for (guint i = 0; i < count; i++) {
    guest_test_add("memory", tests[i].name, tests[i].test);
    if (guest_test_has_agent()) guest_test_add("agent", tests[i].name, tests[i].test);
  }
  if (!guest_test_has_agent()) g_test_add_func("/guest/agent", skip);
}

void guest_test_add_agent(const GuestTestRow *tests, guint count) {
  for (guint i = 0; i < count && guest_test_has_agent(); i++)
    guest_test_add("agent", tests[i].name, tests[i].test);
  if (!guest_test_has_agent()) g_test_add_func("/guest/agent", skip);
}

void guest_write(GuestFixture *fixture, const char *name, const char *contents) {
  g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

  g_assert_true(g_file_set_contents(path, contents, -1, NULL));
}

void guest_mount(GuestFixture *fixture, const char *linux_path, gboolean read_only) {
  g_assert_cmpint(fixture->vm->class->mount(fixture->vm, fixture->folder, linux_path, read_only, "test"), ==,
                  BH_OK);
}

void guest_mount_linux(GuestFixture *fixture, const char *folder, const char *linux_path) {
#ifdef G_OS_WIN32
  g_autofree char *host_path = g_strconcat("Z:", folder, NULL);
#else
  g_autofree char *host_path = g_strdup(folder);
#endif

  g_assert_cmpint(fixture->vm->class->mount(fixture->vm, host_path, linux_path, TRUE, "test"), ==, BH_OK);
}

char *guest_run_argv(GuestFixture *fixture, guint32 instance, const char *const *argv, const char *input) {
  BhResource socket = {0};
  char *output;
  gsize length;

  g_assert_cmphex((guint32)fixture->vm->class->execute(fixture->vm, instance, argv[0], argv, &socket), ==, BH_OK);
  if (input != NULL) g_assert_true(bh_socket_write_all(socket.value, input, strlen(input)));
  bh_socket_end_writing(socket.value);
  g_assert_cmpint(bh_socket_read_to_end(socket.value, OUTPUT_LIMIT, &output, &length), ==, BH_OK);
  g_assert_cmpuint(length, ==, strlen(output));
  bh_resource_clear(&socket);
  return output;
}

char *guest_run(GuestFixture *fixture, guint32 instance, const char *command, const char *input) {
  g_auto(GStrv) argv = g_strsplit(command, " ", -1);

  return guest_run_argv(fixture, instance, (const char *const *)argv, input);
}

BhResult guest_try(GuestFixture *fixture, guint32 instance, const char *command) {
  g_auto(GStrv) argv = g_strsplit(command, " ", -1);
  BhResource socket = {0};
  BhResult result = fixture->vm->class->execute(fixture->vm, instance, argv[0] != NULL ? argv[0] : "",
                                                (const char *const *)argv, &socket);

  if (BH_FAILED(result)) g_assert_null(socket.close);
  bh_resource_clear(&socket);
  return result;
}

BhResource guest_start_cat(GuestFixture *fixture, guint32 instance) {
  BhResource socket = {0};
  char letter = 0;

  g_assert_cmpint(fixture->vm->class->execute(fixture->vm, instance, "/bin/cat", NULL, &socket), ==, BH_OK);
  g_assert_true(bh_socket_write_all(socket.value, "x", 1));
  g_assert_cmpint(bh_socket_read(socket.value, &letter, 1), ==, 1);
  g_assert_cmpint(letter, ==, 'x');
  return socket;
}

BhInstance guest_start_instance(GuestFixture *fixture, char *root) {
  BhDistribution distribution = {.name = (char *)"Debian", .root = root};
  BhInstance instance = {0};

  g_assert_cmpint(fixture->vm->class->instance_start(fixture->vm, &distribution, &instance), ==, BH_OK);
  g_assert_cmpuint(instance.number, !=, BH_ROOT_NAMESPACE);
  g_assert_cmpuint(instance.init_pid, !=, 0);
  g_assert_cmpuint(instance.pid_namespace, !=, 0);
  return instance;
}

void guest_await_death(GuestFixture *fixture) {
  gint64 deadline = bh_clock_now() + 30 * G_USEC_PER_SEC;

  bh_mutex_lock(&deaths_lock);
  while (fixture->deaths == 0) g_assert_true(bh_cond_wait_until(&died, &deaths_lock, deadline));
  bh_mutex_unlock(&deaths_lock);
}

/* With the lock. */
static guint count_ended(GuestFixture *fixture, guint32 number) {
  guint count = 0;

  for (guint i = 0; i < fixture->ended->len; i++) count += g_array_index(fixture->ended, guint32, i) == number;
  return count;
}

void guest_await_ended(GuestFixture *fixture, guint32 number) {
  gint64 deadline = bh_clock_now() + 30 * G_USEC_PER_SEC;

  bh_mutex_lock(&deaths_lock);
  while (count_ended(fixture, number) == 0) g_assert_true(bh_cond_wait_until(&died, &deaths_lock, deadline));
  bh_mutex_unlock(&deaths_lock);
}

guint guest_count_ended(GuestFixture *fixture, guint32 number) {
  guint count;

  bh_mutex_lock(&deaths_lock);
  count = count_ended(fixture, number);
  bh_mutex_unlock(&deaths_lock);
  return count;
}

char *guest_own_root(GuestFixture *fixture) {
  char *root = NULL;

  if (!fixture->real) return g_strdup(fixture->folder);
  g_assert_cmpint(bh_launch_host_folder(fixture->folder, &root), ==, BH_OK);
  return root;
}

/* ---- processes ---- */

GuestProcess guest_process_start(GuestFixture *fixture, const char *const *argv, const char *const *environment) {
  BhProgram program = {.path = argv[0], .arguments = argv, .environment = environment};
  const BhGuestClass *class = fixture->vm->class;
  GuestProcess started = {0};
  gint32 error = -1;

  g_assert_cmphex((guint32) class->process_start(fixture->vm, &program, started.streams, &started.process, &error),
                  ==, BH_OK);
  g_assert_cmpint(error, ==, 0);
  g_assert_nonnull(started.process);
  for (int i = 0; i < BH_STREAM_COUNT; i++) g_assert_nonnull(started.streams[i].close);
  g_assert_cmpint(started.process->class->process_event(started.process, &started.event), ==, BH_OK);
  return started;
}

void guest_process_say(GuestProcess *process, const char *input) {
  if (input != NULL) g_assert_true(bh_socket_write_all(process->streams[BH_STDIN].value, input, strlen(input)));
  bh_socket_end_writing(process->streams[BH_STDIN].value);
}

char *guest_process_hear(GuestProcess *process, int stream) {
  char *output;
  gsize length;

  g_assert_cmpint(bh_socket_read_to_end(process->streams[stream].value, OUTPUT_LIMIT, &output, &length), ==,
                  BH_OK);
  return output;
}

gint32 guest_process_await(GuestProcess *process) {
  gint32 code = -1;

  g_assert_true(bh_event_wait(process->event.value, 30 * G_USEC_PER_SEC));
  g_assert_cmpint(process->process->class->process_exit_code(process->process, &code), ==, BH_OK);
  return code;
}

void guest_process_clear(GuestProcess *process) {
  for (int i = 0; i < BH_STREAM_COUNT; i++) bh_resource_clear(&process->streams[i]);
  bh_resource_clear(&process->event);
  process->process->class->process_free(process->process);
}

gint32 guest_assert_script(GuestFixture *fixture, const char *script, const char *const *environment,
                           const char *expected_out) {
  GuestProcess process = guest_process_start(fixture, GUEST_SH(script), environment);
  g_autofree char *output = NULL;
  gint32 code;

  guest_process_say(&process, NULL);
  output = guest_process_hear(&process, BH_STDOUT);
  g_assert_cmpstr(output, ==, expected_out);
  code = guest_process_await(&process);
  guest_process_clear(&process);
  return code;
}
