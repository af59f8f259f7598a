/* Events and spans on their way to the sinks. */
#include "core/lock-order.h"
#include "core/trace.h"

/* A sink that writes down what it is told. */
typedef struct {
  GString *lines; /* "who what result detail", one a line */
  BhTraceEvent last;
  guint count;
  guint inside; /* how many events it is being told of now */
} Notes;

static void write_down(const BhTraceEvent *event, gpointer data) {
  Notes *notes = data;

  g_assert_cmpuint(notes->inside, ==, 0);
  notes->inside++;
  g_string_append_printf(notes->lines, "%s %s 0x%08X %s\n", event->who, event->what, (guint)event->result,
                         event->detail != NULL ? event->detail : "-");
  notes->last = *event;
  notes->count++;
  notes->inside--;
}

typedef struct {
  BhTrace *trace;
  Notes notes;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  (void)data;
  fixture->trace = bh_trace_new();
  fixture->notes.lines = g_string_new(NULL);
  bh_trace_attach(fixture->trace, write_down, &fixture->notes);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_trace_free(fixture->trace);
  g_string_free(fixture->notes.lines, TRUE);
}

static void events_are_told_in_order(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_trace_event(fixture->trace, "Shield", "OnVMStarted", BH_E_FAIL, "session %d", 1);
  bh_trace_event(fixture->trace, "service", "host started", BH_OK, NULL);
  bh_trace_event(fixture->trace, "Shield", "OnVMStopping", BH_OK, "%s", "100% done");
  g_assert_cmpstr(fixture->notes.lines->str, ==,
                  "Shield OnVMStarted 0x80004005 session 1\n"
                  "service host started 0x00000000 -\n"
                  "Shield OnVMStopping 0x00000000 100% done\n");
}

static void an_event_says_when_and_where_and_has_no_duration(Fixture *fixture, gconstpointer data) {
  const BhTraceEvent *last = &fixture->notes.last;
  gint64 before = bh_clock_now();

  (void)data;
  bh_trace_event(fixture->trace, "service", "here", BH_OK, NULL);
  g_assert_cmpint(last->begin, >=, before);
  g_assert_cmpint(last->begin, <=, bh_clock_now());
  g_assert_cmpint(last->duration, ==, -1);
  g_assert_cmpuint(last->process, ==, bh_process_number());
  g_assert_cmpuint(last->thread, ==, bh_thread_number());
}

static void a_span_is_told_when_it_is_over(Fixture *fixture, gconstpointer data) {
  gint64 before = bh_clock_now();
  BhTraceEvent outer = bh_trace_begin("session 1", "create VM");
  BhTraceEvent inner = bh_trace_begin("session 1", "notify");

  (void)data;
  g_assert_cmpuint(fixture->notes.count, ==, 0);
  bh_trace_end(fixture->trace, &inner, BH_OK, NULL);
  bh_trace_event(fixture->trace, "service", "between", BH_OK, NULL);
  bh_trace_end(fixture->trace, &outer, BH_E_ABORT, "flags=%u", 3u);
  g_assert_cmpstr(fixture->notes.lines->str, ==,
                  "session 1 notify 0x00000000 -\n"
                  "service between 0x00000000 -\n"
                  "session 1 create VM 0x80004004 flags=3\n");
  g_assert_cmpint(inner.begin, >=, outer.begin);
  g_assert_cmpint(inner.duration, >=, 0);
  g_assert_cmpint(outer.duration, >=, inner.duration);
  g_assert_cmpint(fixture->notes.last.begin, ==, outer.begin);
  g_assert_cmpint(fixture->notes.last.duration, ==, outer.duration);
  g_assert_cmpint(outer.begin, >=, before);
  g_assert_cmpint(outer.begin + outer.duration, <=, bh_clock_now());
}

static void an_event_of_another_process_is_passed_on_as_it_is(Fixture *fixture, gconstpointer data) {
  BhTraceEvent event = {.begin = 5,
                        .duration = 7,
                        .who = "Shield",
                        .process = 11,
                        .thread = 13,
                        .what = "OnVMStarted",
                        .result = BH_E_FAIL,
                        .detail = "from the host"};

  (void)data;
  bh_trace_emit(fixture->trace, &event);
  g_assert_cmpstr(fixture->notes.lines->str, ==, "Shield OnVMStarted 0x80004005 from the host\n");
  g_assert_cmpint(fixture->notes.last.begin, ==, 5);
  g_assert_cmpint(fixture->notes.last.duration, ==, 7);
  g_assert_cmpuint(fixture->notes.last.process, ==, 11);
  g_assert_cmpuint(fixture->notes.last.thread, ==, 13);
}

static void every_sink_is_told(Fixture *fixture, gconstpointer data) {
  Notes second = {.lines = g_string_new(NULL)};

  (void)data;
  bh_trace_attach(fixture->trace, write_down, &second);
  bh_trace_event(fixture->trace, "service", "one", BH_OK, NULL);
  bh_trace_event(fixture->trace, "service", "two", BH_OK, "2");
  g_assert_cmpuint(second.count, ==, 2);
  g_assert_cmpstr(second.lines->str, ==, fixture->notes.lines->str);
  g_string_free(second.lines, TRUE);
}

static void without_a_sink_nothing_happens(void) {
  BhTrace *trace = bh_trace_new();
  BhTraceEvent span = bh_trace_begin("service", "start");

  bh_trace_event(trace, "service", "unheard", BH_OK, "%d", 1);
  bh_trace_end(trace, &span, BH_OK, "%d", 2);
  g_assert_cmpint(span.duration, >=, 0);
  bh_trace_free(trace);
}

#define THREADS 4
#define EVENTS  250

static gpointer emit_many(gpointer data) {
  for (guint i = 0; i < EVENTS; i++) bh_trace_event(data, "thread", "event", BH_OK, "%u", i);
  return NULL;
}

/* The sink itself asserts that it is told of one at a time. */
static void of_many_threads_events_are_told_one_at_a_time(Fixture *fixture, gconstpointer data) {
  BhThread *threads[THREADS];

  (void)data;
  for (guint i = 0; i < THREADS; i++)
    threads[i] = bh_thread_new("emitter", BH_RANK_LEAF, emit_many, fixture->trace);
  for (guint i = 0; i < THREADS; i++) bh_thread_join(threads[i]);
  g_assert_cmpuint(fixture->notes.count, ==, THREADS * EVENTS);
}

int main(int argc, char **argv) {
#define ADD(path, func) g_test_add("/trace/" path, Fixture, NULL, set_up, func, tear_down)
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  ADD("events-are-told-in-order", events_are_told_in_order);
  ADD("an-event-says-when-and-where-and-has-no-duration", an_event_says_when_and_where_and_has_no_duration);
  ADD("a-span-is-told-when-it-is-over", a_span_is_told_when_it_is_over);
  ADD("an-event-of-another-process-is-passed-on-as-it-is", an_event_of_another_process_is_passed_on_as_it_is);
  ADD("every-sink-is-told", every_sink_is_told);
  g_test_add_func("/trace/without-a-sink-nothing-happens", without_a_sink_nothing_happens);
  ADD("of-many-threads-events-are-told-one-at-a-time", of_many_threads_events_are_told_one_at_a_time);
  return g_test_run();
}
