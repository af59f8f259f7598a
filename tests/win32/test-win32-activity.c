/* What begins and ends in a plugin's job, and in its host: told once, in order, none missed. The plugin is
 * tests/plugins/plain/activity.c; what it starts is this program again:
 *
 *   … --tree WIDTH DEPTH    starts so many of itself, one less deep, waits for them, and exits with 40 + DEPTH
 *   … --stay EVENT          starts a --child, and stays
 *   … --child EVENT         says that it is there, by the named event, and stays */
#include "fixture.h"

#include "backend-win32/service/host-threads.h"
#include "backend-win32/service/link.h"
#include "backend-win32/thread-ring.h"
#include "core/lock-order.h"

#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>

/* For whatever is due. */
#define PATIENCE (20 * G_TIME_SPAN_SECOND)

/* --- The program as what a plugin starts ---------------------------------------------------------------- */

static char *self_path(void) {
  g_autofree wchar_t *self = g_new0(wchar_t, 32768);
  GetModuleFileNameW(NULL, self, 32768);
  return bh_wire_utf8(self);
}

static HANDLE start_self(const char *arguments) {
  g_autofree char *self = self_path();
  g_autofree char *line = g_strdup_printf("\"%s\" %s", self, arguments);
  g_autofree wchar_t *wide_line = bh_wire_wide(line);
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;

  g_assert_true(CreateProcessW(NULL, wide_line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
  CloseHandle(process.hThread);
  return process.hProcess;
}

static int be_tree(int width, int depth) {
  g_autofree char *arguments = g_strdup_printf("--tree %d %d", width, depth - 1);
  HANDLE children[16];

  for (int i = 0; depth > 0 && i < width; i++) children[i] = start_self(arguments);
  for (int i = 0; depth > 0 && i < width; i++) WaitForSingleObject(children[i], INFINITE);
  return 40 + depth;
}

static HANDLE named_event(const char *name) {
  g_autofree wchar_t *wide = bh_wire_wide(name);
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, wide);
  g_assert_nonnull(event);
  return event;
}

static int be_stay(const char *event) {
  g_autofree char *arguments = g_strdup_printf("--child %s", event);
  start_self(arguments);
  Sleep(INFINITE);
  return 0;
}

static int be_child(const char *event) {
  SetEvent(named_event(event));
  Sleep(INFINITE);
  return 0;
}

/* --- What was told -------------------------------------------------------------------------------------- */

typedef struct {
  guint32 number, parent;
  char *image, *command_line;
  gboolean is_running;
  gint32 exit_status;
  guint threads; /* that run */
} Process;

static struct {
  BhMutex lock; /* guards what follows */
  BhCond changed;
  GPtrArray *processes; /* Process, in the order in which they began */
  GHashTable *threads;  /* that run: set */
  GHashTable *begun;    /* threads that began: number → how often */
  GHashTable *ended;
  guint events, running;
  gboolean gated; /* an event waits until this is FALSE */
  guint waiting;
  gboolean expects_none; /* anything told is a mistake */
} told;

static const BhLockClass told_class = {"told", BH_RANK_LEAF, FALSE};

static void process_free(gpointer data) {
  Process *process = data;
  g_free(process->image);
  g_free(process->command_line);
  g_free(process);
}

static void told_clear(void) {
  g_ptr_array_set_size(told.processes, 0);
  g_hash_table_remove_all(told.threads);
  g_hash_table_remove_all(told.begun);
  g_hash_table_remove_all(told.ended);
  told.events = told.running = 0;
}

static void told_init(void) {
  bh_mutex_init(&told.lock, &told_class);
  bh_cond_init(&told.changed);
  told.processes = g_ptr_array_new_with_free_func(process_free);
  told.threads = g_hash_table_new(NULL, NULL);
  told.begun = g_hash_table_new(NULL, NULL);
  told.ended = g_hash_table_new(NULL, NULL);
}

/* The one that runs, or (none does) the last. */
static Process *find(guint32 number) {
  for (guint i = told.processes->len; i > 0; i--) {
    Process *process = g_ptr_array_index(told.processes, i - 1);
    if (process->number == number) return process;
  }
  return NULL;
}

static void count_up(GHashTable *table, guint32 number) {
  const guint count = GPOINTER_TO_UINT(g_hash_table_lookup(table, GUINT_TO_POINTER(number)));
  g_hash_table_insert(table, GUINT_TO_POINTER(number), GUINT_TO_POINTER(count + 1));
}

static void process_began(const BhActivity *activity) {
  Process *process = find(activity->process);

  g_assert_true(process == NULL || !process->is_running);
  process = g_new0(Process, 1);
  *process = (Process){
      .number = activity->process,
      .parent = activity->parent,
      .image = g_strdup(activity->image),
      .command_line = g_strdup(activity->command_line),
      .is_running = TRUE,
  };
  g_ptr_array_add(told.processes, process);
  told.running++;
}

/* Every step is legal after those before. */
static void note(const BhActivity *activity) {
  Process *process = find(activity->process);
  gpointer const thread = GUINT_TO_POINTER(activity->thread);

  g_assert_cmpuint(activity->process, !=, 0);
  g_assert_false(activity->may_refuse);
  switch (activity->type) {
    case BH_PROCESS_CREATED: process_began(activity); return;
    case BH_PROCESS_IMAGE: g_assert_not_reached();
    default: break;
  }
  g_assert_nonnull(process);
  g_assert_true(process->is_running);
  switch (activity->type) {
    case BH_PROCESS_EXITED:
      g_assert_cmpuint(process->threads, ==, 0);
      process->is_running = FALSE;
      process->exit_status = activity->exit_status;
      told.running--;
      break;
    case BH_THREAD_CREATED:
      g_assert_true(g_hash_table_add(told.threads, thread));
      count_up(told.begun, activity->thread);
      process->threads++;
      break;
    case BH_THREAD_EXITED:
      g_assert_true(g_hash_table_remove(told.threads, thread));
      count_up(told.ended, activity->thread);
      process->threads--;
      break;
    default: g_assert_not_reached();
  }
}

static void show(void) {
  for (guint i = 0; i < told.processes->len; i++) {
    const Process *process = g_ptr_array_index(told.processes, i);
    g_test_message("%u of %u%s: %s", process->number, process->parent, process->is_running ? " (runs)" : "",
                   process->command_line != NULL ? process->command_line : process->image);
  }
}

static void on_activity(G_GNUC_UNUSED gpointer data, const BhActivity *activity) {
  bh_mutex_lock(&told.lock);
  g_assert_false(told.expects_none);
  told.waiting++;
  bh_cond_broadcast(&told.changed);
  while (told.gated) bh_cond_wait(&told.changed, &told.lock);
  told.waiting--;
  note(activity);
  told.events++;
  bh_cond_broadcast(&told.changed);
  bh_mutex_unlock(&told.lock);
}

static void gate(gboolean is_gated) {
  bh_mutex_lock(&told.lock);
  told.gated = is_gated;
  bh_cond_broadcast(&told.changed);
  bh_mutex_unlock(&told.lock);
}

static void await_waiting(void) {
  const gint64 deadline = bh_clock_deadline(PATIENCE);

  bh_mutex_lock(&told.lock);
  while (told.waiting == 0)
    if (!bh_cond_wait_until(&told.changed, &told.lock, deadline)) g_error("nothing was told");
  bh_mutex_unlock(&told.lock);
}

/* --- What the kernel says ------------------------------------------------------------------------------- */

static BhWin32Link *link_of(Fixture *fixture) {
  return (BhWin32Link *)fixture->link;
}

static JOBOBJECT_BASIC_ACCOUNTING_INFORMATION account(Fixture *fixture) {
  JOBOBJECT_BASIC_ACCOUNTING_INFORMATION account = {0};

  g_assert_true(QueryInformationJobObject(link_of(fixture)->job, JobObjectBasicAccountingInformation, &account,
                                          sizeof account, NULL));
  return account;
}

/* Waits until as many run, and have begun, as the job says there are, and have been. `base` of those had ended before the
 * watch. */
static void await_account(Fixture *fixture, guint base) {
  const gint64 deadline = bh_clock_deadline(PATIENCE);

  bh_mutex_lock(&told.lock);
  for (;;) {
    const JOBOBJECT_BASIC_ACCOUNTING_INFORMATION job = account(fixture);
    if (told.running == job.ActiveProcesses && told.processes->len + base == job.TotalProcesses) break;
    if (!bh_cond_wait_until(&told.changed, &told.lock, deadline)) {
      show();
      g_error("the job: %lu of %lu run; told: %u of %u (and %u before)", job.ActiveProcesses, job.TotalProcesses,
              told.running, told.processes->len, base);
    }
  }
  bh_mutex_unlock(&told.lock);
}

/* How many of its processes had ended. */
static guint ended_before(Fixture *fixture) {
  const JOBOBJECT_BASIC_ACCOUNTING_INFORMATION job = account(fixture);
  return job.TotalProcesses - job.ActiveProcesses;
}

/* Waits until the threads that are said to run are those that the kernel has. */
static void await_threads(Fixture *fixture) {
  const gint64 deadline = bh_clock_deadline(PATIENCE);
  const DWORD pid = fixture->link->class->pid(fixture->link);

  bh_mutex_lock(&told.lock);
  for (;;) {
    g_autoptr(GArray) numbers = NULL;
    const guint events = told.events;
    guint found = 0;

    /* All threads of the machine are gone through for it, and meanwhile who tells is not to wait. */
    bh_mutex_unlock(&told.lock);
    numbers = bh_host_threads_list(pid);
    bh_mutex_lock(&told.lock);
    for (guint i = 0; i < numbers->len; i++)
      found += g_hash_table_contains(told.threads, GUINT_TO_POINTER(g_array_index(numbers, DWORD, i)));
    if (found == numbers->len && found == g_hash_table_size(told.threads)) break;
    if (told.events == events && !bh_cond_wait_until(&told.changed, &told.lock, deadline))
      g_error("the kernel has %u threads, of which %u were told; %u were told", numbers->len, found,
              g_hash_table_size(told.threads));
  }
  bh_mutex_unlock(&told.lock);
}

/* --- A host --------------------------------------------------------------------------------------------- */

static void start(Fixture *fixture) {
  bh_mutex_lock(&told.lock);
  told_clear();
  told.expects_none = FALSE;
  bh_mutex_unlock(&told.lock);
  fixture_start(fixture, "activity");
}

static void watch(Fixture *fixture, BhWatch what) {
  g_assert_cmphex((guint)fixture->link->class->watch(fixture->link, what), ==, 0);
}

/* From here on nothing is told, and what was told is forgotten. */
static void unwatch(Fixture *fixture) {
  BhActivityPort *port = link_of(fixture)->backend->activity;

  watch(fixture, BH_WATCH_NOTHING);
  bh_mutex_lock(&port->lock); /* watch does not wait for an event that runs */
  while (port->busy_with == link_of(fixture)->activity) bh_cond_wait(&port->changed, &port->lock);
  bh_mutex_unlock(&port->lock);
  bh_mutex_lock(&told.lock);
  told_clear();
  bh_mutex_unlock(&told.lock);
}

static char *command(Fixture *fixture, const char *text) {
  BhResult status;
  g_auto(BhNotifyReply) reply = fixture_command(fixture, text, &status);

  g_assert_cmphex((guint)status, ==, 0);
  g_assert_true(reply.message != NULL || BH_SUCCEEDED(reply.result));
  return g_steal_pointer(&reply.message);
}

static void run(Fixture *fixture, const char *how, const char *arguments) {
  g_autofree char *self = self_path();
  g_autofree char *text = g_strdup_printf("%s \"%s\" %s", how, self, arguments);
  g_autofree char *message = command(fixture, text);
  g_assert_null(message);
}

/* Has the plugin start child and grandchild that stay, and waits until they are there. */
static void stay(Fixture *fixture) {
  g_autofree char *name = g_strdup_printf("bulkhead-stay-%u", fixture->link->class->pid(fixture->link));
  g_autofree char *arguments = g_strdup_printf("--stay %s", name);
  HANDLE event = named_event(name);

  run(fixture, "run", arguments);
  g_assert_cmpuint(WaitForSingleObject(event, 20000), ==, WAIT_OBJECT_0);
  CloseHandle(event);
}

/* Releases it; what was told then is all. */
static void stop(Fixture *fixture) {
  fixture_stop(fixture);
  g_assert_cmpuint(told.running, ==, 0);
  g_assert_cmpuint(g_hash_table_size(told.threads), ==, 0);
}

/* --- Processes ------------------------------------------------------------------------------------------ */

static gboolean is_wine(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

/* Of 1 + 4 + 16, how many had this exit status; each was made by one that was told of before. Wine 8 tells of a process
 * before it has an image, and knows no command lines. */
static guint count_of_tree(gint32 exit_status) {
  g_autofree char *self = self_path();
  guint count = 0;

  for (guint i = 0; i < told.processes->len; i++) {
    const Process *process = g_ptr_array_index(told.processes, i);

    if (process->is_running || process->exit_status != exit_status) continue;
    count++;
    g_assert_nonnull(find(process->parent));
    if (is_wine()) continue;
    g_assert_cmpstr(process->image, ==, self);
    g_assert_nonnull(strstr(process->command_line, "--tree"));
  }
  return count;
}

static void test_tree(void) {
  Fixture fixture;
  guint base;
  guint32 host;

  start(&fixture);
  host = fixture.link->class->pid(fixture.link);
  base = ended_before(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES);
  run(&fixture, "run-wait", "--tree 4 2");
  await_account(&fixture, base);
  g_test_message("%u processes began, %u run", told.processes->len, told.running);
  g_assert_cmpuint(count_of_tree(42), ==, 1);
  g_assert_cmpuint(count_of_tree(41), ==, 4);
  g_assert_cmpuint(count_of_tree(40), ==, 16);
  stop(&fixture);
  g_assert_cmpuint(((Process *)told.processes->pdata[0])->number, ==, host); /* as it was the first in the job */
  g_assert_cmpint(find(host)->exit_status, ==, 0);
}

/* What runs already is told first; what is left running is told as ended when it is. */
static void test_already_there(void) {
  Fixture fixture;
  guint base;

  start(&fixture);
  stay(&fixture);
  base = ended_before(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES);
  await_account(&fixture, base);
  g_assert_cmpuint(told.running, >=, 3);
  stop(&fixture);
  g_assert_cmphex((guint)find(((Process *)told.processes->pdata[told.processes->len - 1])->number)->exit_status,
                  ==, BH_EXIT_KILLED);
}

/* The whole life of the tree goes by while the thread is held up: under Wine, and mostly on Windows, nothing of it can be
 * opened any more. */
static void test_too_short_lived(void) {
  Fixture fixture;
  guint base;

  start(&fixture);
  gate(TRUE);
  base = ended_before(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES);
  await_waiting();
  run(&fixture, "run-wait", "--tree 4 1");
  gate(FALSE);
  await_account(&fixture, base);
  g_test_message("%u processes began, %u run", told.processes->len, told.running);
  stop(&fixture);
}

/* Takes what says that a process began out of the port, and leaves the rest as it was. */
static guint steal_beginnings(HANDLE port) {
  g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(OVERLAPPED_ENTRY));
  OVERLAPPED_ENTRY entry;
  guint stolen = 0;

  while (GetQueuedCompletionStatus(port, &entry.dwNumberOfBytesTransferred, &entry.lpCompletionKey,
                                   &entry.lpOverlapped, 0)) {
    if (entry.dwNumberOfBytesTransferred == JOB_OBJECT_MSG_NEW_PROCESS)
      stolen++;
    else
      g_array_append_val(left, entry);
  }
  for (guint i = 0; i < left->len; i++) {
    const OVERLAPPED_ENTRY *at = &g_array_index(left, OVERLAPPED_ENTRY, i);
    g_assert_true(
        PostQueuedCompletionStatus(port, at->dwNumberOfBytesTransferred, at->lpCompletionKey, at->lpOverlapped));
  }
  return stolen;
}

/* The messages about a child and a grandchild are stolen: an end, any end, makes up for it. */
static void test_lost_messages(void) {
  Fixture fixture;
  guint base, stolen;

  start(&fixture);
  base = ended_before(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES);
  await_account(&fixture, base);
  gate(TRUE);
  run(&fixture, "run", "--tree 0 0"); /* for whose event the thread is held up */
  await_waiting();
  stay(&fixture);
  stolen = steal_beginnings(link_of(&fixture)->backend->activity->port);
  g_assert_cmpuint(stolen, >=, 2);
  gate(FALSE);
  run(&fixture, "run-wait", "--tree 0 0");
  await_account(&fixture, base);
  stop(&fixture);
}

typedef struct {
  Fixture *fixture;
  gboolean is_done; /* guarded by told.lock */
} Spawner;

static gpointer spawn(gpointer data) {
  Spawner *spawner = data;

  run(spawner->fixture, "run-wait", "--tree 4 2");
  bh_mutex_lock(&told.lock);
  spawner->is_done = TRUE;
  bh_cond_broadcast(&told.changed);
  bh_mutex_unlock(&told.lock);
  return NULL;
}

static void test_on_and_off(void) {
  Fixture fixture;
  Spawner spawner = {.fixture = &fixture};
  BhThread *thread;
  guint base, times = 0, events = 0;
  gboolean is_done;

  start(&fixture);
  thread = bh_thread_new("spawner", BH_RANK_LEAF, spawn, &spawner);
  do {
    base = ended_before(&fixture);
    watch(&fixture, times % 2 == 0 ? BH_WATCH_PROCESSES : BH_WATCH_PROCESSES | BH_WATCH_THREADS);
    bh_mutex_lock(&told.lock);
    while (told.events < 2 + times % 5 && !spawner.is_done) bh_cond_wait(&told.changed, &told.lock);
    events += told.events;
    is_done = spawner.is_done;
    bh_mutex_unlock(&told.lock);
    unwatch(&fixture);
    times++;
  } while (!is_done);
  bh_thread_join(thread);
  base = ended_before(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_account(&fixture, base);
  await_threads(&fixture);
  g_test_message("%u times, %u events", times, events);
  stop(&fixture);
}

/* --- Threads -------------------------------------------------------------------------------------------- */

/* Whether each of these numbers was told as often as it is there. */
static gboolean has_all(GHashTable *counts, GHashTable *expected) {
  GHashTableIter at;
  gpointer number, count;

  g_hash_table_iter_init(&at, expected);
  while (g_hash_table_iter_next(&at, &number, &count))
    if (GPOINTER_TO_UINT(g_hash_table_lookup(counts, number)) < GPOINTER_TO_UINT(count)) return FALSE;
  return TRUE;
}

/* Waits until these were told, and then until what runs is what the kernel has. */
static void await_numbers(Fixture *fixture, const char *numbers, gboolean ended) {
  const gint64 deadline = bh_clock_deadline(PATIENCE);
  g_auto(GStrv) words = g_strsplit(numbers, " ", 0);
  g_autoptr(GHashTable) expected = g_hash_table_new(NULL, NULL);

  for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++)
    count_up(expected, (guint32)strtoul(words[i], NULL, 10));
  g_assert_cmpuint(g_hash_table_size(expected), >, 0);
  bh_mutex_lock(&told.lock);
  while (!has_all(told.begun, expected) || (ended && !has_all(told.ended, expected)))
    if (!bh_cond_wait_until(&told.changed, &told.lock, deadline)) g_error("not all of %s were told", numbers);
  bh_mutex_unlock(&told.lock);
  await_threads(fixture);
}

/* Waits until what has begun and ended so far was told: behind it comes a thread that is waited for. */
static void await_ring(Fixture *fixture) {
  g_autofree char *last = command(fixture, "threads 1");
  await_numbers(fixture, last, TRUE);
}

static guint sum(GHashTable *counts) {
  GHashTableIter at;
  gpointer count;
  guint sum = 0;

  g_hash_table_iter_init(&at, counts);
  while (g_hash_table_iter_next(&at, NULL, &count)) sum += GPOINTER_TO_UINT(count);
  return sum;
}

static void test_threads(void) {
  Fixture fixture;

  start(&fixture);
  g_autofree char *before = command(&fixture, "hold 3");
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_numbers(&fixture, before, FALSE);
  command(&fixture, "let-go");
  await_numbers(&fixture, before, TRUE);
  g_autofree char *numbers = command(&fixture, "threads 200");
  await_numbers(&fixture, numbers, TRUE);
  g_autofree char *terminated = command(&fixture, "terminate");
  await_numbers(&fixture, terminated, TRUE);
  g_test_message("%u began, %u ended", sum(told.begun), sum(told.ended));
  stop(&fixture);
  g_assert_cmpuint(sum(told.begun), ==, sum(told.ended));
}

/* Threads that are not there any more when somebody looks. */
static void test_threads_too_short_lived(void) {
  Fixture fixture;
  guint begun;

  start(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_threads(&fixture);
  begun = sum(told.begun);
  gate(TRUE);
  g_assert_null(command(&fixture, "one-by-one 100"));
  await_waiting();
  gate(FALSE);
  await_ring(&fixture);
  g_test_message("%u more began", sum(told.begun) - begun);
  g_assert_cmpuint(sum(told.begun) - begun, >=, 101);
  stop(&fixture);
}

/* More than the ring has room for: what is told afterwards is what there is. */
static void test_threads_lost(void) {
  g_autofree char *text = g_strdup_printf("one-by-one %u", BH_THREAD_RING_SLOTS / 2 + 50);
  Fixture fixture;

  start(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_threads(&fixture);
  gate(TRUE);
  g_assert_null(command(&fixture, "one-by-one 1"));
  await_waiting();
  g_assert_null(command(&fixture, text));
  g_autofree char *held = command(&fixture, "hold 5"); /* of which nobody tells */
  gate(FALSE);
  await_numbers(&fixture, held, FALSE);
  command(&fixture, "let-go");
  await_numbers(&fixture, held, TRUE);
  await_ring(&fixture);
  stop(&fixture);
}

static void test_threads_off(void) {
  Fixture fixture;
  guint begun;

  start(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_threads(&fixture);
  unwatch(&fixture);
  bh_mutex_lock(&told.lock);
  told.expects_none = TRUE;
  bh_mutex_unlock(&told.lock);
  g_free(command(&fixture, "threads 10"));
  bh_mutex_lock(&told.lock);
  told.expects_none = FALSE;
  bh_mutex_unlock(&told.lock);
  watch(&fixture, BH_WATCH_PROCESSES);
  g_free(command(&fixture, "threads 10"));
  begun = sum(told.begun);
  g_assert_cmpuint(begun, ==, 0);
  stop(&fixture);
}

/* --- Ends of a host ------------------------------------------------------------------------------------- */

static void test_killed(void) {
  Fixture fixture;
  guint32 host;

  start(&fixture);
  host = fixture.link->class->pid(fixture.link);
  g_free(command(&fixture, "hold 20"));
  stay(&fixture);
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  fixture.link->class->kill(fixture.link, "test");
  fixture_await_death(&fixture);
  stop(&fixture); /* waits until all was told */
  g_assert_cmpuint(told.processes->len, >=, 3);
  g_assert_cmpuint(sum(told.begun), >=, 20);
  g_assert_cmphex((guint)find(host)->exit_status, ==, BH_EXIT_KILLED);
}

static void test_exits(void) {
  Fixture fixture;
  guint32 host;
  BhResult status;

  start(&fixture);
  host = fixture.link->class->pid(fixture.link);
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "hold-exit 20", &status);
  g_assert_true(BH_FAILED(status));
  fixture_await_death(&fixture);
  stop(&fixture);
  g_assert_cmpuint(sum(told.begun), >=, 20);
  g_assert_cmpint(find(host)->exit_status, ==, 5);
}

static gpointer open_gate(G_GNUC_UNUSED gpointer data) {
  await_waiting();
  gate(FALSE);
  return NULL;
}

/* Released while an event is held up: it waits for that, and for what follows; then nothing more is told. */
static void test_released(void) {
  Fixture fixture;
  BhThread *opener;

  start(&fixture);
  stay(&fixture);
  gate(TRUE);
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  opener = bh_thread_new("opener", BH_RANK_LEAF, open_gate, NULL);
  stop(&fixture);
  bh_mutex_lock(&told.lock);
  told.expects_none = TRUE;
  bh_mutex_unlock(&told.lock);
  bh_thread_join(opener);
}

/* Nothing is left of a watch: no thread, and the job sends nothing. */
static void test_off_costs_nothing(void) {
  Fixture fixture;
  BhActivityPort *port;

  if (is_wine()) {
    g_test_skip("Wine 8 cannot disconnect a job from a port; there the thread stays until the link is freed");
    return;
  }
  start(&fixture);
  port = link_of(&fixture)->backend->activity;
  watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_threads(&fixture);
  unwatch(&fixture);
  bh_mutex_lock(&port->lock);
  while (port->is_running) bh_cond_wait(&port->changed, &port->lock);
  g_assert_cmpuint(port->connected, ==, 0);
  bh_mutex_unlock(&port->lock);
  run(&fixture, "run-wait", "--tree 0 0");
  g_assert_cmpuint(steal_beginnings(port->port), ==, 0);
  stop(&fixture);
}

/* --- Costs ---------------------------------------------------------------------------------------------- */

static guint host_handles(Fixture *fixture) {
  return fixture_handles(fixture->link->class->pid(fixture->link));
}

static void test_handles_are_flat(void) {
  guint before = 0, after = 0, host_before = 0, host_after = 0;
  Fixture fixture;
  guint base;

  start(&fixture);
  stay(&fixture);
  g_free(command(&fixture, "hold 10"));
  base = ended_before(&fixture);
  for (guint i = 0; i <= 100; i++) {
    watch(&fixture, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
    await_account(&fixture, base);
    await_threads(&fixture);
    after = fixture_handles(GetCurrentProcessId());
    host_after = host_handles(&fixture);
    if (i == 0) before = after;
    if (i == 0) host_before = host_after;
    unwatch(&fixture);
  }
  g_test_message("%u handles before, %u after 100 times; the host's %u, %u", before, after, host_before,
                 host_after);
  g_assert_cmpuint(after, <=, before + 2); /* the thread pool's own */
  g_assert_cmpuint(host_after, <=, host_before + 2);
  stop(&fixture);
}

/* --- What a hostile host writes ------------------------------------------------------------------------- */

static guint heard;

static void on_heard(G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED DWORD thread, G_GNUC_UNUSED gboolean is_end) {
  heard++;
}

static void test_hostile_ring(void) {
  guint64 section, filled;
  BhHostThreads *threads = bh_host_threads_new(GetCurrentProcess(), &section, &filled);
  BhThreadRing *ring = MapViewOfFile((HANDLE)(gintptr)section, FILE_MAP_WRITE, 0, 0, sizeof *ring);
  HANDLE stranger;
  gboolean foreign;

  g_assert_nonnull(ring);
  for (guint i = 0; i < BH_THREAD_RING_SLOTS; i++) ring->slots[i] = 0x7FFFFFFF00001234;
  ring->tail = -5; /* before it is watched: taken for what it says, whatever that is */
  bh_host_threads_watch(threads, TRUE);
  g_assert_true(bh_host_threads_read(threads, on_heard, NULL));
  g_assert_cmpuint(heard, ==, 0);
  ring->tail = 0;
  bh_host_threads_watch(threads, TRUE);
  for (guint i = 0; i < BH_THREAD_RING_SLOTS; i++) ring->slots[i] = (LONG64)(bh_thread_ring_lap(i) | i);
  ring->head = ring->tail = G_MAXINT64;
  ring->lost = 77;
  g_assert_false(bh_host_threads_read(threads, on_heard, NULL));
  g_assert_cmpuint(heard, ==, BH_THREAD_RING_SLOTS); /* a ring at most */
  g_assert_true(bh_host_threads_read(threads, on_heard, NULL));
  g_assert_cmpuint(heard, ==, BH_THREAD_RING_SLOTS); /* none twice */

  /* Another process's thread. */
  stranger = start_self("--child nobody");
  g_autoptr(GArray) numbers = bh_host_threads_list(GetProcessId(stranger));
  g_assert_cmpuint(numbers->len, >, 0);
  g_assert_null(bh_host_threads_open(GetCurrentProcessId(), g_array_index(numbers, DWORD, 0), &foreign));
  g_assert_true(foreign);
  TerminateProcess(stranger, 0);
  CloseHandle(stranger);
  UnmapViewOfFile(ring);
  CloseHandle((HANDLE)(gintptr)section);
  CloseHandle((HANDLE)(gintptr)filled);
  bh_host_threads_free(threads);
}

/* --- Which subsystem ------------------------------------------------------------------------------------ */

static BhBackend *new_backend(void) {
  g_autofree char *host = fixture_built("backend-win32/wslpluginhost.exe");
  const BhWin32Settings settings = {.host_path = host};
  BhBackend *backend = bh_backend_win32_new(&settings, NULL);

  g_assert_nonnull(backend);
  return backend;
}

static void test_subsystem(void) {
  BhBackend *backend = new_backend();
  const guint32 self = GetCurrentProcessId(), thread = GetCurrentThreadId();
  BhSubsystem subsystem = BH_SUBSYSTEM_WSL;
  gboolean assumed = -1;
  HANDLE other = start_self("--child nobody");
  const guint32 other_pid = GetProcessId(other);
  const struct {
    guint32 process, thread;
    BhResult result;
  } questions[] = {
      {self, 0, BH_OK},
      {self, thread, BH_OK},
      {other_pid, 0, BH_OK},
      {other_pid, thread, BH_E_NOT_FOUND}, /* there is one, but another's */
      {self + 1, 0, BH_E_NOT_FOUND},       /* which OpenProcess takes for self */
      {self, thread + 1, BH_E_NOT_FOUND},
      {0, 0, BH_E_NOT_FOUND},
      {0xFFFFFFF0, 0, BH_E_NOT_FOUND},
      {self, 0xFFFFFFF0, BH_E_NOT_FOUND},
  };

  for (guint i = 0; i < G_N_ELEMENTS(questions); i++) {
    const BhResult result =
        backend->class->subsystem(backend, questions[i].process, questions[i].thread, &subsystem, &assumed);
    g_assert_cmphex((guint)result, ==, (guint)questions[i].result);
    if (BH_FAILED(result)) continue;
    g_assert_cmpint(subsystem, ==, BH_SUBSYSTEM_WIN32);
    g_assert_cmpint(assumed, ==, is_wine());
  }
  TerminateProcess(other, 3);
  WaitForSingleObject(other, INFINITE); /* gone, though a handle keeps it */
  g_assert_cmphex((guint)backend->class->subsystem(backend, other_pid, 0, &subsystem, &assumed), ==,
                  (guint)BH_E_NOT_FOUND);
  CloseHandle(other);
  bh_backend_win32_free(backend);
}

/* A process that lets nobody look. */
static void test_subsystem_denied(void) {
  SECURITY_DESCRIPTOR descriptor;
  ACL nobody;
  SECURITY_ATTRIBUTES attributes = {sizeof attributes, &descriptor, FALSE};
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;
  g_autofree char *self = self_path();
  g_autofree char *line = g_strdup_printf("\"%s\" --child nobody", self);
  g_autofree wchar_t *wide_line = bh_wire_wide(line);
  BhBackend *backend = new_backend();
  BhSubsystem subsystem;
  gboolean assumed;
  HANDLE opened;

  g_assert_true(InitializeAcl(&nobody, sizeof nobody, ACL_REVISION));
  InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
  SetSecurityDescriptorDacl(&descriptor, TRUE, &nobody, FALSE);
  g_assert_true(CreateProcessW(NULL, wide_line, &attributes, NULL, FALSE, 0, NULL, NULL, &startup, &process));
  opened = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process.dwProcessId);
  if (opened != NULL)
    g_test_skip("this user may look at every process (Wine 8; SeDebugPrivilege)");
  else
    g_assert_cmphex((guint)backend->class->subsystem(backend, process.dwProcessId, 0, &subsystem, &assumed), ==,
                    (guint)BH_E_ACCESSDENIED);
  if (opened != NULL) CloseHandle(opened);
  TerminateProcess(process.hProcess, 0);
  CloseHandle(process.hThread);
  CloseHandle(process.hProcess);
  bh_backend_win32_free(backend);
}

/* Windows can say of every process that may be looked at; and, where one of WSL 1's runs, that it is. */
static void test_subsystem_of_all(void) {
  BhBackend *backend = new_backend();
  HANDLE processes = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  PROCESSENTRY32W entry = {.dwSize = sizeof entry};
  guint counts[] = {0, 0};

  for (BOOL more = Process32FirstW(processes, &entry); more; more = Process32NextW(processes, &entry)) {
    BhSubsystem subsystem;
    gboolean assumed;
    const BhResult result = backend->class->subsystem(backend, entry.th32ProcessID, 0, &subsystem, &assumed);

    if (BH_FAILED(result)) { /* has ended, or is protected */
      g_assert_true(result == BH_E_NOT_FOUND || result == BH_E_ACCESSDENIED);
      continue;
    }
    g_assert_cmpint(assumed, ==, is_wine());
    counts[subsystem]++;
  }
  CloseHandle(processes);
  bh_backend_win32_free(backend);
  g_test_message("%u of Win32, %u of WSL", counts[BH_SUBSYSTEM_WIN32], counts[BH_SUBSYSTEM_WSL]);
  g_assert_cmpuint(counts[BH_SUBSYSTEM_WIN32], >, 0);
  if (counts[BH_SUBSYSTEM_WSL] == 0) g_test_skip("no process of WSL 1 runs here, so none was told apart");
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } tests[] = {
      {"tree", test_tree},
      {"already-there", test_already_there},
      {"too-short-lived", test_too_short_lived},
      {"lost-messages", test_lost_messages},
      {"on-and-off", test_on_and_off},
      {"threads", test_threads},
      {"threads-too-short-lived", test_threads_too_short_lived},
      {"threads-lost", test_threads_lost},
      {"threads-off", test_threads_off},
      {"killed", test_killed},
      {"exits", test_exits},
      {"released", test_released},
      {"off-costs-nothing", test_off_costs_nothing},
      {"handles-are-flat", test_handles_are_flat},
      {"hostile-ring", test_hostile_ring},
      {"subsystem", test_subsystem},
      {"subsystem-denied", test_subsystem_denied},
      {"subsystem-of-all", test_subsystem_of_all},
  };

  if (argc == 4 && g_str_equal(argv[1], "--tree")) return be_tree(atoi(argv[2]), atoi(argv[3]));
  if (argc == 3 && g_str_equal(argv[1], "--stay")) return be_stay(argv[2]);
  if (argc == 3 && g_str_equal(argv[1], "--child")) return be_child(argv[2]);
  fixture_init(&argc, &argv);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  told_init();
  fixture_activity = on_activity;
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strconcat("/win32/activity/", tests[i].name, NULL);
    g_test_add_func(path, tests[i].run);
  }
  return g_test_run();
}
