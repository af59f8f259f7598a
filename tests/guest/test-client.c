/* The client against an agent that breaks off, or says what it should not (false-agent.c). Native only. */
#include <unistd.h>

#include "core/lock-order.h"
#include "guest-fixture.h"
#include "guest/client.h"
#include "guest/event.h"
#include "raw-agent.h"

typedef struct {
  BhGuest *guest;
  BhVm *vm;
  gint deaths, ended;
} Fake;

static void on_died(gpointer data) {
  g_atomic_int_inc(&((Fake *)data)->deaths);
}

static void on_container_ended(gpointer data, guint32 number) {
  (void)number;
  g_atomic_int_inc(&((Fake *)data)->ended);
}

/* answers: what the agent says to every request. */
static BhResult start(Fake *fake, const char *answers) {
  static const BhVmEvents events = {.died = on_died, .container_ended = on_container_ended};
  BhVmSettings settings = {0};

  g_setenv("BULKHEAD_FALSE_AGENT", answers, TRUE);
  *fake = (Fake){.guest = bh_guest_agent_new(g_getenv("BULKHEAD_FALSE_AGENT_PROGRAM"))};
  return fake->guest->class->vm_create(fake->guest, &settings, &events, fake, &fake->vm);
}

static void end(Fake *fake) {
  if (fake->vm != NULL) fake->vm->class->vm_destroy(fake->vm);
  bh_guest_agent_free(fake->guest);
}

/* ---- one request each; what a failure must not touch is not touched ---- */

static BhResult try_execute(Fake *fake) {
  BhResource socket = {0};
  BhResult result = fake->vm->class->execute(fake->vm, BH_ROOT_NAMESPACE, "/bin/cat", NULL, &socket);

  g_assert_true(BH_SUCCEEDED(result) == (socket.close != NULL));
  bh_resource_clear(&socket);
  return result;
}

/* *process is the caller's, if it started. */
static BhResult try_process(Fake *fake, BhProcess **process) {
  BhProgram program = {.path = "/bin/cat"};
  BhResource streams[BH_STREAM_COUNT] = {{0}};
  gint32 error = -1;
  BhResult result = fake->vm->class->process_start(fake->vm, &program, streams, process, &error);

  g_assert_cmpint(error, ==, 0);
  g_assert_true(BH_SUCCEEDED(result) == (*process != NULL));
  for (int i = 0; i < BH_STREAM_COUNT; i++) {
    g_assert_true(BH_SUCCEEDED(result) == (streams[i].close != NULL));
    bh_resource_clear(&streams[i]);
  }
  return result;
}

static BhResult try_container(Fake *fake, guint32 *number) {
  BhContainerSpec spec = {.name = "web", .program = {.path = "/bin/cat"}};
  g_auto(BhDescription) container = {0};
  BhResult result = fake->vm->class->container_start(fake->vm, &spec, &container);

  g_assert_true(BH_SUCCEEDED(result) == (container.id != NULL));
  *number = container.number;
  return result;
}

static gint32 await_code(BhProcess *process) {
  BhResource event = {0};
  gint32 code = -1;

  g_assert_cmpint(process->class->process_event(process, &event), ==, BH_OK);
  g_assert_true(bh_event_wait(event.value, 30 * G_USEC_PER_SEC));
  g_assert_cmpint(process->class->process_exit_code(process, &code), ==, BH_OK);
  bh_resource_clear(&event);
  process->class->process_free(process);
  return code;
}

/* ---- what it says ---- */

static void a_stream_that_was_never_connected_is_none(void) {
  BhProcess *process = NULL;
  Fake fake;

  g_assert_cmpint(start(&fake, "CD"), ==, BH_OK);
  g_assert_cmpint(try_execute(&fake), ==, BH_E_UNEXPECTED);
  end(&fake);
  g_assert_cmpint(start(&fake, "CCCD"), ==, BH_OK);
  g_assert_cmpint(try_process(&fake, &process), ==, BH_E_UNEXPECTED);
  end(&fake);
}

static void an_answer_of_another_kind_is_none(void) {
  BhProcess *process = NULL;
  guint32 number;
  Fake fake;

  g_assert_cmpint(start(&fake, "LD"), ==, BH_OK);
  g_assert_cmpint(try_execute(&fake), ==, BH_E_UNEXPECTED);
  g_assert_cmpint(try_process(&fake, &process), ==, BH_E_UNEXPECTED);
  g_assert_cmpint(try_container(&fake, &number), ==, BH_E_UNEXPECTED);
  end(&fake);
  g_assert_cmpint(start(&fake, "LCCCCCCCCD"), ==, BH_OK); /* more than wait, and what matters is not among them */
  g_assert_cmpint(try_process(&fake, &process), ==, BH_E_UNEXPECTED);
  g_assert_cmpint(try_container(&fake, &number), ==, BH_E_UNEXPECTED);
  end(&fake);
}

static void what_nobody_asked_for_is_dropped(void) {
  guint32 number;
  Fake fake;

  g_assert_cmpint(start(&fake, "SISXXSX"), ==, BH_OK);
  g_assert_cmpint(try_container(&fake, &number), ==, BH_OK);
  end(&fake);
  g_assert_cmpint(fake.ended, <=, 1);
  g_assert_cmpint(fake.deaths, ==, 0);
}

static void a_container_ends_once(void) {
  guint32 number;
  Fake fake;

  g_assert_cmpint(start(&fake, "XXIXXD"), ==, BH_OK);
  g_assert_cmpint(try_container(&fake, &number), ==, BH_OK);
  /* The answer to anything comes after what was said before. */
  g_assert_cmpint(fake.vm->class->unmount(fake.vm, "/data"), ==, BH_E_UNEXPECTED);
  g_assert_cmpint(g_atomic_int_get(&fake.ended), ==, 1);
  end(&fake);
  g_assert_cmpint(fake.ended, ==, 1);
}

static void an_exit_code_is_one_whatever_the_status(void) {
  BhProcess *process = NULL;
  Fake fake;
  gint32 code;

  g_assert_cmpint(start(&fake, "LCCCAAADOX"), ==, BH_OK);
  g_assert_cmpint(try_process(&fake, &process), ==, BH_OK);
  code = await_code(process);
  g_assert_cmpint(code, >=, 0);
  g_assert_cmpint(code, <=, 255);
  g_assert_cmpint(code, !=, 137); /* the first counts */
  end(&fake);
}

static BhResult try_any(Fake *fake, char request) {
  BhProcess *none = NULL;
  guint32 number;

  if (request == 'E') return try_execute(fake);
  return request == 'P' ? try_process(fake, &none) : try_container(fake, &number);
}

static void an_agent_that_breaks_off_before_its_answer_is_a_dead_vm(void) {
  static const struct {
    char request; /* an execution, a process or a container */
    const char *answers;
  } cases[] = {
      {'E', "!"},      {'E', "L!"}, {'E', "C!"},   {'E', "LC!"},  {'E', "LCM"},   {'E', "CX!"},
      {'P', "!"},      {'P', "C!"}, {'P', "LCC!"}, {'P', "CCC!"}, {'P', "LCCC!"}, {'P', "LCCM"},
      {'P', "LCCCX!"}, {'K', "!"},  {'K', "X!"},   {'K', "XM"},
  };

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    guint open = raw_count_descriptors(getpid());
    Fake fake;

    g_assert_cmpint(start(&fake, cases[i].answers), ==, BH_OK);
    g_assert_cmphex((guint32)try_any(&fake, cases[i].request), ==, 0x8007139Fu);
    g_assert_cmphex((guint32)try_any(&fake, 'P'), ==, 0x8007139Fu);
    end(&fake);
    g_assert_cmpint(fake.deaths, <=, 1);
    g_assert_cmpuint(raw_count_descriptors(getpid()), ==, open);
  }
}

static void an_agent_that_breaks_off_ends_what_ran(void) {
  static const char *const answers[] = {"LCCCAAAD!", "LCCCAAADM", "LCCCAAADX!"};

  for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
    guint open = raw_count_descriptors(getpid());
    BhProcess *process = NULL;
    Fake fake;

    g_assert_cmpint(start(&fake, answers[i]), ==, BH_OK);
    g_assert_cmpint(try_process(&fake, &process), ==, BH_OK);
    g_assert_cmpint(await_code(process), ==, 137);
    end(&fake);
    g_assert_cmpuint(raw_count_descriptors(getpid()), ==, open);
  }
}

static void an_agent_of_another_version_is_no_vm(void) {
  Fake fake;

  g_assert_cmpint(start(&fake, "V"), ==, BH_E_FAIL);
  g_assert_null(fake.vm);
  end(&fake);
  g_assert_cmpint(fake.deaths, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define ADD(name, test) g_test_add_func("/guest/client/" name, test)
  ADD("a-stream-that-was-never-connected-is-none", a_stream_that_was_never_connected_is_none);
  ADD("an-answer-of-another-kind-is-none", an_answer_of_another_kind_is_none);
  ADD("what-nobody-asked-for-is-dropped", what_nobody_asked_for_is_dropped);
  ADD("a-container-ends-once", a_container_ends_once);
  ADD("an-exit-code-is-one-whatever-the-status", an_exit_code_is_one_whatever_the_status);
  ADD("an-agent-that-breaks-off-before-its-answer-is-a-dead-vm",
      an_agent_that_breaks_off_before_its_answer_is_a_dead_vm);
  ADD("an-agent-that-breaks-off-ends-what-ran", an_agent_that_breaks_off_ends_what_ran);
  ADD("an-agent-of-another-version-is-no-vm", an_agent_of_another_version_is_no_vm);
  return g_test_run();
}
