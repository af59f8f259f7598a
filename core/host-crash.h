/* host-crash.h: is the host dead, and what do we remember of it?
 *
 * Classification looks at the *transport's* status only. What a hook returned is data: a plugin may return 0x80010108,
 * and is then a plugin that failed, in a host that lives.
 *
 * The latch keeps the first load failure or crash of the service's lifetime. Every operation that an aborting
 * hook guards looks at it first, and makes its error of it, so that the first report and all later ones agree.
 *
 *   if (bh_host_crash_classify(status) == BH_TRANSPORT_DEAD)
 *     bh_latch_set(latch, name, BH_RPC_E_SERVER_DIED);
 *   …
 *   if (bh_latch_is_set(latch)) return bh_latch_error(latch, error, context);
 *
 * Source: contract, sections 6 and 7. */
#pragma once

#include "sync.h"

G_BEGIN_DECLS

typedef enum {
  BH_TRANSPORT_OK,     /* the call reached the plugin and came back */
  BH_TRANSPORT_FAILED, /* it did not, but the host lives: busy, out of memory, … */
  BH_TRANSPORT_DEAD,   /* the host is no more, or must be ended */
} BhTransport;

BhTransport bh_host_crash_classify(BhResult status);

/* The code under which every crash is reported, whatever told us of it first: the status of a call that failed, or the
 * backend's word that the host died. */
#define BH_CRASH_CODE BH_RPC_E_SERVER_DIED

typedef struct {
  BhMutex lock; /* guards all below; a leaf */
  char *plugin; /* NULL: nothing is latched. Does not change once set */
  BhResult code;
} BhLatch;

void bh_latch_init(BhLatch *latch);
void bh_latch_clear(BhLatch *latch);

/* Keeps it, if it is the first. TRUE: it is. */
gboolean bh_latch_set(BhLatch *latch, const char *plugin, BhResult code);

gboolean bh_latch_is_set(BhLatch *latch);

/* The error made of what is latched, which must be something. context: of the operation; "Plugin" is added. */
BhResult bh_latch_error(BhLatch *latch, const BhContext *context, BhError **error);

/* The error that a user sees because of a plugin: the texts of section 6. message may be NULL. Returns code. */
BhResult bh_plugin_failure(BhError **error, BhResult code, const BhContext *context, const char *plugin,
                           const char *message);

G_END_DECLS
