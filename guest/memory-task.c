#include "guest/memory-task.h"

#include <glib/gstdio.h>
#include <string.h>

#include "guest/memory-files.h"
#include "guest/memory-programs.h"
#include "guest/memory-watch.h"
#include "guest/process.h"
#include "guest/socket.h"

#define FIRST_NUMBER 6000001 /* above every process number of Linux: nobody takes it for a real one */

/* ---- its end ---- */

/* Everything else in a container ends with its first process. With the lock. */
static void end_container(MemoryTask *task) {
  MemoryVm *vm = task->vm;

  g_hash_table_remove(vm->instances, GUINT_TO_POINTER(task->instance));
  memory_tasks_end(vm, task->instance, FALSE);
  memory_tasks_await(vm, task->instance, task);
}

/* The program has ended, and its streams do: `over` comes first, so that who sees their end knows. Returns how it ended. */
static int become_over(MemoryTask *task, int status, BhResource *sockets) {
  MemoryVm *vm = task->vm;

  bh_mutex_lock(&vm->lock);
  if (task->container) end_container(task);
  status = task->killed ? BH_EXIT_KILLED : status & 0xFF;
  task->over = TRUE;
  memory_watch_end(task, status);
  if (task->process != NULL) {
    memcpy(sockets, task->sockets, sizeof task->sockets);
    memset(task->sockets, 0, sizeof task->sockets);
  }
  bh_mutex_unlock(&vm->lock);
  return status;
}

/* An execution's socket is its two streams, and is closed by whoever joins the thread. To end reading, too, would on
 * Windows reset a connection with input that nobody read, and what the program wrote might be lost. And whoever still
 * writes must not wait for a reader. */
static void end_execution(const MemoryTask *task) {
  char unread[4096];

  bh_socket_end_writing(task->streams[BH_STDOUT]);
  while (bh_socket_read(task->streams[BH_STDIN], unread, sizeof unread) > 0) continue;
}

static void tell_container_ended(const MemoryTask *task) {
  MemoryVm *vm = task->vm;
  gboolean tell;

  bh_mutex_lock(&vm->lock);
  tell = BH_SUCCEEDED(task->refusal) && !vm->dead && !vm->destroying && vm->events != NULL &&
         vm->events->container_ended != NULL;
  bh_mutex_unlock(&vm->lock);
  if (tell) vm->events->container_ended(vm->data, task->instance);
}

/* Whoever watches may keep it from running at all. */
static gboolean begin(MemoryTask *task) {
  BhResult result;

  bh_mutex_lock(&task->vm->lock);
  result = memory_watch_begin(task);
  bh_mutex_unlock(&task->vm->lock);
  return BH_SUCCEEDED(result);
}

static gpointer run_task(gpointer data) {
  MemoryTask *task = data;
  BhResource sockets[BH_STREAM_COUNT] = {{0}};
  int status = become_over(task, begin(task) ? task->program(task) : BH_EXIT_KILLED, sockets);

  g_log(MEMORY_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "%s ended, status %d", task->arguments[0], status);
  for (int i = 0; i < BH_STREAM_COUNT; i++) bh_resource_clear(&sockets[i]);
  if (task->process != NULL)
    bh_guest_process_ended(task->process, status);
  else if (task->container)
    tell_container_ended(task);
  else
    end_execution(task);
  bh_mutex_lock(&task->vm->lock);
  task->finished = TRUE;
  bh_cond_broadcast(&task->vm->changed);
  bh_mutex_unlock(&task->vm->lock);
  return NULL;
}

void memory_task_free(gpointer data) {
  MemoryTask *task = data;

  if (task->thread != NULL) bh_thread_join(task->thread);
  for (int i = 0; i < BH_STREAM_COUNT; i++) bh_resource_clear(&task->sockets[i]);
  if (task->process != NULL) bh_guest_process_unref(task->process);
  g_free(task->image);
  g_strfreev(task->arguments);
  g_strfreev(task->environment);
  g_free(task);
}

/* ---- its start ---- */

MemoryTask *memory_task_new(MemoryVm *vm, guint32 instance, const BhProgram *program) {
  static gint last_number = FIRST_NUMBER; /* of the whole program: those of two VMs differ, as one Linux's would */
  const char *only_path[] = {program->path, NULL};
  const char *const *arguments = program->arguments;
  MemoryProgram found = memory_program_find(program->path);
  MemoryTask *task;

  if (found == NULL) return NULL;
  if (arguments == NULL || arguments[0] == NULL) arguments = only_path;
  task = g_new0(MemoryTask, 1);
  task->vm = vm;
  task->instance = instance;
  task->number = (guint32)g_atomic_int_add(&last_number, 1);
  task->image = g_strdup(program->path);
  task->program = found;
  task->arguments = g_strdupv((char **)arguments);
  task->environment = g_strdupv((char **)program->environment);
  for (int i = 0; i < BH_STREAM_COUNT; i++) task->streams[i] = MEMORY_NO_STREAM;
  return task;
}

gintptr memory_task_keep(MemoryTask *task, BhResource *socket) {
  int i = 0;

  while (task->sockets[i].close != NULL) i++;
  g_assert(i < BH_STREAM_COUNT);
  task->sockets[i] = *socket;
  *socket = (BhResource){0};
  return task->sockets[i].value;
}

BhResult memory_may_run(MemoryVm *vm, guint32 instance) {
  if (vm->dead) return BH_E_NOT_VALID_STATE;
  if (instance != BH_ROOT_NAMESPACE && !g_hash_table_contains(vm->instances, GUINT_TO_POINTER(instance)))
    return BH_E_DISTRO_NOT_RUNNING;
  return BH_OK;
}

/* Those that are finished leave the list. To be freed by the caller without the lock. */
static GList *take_finished(MemoryVm *vm) {
  GList *finished = NULL;

  for (GList *at = vm->tasks, *next; at != NULL; at = next) {
    next = at->next;
    if (!((MemoryTask *)at->data)->finished || ((MemoryTask *)at->data)->starting) continue;
    vm->tasks = g_list_remove_link(vm->tasks, at);
    finished = g_list_concat(finished, at);
  }
  return finished;
}

/* A container may end before whoever started it goes on: so it is entered first. With the lock. */
static BhResult start_thread(MemoryTask *task) {
  MemoryVm *vm = task->vm;
  BhResult result = memory_may_run(vm, task->instance);

  if (BH_FAILED(result)) return result;
  if (task->container) {
    task->instance = ++vm->last_instance;
    g_hash_table_add(vm->instances, GUINT_TO_POINTER(task->instance));
    g_hash_table_add(vm->containers, GUINT_TO_POINTER(task->instance));
  }
  memory_watch_claim(task);
  task->thread = bh_thread_new(task->arguments[0], BH_RANK_LEAF, run_task, task);
  if (task->thread != NULL) {
    vm->tasks = g_list_prepend(vm->tasks, task);
    return BH_OK;
  }
  if (task->container) {
    g_hash_table_remove(vm->instances, GUINT_TO_POINTER(task->instance));
    g_hash_table_remove(vm->containers, GUINT_TO_POINTER(task->instance));
  }
  return BH_E_OUTOFMEMORY;
}

/* With the lock: what came of it, where it had to be asked for. A VM that has died keeps nobody waiting. */
static BhResult await_begun(MemoryTask *task) {
  MemoryVm *vm = task->vm;
  BhResult result;

  while (!task->begun && !vm->dead) bh_cond_wait(&vm->changed, &vm->lock);
  result = task->begun ? task->refusal : BH_E_NOT_VALID_STATE;
  if (BH_FAILED(result) && task->container) g_hash_table_remove(vm->containers, GUINT_TO_POINTER(task->instance));
  task->starting = FALSE;
  return result;
}

BhResult memory_task_start(MemoryTask *task, guint32 *number) {
  MemoryVm *vm = task->vm;
  gboolean started;
  GList *finished;
  BhResult result;

  bh_mutex_lock(&vm->lock);
  finished = take_finished(vm);
  /* Under the lock, so that whoever ends all the VM's programs finds it in the list. */
  result = start_thread(task);
  if (number != NULL) *number = task->instance;
  started = BH_SUCCEEDED(result);
  if (started) result = await_begun(task);
  bh_mutex_unlock(&vm->lock);
  g_list_free_full(finished, memory_task_free);
  if (!started) memory_task_free(task);
  return result;
}

/* ---- all of them ---- */

void memory_tasks_end(MemoryVm *vm, guint32 instance, gboolean all) {
  for (GList *at = vm->tasks; at != NULL; at = at->next) {
    MemoryTask *task = at->data;

    if (!all && task->instance != instance) continue;
    if (!task->over) task->killed = TRUE;
    for (int i = 0; i < BH_STREAM_COUNT; i++)
      if (task->sockets[i].close != NULL) bh_socket_shutdown(task->sockets[i].value);
  }
  bh_cond_broadcast(&vm->changed);
}

static gboolean is_running(MemoryVm *vm, guint32 instance, const MemoryTask *but) {
  for (GList *at = vm->tasks; at != NULL; at = at->next) {
    const MemoryTask *task = at->data;

    if (task->instance == instance && task != but && !task->finished) return TRUE;
  }
  return FALSE;
}

void memory_tasks_await(MemoryVm *vm, guint32 instance, const MemoryTask *but) {
  while (is_running(vm, instance, but)) bh_cond_wait(&vm->changed, &vm->lock);
}

/* ---- for programs ---- */

gssize memory_read(MemoryTask *task, gpointer bytes, gsize size) {
  return task->streams[BH_STDIN] != MEMORY_NO_STREAM ? bh_socket_read(task->streams[BH_STDIN], bytes, size) : 0;
}

gboolean memory_write(MemoryTask *task, int stream, gconstpointer bytes, gsize length) {
  if (task->streams[stream] != MEMORY_NO_STREAM) return bh_socket_write_all(task->streams[stream], bytes, length);
  g_log(MEMORY_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "%s: %.*s", task->arguments[0], (int)MIN(length, 4096),
        (const char *)bytes);
  return TRUE;
}

void memory_complain(MemoryTask *task, const char *format, ...) {
  g_autoptr(GString) line = g_string_new(NULL);
  va_list arguments;

  va_start(arguments, format);
  g_string_append_vprintf(line, format, arguments);
  va_end(arguments);
  g_string_append_c(line, '\n');
  memory_write(task, BH_STDERR, line->str, line->len);
}

int memory_open(MemoryTask *task, const char *path, gboolean write, FILE **file) {
  g_autofree char *name = NULL;
  gboolean read_only = TRUE;

  bh_mutex_lock(&task->vm->lock);
  /* The mounts are the root namespace's. */
  if (task->instance == BH_ROOT_NAMESPACE) name = memory_find_file(task->vm->mounts, path, &read_only);
  bh_mutex_unlock(&task->vm->lock);
  if (name == NULL) return MEMORY_ENOENT;
  if (write && read_only) return MEMORY_EROFS;
  /* Of anything but a regular file (a FIFO, above all) a read may never end, and nothing could end it. */
  if (g_file_test(name, G_FILE_TEST_EXISTS) ? !g_file_test(name, G_FILE_TEST_IS_REGULAR) : !write)
    return g_file_test(name, G_FILE_TEST_IS_DIR) ? MEMORY_EISDIR : MEMORY_ENOENT;
  *file = g_fopen(name, write ? "wb" : "rb");
  return *file != NULL ? 0 : MEMORY_ENOENT;
}

const char *memory_getenv(MemoryTask *task, const char *name) {
  static const char *const own[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8"};
  gsize length = strlen(name);
  const char *value = NULL;

  for (guint i = 0; i < G_N_ELEMENTS(own); i++)
    if (strncmp(own[i], name, length) == 0 && own[i][length] == '=') value = own[i] + length + 1;
  for (char **at = task->environment; at != NULL && *at != NULL; at++)
    if (strncmp(*at, name, length) == 0 && (*at)[length] == '=') value = *at + length + 1;
  return value;
}

gboolean memory_sleep(MemoryTask *task, gint64 time_us) {
  gint64 deadline = bh_clock_deadline(time_us);
  gboolean late = FALSE, killed;

  bh_mutex_lock(&task->vm->lock);
  while (!task->killed && !late) late = !bh_cond_wait_until(&task->vm->changed, &task->vm->lock, deadline);
  killed = task->killed;
  bh_mutex_unlock(&task->vm->lock);
  return !killed;
}

gboolean memory_is_killed(MemoryTask *task) {
  gboolean killed;

  bh_mutex_lock(&task->vm->lock);
  killed = task->killed;
  bh_mutex_unlock(&task->vm->lock);
  return killed;
}
