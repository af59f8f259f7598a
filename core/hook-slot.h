/* hook-slot.h: the rules of a running hook, on the host's side.
 *
 * A slot is on the stack of the host's thread that runs a hook, for as long as the hook runs. It answers: is the
 * calling thread inside a hook, and in which notification? May it say PluginError, and how often?
 *
 *   BhHookSlot slot;
 *   bh_hook_slot_begin(&slot, hook, number);
 *   result = hooks->OnVMStarted(…);        the plugin calls bh_hook_slot_plugin_error somewhere in here
 *   bh_hook_slot_end(&slot, result, &reply);
 *
 * A slot belongs to one thread: no lock is needed. Slots of one thread nest. Source: contract, section 4. */
#pragma once

#include "contract.h"

G_BEGIN_DECLS

typedef struct BhHookSlot BhHookSlot;
struct BhHookSlot {
  BhHookSlot *outer;
  BhHook hook;
  guint64 number;
  gint64 began;
  gboolean has_message;
  char *message; /* NULL too when the hook carries none and the message was dropped */
};

/* The calling thread begins to run a hook. */
void bh_hook_slot_begin(BhHookSlot *slot, BhHook hook, guint64 number);

/* The hook returned result. Fills reply, which must be empty: the result (E_ILLEGAL_STATE_CHANGE for success with a message), the message,
 * the thread and the time it took. On the thread that began. */
void bh_hook_slot_end(BhHookSlot *slot, BhResult result, BhNotifyReply *reply);

/* The number of the notification that the calling thread runs the hook of; 0: none. */
guint64 bh_hook_slot_current(void);

/* PluginError(message): NULL gives E_INVALIDARG; outside a hook's own thread E_ILLEGAL_METHOD_CALL; a second message
 * E_ILLEGAL_STATE_CHANGE; in a hook that carries none it is accepted and dropped. message: UTF-8, copied. */
BhResult bh_hook_slot_plugin_error(const char *message);

G_END_DECLS
