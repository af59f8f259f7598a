#include "guest/memory-watch.h"

#include <string.h>

static char *command_line_of(const MemoryTask *task) {
  GString *line = g_string_new(NULL);

  for (char **at = task->arguments; *at != NULL && line->len <= BH_COMMAND_LINE_MAX; at++) {
    g_autofree char *quoted =
        strpbrk(*at, " \t\n'\"\\$;&|<>()*?") != NULL || **at == '\0' ? g_shell_quote(*at) : g_strdup(*at);
    g_string_append_printf(line, "%s%s", line->len > 0 ? " " : "", quoted);
  }
  g_string_truncate(line, MIN(line->len, BH_COMMAND_LINE_MAX));
  return g_string_free(line, FALSE);
}

static BhActivity activity_of(const MemoryTask *task, BhActivityType type) {
  return (BhActivity){.type = type,
                      .process = task->number,
                      .thread = type == BH_THREAD_CREATED || type == BH_THREAD_EXITED ? task->number : 0};
}

static void push(MemoryTask *task, BhActivityType type, gint32 status) {
  BhActivity activity = activity_of(task, type);

  activity.exit_status = status;
  bh_activity_queue_push(&task->vm->activities, &activity);
}

/* It begins, or began before anybody wanted to know. */
static BhResult tell_created(MemoryTask *task, gboolean asks) {
  g_autofree char *command_line = command_line_of(task);
  BhActivity activity = activity_of(task, BH_PROCESS_CREATED);

  activity.may_refuse = asks;
  activity.image = task->image;
  activity.command_line = command_line;
  if (asks) return bh_activity_queue_ask(&task->vm->activities, &activity);
  bh_activity_queue_push(&task->vm->activities, &activity);
  return BH_OK;
}

static void tell_thread(MemoryTask *task) {
  if (!task->told || task->thread_told || (task->vm->watch & BH_WATCH_THREADS) == 0) return;
  task->thread_told = TRUE;
  push(task, BH_THREAD_CREATED, 0);
}

gboolean memory_watch_claim(MemoryTask *task) {
  task->told = task->starting = task->vm->watch != BH_WATCH_NOTHING;
  task->begun = !task->starting;
  return task->starting;
}

BhResult memory_watch_begin(MemoryTask *task) {
  BhResult result = BH_OK;

  if (task->begun) return BH_OK;
  if (task->told) result = tell_created(task, TRUE);
  task->begun = TRUE;
  task->refusal = BH_FAILED(result) ? result : BH_OK;
  if (BH_SUCCEEDED(result)) tell_thread(task);
  bh_cond_broadcast(&task->vm->changed);
  return task->refusal;
}

void memory_watch_end(MemoryTask *task, gint32 status) {
  if (task->thread_told) push(task, BH_THREAD_EXITED, 0);
  if (task->told) push(task, BH_PROCESS_EXITED, status);
  task->told = task->thread_told = FALSE;
}

/* Of all that runs: what is newly wanted is told of, and what is no longer wanted is forgotten. */
static void change(MemoryVm *vm, BhWatch what) {
  vm->watch = what;
  if ((what & BH_WATCH_THREADS) == 0) bh_activity_queue_drop(&vm->activities, what != BH_WATCH_NOTHING);
  for (GList *at = g_list_last(vm->tasks); at != NULL; at = at->prev) { /* the newest is the first */
    MemoryTask *task = at->data;

    if ((what & BH_WATCH_THREADS) == 0) task->thread_told = FALSE;
    if (what == BH_WATCH_NOTHING) task->told = FALSE;
    if (what == BH_WATCH_NOTHING || task->over || !task->begun) continue;
    if (!task->told) tell_created(task, FALSE);
    task->told = TRUE;
    tell_thread(task);
  }
}

BhResult memory_vm_watch(BhVm *base, BhWatch what) {
  MemoryVm *vm = (MemoryVm *)base;
  BhResult result = BH_OK;

  if (vm->events == NULL || vm->events->activity == NULL) return BH_E_NOTIMPL;
  bh_mutex_lock(&vm->lock);
  if (vm->dead)
    result = BH_E_NOT_VALID_STATE;
  else if (what != BH_WATCH_NOTHING && !bh_activity_queue_start(&vm->activities, BH_RANK_CALLBACK))
    result = BH_E_OUTOFMEMORY;
  else
    change(vm, what);
  bh_mutex_unlock(&vm->lock);
  return result;
}

gboolean memory_vm_has_process(BhVm *base, guint32 process, guint32 thread) {
  MemoryVm *vm = (MemoryVm *)base;
  gboolean has = FALSE;

  bh_mutex_lock(&vm->lock);
  for (GList *at = vm->tasks; at != NULL && !vm->dead; at = at->next) {
    const MemoryTask *task = at->data;
    has |= task->number == process && (thread == 0 || thread == process) && !task->over;
  }
  bh_mutex_unlock(&vm->lock);
  return has;
}
