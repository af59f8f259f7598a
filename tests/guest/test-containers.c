/* Containers, images and the documents that tell of them; instances that are idle; exports: the same for every guest. Runs
 * natively and under Wine. */
#include <jansson.h>
#include <string.h>

#include "core/lock-order.h"
#include "core/sync.h"
#include "guest-fixture.h"
#include "guest/documents.h"
#include "guest/socket.h"

static const char *const sleep_long[] = {"/bin/sleep", "1000", NULL};

static BhResult try_container(GuestFixture *fixture, const char *root, const char *const *argv,
                              BhDescription *container) {
  BhContainerSpec spec = {.name = "web", .image = "nginx:latest", .root = root};

  spec.program = (BhProgram){.path = argv[0], .arguments = argv};
  return fixture->vm->class->container_start(fixture->vm, &spec, container);
}

static guint32 start_container(GuestFixture *fixture, const char *const *argv) {
  g_auto(BhDescription) container = {0};

  g_assert_cmphex((guint32)try_container(fixture, NULL, argv, &container), ==, BH_OK);
  g_assert_cmpuint(container.number, !=, BH_ROOT_NAMESPACE);
  return container.number;
}

static BhResult stop_container(GuestFixture *fixture, guint32 number) {
  return fixture->vm->class->container_stop(fixture->vm, number);
}

static void assert_ends(BhResource *socket) {
  char letter;

  g_assert_cmpint(bh_socket_read(socket->value, &letter, 1), <=, 0);
  bh_resource_clear(socket);
}

/* ---- containers ---- */

static void a_container_runs_until_it_is_stopped(GuestFixture *fixture, gconstpointer unused) {
  guint32 number = start_container(fixture, sleep_long), other = start_container(fixture, sleep_long);

  (void)unused;
  g_assert_cmpuint(number, !=, other);
  guest_assert_output(fixture, number, "/bin/echo inside", NULL, "inside\n");
  g_assert_cmpuint(guest_count_ended(fixture, number), ==, 0);
  g_assert_cmpint(stop_container(fixture, number), ==, BH_OK);
  g_assert_cmpuint(guest_count_ended(fixture, number), ==, 1); /* told before the stop has returned */
  g_assert_cmphex((guint32)guest_try(fixture, number, "/bin/true"), ==, 0x80040313u);
  g_assert_cmphex((guint32)stop_container(fixture, number), ==, 0x80070490u);
  guest_assert_output(fixture, other, "/bin/echo still", NULL, "still\n");
  g_assert_cmpuint(guest_count_ended(fixture, other), ==, 0);
}

static void a_container_that_ends_by_itself_says_so(GuestFixture *fixture, gconstpointer unused) {
  guint32 number = start_container(fixture, GUEST_SH("echo to the log; exit 3"));

  (void)unused;
  guest_await_ended(fixture, number);
  g_assert_cmphex((guint32)guest_try(fixture, number, "/bin/true"), ==, 0x80040313u);
  g_assert_cmpint(stop_container(fixture, number), ==, BH_OK); /* which is due all the same */
  g_assert_cmpuint(guest_count_ended(fixture, number), ==, 1);
  g_assert_cmphex((guint32)stop_container(fixture, number), ==, 0x80070490u);
}

static void its_first_process_has_nothing_to_read(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_await_ended(fixture, start_container(fixture, (const char *const[]){"/bin/cat", NULL}));
}

static void everything_in_a_container_ends_with_it(GuestFixture *fixture, gconstpointer unused) {
  guint32 number = start_container(fixture, sleep_long);
  BhResource inside = guest_start_cat(fixture, number), outside = guest_start_cat(fixture, BH_ROOT_NAMESPACE);
  char letter;

  (void)unused;
  g_assert_cmpint(stop_container(fixture, number), ==, BH_OK);
  assert_ends(&inside);
  bh_socket_write_all(outside.value, "x", 1);
  g_assert_cmpint(bh_socket_read(outside.value, &letter, 1), ==, 1);
  bh_resource_clear(&outside);
}

static void what_cannot_be_a_container_is_refused(GuestFixture *fixture, gconstpointer unused) {
  g_auto(BhDescription) container = {0};

  (void)unused;
  g_assert_cmpint(try_container(fixture, NULL, (const char *const[]){"/bin/missing", NULL}, &container), ==,
                  BH_E_FAIL);
  g_assert_cmphex((guint32)try_container(fixture, "/there/is/no/such/folder", sleep_long, &container), ==,
                  0x80070003u);
  g_assert_null(container.id);
  g_assert_cmpint(stop_container(fixture, start_container(fixture, sleep_long)), ==, BH_OK);
  g_assert_cmphex((guint32)stop_container(fixture, 4711), ==, 0x80070490u);
  g_assert_cmphex((guint32)stop_container(fixture, guest_start_instance(fixture, NULL).number), ==, 0x80070490u);
  g_assert_cmpuint(fixture->ended->len, ==, 1); /* nothing of those that never ran */
}

static void the_vms_end_is_no_containers(GuestFixture *fixture, gconstpointer unused) {
  start_container(fixture, sleep_long);
  (void)unused;
  guest_vm_destroy(fixture);
  g_assert_cmpuint(fixture->ended->len, ==, 0);
}

static void containers_come_and_go(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  for (int i = 0; i < 20; i++) {
    guint32 number = start_container(fixture, i % 2 == 0 ? sleep_long : GUEST_SH("exit 0"));

    g_assert_cmpint(stop_container(fixture, number), ==, BH_OK);
    g_assert_cmpuint(guest_count_ended(fixture, number), ==, 1);
  }
}

/* ---- documents ---- */

static json_t *parse(const char *document) {
  json_error_t error;
  json_t *parsed = json_loads(document, JSON_REJECT_DUPLICATES, &error);

  if (parsed == NULL) g_error("%s: %s", error.text, document);
  return parsed;
}

static const char *text_of(json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);

  g_assert_true(json_is_string(value));
  return json_string_value(value);
}

static void assert_object(json_t *object, const char *key) {
  g_assert_true(json_is_object(json_object_get(object, key)));
}

/* RFC 3339 in UTC, and within the last minute. */
static void assert_recent(const char *time) {
  g_autoptr(GDateTime) then = g_date_time_new_from_iso8601(time, NULL), now = g_date_time_new_now_utc();

  g_assert_nonnull(then);
  g_assert_true(g_str_has_suffix(time, "Z"));
  g_assert_cmpint(ABS(g_date_time_difference(now, then)), <, 60 * G_TIME_SPAN_SECOND);
}

static void assert_hex(const char *text, gsize length) {
  g_assert_cmpuint(strlen(text), ==, length);
  g_assert_cmpuint(strspn(text, "0123456789abcdef"), ==, length);
}

static void assert_array(json_t *object, const char *key, const char *const *texts) {
  json_t *array = json_object_get(object, key);
  gsize i;

  g_assert_true(json_is_array(array));
  for (i = 0; texts[i] != NULL; i++) g_assert_cmpstr(json_string_value(json_array_get(array, i)), ==, texts[i]);
  g_assert_cmpuint(json_array_size(array), ==, i);
}

static void a_containers_document_has_every_key(GuestFixture *fixture, gconstpointer unused) {
  static const char *const argv[] = {"/bin/sleep", "1000", NULL}, *const environment[] = {"A=b", "C=d=e", NULL};
  BhContainerSpec spec = {"web", "nginx:latest", NULL, {"/bin/sleep", argv, environment}};
  g_auto(BhDescription) container = {0};
  json_t *document, *state, *config;

  (void)unused;
  g_assert_cmpint(fixture->vm->class->container_start(fixture->vm, &spec, &container), ==, BH_OK);
  document = parse(container.document);
  assert_hex(container.id, 64);
  g_assert_cmpstr(text_of(document, "Id"), ==, container.id);
  g_assert_cmpstr(text_of(document, "Name"), ==, "web");
  g_assert_cmpstr(text_of(document, "Image"), ==, "nginx:latest");
  assert_recent(text_of(document, "Created"));
  state = json_object_get(document, "State");
  g_assert_cmpstr(text_of(state, "Status"), ==, "running");
  g_assert_true(json_is_true(json_object_get(state, "Running")));
  g_assert_true(json_is_integer(json_object_get(state, "ExitCode")));
  g_assert_cmpint(json_integer_value(json_object_get(state, "ExitCode")), ==, 0);
  assert_recent(text_of(state, "StartedAt"));
  g_assert_cmpstr(text_of(state, "FinishedAt"), ==, "0001-01-01T00:00:00Z");
  config = json_object_get(document, "Config");
  assert_array(config, "Cmd", argv);
  assert_array(config, "Env", environment);
  assert_object(document, "HostConfig");
  assert_object(document, "Labels");
  assert_array(document, "Mounts", (const char *const[]){NULL});
  assert_object(document, "Ports");
  assert_object(json_object_get(document, "NetworkSettings"), "Networks");
  json_decref(document);
}

static void an_images_document_has_every_key(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *root = guest_own_root(fixture);
  g_auto(BhDescription) image = {0};
  json_t *document;

  (void)unused;
  g_assert_cmpint(fixture->vm->class->image_create(fixture->vm, "alpine:3", root, &image), ==, BH_OK);
  document = parse(image.document);
  g_assert_true(g_str_has_prefix(image.id, "sha256:"));
  assert_hex(image.id + strlen("sha256:"), 64);
  g_assert_cmpstr(text_of(document, "Id"), ==, image.id);
  assert_array(document, "RepoTags", (const char *const[]){"alpine:3", NULL});
  assert_recent(text_of(document, "Created"));
  g_assert_cmpstr(text_of(document, "Os"), ==, "linux");
  g_assert_cmpstr(text_of(document, "Architecture"), !=, "");
  g_assert_true(json_is_integer(json_object_get(document, "Size")));
  assert_object(document, "Config");
  json_decref(document);
}

static void assert_image_id(GuestFixture *fixture, const char *name, const char *root, const char *other,
                            gboolean same) {
  g_auto(BhDescription) image = {0};

  g_assert_cmpint(fixture->vm->class->image_create(fixture->vm, name, root, &image), ==, BH_OK);
  g_assert_cmpint(strcmp(image.id, other) == 0, ==, same);
}

static void an_images_id_is_that_of_name_and_root(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *root = guest_own_root(fixture);
  g_auto(BhDescription) image = {0}, missing = {0};

  (void)unused;
  g_assert_cmpint(fixture->vm->class->image_create(fixture->vm, "a", NULL, &image), ==, BH_OK);
  assert_image_id(fixture, "a", NULL, image.id, TRUE);
  assert_image_id(fixture, "b", NULL, image.id, FALSE);
  assert_image_id(fixture, "a", root, image.id, FALSE);
  g_assert_cmphex(
      (guint32)fixture->vm->class->image_create(fixture->vm, "a", "/there/is/no/such/folder", &missing), ==,
      0x80070003u);
  g_assert_null(missing.id);
}

static void what_is_no_utf8_breaks_no_document(void) {
  static const char *const argv[] = {"/bin/\xff", "\xc3\x28", "\"quotes\"\n", NULL};
  BhContainerSpec spec = {"\x80name", NULL, NULL, {"/bin/\xff", argv, NULL}};
  g_auto(BhDescription) container = {0}, second = {0}, image = {0};
  json_t *document;

  bh_describe_container(&spec, 1, &container);
  bh_describe_container(&spec, 2, &second);
  g_assert_cmpstr(container.id, !=, second.id);
  document = parse(container.document);
  g_assert_cmpstr(text_of(document, "Name"), ==, "\xef\xbf\xbdname");
  assert_array(json_object_get(document, "Config"), "Cmd",
               (const char *const[]){"/bin/\xef\xbf\xbd", "\xef\xbf\xbd(", "\"quotes\"\n", NULL});
  json_decref(document);
  bh_describe_image("\xff", "/\xff", &image);
  json_decref(parse(image.document));
}

/* ---- idle instances ---- */

static gboolean is_idle(GuestFixture *fixture, guint32 instance) {
  return fixture->vm->class->instance_is_idle(fixture->vm, instance);
}

/* That a program's streams end is seen a moment before its exit is told. What is done meanwhile takes real time: the
 * agent's answer to it comes after what it had to say before. */
static void await_idle(GuestFixture *fixture, guint32 instance) {
  gint64 deadline = bh_clock_now() + 30 * G_USEC_PER_SEC;

  while (!is_idle(fixture, instance)) {
    g_assert_cmpint(bh_clock_now(), <, deadline);
    guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/true", NULL, "");
  }
}

static void an_instance_is_idle_when_none_of_its_programs_runs(GuestFixture *fixture, gconstpointer unused) {
  BhInstance instance = guest_start_instance(fixture, NULL), other = guest_start_instance(fixture, NULL);
  BhResource first, second;

  (void)unused;
  g_assert_true(is_idle(fixture, instance.number));
  first = guest_start_cat(fixture, instance.number);
  second = guest_start_cat(fixture, instance.number);
  g_assert_false(is_idle(fixture, instance.number));
  g_assert_true(is_idle(fixture, other.number));
  bh_socket_end_writing(first.value);
  assert_ends(&first);
  g_assert_false(is_idle(fixture, instance.number));
  bh_socket_end_writing(second.value);
  assert_ends(&second);
  await_idle(fixture, instance.number);
  g_assert_cmpint(guest_try(fixture, instance.number, "/bin/missing"), ==, BH_E_FAIL);
  g_assert_true(is_idle(fixture, instance.number));
  first = guest_start_cat(fixture, instance.number);
  g_assert_cmpint(fixture->vm->class->instance_stop(fixture->vm, instance.number), ==, BH_OK);
  g_assert_true(is_idle(fixture, instance.number));
  bh_resource_clear(&first);
}

/* ---- exports ---- */

static BhResult export(GuestFixture *fixture, char *root, const char *host_path) {
  BhDistribution distribution = {.name = (char *)"Debian", .root = root};

  return fixture->guest->class->distribution_export(fixture->guest, &distribution, host_path);
}

static gboolean holds(const char *bytes, gsize length, const char *word) {
  gsize size = strlen(word);

  for (gsize at = 0; at + size <= length; at++)
    if (memcmp(bytes + at, word, size) == 0) return TRUE;
  return FALSE;
}

static void an_export_is_an_archive(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *target = g_dir_make_tmp("bulkhead-export-XXXXXX", NULL), *file = NULL, *contents = NULL;
  g_autofree char *root = guest_own_root(fixture);
  gsize length = 0;

  (void)unused;
  file = g_build_filename(target, "export.tar", NULL);
  guest_write(fixture, "some-file", "its contents");
  g_assert_cmphex((guint32) export(fixture, root, file), ==, BH_OK);
  g_assert_true(g_file_get_contents(file, &contents, &length, NULL));
  g_assert_cmpuint(length, >, 0);
  g_assert_cmpuint(length % 512, ==, 0);
  for (int i = 1; i <= 1024; i++) g_assert_cmpint(contents[length - i], ==, 0); /* how an archive ends */
  if (fixture->real) {
    g_assert_true(holds(contents, length, "./some-file"));
    g_assert_true(holds(contents, length, "its contents"));
  }
  g_assert_cmphex((guint32) export(fixture, root, file), ==, BH_OK); /* over the one that is there */
  guest_remove_folder(target);
}

static void what_cannot_be_exported_is_refused(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *nowhere = g_build_filename(fixture->folder, "missing", "export.tar", NULL);
  g_autofree char *file = g_build_filename(fixture->folder, "export.tar", NULL);
  g_autofree char *root = guest_own_root(fixture);

  (void)unused;
  g_assert_cmphex((guint32) export(fixture, root, nowhere), ==, 0x80070003u);
  g_assert_cmpint(export(fixture, root, fixture->folder), ==, BH_E_FAIL);
  if (!fixture->real) return;
  g_assert_cmpint(export(fixture, NULL, file), ==, BH_E_INVALIDARG);
  g_assert_cmpint(export(fixture, (char *)"/usr/..", file), ==, BH_E_INVALIDARG);
  g_assert_cmphex((guint32) export(fixture, (char *)"/there/is/no/such/folder", file), ==, 0x80070003u);
  g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

static const GuestTestRow tests[] = {
    {"a-container-runs-until-it-is-stopped", a_container_runs_until_it_is_stopped},
    {"a-container-that-ends-by-itself-says-so", a_container_that_ends_by_itself_says_so},
    {"its-first-process-has-nothing-to-read", its_first_process_has_nothing_to_read},
    {"everything-in-a-container-ends-with-it", everything_in_a_container_ends_with_it},
    {"what-cannot-be-a-container-is-refused", what_cannot_be_a_container_is_refused},
    {"the-vms-end-is-no-containers", the_vms_end_is_no_containers},
    {"containers-come-and-go", containers_come_and_go},
    {"a-containers-document-has-every-key", a_containers_document_has_every_key},
    {"an-images-document-has-every-key", an_images_document_has_every_key},
    {"an-images-id-is-that-of-name-and-root", an_images_id_is_that_of_name_and_root},
    {"an-instance-is-idle-when-none-of-its-programs-runs", an_instance_is_idle_when_none_of_its_programs_runs},
    {"an-export-is-an-archive", an_export_is_an_archive},
    {"what-cannot-be-exported-is-refused", what_cannot_be_exported_is_refused},
};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  guest_test_add_all(tests, G_N_ELEMENTS(tests));
  g_test_add_func("/guest/documents/what-is-no-utf8-breaks-no-document", what_is_no_utf8_breaks_no_document);
  return g_test_run();
}
