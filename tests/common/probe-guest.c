#include "probe-guest.h"

typedef struct {
  BhVm parent;
  BhProbeGuest *probe;
  BhVm *inner;
} ProbeVm;

static BhResult pass(BhProbeGuest *probe, BhProbePoint point) {
  g_atomic_int_inc(&probe->passed[point]);
  return probe->before != NULL ? probe->before(point, probe->data) : BH_OK;
}

static void enter(BhProbeGuest *probe) {
  int inside = g_atomic_int_add(&probe->inside, 1) + 1, most;

  do most = g_atomic_int_get(&probe->max_inside);
  while (inside > most && !g_atomic_int_compare_and_exchange(&probe->max_inside, most, inside));
}

static void leave(BhProbeGuest *probe) {
  g_atomic_int_add(&probe->inside, -1);
}

static BhResult vm_create(BhGuest *guest, const BhVmSettings *settings, const BhVmEvents *events, gpointer data,
                          BhVm **vm) {
  BhProbeGuest *probe = (BhProbeGuest *)guest;
  BhVm *inner;
  ProbeVm *created;
  BhResult result = pass(probe, BH_PROBE_VM_CREATE);

  if (BH_SUCCEEDED(result)) result = probe->inner->class->vm_create(probe->inner, settings, events, data, &inner);
  if (BH_FAILED(result)) return result;
  created = g_new(ProbeVm, 1);
  *created = (ProbeVm){{guest->class}, probe, inner};
  *vm = &created->parent;
  g_atomic_pointer_set(&probe->last_vm, inner);
  return result;
}

static void vm_destroy(BhVm *vm) {
  ProbeVm *probed = (ProbeVm *)vm;

  pass(probed->probe, BH_PROBE_VM_DESTROY);
  probed->inner->class->vm_destroy(probed->inner);
  g_free(probed);
}

static BhResult mount(BhVm *vm, const char *host_path, const char *linux_path, gboolean read_only,
                      const char *name) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result;

  enter(probed->probe);
  result = pass(probed->probe, BH_PROBE_MOUNT);
  if (BH_SUCCEEDED(result))
    result = probed->inner->class->mount(probed->inner, host_path, linux_path, read_only, name);
  leave(probed->probe);
  return result;
}

static BhResult execute(BhVm *vm, guint32 instance, const char *path, const char *const *arguments,
                        BhResource *socket) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result;

  enter(probed->probe);
  result = pass(probed->probe, BH_PROBE_EXECUTE);
  if (BH_SUCCEEDED(result))
    result = probed->inner->class->execute(probed->inner, instance, path, arguments, socket);
  leave(probed->probe);
  return result;
}

static BhResult instance_start(BhVm *vm, const BhDistribution *distribution, BhInstance *instance) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result = pass(probed->probe, BH_PROBE_INSTANCE_START);

  return BH_FAILED(result) ? result : probed->inner->class->instance_start(probed->inner, distribution, instance);
}

static BhResult instance_stop(BhVm *vm, guint32 instance) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result = pass(probed->probe, BH_PROBE_INSTANCE_STOP);

  return BH_FAILED(result) ? result : probed->inner->class->instance_stop(probed->inner, instance);
}

void bh_probe_guest_init(BhProbeGuest *probe, BhGuest *inner) {
  static BhGuestClass class;

  class = (BhGuestClass){inner->class->name, vm_create, vm_destroy, mount, execute, instance_start, instance_stop};
  *probe = (BhProbeGuest){.parent = {&class}, .inner = inner};
}
