#include "scheduler-internal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

/* ---- Failing ------------------------------------------------------------------------------------------- */

/* Takes text. */
static void abandon(const char *kind, char *text) G_GNUC_NORETURN;
static void abandon(const char *kind, char *text) {
  BhScheduler *s = &bh_scheduler;
  BhFiber *self = s->current;

  g_free(s->finding_text);
  s->finding_text = text;
  s->finding = (BhFinding){kind, text};
  s->found = TRUE;
  s->current = &s->outside;
  bh_stack_leave(self->stack, s->outside.stack);
}

void bh_scheduler_fail(const char *kind, const char *format, ...) {
  va_list arguments;
  char *text;

  va_start(arguments, format);
  text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (!bh_scheduler_is_running()) g_error("%s: %s", kind, text);
  abandon(kind, text);
}

const BhFinding *bh_scheduler_finding(void) {
  return bh_scheduler.found ? &bh_scheduler.finding : NULL;
}

/* ---- Nobody can go on ---------------------------------------------------------------------------------- */

/* The condition was signalled when nobody waited for it: such a wait may be the one that came too late. */
static gboolean was_signalled_in_vain(const BhFiber *fiber) {
  for (guint i = 0; i < bh_scheduler.step_count; i++) {
    const BhStep *step = &bh_scheduler.steps[i];
    if ((step->kind == BH_STEP_SIGNAL || step->kind == BH_STEP_BROADCAST) && step->object == fiber->cond &&
        step->count == 0)
      return TRUE;
  }
  return FALSE;
}

static const char *owner_name(const BhMutex *mutex) {
  const BhFiber *owner = mutex->owner;
  return owner != NULL ? owner->name : "nobody";
}

static void append_why(GString *text, const BhFiber *fiber) {
  if (text->len > 0) g_string_append(text, "; ");
  switch (fiber->state) {
    case BH_FIBER_WANTS:
      g_string_append_printf(text, "%s wants %s, which %s has", fiber->name, fiber->mutex->class->name,
                             owner_name(fiber->mutex));
      break;
    case BH_FIBER_WAITS:
      g_string_append_printf(text, "%s waits for a condition with %s%s", fiber->name, fiber->mutex->class->name,
                             was_signalled_in_vain(fiber) ? ", signalled before when nobody waited" : "");
      break;
    default: g_string_append_printf(text, "%s waits for the end of %s", fiber->name, fiber->joined->name);
  }
}

void bh_scheduler_fail_stuck(void) {
  g_autoptr(GString) text = g_string_new(NULL);
  gboolean in_vain = FALSE;

  for (guint i = 0; i < bh_scheduler.fiber_count; i++) {
    const BhFiber *fiber = bh_scheduler.fibers[i];
    if (fiber->state == BH_FIBER_ENDED) continue;
    append_why(text, fiber);
    if (fiber->state == BH_FIBER_WAITS && was_signalled_in_vain(fiber)) in_vain = TRUE;
  }
  abandon(in_vain ? "lost wake-up" : "deadlock", g_string_free(g_steal_pointer(&text), FALSE));
}

/* ---- Assertions, messages, crashes --------------------------------------------------------------------- */

static char *last_words; /* printed on standard error inside this execution */

/* What a thread prints is not seen: there are thousands of executions. */
static void swallow(const char *text) {
  if (bh_scheduler_is_running()) return;
  fputs(text, stdout);
  fflush(stdout);
}

/* g_assert says here what failed, and then aborts. */
static void keep(const char *text) {
  if (!bh_scheduler_is_running()) {
    fputs(text, stderr);
    return;
  }
  g_free(last_words);
  last_words = g_strdup(text);
}

static void on_log(const char *domain, GLogLevelFlags level, const char *message, gpointer data) {
  if (!bh_scheduler_is_running()) {
    g_log_default_handler(domain, level, message, data);
  } else if (level & (G_LOG_FLAG_FATAL | G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) {
    g_free(last_words);
    last_words = g_strdup(message);
    if (!(level & G_LOG_FLAG_FATAL)) raise(SIGABRT);
  }
}

/* "**\nERROR:file:line:…\n" without its decoration. */
static char *last_words_or(const char *otherwise) {
  char *text = g_steal_pointer(&last_words);

  if (text == NULL) return g_strdup(otherwise);
  if (g_str_has_prefix(text, "**\n")) memmove(text, text + 3, strlen(text + 3) + 1);
  return g_strchomp(text);
}

static void on_fatal_signal(int number) {
  if (!bh_scheduler_is_running()) {
    signal(number, SIG_DFL);
    raise(number);
    return;
  }
  if (number == SIGVTALRM) abandon("no end", g_strdup("it goes on, and comes to no choice point"));
  if (number == SIGABRT || number == SIGTRAP) abandon("assertion", last_words_or("it aborted"));
  abandon("crash", g_strdup(g_strsignal(number)));
}

/* Every two seconds of the processor's. An execution takes a few thousandths of one. */
static void on_tick(int number) {
  static guint last;

  if (!bh_scheduler_is_running()) return;
  if (last == bh_scheduler.executions) on_fatal_signal(number);
  last = bh_scheduler.executions;
}

/* On a stack of its own, as the fault may be the stack's end; and not blocked meanwhile, as the handler is never left. */
static void catch_fatal_signals(void) {
  static const int numbers[] = {SIGABRT, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  stack_t stack = {.ss_size = 64 * 1024};
  struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};

  stack.ss_sp = g_malloc(stack.ss_size);
  g_assert_no_errno(sigaltstack(&stack, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) g_assert_no_errno(sigaction(numbers[i], &action, NULL));
  action.sa_handler = on_tick;
  g_assert_no_errno(sigaction(SIGVTALRM, &action, NULL));
}

void bh_scheduler_watch(void) {
  static gboolean watching;

  g_clear_pointer(&last_words, g_free);
  if (watching) return;
  watching = TRUE;
  g_set_print_handler(swallow);
  g_set_printerr_handler(keep);
  g_log_set_default_handler(on_log, NULL);
  catch_fatal_signals();
}

void bh_scheduler_watch_time(gboolean on) {
  const struct itimerval period = {{on ? 2 : 0, 0}, {on ? 2 : 0, 0}};

  bh_scheduler_watch();
  g_assert_no_errno(setitimer(ITIMER_VIRTUAL, &period, NULL));
}
