/* scripted-wait.h: waiting for what a guest hands out as an event, until the host of the mock is gone.
 *
 *   BhResource gone = bh_mock_event_new();
 *   bh_mock_event_wait(gone.value, event.value)     on a plugin's thread: TRUE once event is signalled
 *   bh_mock_event_set(gone.value)                   on any other: all who wait return FALSE
 *
 * An event is what guest.h says: a manual-reset event's HANDLE on Windows, elsewhere an eventfd. It stays signalled.
 * Any thread. */
#pragma once

#include "core/result.h"

G_BEGIN_DECLS

/* One that is not signalled. Without close: none can be had. */
BhResource bh_mock_event_new(void);

void bh_mock_event_set(gintptr event);

/* Waits for either; FALSE: gone came, or they cannot be waited for. */
gboolean bh_mock_event_wait(gintptr gone, gintptr event);

G_END_DECLS
