#include "guest/memory.h"

#include <string.h>

#include "core/sync.h"
#include "guest/documents.h"
#include "guest/memory-files.h"
#include "guest/memory-task.h"
#include "guest/memory-watch.h"
#include "guest/process.h"
#include "guest/socket.h"

#define FIRST_INIT_PID 10
#define PID_NAMESPACES 4026532000u /* where Linux's own numbers lie */
#define EMPTY_TAR      1024        /* bytes, all of them zero: two blocks are a tar's end */

static const BhGuestClass memory_class;
static const BhLockClass vm_class = {.name = "memory-vm", .rank = BH_RANK_LEAF};

/* ---- folders ---- */

static BhResult memory_mount(BhVm *base, const char *host_path, const char *linux_path, gboolean read_only,
                             const char *name) {
  MemoryVm *vm = (MemoryVm *)base;
  g_autofree char *point = memory_canonical(linux_path);
  BhResult result;

  (void)name;
  if (point == NULL || strcmp(point, "/") == 0) return BH_E_INVALIDARG;
  if (!g_file_test(host_path, G_FILE_TEST_IS_DIR)) return BH_E_FILE_NOT_FOUND;
  bh_mutex_lock(&vm->lock);
  result = memory_may_run(vm, BH_ROOT_NAMESPACE);
  if (BH_SUCCEEDED(result)) g_ptr_array_add(vm->mounts, memory_mount_new(host_path, point, read_only));
  bh_mutex_unlock(&vm->lock);
  return result;
}

static BhResult memory_unmount(BhVm *base, const char *linux_path) {
  MemoryVm *vm = (MemoryVm *)base;
  g_autofree char *point = memory_canonical(linux_path);
  BhResult result;

  if (point == NULL) return BH_E_INVALIDARG;
  bh_mutex_lock(&vm->lock);
  result = memory_may_run(vm, BH_ROOT_NAMESPACE);
  if (BH_SUCCEEDED(result) && !memory_remove_mount(vm->mounts, point)) result = BH_E_NOT_FOUND;
  bh_mutex_unlock(&vm->lock);
  return result;
}

static BhResult memory_distribution_export(BhGuest *guest, const BhDistribution *distribution,
                                           const char *host_path) {
  static const char empty[EMPTY_TAR];
  g_autofree char *folder = g_path_get_dirname(host_path);

  (void)guest, (void)distribution; /* there is nothing in it */
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) return BH_E_PATH_NOT_FOUND;
  return g_file_set_contents(host_path, empty, sizeof empty, NULL) ? BH_OK : BH_E_FAIL;
}

/* ---- programs ---- */

/* What a VM that is dead answers before anything else; result: what it would answer. */
static BhResult unless_dead(MemoryVm *vm, guint32 instance, BhResult result) {
  BhResult may;

  bh_mutex_lock(&vm->lock);
  may = memory_may_run(vm, instance);
  bh_mutex_unlock(&vm->lock);
  return BH_FAILED(may) ? may : result;
}

static BhResult memory_execute(BhVm *base, guint32 instance, const char *path, const char *const *arguments,
                               BhResource *socket) {
  MemoryVm *vm = (MemoryVm *)base;
  MemoryTask *task = memory_task_new(vm, instance, &(BhProgram){.path = path, .arguments = arguments});
  BhResource ours = {0}, theirs = {0};
  BhResult result;

  if (task == NULL) return unless_dead(vm, instance, BH_E_FAIL);
  result = bh_socket_pair(&ours, &theirs);
  if (BH_FAILED(result)) {
    memory_task_free(task);
    return result;
  }
  task->streams[BH_STDIN] = task->streams[BH_STDOUT] = memory_task_keep(task, &theirs);
  result = memory_task_start(task, NULL);
  if (BH_SUCCEEDED(result))
    *socket = ours;
  else
    bh_resource_clear(&ours);
  return result;
}

/* Sockets for each stream; ours are not closed on failure. */
static BhResult connect_streams(MemoryTask *task, BhResource *ours) {
  BhResult result = BH_OK;

  for (int i = 0; i < BH_STREAM_COUNT && BH_SUCCEEDED(result); i++) {
    BhResource theirs = {0};

    result = bh_socket_pair(&ours[i], &theirs);
    if (BH_SUCCEEDED(result)) task->streams[i] = memory_task_keep(task, &theirs);
  }
  return result;
}

static BhResult memory_process_start(BhVm *base, const BhProgram *program, BhResource streams[BH_STREAM_COUNT],
                                     BhProcess **result_process, gint32 *error) {
  MemoryVm *vm = (MemoryVm *)base;
  MemoryTask *task = memory_task_new(vm, BH_ROOT_NAMESPACE, program);
  g_autoptr(BhProcess) process = bh_guest_process_new(&memory_class);
  BhResource ours[BH_STREAM_COUNT] = {{0}};
  BhResult result = BH_E_OUTOFMEMORY;

  *error = 0;
  if (task == NULL) {
    result = unless_dead(vm, BH_ROOT_NAMESPACE, BH_E_FAIL);
    if (result == BH_E_FAIL) *error = MEMORY_ENOENT;
    return result;
  }
  if (process != NULL) {
    task->process = bh_guest_process_ref(process);
    result = connect_streams(task, ours);
  }
  if (BH_SUCCEEDED(result))
    result = memory_task_start(task, NULL);
  else
    memory_task_free(task);
  for (int i = 0; i < BH_STREAM_COUNT; i++) {
    if (BH_SUCCEEDED(result))
      streams[i] = ours[i];
    else
      bh_resource_clear(&ours[i]);
  }
  if (BH_SUCCEEDED(result)) *result_process = g_steal_pointer(&process);
  return result;
}

/* ---- instances ---- */

static BhResult memory_instance_start(BhVm *base, const BhDistribution *distribution, BhInstance *instance) {
  MemoryVm *vm = (MemoryVm *)base;
  BhResult result;

  (void)distribution;
  bh_mutex_lock(&vm->lock);
  result = memory_may_run(vm, BH_ROOT_NAMESPACE);
  if (BH_SUCCEEDED(result)) {
    guint32 number = ++vm->last_instance;

    g_hash_table_add(vm->instances, GUINT_TO_POINTER(number));
    *instance = (BhInstance){number, FIRST_INIT_PID + number, PID_NAMESPACES + number};
  }
  bh_mutex_unlock(&vm->lock);
  return result;
}

static BhResult memory_instance_stop(BhVm *base, guint32 instance) {
  MemoryVm *vm = (MemoryVm *)base;
  BhResult result;

  bh_mutex_lock(&vm->lock);
  result = memory_may_run(vm, instance);
  if (BH_SUCCEEDED(result) && !g_hash_table_remove(vm->instances, GUINT_TO_POINTER(instance)))
    result = BH_E_DISTRO_NOT_RUNNING;
  if (BH_SUCCEEDED(result)) {
    memory_tasks_end(vm, instance, FALSE);
    memory_tasks_await(vm, instance, NULL);
  }
  bh_mutex_unlock(&vm->lock);
  return result;
}

static gboolean memory_instance_is_idle(BhVm *base, guint32 instance) {
  MemoryVm *vm = (MemoryVm *)base;
  gboolean idle = TRUE;

  bh_mutex_lock(&vm->lock);
  for (GList *at = vm->tasks; at != NULL; at = at->next) {
    const MemoryTask *task = at->data;

    if (task->instance == instance && task->process == NULL && !task->container && !task->over) idle = FALSE;
  }
  bh_mutex_unlock(&vm->lock);
  return idle;
}

/* ---- containers ---- */

static gboolean has_root(const char *root) {
  return root == NULL || g_file_test(root, G_FILE_TEST_IS_DIR);
}

static BhResult memory_container_start(BhVm *base, const BhContainerSpec *spec, BhDescription *container) {
  MemoryVm *vm = (MemoryVm *)base;
  MemoryTask *task;
  guint32 number;
  BhResult result;

  if (!has_root(spec->root)) return unless_dead(vm, BH_ROOT_NAMESPACE, BH_E_PATH_NOT_FOUND);
  task = memory_task_new(vm, BH_ROOT_NAMESPACE, &spec->program);
  if (task == NULL) return unless_dead(vm, BH_ROOT_NAMESPACE, BH_E_FAIL);
  task->container = TRUE;
  result = memory_task_start(task, &number);
  if (BH_SUCCEEDED(result)) bh_describe_container(spec, number, container);
  return result;
}

static BhResult memory_container_stop(BhVm *base, guint32 number) {
  MemoryVm *vm = (MemoryVm *)base;
  BhResult result;

  bh_mutex_lock(&vm->lock);
  result = memory_may_run(vm, BH_ROOT_NAMESPACE);
  if (BH_SUCCEEDED(result) && !g_hash_table_remove(vm->containers, GUINT_TO_POINTER(number)))
    result = BH_E_NOT_FOUND;
  if (BH_SUCCEEDED(result)) {
    memory_tasks_end(vm, number, FALSE);
    memory_tasks_await(vm, number, NULL); /* its thread has then told of its end, too */
  }
  bh_mutex_unlock(&vm->lock);
  return result;
}

static BhResult memory_image_create(BhVm *base, const char *name, const char *root, BhDescription *image) {
  BhResult result = unless_dead((MemoryVm *)base, BH_ROOT_NAMESPACE, has_root(root) ? BH_OK : BH_E_PATH_NOT_FOUND);

  if (BH_SUCCEEDED(result)) bh_describe_image(name, root, image);
  return result;
}

/* ---- its life and death ---- */

static gpointer await_death(gpointer data) {
  MemoryVm *vm = data;
  gboolean tell;

  bh_mutex_lock(&vm->lock);
  while (!vm->dead && !vm->destroying) bh_cond_wait(&vm->changed, &vm->lock);
  tell = vm->dead && !vm->destroying;
  bh_mutex_unlock(&vm->lock);
  if (tell && vm->events != NULL && vm->events->died != NULL) vm->events->died(vm->data);
  return NULL;
}

void bh_guest_memory_kill_vm(BhVm *base) {
  MemoryVm *vm = (MemoryVm *)base;

  g_assert(base->class == &memory_class);
  bh_mutex_lock(&vm->lock);
  vm->dead = TRUE;
  memory_tasks_end(vm, 0, TRUE);
  bh_mutex_unlock(&vm->lock);
}

static void memory_vm_destroy(BhVm *base) {
  MemoryVm *vm = (MemoryVm *)base;

  bh_mutex_lock(&vm->lock);
  vm->destroying = TRUE;
  memory_tasks_end(vm, 0, TRUE);
  bh_mutex_unlock(&vm->lock);
  if (vm->undertaker != NULL) bh_thread_join(vm->undertaker);
  /* A container's thread looks at the others' tasks: none goes before all have ended. Nothing is added any more. */
  for (GList *at = vm->tasks; at != NULL; at = at->next) {
    MemoryTask *task = at->data;
    bh_thread_join(g_steal_pointer(&task->thread));
  }
  bh_activity_queue_stop(&vm->activities); /* the ends of them all are told */
  bh_activity_queue_clear(&vm->activities);
  g_list_free_full(vm->tasks, memory_task_free);
  g_ptr_array_unref(vm->mounts);
  g_hash_table_unref(vm->instances);
  g_hash_table_unref(vm->containers);
  bh_cond_clear(&vm->changed);
  bh_mutex_clear(&vm->lock);
  g_free(vm);
}

static BhResult memory_vm_create(BhGuest *guest, const BhVmSettings *settings, const BhVmEvents *events,
                                 gpointer data, BhVm **result) {
  MemoryVm *vm = g_new0(MemoryVm, 1);

  (void)guest, (void)settings;
  vm->base.class = &memory_class;
  vm->events = events;
  vm->data = data;
  vm->mounts = g_ptr_array_new_with_free_func(memory_mount_free);
  vm->instances = g_hash_table_new(NULL, NULL);
  vm->containers = g_hash_table_new(NULL, NULL);
  bh_mutex_init(&vm->lock, &vm_class);
  bh_cond_init(&vm->changed);
  bh_activity_queue_init(&vm->activities, &vm->lock, events != NULL ? events->activity : NULL, data);
  vm->undertaker = bh_thread_new("memory-vm", BH_RANK_LEAF, await_death, vm);
  if (vm->undertaker == NULL) {
    memory_vm_destroy(&vm->base);
    return BH_E_OUTOFMEMORY;
  }
  *result = &vm->base;
  return BH_OK;
}

static const BhGuestClass memory_class = {
    .name = "memory",
    .vm_create = memory_vm_create,
    .vm_destroy = memory_vm_destroy,
    .mount = memory_mount,
    .execute = memory_execute,
    .instance_start = memory_instance_start,
    .instance_stop = memory_instance_stop,
    .instance_is_idle = memory_instance_is_idle,
    .distribution_export = memory_distribution_export,
    .unmount = memory_unmount,
    .process_start = memory_process_start,
    .process_event = bh_guest_process_event,
    .process_exit_code = bh_guest_process_exit_code,
    .process_free = bh_guest_process_unref,
    .container_start = memory_container_start,
    .container_stop = memory_container_stop,
    .image_create = memory_image_create,
    .watch = memory_vm_watch,
    .has_process = memory_vm_has_process,
};

BhGuest *bh_guest_memory_new(void) {
  BhGuest *guest = g_new0(BhGuest, 1);

  guest->class = &memory_class;
  return guest;
}

void bh_guest_memory_free(BhGuest *guest) {
  g_free(guest);
}
