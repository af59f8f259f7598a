/* Sources: what they are believed, what is made up for them when they go; and routines that are removed while they run. */
#include "notify-fixture.h"

/* --- What sources are believed ------------------------------------------------------------------------------------ */

static const struct {
  const char *what;
  BhActivity before[3], nonsense;
} lies[] = {
    {"process 0", {{0}}, {.type = BH_PROCESS_CREATED}},
    {"created twice", {{.type = BH_PROCESS_CREATED, .process = 7}}, {.type = BH_PROCESS_CREATED, .process = 7}},
    {"exit of nobody", {{0}}, {.type = BH_PROCESS_EXITED, .process = 7}},
    {"exits twice",
     {{.type = BH_PROCESS_CREATED, .process = 7}, {.type = BH_PROCESS_EXITED, .process = 7}},
     {.type = BH_PROCESS_EXITED, .process = 7}},
    {"image of nobody", {{0}}, {.type = BH_PROCESS_IMAGE, .process = 7}},
    {"thread of nobody", {{0}}, {.type = BH_THREAD_CREATED, .process = 7, .thread = 9}},
    {"thread 0", {{.type = BH_PROCESS_CREATED, .process = 7}}, {.type = BH_THREAD_CREATED, .process = 7}},
    {"thread created twice",
     {{.type = BH_PROCESS_CREATED, .process = 7}, {.type = BH_THREAD_CREATED, .process = 7, .thread = 9}},
     {.type = BH_THREAD_CREATED, .process = 7, .thread = 9}},
    {"exit of a thread that is none",
     {{.type = BH_PROCESS_CREATED, .process = 7}},
     {.type = BH_THREAD_EXITED, .process = 7, .thread = 9}},
    {"exit of another's thread",
     {{.type = BH_PROCESS_CREATED, .process = 7},
      {.type = BH_PROCESS_CREATED, .process = 8},
      {.type = BH_THREAD_CREATED, .process = 7, .thread = 9}},
     {.type = BH_THREAD_EXITED, .process = 8, .thread = 9}},
};

static void lies_are_not_told(void) {
  for (guint i = 0; i < G_N_ELEMENTS(lies); i++) {
    Source *vm;

    g_test_message("%s", lies[i].what);
    open_notify();
    vm = open_source(BH_SUBSYSTEM_WSL);
    add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "P");
    add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "T");
    for (guint j = 0; j < G_N_ELEMENTS(lies[i].before) && lies[i].before[j].process != 0; j++)
      g_assert_cmpint(bh_activity_source_tell(vm->source, &lies[i].before[j]), ==, BH_OK);
    clear_log();
    for (guint j = 0; j < 2; j++)
      g_assert_cmpint(bh_activity_source_tell(vm->source, &lies[i].nonsense), ==, BH_E_INVALIDARG);
    assert_log("");
    g_assert_cmpuint(complaints, ==, 1); /* not one for each: it might never end */
    close_notify();
  }
}

static void win32_shows_no_image(void) {
  Source *host;

  open_notify();
  host = open_source(BH_SUBSYSTEM_WIN32);
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "P");
  tell(host, BH_PROCESS_CREATED, 7, 0);
  g_assert_cmpint(tell(host, BH_PROCESS_IMAGE, 7, 0), ==, BH_E_INVALIDARG);
  assert_log("P:+7");
  close_notify();
}

/* A hostile source makes us keep so much, and no more; what is too many is refused, so that nothing runs untold. */
static void bounded(void) {
  Source *vm;
  guint64 id;

  open_notify();
  vm = open_source(BH_SUBSYSTEM_WSL);
  id = add(BH_NOTIFY_THREADS, BH_NOTIFY_PLAIN, "t")->id; /* is told of nothing here, and so is quick */
  g_assert_cmpuint(id, >, 0);
  add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "T");
  for (guint32 i = 1; i <= BH_ACTIVITY_PROCESSES_MAX; i++)
    g_assert_cmpint(tell(vm, BH_PROCESS_CREATED, i, 0), ==, BH_OK);
  g_assert_cmpint(tell_refusable(vm, BH_PROCESS_CREATED, BH_ACTIVITY_PROCESSES_MAX + 1), ==, BH_E_OUTOFMEMORY);
  g_assert_cmpint(tell(vm, BH_PROCESS_EXITED, 5, 0), ==, BH_OK);
  g_assert_cmpint(tell_refusable(vm, BH_PROCESS_CREATED, BH_ACTIVITY_PROCESSES_MAX + 1), ==, BH_OK);
  g_assert_cmpint(tell_refusable(vm, BH_PROCESS_CREATED, 5), ==, BH_E_OUTOFMEMORY);
  for (guint32 i = 1; i <= BH_ACTIVITY_THREADS_MAX; i++)
    g_assert_cmpint(tell(vm, BH_THREAD_CREATED, 7, i), ==, BH_OK);
  g_assert_cmpint(tell(vm, BH_THREAD_CREATED, 7, BH_ACTIVITY_THREADS_MAX + 1), ==, BH_E_OUTOFMEMORY);
  close_notify();
}

/* What a source has left when it goes, has ended: threads before their process, in the order it began. */
static void ends_with_its_source(void) {
  Source *vm;

  open_notify();
  vm = open_source(BH_SUBSYSTEM_WSL);
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "P");
  add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, "T");
  tell(vm, BH_PROCESS_CREATED, 9, 0);
  tell(vm, BH_PROCESS_CREATED, 7, 0);
  tell(vm, BH_THREAD_CREATED, 9, 20);
  tell(vm, BH_PROCESS_CREATED, 8, 0);
  tell(vm, BH_THREAD_CREATED, 8, 21);
  clear_log();
  close_source(vm);
  tell(vm, BH_PROCESS_EXITED, 8, 0); /* closed, it may still say so itself; a thread it forgot is ended first */
  assert_log("T:-8.21* P:-8*");
  free_source(vm);
  assert_log("T:-9.20* P:-9* P:-7*");
  close_notify();
}

/* --- Routines come and go while others run ------------------------------------------------------------------------ */

/* A routine that waits in the middle of a call. */
typedef struct {
  BhGate reached, go_on;
} Stop;

static void stop_init(Stop *stop) {
  bh_gate_init(&stop->reached);
  bh_gate_init(&stop->go_on);
}

static void stop_clear(Stop *stop) {
  bh_gate_clear(&stop->reached);
  bh_gate_clear(&stop->go_on);
}

static void stop(gpointer data) {
  Stop *here = data;

  bh_gate_open(&here->reached);
  bh_gate_pass(&here->go_on);
  say("on");
}

static gpointer run_drop(gpointer data) {
  drop(data);
  say("removed");
  return NULL;
}

static BhGate *
    waiting; /* opened by whoever begins to wait for a call, or a source; set while no thread is there that would */

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (waiting != NULL && g_str_equal(lock_class->name, "process notify")) bh_gate_open(waiting);
}

static const BhSyncObserver wait_observer = {.wait = on_wait};

/* Slow: whoever removes it waits; others are told meanwhile, by another source. */
static void removal_waits(void) {
  BhGate waits;
  Source *vm, *other;
  Observer *slow;
  BhThread *teller, *remover;
  Stop here;

  open_notify();
  stop_init(&here);
  bh_gate_init(&waits);
  vm = open_source(BH_SUBSYSTEM_WSL);
  other = open_source(BH_SUBSYSTEM_WSL);
  slow = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "slow");
  slow->act = stop;
  slow->data = &here;
  slow->answer = BH_E_ACCESSDENIED;
  waiting = &waits;
  teller = begin_tell(vm, BH_PROCESS_CREATED, 7);
  bh_gate_pass(&here.reached);
  remover = bh_thread_new("remover", BH_RANK_CALLBACK, run_drop, slow);
  bh_gate_pass(&waits);
  tell(other, BH_PROCESS_CREATED, 8, 0); /* it is not told of this one any more */
  bh_gate_open(&here.go_on);
  g_assert_cmpint(result_of(teller), ==, BH_E_ACCESSDENIED);
  bh_thread_join(remover);
  waiting = NULL;
  assert_log("slow:+7!* on removed");
  bh_gate_clear(&waits);
  stop_clear(&here);
  close_notify();
}

static void drop_it(gpointer data) {
  drop(data);
}

/* The last one, on the thread that a source may wait for: so somebody else tells the source that nobody wants to know. */
static void removes_itself(void) {
  Observer *self;
  Source *vm;

  open_notify();
  vm = open_source(BH_SUBSYSTEM_WSL);
  self = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "self");
  self->act = drop_it;
  self->data = self;
  self->answer = BH_E_ACCESSDENIED;
  g_assert_cmpint(tell_refusable(vm, BH_PROCESS_CREATED, 7), ==, BH_E_ACCESSDENIED); /* its last word counts */
  await_watch(vm, BH_WATCH_NOTHING);
  assert_log("self:+7!*");
  close_notify();
}

static Observer *to_add;

static void add_another(gpointer data) {
  (void)data;
  g_assert_cmpint(try_to_add(BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, to_add), ==, BH_OK);
}

static void adds_in_a_routine(void) {
  Observer added = {.name = "added"}, *first;
  Source *vm;

  open_notify();
  to_add = &added;
  vm = open_source(BH_SUBSYSTEM_WSL);
  first = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "first");
  first->act = add_another;
  tell(vm, BH_PROCESS_CREATED, 7, 0);
  first->act = NULL;
  await_watch(vm, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  tell(vm, BH_THREAD_CREATED, 7, 9);
  assert_log("first:+7* added:+7.9*");
  drop(&added);
  close_notify();
}

/* One that is added while a creation is told of is not told of that; of its exit it is, as every other. */
static void added_meanwhile(void) {
  Source *vm;
  Observer *slow;
  BhThread *teller;
  Stop here;

  open_notify();
  stop_init(&here);
  vm = open_source(BH_SUBSYSTEM_WSL);
  slow = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "slow");
  slow->act = stop;
  slow->data = &here;
  teller = begin_tell(vm, BH_PROCESS_CREATED, 7);
  bh_gate_pass(&here.reached);
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "late");
  slow->act = NULL;
  bh_gate_open(&here.go_on);
  g_assert_cmpint(result_of(teller), ==, BH_OK);
  tell(vm, BH_PROCESS_EXITED, 7, 0);
  assert_log("slow:+7!* on slow:-7* late:-7*");
  stop_clear(&here);
  close_notify();
}

/* In a circle each removes the next, all at once: whoever closes it does not wait. */
typedef struct {
  BhGate *all_here;
  gint *here, count;
  guint32 process; /* of which it acts */
  guint64 id, *next;
} Link;

static BhResult drop_next(gpointer data, const BhProcessNotice *notice) {
  Link *link = data;

  if (notice->activity.process != link->process) return BH_OK;
  if (g_atomic_int_add(link->here, 1) + 1 == link->count) bh_gate_open(link->all_here);
  bh_gate_pass(link->all_here);
  g_assert_cmpint(bh_process_notify_remove(notify, *link->next), ==, BH_OK);
  return BH_OK;
}

static void remove_each_other(gconstpointer data) {
  gint count = GPOINTER_TO_INT(data), here = 0;
  BhThread *tellers[3];
  Source *sources[3];
  BhGate all_here;
  Link links[3];

  open_notify();
  bh_gate_init(&all_here);
  for (gint i = 0; i < count; i++) {
    sources[i] = open_source(BH_SUBSYSTEM_WSL);
    links[i] = (Link){&all_here, &here, count, (guint32)i + 1, 0, &links[(i + 1) % count].id};
    g_assert_cmpint(bh_process_notify_add(notify, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, drop_next, &links[i],
                                          &links[i].id),
                    ==, BH_OK);
  }
  for (gint i = 0; i < count; i++) tellers[i] = begin_tell(sources[i], BH_PROCESS_CREATED, (guint32)i + 1);
  for (gint i = 0; i < count; i++) g_assert_cmpint(result_of(tellers[i]), ==, BH_OK);
  for (gint i = 0; i < count; i++)
    g_assert_cmpint(bh_process_notify_remove(notify, links[i].id), ==, BH_E_NOT_FOUND);
  for (gint i = 0; i < count; i++) await_watch(sources[i], BH_WATCH_NOTHING);
  bh_gate_clear(&all_here);
  close_notify();
}

/* The source goes while a routine is being told: it can be closed, and is freed when it tells no more. */
static void source_closed_in_a_routine(void) {
  Source *vm;
  Observer *slow;
  BhThread *teller;
  Stop here;

  open_notify();
  stop_init(&here);
  vm = open_source(BH_SUBSYSTEM_WSL);
  slow = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, "slow");
  slow->act = stop;
  slow->data = &here;
  teller = begin_tell(vm, BH_PROCESS_CREATED, 7);
  bh_gate_pass(&here.reached);
  close_source(vm); /* does not wait for the routine */
  bh_gate_open(&here.go_on);
  g_assert_cmpint(result_of(teller), ==, BH_OK);
  free_source(vm);
  assert_log("slow:+7!* on slow:-7* on");
  stop_clear(&here);
  close_notify();
}

/* A source that is being asked to watch goes when it has answered, and not before. */
static gpointer run_close(gpointer data) {
  close_source(data);
  say("closed");
  return NULL;
}

static gpointer run_add(gpointer data) {
  add(BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, data);
  return NULL;
}

static void closed_while_it_is_asked(void) {
  BhGate is_asked, answers, waits;
  BhThread *adder, *closer;
  Source *vm;

  open_notify();
  bh_gate_init(&is_asked);
  bh_gate_init(&answers);
  bh_gate_init(&waits);
  vm = open_source(BH_SUBSYSTEM_WSL);
  vm->asking = &is_asked;
  vm->hold = &answers;
  waiting = &waits;
  adder = bh_thread_new("adder", BH_RANK_CALLBACK, run_add, "P");
  bh_gate_pass(&is_asked);
  closer = bh_thread_new("closer", BH_RANK_CALLBACK, run_close, vm);
  bh_gate_pass(&waits);
  say("answers");
  bh_gate_open(&answers);
  bh_thread_join(closer);
  bh_thread_join(adder);
  waiting = NULL;
  assert_log("answers closed");
  vm->hold = NULL;
  bh_gate_clear(&waits);
  bh_gate_clear(&answers);
  bh_gate_clear(&is_asked);
  close_notify();
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_sync_add_observer(&wait_observer); /* before there are threads */
  g_test_add_func("/activity-source/lies-are-not-told", lies_are_not_told);
  g_test_add_func("/activity-source/win32-shows-no-image", win32_shows_no_image);
  g_test_add_func("/activity-source/bounded", bounded);
  g_test_add_func("/activity-source/ends-with-its-source", ends_with_its_source);
  g_test_add_func("/activity-source/removal-waits", removal_waits);
  g_test_add_func("/activity-source/removes-itself", removes_itself);
  g_test_add_func("/activity-source/adds-in-a-routine", adds_in_a_routine);
  g_test_add_func("/activity-source/added-meanwhile", added_meanwhile);
  g_test_add_data_func("/activity-source/two-remove-each-other", GINT_TO_POINTER(2), remove_each_other);
  g_test_add_data_func("/activity-source/three-remove-each-other", GINT_TO_POINTER(3), remove_each_other);
  g_test_add_func("/activity-source/source-closed-in-a-routine", source_closed_in_a_routine);
  g_test_add_func("/activity-source/closed-while-it-is-asked", closed_while_it_is_asked);
  return g_test_run();
}
