#include "watch.h"

#include "core/sync.h"

#include <stdio.h>

#define SLOW (10 * G_USEC_PER_SEC) /* a step that takes longer is told */

static const BhLockClass watch_class = {"soak watch", BH_RANK_LEAF, FALSE};

static BhMutex lock; /* guards all below */
static BhCond changed;
static const char *step;
static gint64 began, deadline;
static const char *slots[SOAK_WATCH_SLOTS];
static gboolean over;
static BhThread *thread;

static void give_up(void) {
  GString *text = g_string_new(NULL);

  for (guint i = 0; i < SOAK_WATCH_SLOTS; i++)
    if (slots[i] != NULL) g_string_append_printf(text, "; thread %u: %s", i, slots[i]);
  g_error("does not return: %s%s", step, text->str);
}

static gpointer watch(gpointer unused) {
  bh_mutex_lock(&lock);
  while (!over)
    if (!bh_cond_wait_until(&changed, &lock, deadline) && bh_clock_now() >= deadline && !over) give_up();
  bh_mutex_unlock(&lock);
  return unused;
}

void soak_watch_begin(void) {
  bh_mutex_init(&lock, &watch_class);
  bh_cond_init(&changed);
  deadline = BH_NO_DEADLINE;
  thread = bh_thread_new("soak watch", BH_RANK_LEAF, watch, NULL);
}

void soak_watch(const char *what, guint seconds) {
  bh_mutex_lock(&lock);
  if (step != NULL && bh_clock_now() - began > SLOW)
    printf("        %s took %u s\n", step, (guint)((bh_clock_now() - began) / G_USEC_PER_SEC));
  began = bh_clock_now();
  step = what;
  deadline = bh_clock_deadline((gint64)seconds * G_USEC_PER_SEC);
  bh_cond_broadcast(&changed);
  bh_mutex_unlock(&lock);
}

void soak_watch_doing(guint slot, const char *doing) {
  bh_mutex_lock(&lock);
  slots[slot] = doing;
  bh_mutex_unlock(&lock);
}

void soak_watch_end(void) {
  bh_mutex_lock(&lock);
  over = TRUE;
  bh_cond_broadcast(&changed);
  bh_mutex_unlock(&lock);
  bh_thread_join(thread);
  bh_cond_clear(&changed);
  bh_mutex_clear(&lock);
}
