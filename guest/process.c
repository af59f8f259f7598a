#include "guest/process.h"

#include "guest/event.h"

#define RUNNING (-1)

typedef struct {
  BhProcess base;
  gatomicrefcount references;
  BhResource event;
  gint code; /* atomic: RUNNING, or as a shell has it */
} GuestProcess;

BhProcess *bh_guest_process_new(const BhGuestClass *class) {
  GuestProcess *process = g_new0(GuestProcess, 1);

  if (BH_FAILED(bh_event_new(&process->event))) {
    g_free(process);
    return NULL;
  }
  process->base.class = class;
  g_atomic_ref_count_init(&process->references);
  g_atomic_int_set(&process->code, RUNNING);
  return &process->base;
}

BhProcess *bh_guest_process_ref(BhProcess *base) {
  g_atomic_ref_count_inc(&((GuestProcess *)base)->references);
  return base;
}

void bh_guest_process_unref(BhProcess *base) {
  GuestProcess *process = (GuestProcess *)base;

  if (!g_atomic_ref_count_dec(&process->references)) return;
  bh_resource_clear(&process->event);
  g_free(process);
}

void bh_guest_process_ended(BhProcess *base, gint32 code) {
  GuestProcess *process = (GuestProcess *)base;

  if (g_atomic_int_compare_and_exchange(&process->code, RUNNING, code)) bh_event_signal(process->event.value);
}

BhResult bh_guest_process_event(BhProcess *base, BhResource *event) {
  return bh_event_duplicate(((GuestProcess *)base)->event.value, event);
}

BhResult bh_guest_process_exit_code(BhProcess *base, gint32 *code) {
  gint known = g_atomic_int_get(&((GuestProcess *)base)->code);

  if (known == RUNNING) return BH_E_NOT_VALID_STATE;
  *code = known;
  return BH_OK;
}
