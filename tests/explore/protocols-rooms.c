/* The smaller rooms: workers, timers, the crash latch, hook slots. */
#include "protocols.h"

#include "core/hook-slot.h"
#include "core/host-crash.h"
#include "core/process-table.h"
#include "core/timers.h"
#include "core/workers.h"

static const BhLockClass meeting_class = {"meeting", BH_RANK_LEAF, FALSE};

/* --- Workers ----------------------------------------------------------------------------------------------------- */

/* Each waits until all are there. */
typedef struct {
  BhMutex lock;
  BhCond changed;
  guint here, all;
} Meeting;

static void meeting_init(Meeting *meeting, guint all) {
  *meeting = (Meeting){.all = all};
  bh_mutex_init(&meeting->lock, &meeting_class);
  bh_cond_init(&meeting->changed);
}

static void meeting_clear(Meeting *meeting) {
  bh_cond_clear(&meeting->changed);
  bh_mutex_clear(&meeting->lock);
}

static void meet(gpointer data) {
  Meeting *meeting = data;

  bh_mutex_lock(&meeting->lock);
  if (++meeting->here == meeting->all) bh_cond_broadcast(&meeting->changed);
  while (meeting->here < meeting->all) bh_cond_wait(&meeting->changed, &meeting->lock);
  bh_mutex_unlock(&meeting->lock);
}

typedef struct {
  BhWorkers *workers;
  BhWorkerFunc func;
  gpointer data;
} Poster;

static gpointer post(gpointer data) {
  Poster *poster = data;
  bh_explore_expect(bh_workers_post(poster->workers, poster->func, poster->data), "no thread");
  return NULL;
}

/* Jobs that wait for each other, posted at once by threads that are the first to use the workers: each needs a thread. */
static void workers_first_use(gconstpointer data) {
  guint count = GPOINTER_TO_UINT(data);
  Meeting meeting;
  Poster poster = {bh_workers_new("worker"), meet, &meeting};
  BhThread *threads[3];

  meeting_init(&meeting, count);
  for (guint i = 1; i < count; i++) threads[i] = bh_thread_new("poster", BH_RANK_LEAF, post, &poster);
  post(&poster);
  for (guint i = 1; i < count; i++) bh_thread_join(threads[i]);
  bh_workers_free(poster.workers);
  bh_explore_expect(meeting.here == count, "%u jobs ran", meeting.here);
  meeting_clear(&meeting);
}

static void run_once(gpointer data) {
  bh_explore_once(data, "the job");
}

/* The second may find the first one's thread idle, or busy. */
static void workers_post_and_free(gconstpointer data) {
  BhWorkers *workers = bh_workers_new("worker");
  guint runs[2] = {0, 0};

  (void)data;
  for (guint i = 0; i < 2; i++) bh_explore_expect(bh_workers_post(workers, run_once, &runs[i]), "no thread");
  bh_workers_free(workers);
  bh_explore_expect(runs[0] == 1 && runs[1] == 1, "the jobs ran %u and %u times", runs[0], runs[1]);
}

/* --- Timers ------------------------------------------------------------------------------------------------------ */

typedef struct {
  guint runs, frees;
} Timed;

static void on_time(gpointer data) {
  Timed *timed = data;
  bh_explore_once(&timed->runs, "the timer");
  bh_explore_expect(timed->frees == 0, "it runs after its data was freed");
}

static void let_go(gpointer data) {
  Timed *timed = data;
  bh_explore_once(&timed->frees, "the freeing of the timer's data");
}

/* Due at once, and called off: by this thread, and by the end of all timers. */
static void timer_against_its_end(gconstpointer data) {
  BhWorkers *workers = bh_workers_new("worker");
  BhTimers *timers = bh_timers_new(workers);
  Timed timed = {0}, other = {0};
  gint64 began = bh_clock_now();
  guint64 number;

  (void)data;
  number = bh_timers_set(timers, bh_clock_now(), on_time, &timed, let_go);
  bh_timers_set(timers, bh_clock_deadline(1000), on_time, &other, let_go);
  bh_timers_cancel(timers, number);
  bh_timers_free(timers);
  bh_explore_expect(bh_clock_now() == began, "the end of all waited for a timer");
  bh_workers_free(workers);
  bh_explore_expect(timed.frees == 1 && other.frees == 1, "data was freed %u and %u times", timed.frees,
                    other.frees);
}

/* The later one is set first: its thread may wait for it when the other comes. Each runs when it is due. */
typedef struct {
  Meeting *meeting;
  gint64 deadline;
} Appointment;

static void keep_appointment(gpointer data) {
  Appointment *appointment = data;

  bh_explore_expect(bh_clock_now() == appointment->deadline, "it runs %d µs late",
                    (int)(bh_clock_now() - appointment->deadline));
  meet(appointment->meeting);
}

static void timers_in_order(gconstpointer data) {
  BhWorkers *workers = bh_workers_new("worker");
  BhTimers *timers = bh_timers_new(workers);
  Meeting meetings[2];
  Appointment appointments[2];

  (void)data;
  for (guint i = 2; i-- > 0;) {
    meeting_init(&meetings[i], 2);
    appointments[i] = (Appointment){&meetings[i], bh_clock_now() + 1000 * (i + 1)};
    bh_timers_set(timers, appointments[i].deadline, keep_appointment, &appointments[i], NULL);
  }
  for (guint i = 0; i < 2; i++) meet(&meetings[i]);
  bh_timers_free(timers);
  bh_workers_free(workers);
  for (guint i = 0; i < 2; i++) meeting_clear(&meetings[i]);
}

/* --- What a link was handed --------------------------------------------------------------------------------------- */

typedef struct {
  BhProcess parent;
  guint frees;
} Handed;

static void handed_free(BhProcess *process) {
  bh_explore_once(&((Handed *)process)->frees, "the letting go of a process");
}

static const BhGuestClass handed_class = {.process_free = handed_free};

static guint closed; /* streams */

static void close_stream(gintptr value) {
  (void)value;
  closed++;
}

typedef struct {
  BhProcessTable *table;
  Handed process;
  guint64 number;
} Holder;

static BhResult hand_out(Holder *holder) {
  BhResource streams[BH_STREAM_COUNT] = {{0}, {1, close_stream}, {0}};

  holder->process = (Handed){.parent = {&handed_class}};
  return bh_process_table_add(holder->table, &holder->process.parent, streams, &holder->number);
}

static gpointer take_stream(gpointer data) {
  Holder *holder = data;
  g_auto(BhCallReply) reply = {0};
  const BhCall call = {.api = BH_API_PROCESS_GET_FD, .process = holder->number, .fd = 1};

  bh_process_table_call(holder->table, &call, &reply);
  bh_explore_expect(BH_SUCCEEDED(reply.result) == (reply.resource.close != NULL), "0x%08x", (guint)reply.result);
  return NULL;
}

static gpointer end_table(gpointer data) {
  bh_process_table_end(data);
  return NULL;
}

/* Two ask for one stream, and the link ends with a process on its way to it. */
static void processes_against_the_end(gconstpointer data) {
  Holder first = {.table = bh_process_table_new()}, second = {.table = first.table};
  BhThread *threads[2], *end;

  (void)data;
  closed = 0;
  for (guint i = 0; i < 2; i++) bh_process_table_reserve(first.table);
  hand_out(&first);
  for (guint i = 0; i < 2; i++) threads[i] = bh_thread_new("asker", BH_RANK_LEAF, take_stream, &first);
  end = bh_thread_new("end", BH_RANK_LEAF, end_table, first.table);
  hand_out(&second);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  bh_thread_join(end);
  bh_explore_expect(first.process.frees == 1 && second.process.frees == 1, "they were let go of %u and %u times",
                    first.process.frees, second.process.frees);
  bh_explore_expect(closed == 2, "%u of two streams were closed", closed);
  bh_process_table_free(first.table);
}

/* --- The crash latch --------------------------------------------------------------------------------------------- */

typedef struct {
  BhLatch *latch;
  const char *plugin;
  gboolean first;
} Crash;

static gpointer crash(gpointer data) {
  Crash *it = data;
  it->first = bh_latch_set(it->latch, it->plugin, BH_CRASH_CODE);
  bh_explore_expect(bh_latch_is_set(it->latch), "it was set, and is not");
  return NULL;
}

static void latch_keeps_the_first(gconstpointer data) {
  BhLatch latch;
  Crash crashes[2] = {{&latch, "Shield", FALSE}, {&latch, "Scanner", FALSE}};
  BhThread *threads[2];

  (void)data;
  bh_latch_init(&latch);
  for (guint i = 0; i < 2; i++) threads[i] = bh_thread_new("crash", BH_RANK_LEAF, crash, &crashes[i]);
  bh_latch_is_set(&latch); /* an operation looks, at any moment */
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  bh_explore_expect(crashes[0].first != crashes[1].first, "%s was the first", crashes[0].first ? "each" : "none");
  bh_explore_expect(g_str_equal(latch.plugin, crashes[crashes[0].first ? 0 : 1].plugin), "it kept %s",
                    latch.plugin);
  bh_latch_clear(&latch);
}

/* --- Hook slots -------------------------------------------------------------------------------------------------- */

typedef struct {
  guint64 number;
  Meeting *meeting;
} Running;

static gpointer run_hook(gpointer data) {
  Running *running = data;
  g_auto(BhNotifyReply) reply = {0};
  BhHookSlot slot;

  bh_explore_expect(bh_hook_slot_plugin_error("too early") == BH_E_ILLEGAL_METHOD_CALL, "it was accepted");
  bh_hook_slot_begin(&slot, BH_HOOK_VM_STARTED, running->number);
  meet(running->meeting); /* both are inside of a hook */
  bh_explore_expect(bh_hook_slot_current() == running->number, "it is another notification's");
  bh_explore_expect(bh_hook_slot_plugin_error("no licence") == BH_OK, "it was refused");
  bh_hook_slot_end(&slot, BH_E_FAIL, &reply);
  bh_explore_expect(reply.thread == bh_thread_number(), "it ran elsewhere");
  bh_explore_expect(bh_hook_slot_current() == 0, "it is still inside");
  return NULL;
}

static void hook_slots_are_a_threads_own(gconstpointer data) {
  Meeting meeting;
  Running running[2] = {{7, &meeting}, {8, &meeting}};
  BhThread *thread;

  (void)data;
  meeting_init(&meeting, 2);
  thread = bh_thread_new("hook", BH_RANK_LEAF, run_hook, &running[1]);
  run_hook(&running[0]);
  bh_thread_join(thread);
  meeting_clear(&meeting);
}

static const BhProtocol protocols[] = {
    {"workers-first-use", "jobs that wait for each other, from two threads at once", .run = workers_first_use,
     .data = GUINT_TO_POINTER(2), .bound = BH_EXPLORE_NO_BOUND},
    {"workers-first-use-by-three", "from three", .run = workers_first_use, .data = GUINT_TO_POINTER(3),
     .alike = TRUE},
    {"workers-post-and-free", "each job runs once, before the workers are gone", .run = workers_post_and_free,
     .bound = BH_EXPLORE_NO_BOUND},
    {"timer-against-its-end", "a timer that is due, called off; its data is freed once",
     .run = timer_against_its_end, .bound = BH_EXPLORE_NO_BOUND},
    {"timers-in-order", "a timer that is due before the one that is waited for", .run = timers_in_order},
    {"processes-against-the-end", "a link's processes and their streams, while the link ends",
     .run = processes_against_the_end, .alike = TRUE},
    {"latch-keeps-the-first", "two crashes, and one report", .run = latch_keeps_the_first,
     .bound = BH_EXPLORE_NO_BOUND},
    {"hook-slots-are-a-threads-own", "two hooks at once, each its own notification's",
     .run = hook_slots_are_a_threads_own, .bound = BH_EXPLORE_NO_BOUND},
};

const BhProtocolTable bh_protocols_rooms = {protocols, G_N_ELEMENTS(protocols)};
