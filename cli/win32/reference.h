/* reference.h: the reference service: the registered plugins, a service that runs them, and the channel through which
 * scenarios reach it. How the process came to run it, under the SCM or on a console, is service.c's.
 *
 *   BhReference *reference = bh_reference_start(&options, log, &cause);
 *   …
 *   bh_reference_stop(reference);      plugins have their last hooks; their proxies are gone before COM is
 *
 * start and stop: one thread. */
#pragma once

#include "event-log.h"

#include "cli/platform.h"

G_BEGIN_DECLS

typedef struct BhReference BhReference;

/* options, log: outlive it. must_listen: without its channel, as when another service has it, it does not start; else it
 * says so in the log and runs plugins all the same, since anybody on the machine can take the channel's name. NULL: *cause
 * (the caller's) says why. */
BhReference *bh_reference_start(const BhPlatformOptions *options, BhEventLog *log, gboolean must_listen,
                                char **cause);

/* Ends the scenario that is under way after its operation, then everything. */
void bh_reference_stop(BhReference *reference);

G_END_DECLS
