#include "hook-slot.h"

#include "sync.h"

static BhLocal current = BH_LOCAL_INIT(NULL);

void bh_hook_slot_begin(BhHookSlot *slot, BhHook hook, guint64 number) {
  *slot = (BhHookSlot){.outer = bh_local_get(&current), .hook = hook, .number = number, .began = bh_clock_now()};
  bh_local_set(&current, slot);
}

void bh_hook_slot_end(BhHookSlot *slot, BhResult result, BhNotifyReply *reply) {
  g_assert(bh_local_get(&current) == slot);
  bh_local_set(&current, slot->outer);

  /* A dropped message does not make success an error: the hook that carries none cannot have meant one. */
  reply->result = slot->message != NULL && BH_SUCCEEDED(result) ? BH_E_ILLEGAL_STATE_CHANGE : result;
  reply->message = g_steal_pointer(&slot->message);
  reply->thread = bh_thread_number();
  reply->duration = (guint64)(bh_clock_now() - slot->began);
}

guint64 bh_hook_slot_current(void) {
  const BhHookSlot *slot = bh_local_get(&current);
  return slot != NULL ? slot->number : 0;
}

BhResult bh_hook_slot_plugin_error(const char *message) {
  BhHookSlot *slot = bh_local_get(&current);

  if (message == NULL) return BH_E_INVALIDARG;
  if (slot == NULL) return BH_E_ILLEGAL_METHOD_CALL;
  if (slot->has_message) return BH_E_ILLEGAL_STATE_CHANGE;
  slot->has_message = TRUE;
  if (bh_hooks[slot->hook].carries_message) slot->message = g_strdup(message);
  return BH_OK;
}
