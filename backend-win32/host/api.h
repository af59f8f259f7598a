/* api.h: the table of calls that the plugin is given.
 *
 * A call's function here only turns typed arguments into a BhCall and a BhCallReply into typed results;
 * everything between (checks, bounds, encoding, the way to the service and back) is the same for all of
 * them. */
#pragma once

#include "backend-win32/wire.h"

#include "backend-win32/WslPluginApi.h"

G_BEGIN_DECLS

/* Immutable; for the entry point. */
const struct WSLPluginAPIV1 *bh_host_api(void);

G_END_DECLS
