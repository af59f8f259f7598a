/* Routines: who is told of what, who may refuse, when sources watch. What they are believed, and how routines go, is beside. */
#include "notify-fixture.h"

#define BOTH (BH_WATCH_PROCESSES | BH_WATCH_THREADS)

/* --- Who is told of what ------------------------------------------------------------------------------------------ */

static void tell_all(Source *source) {
  tell(source, BH_PROCESS_CREATED, 7, 0);
  tell(source, BH_THREAD_CREATED, 7, 9);
  tell(source, BH_THREAD_EXITED, 7, 9);
  tell(source, BH_PROCESS_EXITED, 7, 0);
}

/* The seed's four kinds of registration. */
static void four_kinds(void) {
  Source *host, *vm;

  open_notify();
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_PLAIN, "p");
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "P");
  add(BH_NOTIFY_THREADS, BH_NOTIFY_PLAIN, "t");
  add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "T");
  host = open_source(BH_SUBSYSTEM_WIN32);
  vm = open_source(BH_SUBSYSTEM_WSL);
  tell_all(host);
  assert_log("p:+7 P:+7 t:+7.9 T:+7.9 t:-7.9 T:-7.9 p:-7 P:-7");
  tell_all(vm);
  assert_log("P:+7* T:+7.9* T:-7.9* P:-7*");
  close_notify();
}

/* What a record says that does not belong there, no routine sees. */
static const BhProcessNotice *expected;

static BhResult compare(gpointer data, const BhProcessNotice *notice) {
  const BhActivity *activity = &notice->activity, *wanted = &expected->activity;

  (void)data;
  say("compared");
  g_assert_cmpint(activity->type, ==, wanted->type);
  g_assert_cmpuint(activity->thread, ==, wanted->thread);
  g_assert_cmpuint(activity->parent, ==, wanted->parent);
  g_assert_cmpuint(activity->creator, ==, wanted->creator);
  g_assert_cmpuint(activity->creator_thread, ==, wanted->creator_thread);
  g_assert_cmpint(activity->may_refuse, ==, wanted->may_refuse);
  g_assert_cmpstr(activity->image, ==, wanted->image);
  g_assert_cmpstr(activity->command_line, ==, wanted->command_line);
  g_assert_cmpint(activity->exit_status, ==, wanted->exit_status);
  g_assert_cmpint(notice->origin.subsystem, ==, expected->origin.subsystem);
  g_assert_cmpuint(notice->origin.session, ==, expected->origin.session);
  return BH_OK;
}

static void what_a_notice_says(void) {
  static const BhActivity created = {BH_PROCESS_CREATED, 7, 1, 2, 3, 4, TRUE, "/bin/cat", "cat x", 5};
  static const BhActivity exited = {BH_PROCESS_EXITED, 7, 1, 2, 3, 4, TRUE, "/bin/cat", "cat x", 5};
  BhProcessNotice seen = {{BH_PROCESS_CREATED, 7, 0, 2, 3, 4, TRUE, "/bin/cat", "cat x", 0},
                          {.subsystem = BH_SUBSYSTEM_WSL, .session = 3},
                          TRUE};
  Source *vm, *host;
  guint64 id;

  open_notify();
  vm = open_source(BH_SUBSYSTEM_WSL);
  host = open_source(BH_SUBSYSTEM_WIN32);
  expected = &seen;
  g_assert_cmpint(bh_process_notify_add(notify, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, compare, NULL, &id), ==,
                  BH_OK);
  bh_activity_source_tell(vm->source, &created);
  seen.origin = (BhActivityOrigin){0};
  seen.activity.may_refuse = FALSE; /* no user-mode service holds a Win32 process */
  bh_activity_source_tell(host->source, &created);
  seen.activity = (BhActivity){.type = BH_PROCESS_EXITED, .exit_status = 5};
  bh_activity_source_tell(host->source, &exited);
  seen = (BhProcessNotice){
      {.type = BH_PROCESS_EXITED, .exit_status = 137}, {.subsystem = BH_SUBSYSTEM_WSL, .session = 3}, TRUE};
  end_source(vm);
  assert_log("compared compared compared compared");
  bh_process_notify_remove(notify, id);
  close_notify();
}

/* --- Refusing ----------------------------------------------------------------------------------------------------- */

static void first_refusal_counts(void) {
  Observer *second, *third;
  Source *vm, *host;

  open_notify();
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_PLAIN, "plain")->answer = BH_E_ABORT;
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "1");
  second = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "2");
  third = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "3");
  second->answer = BH_E_ACCESSDENIED;
  third->answer = BH_E_FAIL;
  vm = open_source(BH_SUBSYSTEM_WSL);
  host = open_source(BH_SUBSYSTEM_WIN32);
  g_assert_cmpint(tell_refusable(vm, BH_PROCESS_CREATED, 7), ==, BH_E_ACCESSDENIED);
  assert_log("1:+7!* 2:+7!* 3:+7!*");                            /* the others are told all the same */
  g_assert_cmpint(tell(vm, BH_PROCESS_EXITED, 7, 0), ==, BH_OK); /* it ends, as ever */
  assert_log("1:-7* 2:-7* 3:-7*");
  drop(second);
  g_assert_cmpint(tell(vm, BH_PROCESS_CREATED, 8, 0), ==, BH_OK); /* too late to refuse */
  g_assert_cmpint(tell_refusable(vm, BH_PROCESS_IMAGE, 8), ==, BH_E_FAIL);
  assert_log("1:+8* 3:+8* 1:=8!* 3:=8!*");
  g_assert_cmpint(tell_refusable(vm, BH_PROCESS_EXITED, 8), ==, BH_OK);
  g_assert_cmpint(tell_refusable(host, BH_PROCESS_CREATED, 8), ==, BH_OK);
  assert_log("1:-8* 3:-8* plain:+8 1:+8 3:+8");
  close_notify();
}

/* --- Registering -------------------------------------------------------------------------------------------------- */

static void errors_of_registration(void) {
  Observer observers[BH_NOTIFY_ROUTINES_MAX + 1] = {{0}}, *one = &observers[BH_NOTIFY_ROUTINES_MAX];

  open_notify();
  g_assert_cmpint(bh_process_notify_remove(notify, 1), ==, BH_E_NOT_FOUND);
  for (guint i = 0; i < BH_NOTIFY_ROUTINES_MAX; i++)
    g_assert_cmpint(
        try_to_add(BH_NOTIFY_PROCESSES, i % 2 == 0 ? BH_NOTIFY_PLAIN : BH_NOTIFY_SUBSYSTEMS, &observers[i]), ==,
        BH_OK);
  g_assert_cmpint(try_to_add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &(Observer){0}), ==,
                  BH_E_TOO_MANY_ROUTINES);
  g_assert_cmpint(try_to_add(BH_NOTIFY_THREADS, BH_NOTIFY_PLAIN, one), ==, BH_OK); /* of the other kind */
  drop(one);
  drop(&observers[5]);
  /* Of the same kind it is there, plain or not; and one that was removed is not. */
  g_assert_cmpint(try_to_add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observers[0]), ==, BH_E_ALREADY_EXISTS);
  g_assert_cmpint(try_to_add(BH_NOTIFY_PROCESSES, BH_NOTIFY_PLAIN, &observers[5]), ==, BH_OK);
  for (guint i = 0; i < BH_NOTIFY_ROUTINES_MAX; i++) {
    guint64 id = observers[i].id;
    g_assert_cmpint(bh_process_notify_remove(notify, id), ==, BH_OK);
    g_assert_cmpint(bh_process_notify_remove(notify, id), ==, BH_E_NOT_FOUND);
  }
  close_notify();
}

/* --- Watching ----------------------------------------------------------------------------------------------------- */

/* Nobody wants to know: nothing is asked, and nothing costs. */
static void watched_only_when_wanted(void) {
  Observer *threads, *processes, *plain;
  Source *host, *vm, *late;

  open_notify();
  host = open_source(BH_SUBSYSTEM_WIN32);
  vm = open_source(BH_SUBSYSTEM_WSL);
  g_assert_cmpuint(host->asked + vm->asked, ==, 0);
  plain = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_PLAIN, "p");
  assert_watches(host, BH_WATCH_PROCESSES);
  g_assert_cmpuint(vm->asked, ==, 0); /* a plain routine costs a VM nothing */
  processes = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "P");
  assert_watches(vm, BH_WATCH_PROCESSES);
  threads = add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "T");
  assert_watches(host, BOTH);
  assert_watches(vm, BOTH);
  g_assert_cmpuint(host->asked, ==, 2);
  late = open_source(BH_SUBSYSTEM_WSL);
  assert_watches(late, BOTH);
  g_assert_cmpuint(late->asked, ==, 1);
  drop(processes);
  assert_watches(vm, BOTH); /* threads are never watched without processes */
  drop(threads);
  assert_watches(vm, BH_WATCH_NOTHING);
  assert_watches(host, BH_WATCH_PROCESSES);
  drop(plain);
  assert_watches(host, BH_WATCH_NOTHING);
  end_source(late);
  threads = add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "T");
  assert_watches(late, BH_WATCH_NOTHING); /* it is not asked any more */
  close_notify();
}

/* What a source had on its way when it was no longer wanted is not told, and is no nonsense; watched again, it begins anew. */
static void watched_again(void) {
  Observer *first;
  Source *vm;

  open_notify();
  vm = open_source(BH_SUBSYSTEM_WSL);
  g_assert_cmpint(tell(vm, BH_PROCESS_CREATED, 7, 0), ==, BH_OK);
  first = add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "1");
  tell(vm, BH_PROCESS_CREATED, 7, 0);
  tell(vm, BH_THREAD_CREATED, 7, 9);
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "2");
  drop(first);
  tell(vm, BH_THREAD_EXITED, 7, 9);
  first = add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "3");
  tell(vm, BH_THREAD_CREATED, 7,
       9); /* the thread runs on, and is told of anew; its process was watched all the time */
  tell(vm, BH_PROCESS_EXITED, 7, 0);
  assert_log("1:+7.9* 3:+7.9* 3:-7.9* 2:-7*");
  g_assert_cmpuint(complaints, ==, 0);
  close_notify();
}

/* A source that cannot: whoever wants to be told learns that he would not be. */
static void source_that_cannot(void) {
  Observer observer = {.name = "P"};
  Source *vm, *other;

  open_notify();
  vm = open_source(BH_SUBSYSTEM_WSL);
  other = open_source(BH_SUBSYSTEM_WSL);
  vm->answer = BH_E_ACCESSDENIED;
  g_assert_cmpint(try_to_add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observer), ==, BH_E_ACCESSDENIED);
  g_assert_cmpint(bh_process_notify_remove(notify, observer.id), ==, BH_E_NOT_FOUND);
  assert_watches(other, BH_WATCH_NOTHING); /* it was asked, and is left alone again */
  g_assert_cmpuint(other->asked, ==, 2);
  vm->answer = BH_E_NOT_VALID_STATE; /* it has died: there is nothing to be told of */
  g_assert_cmpint(try_to_add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observer), ==, BH_OK);
  drop(&observer);
  close_notify();
}

static void asked_for_a_process(void) {
  const BhActivityOrigin session = {.session = 3}, other = {.session = 4}, wslc = {.name = "dev"};
  Source *vm;

  open_notify();
  vm = open_source(BH_SUBSYSTEM_WSL);
  g_assert_cmpint(bh_process_notify_has_process(notify, &session, 7, 0), ==, BH_OK);
  g_assert_cmpint(bh_process_notify_has_process(notify, &session, 7, 9), ==, BH_OK);
  g_assert_cmpint(bh_process_notify_has_process(notify, &session, 7, 8), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_process_notify_has_process(notify, &session, 8, 0), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_process_notify_has_process(notify, &other, 7, 0), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_process_notify_has_process(notify, &wslc, 7, 0), ==, BH_E_NOT_FOUND);
  close_source(vm);
  g_assert_cmpint(bh_process_notify_has_process(notify, &session, 7, 0), ==, BH_E_NOT_FOUND);
  close_notify();
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/process-notify/four-kinds", four_kinds);
  g_test_add_func("/process-notify/what-a-notice-says", what_a_notice_says);
  g_test_add_func("/process-notify/first-refusal-counts", first_refusal_counts);
  g_test_add_func("/process-notify/errors-of-registration", errors_of_registration);
  g_test_add_func("/process-notify/watched-only-when-wanted", watched_only_when_wanted);
  g_test_add_func("/process-notify/watched-again", watched_again);
  g_test_add_func("/process-notify/source-that-cannot", source_that_cannot);
  g_test_add_func("/process-notify/asked-for-a-process", asked_for_a_process);
  return g_test_run();
}
