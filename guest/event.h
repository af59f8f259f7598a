/* event.h: something that happens once, which any program can wait for: on Windows a manual-reset event, natively an
 * eventfd that becomes readable.
 *
 *   BhResource ours = { 0 }, theirs = { 0 };
 *   if (BH_FAILED(bh_event_new(&ours)) || BH_FAILED(bh_event_duplicate(ours.value, &theirs))) …
 *   bh_event_signal(ours.value);
 *   bh_event_wait(theirs.value, G_USEC_PER_SEC);      → TRUE, now and ever after
 *
 * A duplicate outlives what it was made of. Natively it shares the eventfd's counter: whoever reads from it, takes the
 * signal away from all (wait, do not read); on Windows a duplicate can be waited for, and nothing else. Neither is
 * inherited by child processes. Any thread. */
#pragma once

#include "core/result.h"

G_BEGIN_DECLS

/* One that has not happened. E_OUTOFMEMORY: none can be had. */
BhResult bh_event_new(BhResource *event);

/* It has happened. More than once is once. */
void bh_event_signal(gintptr event);

/* Another handle on the same event, for whoever only waits. The caller's. E_OUTOFMEMORY: none can be had. */
BhResult bh_event_duplicate(gintptr event, BhResource *copy);

/* Waits until it has happened, at most this long (µs; negative: without limit). FALSE: it has not. It blocks the thread
 * where lock-order does not see it, so: for programs and tests, which hold no lock. */
gboolean bh_event_wait(gintptr event, gint64 timeout_us);

G_END_DECLS
