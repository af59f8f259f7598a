/* handover.h: what goes into a host's process: tokens with a notification, sockets and events with a call's
 * reply, and at the beginning the section for the report of its fault.
 *
 * Into a host goes a handle of its own with the least rights that serve. What is there afterwards is the
 * host's: when it dies, Windows closes it. The service's own side stays the service's, and is closed by who
 * has it. */
#pragma once

#include "backend-win32/service/host-process.h"

G_BEGIN_DECLS

/* A token (0: none) for the host to look at, for the time of one notification: the host closes it when the hook has returned.
 * One that never arrives stays there until the host's end. The service does not reach into the host for it: under Wine 8 a
 * handle is closed by a thread of that process, and nobody comes back when it is just then dying. */
HRESULT bh_handover_token(const BhHostProcess *process, guint64 token, guint64 *remote);

/* The section for the report of a fault (dump.h), for the host to hand on to its helper. 0: there is none. */
guint64 bh_handover_report(const BhHostProcess *process);

/* Makes reply's blob of its resource, which stays where it is. */
BhResult bh_handover_resource(const BhHostProcess *process, BhWireResource kind, BhCallReply *reply);

G_END_DECLS
