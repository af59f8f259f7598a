#include "guest/memory.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "core/sync.h"
#include "guest/socket.h"

#define LOG_DOMAIN     "bulkhead-guest"
#define FIRST_INIT_PID 10
#define PID_NAMESPACES 4026532000u /* where Linux's own numbers lie */

static const BhGuestClass memory_class;
static const BhLockClass vm_class = {.name = "memory-vm", .rank = BH_RANK_LEAF};

typedef struct {
  char *host_path;
  char *guest_path; /* absolute, canonical */
} Mount;

typedef struct {
  BhVm base;
  const BhVmEvents *events;
  gpointer data;
  BhThread *undertaker; /* waits for the death, and tells of it */

  BhMutex lock; /* guards what follows */
  BhCond changed;
  GPtrArray *mounts;     /* Mount */
  GHashTable *instances; /* the numbers of those that run */
  guint32 last_instance;
  GList *processes; /* Process: all whose thread has not been joined */
  gboolean dead;
  gboolean destroying;
} MemoryVm;

typedef struct Process Process;
struct Process {
  MemoryVm *vm;
  guint32 instance;
  int (*program)(const Process *process);
  char **arguments;
  BhResource socket; /* open until the thread is joined; its end is told by shutting it down */
  BhThread *thread;
  gboolean finished; /* the thread touches nothing of the VM's any more */
};

/* ---- paths ---- */

/* Without ".", ".." and doubled slashes, as Linux would see it. The caller's; NULL: not absolute. */
static char *canonical(const char *path) {
  g_autoptr(GPtrArray) parts = g_ptr_array_new();
  g_auto(GStrv) words = g_strsplit(path, "/", -1);
  g_autofree char *joined = NULL;

  if (path[0] != '/') return NULL;
  for (char **word = words; *word != NULL; word++) {
    if (strcmp(*word, "..") == 0 && parts->len > 0) g_ptr_array_remove_index(parts, parts->len - 1);
    if (strcmp(*word, "") != 0 && strcmp(*word, ".") != 0 && strcmp(*word, "..") != 0)
      g_ptr_array_add(parts, *word);
  }
  g_ptr_array_add(parts, NULL);
  joined = g_strjoinv("/", (char **)parts->pdata);
  return g_strconcat("/", joined, NULL);
}

/* What follows a mount point in path, without a slash; NULL: path does not lie in it. */
static const char *rest_of(const char *path, const char *mount_point) {
  gsize length = strlen(mount_point);

  if (strcmp(mount_point, "/") == 0) return path + 1;
  if (strncmp(path, mount_point, length) != 0) return NULL;
  if (path[length] == '/') return path + length + 1;
  return path[length] == '\0' ? path + length : NULL;
}

/* The host's file of a path in the root namespace. The caller's; NULL: no mount has it. */
static char *find_file(MemoryVm *vm, const char *path) {
  g_autofree char *whole = canonical(path);
  const char *best_rest = NULL;
  const Mount *best = NULL;
  char *file = NULL;

#ifdef G_OS_WIN32
  /* Letters of a name in Linux; on the host they would lead out of the mount. */
  if (strpbrk(path, "\\:") != NULL) return NULL;
#endif
  bh_mutex_lock(&vm->lock);
  for (guint i = 0; whole != NULL && i < vm->mounts->len; i++) {
    const Mount *mount = vm->mounts->pdata[i];
    const char *rest = rest_of(whole, mount->guest_path);

    /* of two on one mount point, the later covers the earlier */
    if (rest == NULL || (best != NULL && strlen(mount->guest_path) < strlen(best->guest_path))) continue;
    best = mount;
    best_rest = rest;
  }
  if (best != NULL) file = g_build_filename(best->host_path, best_rest, NULL);
  bh_mutex_unlock(&vm->lock);
  return file;
}

/* ---- programs ---- */

static int copy_file(const Process *process, const char *path) {
  /* The mounts are the root namespace's. */
  g_autofree char *name = process->instance == BH_ROOT_NAMESPACE ? find_file(process->vm, path) : NULL;
  /* Of anything but a regular file (a FIFO, above all) a read may never end, and nothing could end it. */
  FILE *file = name != NULL && g_file_test(name, G_FILE_TEST_IS_REGULAR) ? g_fopen(name, "rb") : NULL;
  char bytes[4096];
  gboolean taken = TRUE;
  gsize got;

  if (file == NULL) {
    g_log(LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "cat: %s: No such file or directory", path);
    return 1;
  }
  while (taken && (got = fread(bytes, 1, sizeof bytes, file)) > 0)
    taken = bh_socket_write_all(process->socket.value, bytes, got);
  fclose(file);
  return taken ? 0 : 1;
}

static int run_cat(const Process *process) {
  char **arguments = process->arguments;
  char bytes[4096];
  int status = 0;
  gssize got;

  if (arguments[0] != NULL && arguments[1] != NULL) {
    for (char **path = arguments + 1; *path != NULL; path++) status |= copy_file(process, *path);
    return status;
  }
  while ((got = bh_socket_read(process->socket.value, bytes, sizeof bytes)) > 0)
    if (!bh_socket_write_all(process->socket.value, bytes, (gsize)got)) return 1;
  return 0;
}

static int run_echo(const Process *process) {
  char **arguments = process->arguments;
  g_autofree char *words = arguments[0] != NULL ? g_strjoinv(" ", arguments + 1) : g_strdup("");
  g_autofree char *line = g_strconcat(words, "\n", NULL);

  return bh_socket_write_all(process->socket.value, line, strlen(line)) ? 0 : 1;
}

static int run_true(const Process *process) {
  (void)process;
  return 0;
}

static int run_false(const Process *process) {
  (void)process;
  return 1;
}

static const struct {
  const char *path;
  int (*run)(const Process *process);
} programs[] = {
    {"/bin/cat", run_cat},
    {"/bin/echo", run_echo},
    {"/bin/true", run_true},
    {"/bin/false", run_false},
};

static gpointer run_process(gpointer data) {
  Process *process = data;
  int status = process->program(process);
  char unread[4096];

  g_log(LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "%s ended, status %d", process->arguments[0], status);
  /* To end reading, too, would on Windows reset a connection with input that nobody read, and what the program wrote
   * might be lost. And whoever still writes must not wait for a reader. */
  bh_socket_end_writing(process->socket.value);
  while (bh_socket_read(process->socket.value, unread, sizeof unread) > 0) continue;
  bh_mutex_lock(&process->vm->lock);
  process->finished = TRUE;
  bh_cond_broadcast(&process->vm->changed);
  bh_mutex_unlock(&process->vm->lock);
  return NULL;
}

/* Waits for its thread, if it has one, and frees it. */
static void process_free(gpointer data) {
  Process *process = data;

  if (process->thread != NULL) bh_thread_join(process->thread);
  bh_resource_clear(&process->socket);
  g_strfreev(process->arguments);
  g_free(process);
}

/* Those that are over leave the list. To be freed by the caller without the lock. */
static GList *take_finished(MemoryVm *vm) {
  GList *finished = NULL;

  for (GList *at = vm->processes, *next; at != NULL; at = next) {
    next = at->next;
    if (!((Process *)at->data)->finished) continue;
    vm->processes = g_list_remove_link(vm->processes, at);
    finished = g_list_concat(finished, at);
  }
  return finished;
}

/* Ends what programs of an instance wait for, or of all. Under the lock. */
static void end_processes(MemoryVm *vm, guint32 instance, gboolean all) {
  for (GList *at = vm->processes; at != NULL; at = at->next) {
    Process *process = at->data;

    if (all || process->instance == instance) bh_socket_shutdown(process->socket.value);
  }
}

/* ---- a VM's functions ---- */

static BhResult memory_mount(BhVm *base, const char *host_path, const char *linux_path, gboolean read_only,
                             const char *name) {
  MemoryVm *vm = (MemoryVm *)base;
  g_autofree char *point = canonical(linux_path);
  BhResult result = BH_OK;
  Mount *mount;

  (void)name, (void)read_only; /* no program here writes */
  if (point == NULL || strcmp(point, "/") == 0) return BH_E_INVALIDARG;
  if (!g_file_test(host_path, G_FILE_TEST_IS_DIR)) return BH_E_FILE_NOT_FOUND;
  bh_mutex_lock(&vm->lock);
  if (vm->dead) {
    result = BH_E_NOT_VALID_STATE;
  } else {
    mount = g_new(Mount, 1);
    *mount = (Mount){g_strdup(host_path), g_steal_pointer(&point)};
    g_ptr_array_add(vm->mounts, mount);
  }
  bh_mutex_unlock(&vm->lock);
  return result;
}

/* Whether something may run there. Under the lock. */
static BhResult may_run(MemoryVm *vm, guint32 instance) {
  if (vm->dead) return BH_E_NOT_VALID_STATE;
  if (instance != BH_ROOT_NAMESPACE && !g_hash_table_contains(vm->instances, GUINT_TO_POINTER(instance)))
    return BH_E_DISTRO_NOT_RUNNING;
  return BH_OK;
}

static Process *process_new(MemoryVm *vm, guint32 instance, const char *path, const char *const *arguments) {
  const char *only_path[] = {path, NULL};
  Process *process;

  for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
    if (strcmp(programs[i].path, path) != 0) continue;
    process = g_new0(Process, 1);
    process->vm = vm;
    process->instance = instance;
    process->program = programs[i].run;
    process->arguments = g_strdupv((char **)(arguments != NULL && arguments[0] != NULL ? arguments : only_path));
    return process;
  }
  return NULL;
}

static BhResult memory_execute(BhVm *base, guint32 instance, const char *path, const char *const *arguments,
                               BhResource *socket) {
  MemoryVm *vm = (MemoryVm *)base;
  Process *process = process_new(vm, instance, path, arguments);
  BhResource ours = {0};
  GList *finished;
  BhResult result = process != NULL ? bh_socket_pair(&ours, &process->socket) : BH_E_FAIL;

  bh_mutex_lock(&vm->lock);
  finished = take_finished(vm);
  if (BH_FAILED(may_run(vm, instance))) result = may_run(vm, instance);
  if (BH_SUCCEEDED(result)) {
    /* Started under the lock, so that whoever ends all the VM's processes finds it in the list. */
    process->thread = bh_thread_new(path, BH_RANK_LEAF, run_process, process);
    if (process->thread != NULL)
      vm->processes = g_list_prepend(vm->processes, g_steal_pointer(&process));
    else
      result = BH_E_OUTOFMEMORY;
  }
  bh_mutex_unlock(&vm->lock);
  g_list_free_full(finished, process_free);
  if (process != NULL) process_free(process);
  if (BH_SUCCEEDED(result))
    *socket = ours;
  else
    bh_resource_clear(&ours);
  return result;
}

static BhResult memory_instance_start(BhVm *base, const BhDistribution *distribution, BhInstance *instance) {
  MemoryVm *vm = (MemoryVm *)base;
  BhResult result;

  (void)distribution;
  bh_mutex_lock(&vm->lock);
  result = may_run(vm, BH_ROOT_NAMESPACE);
  if (BH_SUCCEEDED(result)) {
    guint32 number = ++vm->last_instance;

    g_hash_table_add(vm->instances, GUINT_TO_POINTER(number));
    *instance = (BhInstance){number, FIRST_INIT_PID + number, PID_NAMESPACES + number};
  }
  bh_mutex_unlock(&vm->lock);
  return result;
}

/* Whether a program of an instance runs. Under the lock. */
static gboolean is_running(MemoryVm *vm, guint32 instance) {
  for (GList *at = vm->processes; at != NULL; at = at->next) {
    const Process *process = at->data;

    if (process->instance == instance && !process->finished) return TRUE;
  }
  return FALSE;
}

static BhResult memory_instance_stop(BhVm *base, guint32 instance) {
  MemoryVm *vm = (MemoryVm *)base;
  BhResult result;

  bh_mutex_lock(&vm->lock);
  result = may_run(vm, instance);
  if (BH_SUCCEEDED(result) && !g_hash_table_remove(vm->instances, GUINT_TO_POINTER(instance)))
    result = BH_E_DISTRO_NOT_RUNNING;
  if (BH_SUCCEEDED(result)) end_processes(vm, instance, FALSE);
  while (BH_SUCCEEDED(result) && is_running(vm, instance)) bh_cond_wait(&vm->changed, &vm->lock);
  bh_mutex_unlock(&vm->lock);
  return result;
}

/* ---- its life and death ---- */

static void mount_free(gpointer data) {
  Mount *mount = data;

  g_free(mount->host_path);
  g_free(mount->guest_path);
  g_free(mount);
}

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
  end_processes(vm, 0, TRUE);
  bh_cond_broadcast(&vm->changed);
  bh_mutex_unlock(&vm->lock);
}

static void memory_vm_destroy(BhVm *base) {
  MemoryVm *vm = (MemoryVm *)base;

  bh_mutex_lock(&vm->lock);
  vm->destroying = TRUE;
  end_processes(vm, 0, TRUE);
  bh_cond_broadcast(&vm->changed);
  bh_mutex_unlock(&vm->lock);
  if (vm->undertaker != NULL) bh_thread_join(vm->undertaker);
  g_list_free_full(vm->processes, process_free);
  g_ptr_array_unref(vm->mounts);
  g_hash_table_unref(vm->instances);
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
  vm->mounts = g_ptr_array_new_with_free_func(mount_free);
  vm->instances = g_hash_table_new(NULL, NULL);
  bh_mutex_init(&vm->lock, &vm_class);
  bh_cond_init(&vm->changed);
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
};

BhGuest *bh_guest_memory_new(void) {
  BhGuest *guest = g_new0(BhGuest, 1);

  guest->class = &memory_class;
  return guest;
}

void bh_guest_memory_free(BhGuest *guest) {
  g_free(guest);
}
