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

/* One probe at a time, and all its sockets are closed alike. */
static BhProbeGuest *counting;
static void (*close_socket)(gintptr value);

static void close_counted(gintptr value) {
  BhProbeGuest *probe = g_atomic_pointer_get(&counting);
  void (*close)(gintptr) = g_atomic_pointer_get(&close_socket);

  g_atomic_int_add(&probe->open_sockets, -1);
  close(value);
}

static void count_socket(BhProbeGuest *probe, BhResource *socket) {
  g_atomic_pointer_set(&counting, probe);
  g_atomic_pointer_set(&close_socket, socket->close);
  socket->close = close_counted;
  g_atomic_int_inc(&probe->open_sockets);
}

static BhResult execute(BhVm *vm, guint32 instance, const char *path, const char *const *arguments,
                        BhResource *socket) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result;

  enter(probed->probe);
  result = pass(probed->probe, BH_PROBE_EXECUTE);
  if (BH_SUCCEEDED(result))
    result = probed->inner->class->execute(probed->inner, instance, path, arguments, socket);
  if (BH_SUCCEEDED(result)) count_socket(probed->probe, socket);
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

static gboolean instance_is_idle(BhVm *vm, guint32 instance) {
  ProbeVm *probed = (ProbeVm *)vm;

  return probed->inner->class->instance_is_idle(probed->inner, instance);
}

static BhResult distribution_export(BhGuest *guest, const BhDistribution *distribution, const char *host_path) {
  BhProbeGuest *probe = (BhProbeGuest *)guest;

  return probe->inner->class->distribution_export(probe->inner, distribution, host_path);
}

static BhResult unmount(BhVm *vm, const char *linux_path) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result;

  enter(probed->probe);
  result = pass(probed->probe, BH_PROBE_UNMOUNT);
  if (BH_SUCCEEDED(result)) result = probed->inner->class->unmount(probed->inner, linux_path);
  leave(probed->probe);
  return result;
}

static BhResult process_start(BhVm *vm, const BhProgram *program, BhResource streams[BH_STREAM_COUNT],
                              BhProcess **process, gint32 *error) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result;

  *error = 0;
  enter(probed->probe);
  result = pass(probed->probe, BH_PROBE_PROCESS_START);
  if (BH_SUCCEEDED(result))
    result = probed->inner->class->process_start(probed->inner, program, streams, process, error);
  leave(probed->probe);
  return result;
}

static BhResult container_start(BhVm *vm, const BhContainerSpec *spec, BhDescription *container) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result = pass(probed->probe, BH_PROBE_CONTAINER_START);

  return BH_FAILED(result) ? result : probed->inner->class->container_start(probed->inner, spec, container);
}

static BhResult container_stop(BhVm *vm, guint32 number) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result = pass(probed->probe, BH_PROBE_CONTAINER_STOP);

  return BH_FAILED(result) ? result : probed->inner->class->container_stop(probed->inner, number);
}

static BhResult image_create(BhVm *vm, const char *name, const char *root, BhDescription *image) {
  ProbeVm *probed = (ProbeVm *)vm;

  return probed->inner->class->image_create(probed->inner, name, root, image);
}

static BhResult watch(BhVm *vm, BhWatch what) {
  ProbeVm *probed = (ProbeVm *)vm;
  BhResult result = pass(probed->probe, BH_PROBE_WATCH);

  return BH_FAILED(result) ? result : probed->inner->class->watch(probed->inner, what);
}

static gboolean has_process(BhVm *vm, guint32 process, guint32 thread) {
  ProbeVm *probed = (ProbeVm *)vm;

  return probed->inner->class->has_process(probed->inner, process, thread);
}

void bh_probe_guest_init(BhProbeGuest *probe, BhGuest *inner) {
  static BhGuestClass class;

  class = (BhGuestClass){
      .name = inner->class->name,
      .vm_create = vm_create,
      .vm_destroy = vm_destroy,
      .mount = mount,
      .execute = execute,
      .instance_start = instance_start,
      .instance_stop = instance_stop,
      .instance_is_idle = instance_is_idle,
      .distribution_export = distribution_export,
      .unmount = unmount,
      .process_start = process_start,
      .process_event = inner->class->process_event,
      .process_exit_code = inner->class->process_exit_code,
      .process_free = inner->class->process_free,
      .container_start = container_start,
      .container_stop = container_stop,
      .image_create = image_create,
      .watch = watch,
      .has_process = has_process,
  };
  *probe = (BhProbeGuest){.parent = {&class}, .inner = inner};
}
