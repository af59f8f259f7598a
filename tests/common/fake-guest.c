#include "fake-guest.h"

#include <string.h>

typedef struct {
  BhVm parent;
  BhFakeGuest *guest;
  const BhVmEvents *events;
  gpointer data;
  gboolean dead, destroyed; /* guarded by the guest's lock, as is the next */
  guint inside;             /* calls that have not returned */
} FakeVm;

typedef struct {
  BhProcess parent;
  BhFakeGuest *guest;
} FakeProcess;

static const BhLockClass guest_class = {"fake guest", BH_RANK_LEAF, FALSE};

static BhResult pass(BhFakeGuest *guest, BhFakeStep step) {
  bh_mutex_lock(&guest->lock);
  guest->passed[step]++;
  bh_mutex_unlock(&guest->lock);
  return guest->before != NULL ? guest->before(step, guest->data) : BH_OK;
}

/* A step in a VM, which must be alive, and there until the step is over. */
static BhResult pass_in(BhVm *base, BhFakeStep step) {
  FakeVm *vm = (FakeVm *)base;
  BhResult result;

  bh_mutex_lock(&vm->guest->lock);
  g_assert(!vm->destroyed);
  vm->inside++;
  bh_mutex_unlock(&vm->guest->lock);
  result = pass(vm->guest, step);
  bh_mutex_lock(&vm->guest->lock);
  vm->inside--;
  if (vm->dead) result = BH_E_NOT_VALID_STATE;
  bh_mutex_unlock(&vm->guest->lock);
  return result;
}

static void enter(BhVm *base, int by) {
  BhFakeGuest *guest = ((FakeVm *)base)->guest;

  bh_mutex_lock(&guest->lock);
  guest->inside += (guint)by;
  guest->max_inside = MAX(guest->max_inside, guest->inside);
  bh_mutex_unlock(&guest->lock);
}

/* A resource's value is its guest, which is told when it is closed. */
static void close_resource(gintptr value) {
  BhFakeGuest *guest = (BhFakeGuest *)value;

  bh_mutex_lock(&guest->lock);
  guest->resources--;
  bh_mutex_unlock(&guest->lock);
}

static void new_resource(BhFakeGuest *guest, BhResource *resource) {
  bh_mutex_lock(&guest->lock);
  guest->resources++;
  bh_mutex_unlock(&guest->lock);
  *resource = (BhResource){(gintptr)guest, close_resource};
}

static guint32 next_number(BhFakeGuest *guest) {
  guint32 number;

  bh_mutex_lock(&guest->lock);
  number = ++guest->last_number;
  bh_mutex_unlock(&guest->lock);
  return number;
}

static BhResult vm_create(BhGuest *base, const BhVmSettings *settings, const BhVmEvents *events, gpointer data,
                          BhVm **result) {
  BhFakeGuest *guest = (BhFakeGuest *)base;
  BhResult passed = pass(guest, BH_FAKE_VM_CREATE);
  FakeVm *vm;

  (void)settings;
  if (BH_FAILED(passed)) return passed;
  vm = g_new(FakeVm, 1);
  *vm = (FakeVm){.parent = {base->class}, .guest = guest, .events = events, .data = data};
  bh_mutex_lock(&guest->lock);
  guest->vms = g_list_prepend(guest->vms, vm);
  bh_mutex_unlock(&guest->lock);
  *result = &vm->parent;
  return BH_OK;
}

static void vm_destroy(BhVm *base) {
  FakeVm *vm = (FakeVm *)base;
  BhFakeGuest *guest = vm->guest;

  pass(guest, BH_FAKE_VM_DESTROY);
  bh_mutex_lock(&guest->lock);
  g_assert(!vm->destroyed && vm->inside == 0);
  vm->destroyed = TRUE;
  guest->vms = g_list_remove(guest->vms, vm);
  guest->graves = g_list_prepend(guest->graves, vm);
  bh_mutex_unlock(&guest->lock);
}

static BhResult mount(BhVm *vm, const char *host_path, const char *linux_path, gboolean read_only,
                      const char *name) {
  BhResult result;

  (void)host_path, (void)linux_path, (void)read_only, (void)name;
  enter(vm, 1);
  result = pass_in(vm, BH_FAKE_MOUNT);
  enter(vm, -1);
  return result;
}

static BhResult unmount(BhVm *vm, const char *linux_path) {
  (void)linux_path;
  return pass_in(vm, BH_FAKE_UNMOUNT);
}

static BhResult execute(BhVm *vm, guint32 instance, const char *path, const char *const *arguments,
                        BhResource *socket) {
  BhResult result = pass_in(vm, BH_FAKE_EXECUTE);

  (void)instance, (void)path, (void)arguments;
  if (BH_SUCCEEDED(result)) new_resource(((FakeVm *)vm)->guest, socket);
  return result;
}

static BhResult instance_start(BhVm *vm, const BhDistribution *distribution, BhInstance *instance) {
  BhResult result = pass_in(vm, BH_FAKE_INSTANCE_START);

  (void)distribution;
  if (BH_SUCCEEDED(result)) instance->number = instance->init_pid = next_number(((FakeVm *)vm)->guest);
  return result;
}

static BhResult instance_stop(BhVm *vm, guint32 instance) {
  (void)instance;
  return pass_in(vm, BH_FAKE_INSTANCE_STOP);
}

static gboolean instance_is_idle(BhVm *vm, guint32 instance) {
  (void)instance;
  return !((FakeVm *)vm)->guest->busy;
}

static BhResult distribution_export(BhGuest *guest, const BhDistribution *distribution, const char *host_path) {
  (void)distribution, (void)host_path;
  return pass((BhFakeGuest *)guest, BH_FAKE_EXPORT);
}

static BhResult process_start(BhVm *vm, const BhProgram *program, BhResource streams[BH_STREAM_COUNT],
                              BhProcess **process, gint32 *error) {
  BhFakeGuest *guest = ((FakeVm *)vm)->guest;
  FakeProcess *started;
  BhResult result;

  (void)program;
  enter(vm, 1);
  *error = 0;
  result = pass_in(vm, BH_FAKE_PROCESS_START);
  if (BH_SUCCEEDED(result)) {
    started = g_new(FakeProcess, 1);
    *started = (FakeProcess){{vm->class}, guest};
    for (guint i = 0; i < BH_STREAM_COUNT; i++) new_resource(guest, &streams[i]);
    bh_mutex_lock(&guest->lock);
    guest->processes++;
    bh_mutex_unlock(&guest->lock);
    *process = &started->parent;
  }
  enter(vm, -1);
  return result;
}

static BhResult process_event(BhProcess *process, BhResource *event) {
  new_resource(((FakeProcess *)process)->guest, event);
  return BH_OK;
}

static BhResult process_exit_code(BhProcess *process, gint32 *code) {
  (void)process;
  *code = 12;
  return BH_OK;
}

static void process_free(BhProcess *process) {
  BhFakeGuest *guest = ((FakeProcess *)process)->guest;

  bh_mutex_lock(&guest->lock);
  guest->processes--;
  bh_mutex_unlock(&guest->lock);
  g_free(process);
}

static BhResult container_start(BhVm *vm, const BhContainerSpec *spec, BhDescription *container) {
  BhResult result = pass_in(vm, BH_FAKE_CONTAINER_START);

  if (BH_FAILED(result)) return result;
  container->number = next_number(((FakeVm *)vm)->guest);
  container->id = g_strdup_printf("%064x", container->number);
  container->document = g_strdup_printf("{\"Id\": \"%s\", \"Name\": \"%s\"}", container->id, spec->name);
  return BH_OK;
}

static BhResult container_stop(BhVm *vm, guint32 number) {
  (void)number;
  return pass_in(vm, BH_FAKE_CONTAINER_STOP);
}

static BhResult image_create(BhVm *vm, const char *name, const char *root, BhDescription *image) {
  BhResult result = pass_in(vm, BH_FAKE_IMAGE_CREATE);

  (void)root;
  if (BH_FAILED(result)) return result;
  image->id = g_strdup_printf("sha256:%s", name);
  image->document = g_strdup_printf("{\"Id\": \"%s\"}", image->id);
  return BH_OK;
}

static BhResult watch(BhVm *vm, BhWatch what) {
  (void)what;
  return pass_in(vm, BH_FAKE_WATCH);
}

static const BhGuestClass fake_class = {
    .name = "fake",
    .vm_create = vm_create,
    .vm_destroy = vm_destroy,
    .mount = mount,
    .unmount = unmount,
    .execute = execute,
    .instance_start = instance_start,
    .instance_stop = instance_stop,
    .instance_is_idle = instance_is_idle,
    .distribution_export = distribution_export,
    .process_start = process_start,
    .watch = watch,
    .process_event = process_event,
    .process_exit_code = process_exit_code,
    .process_free = process_free,
    .container_start = container_start,
    .container_stop = container_stop,
    .image_create = image_create,
};

void bh_fake_guest_init(BhFakeGuest *guest) {
  memset(guest, 0, sizeof *guest);
  guest->parent.class = &fake_class;
  bh_mutex_init(&guest->lock, &guest_class);
}

void bh_fake_guest_clear(BhFakeGuest *guest) {
  g_assert_null(guest->vms);
  g_assert_cmpuint(guest->processes, ==, 0);
  g_assert_cmpuint(guest->resources, ==, 0);
  g_list_free_full(guest->graves, g_free);
  bh_mutex_clear(&guest->lock);
}

/* The newest one that lives, which does no longer if kill; NULL: there is none. */
static FakeVm *newest(BhFakeGuest *guest, gboolean kill) {
  FakeVm *vm = NULL;

  bh_mutex_lock(&guest->lock);
  for (GList *i = guest->vms; i != NULL && vm == NULL; i = i->next)
    if (!((FakeVm *)i->data)->dead) vm = i->data;
  if (vm != NULL) vm->dead = kill;
  bh_mutex_unlock(&guest->lock);
  return vm;
}

gboolean bh_fake_guest_kill_vm(BhFakeGuest *guest) {
  FakeVm *vm = newest(guest, TRUE);

  if (vm != NULL) vm->events->died(vm->data);
  return vm != NULL;
}

gboolean bh_fake_guest_end_container(BhFakeGuest *guest, guint32 number) {
  FakeVm *vm = newest(guest, FALSE);

  if (vm != NULL) vm->events->container_ended(vm->data, number);
  return vm != NULL;
}
