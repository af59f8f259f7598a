#include "callbacks.h"

static const BhLockClass monitor_class = {"callback monitor", BH_RANK_PUMP, FALSE};

void bh_callback_gate_init(BhCallbackGate *gate) {
  *gate = (BhCallbackGate){.calls = 0};
  bh_instance_lock_init(&gate->instance);
  bh_mutex_init(&gate->monitor, &monitor_class);
  bh_cond_init(&gate->changed);
}

void bh_callback_gate_clear(BhCallbackGate *gate) {
  g_assert(gate->calls == 0 && !gate->mutating);
  bh_cond_clear(&gate->changed);
  bh_mutex_clear(&gate->monitor);
  bh_instance_lock_clear(&gate->instance);
}

const BhCallbacks *bh_callbacks_by_name(const char *name) {
  static const BhCallbacks *const designs[] = {&bh_callbacks_pumped, &bh_callbacks_shared};

  for (guint i = 0; i < G_N_ELEMENTS(designs); i++)
    if (g_str_equal(designs[i]->name, name)) return designs[i];
  return NULL;
}
