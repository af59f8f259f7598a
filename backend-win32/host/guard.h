/* guard.h: a fault in plugin code ends this process.
 *
 * COM runs a method under an exception handler of its own: it answers the service with an error and lets the
 * process live on, with the plugin's locks held and its data half written. So plugin code is called through
 * a function that stands between it and COM, and whose exception handler ends the process with the
 * exception's code as exit code:
 *
 *   service ── COM ── our method ── bh_guard_call ── hook ── … fault
 *                │                       │                     │
 *                │                       ◀──── the plugin's own handlers have declined
 *                └ never sees it         └ a dump (dump/dump.h), TerminateProcess(code)
 *
 * It sees access violations, division by zero, illegal instructions, stack overflow, and C++ exceptions that
 * leave the plugin; before any destructor has run. What the plugin catches itself never gets here. Faults on
 * the plugin's own threads have no COM around them; for them there is the unhandled-exception filter.
 *
 * What passes by both: __fastfail and heap corruption (Windows ends the process itself, and its error reporting
 * keeps a dump if it was told to), a stack that no handler can be found on, and abort, exit and TerminateProcess
 * (no exceptions). They end the process too, which is all that is promised. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* Nothing modal, and the filter. Once, before plugin code can run. */
void bh_guard_install(void);

/* function(first, second), which returns or ends the process. A function with fewer arguments ignores the
 * rest, as the x64 calling convention has it. Assembly, in guard.c. */
gintptr bh_guard_call(gpointer function, gconstpointer first, gconstpointer second);

G_END_DECLS
