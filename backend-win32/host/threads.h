/* threads.h: tells the service of this process's threads, while it wants to know (thread-ring.h).
 *
 *   bh_threads_open(ring, filled);                 Attach: as the service has them
 *
 * From then on whatever thread begins or ends here, the plugin's and the system's, is written down by itself. Those that are
 * there already the service counts.
 *
 * Not told, because Windows does not tell: threads that asked not to be (debuggers'), and the end of threads by
 * TerminateThread or by the process's. The service sees those ends itself. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* Takes the handles of the ring's section and of its event. Once, before plugin code runs. FALSE: there is no ring, and
 * nothing will be told. */
gboolean bh_threads_open(HANDLE section, HANDLE event);

G_END_DECLS
