#include "guest/agent/tasks.h"

#include "guest/agent/trace.h"
#include "guest/agent/watch.h"

Trace trace;

/* ---- tables ---- */

Task *task_find(pid_t tid) {
  return trace.tasks != NULL ? g_hash_table_lookup(trace.tasks, GINT_TO_POINTER(tid)) : NULL;
}

Process *process_find(pid_t pid) {
  return g_hash_table_lookup(trace.processes, GINT_TO_POINTER(pid));
}

Process *process_new(pid_t pid, pid_t parent) {
  Process *process = g_new0(Process, 1);

  process->pid = pid;
  process->parent = parent;
  g_hash_table_replace(trace.processes, GINT_TO_POINTER(pid), process);
  return process;
}

void process_release(Process *process) {
  if (process->tasks > 0) return;
  if (process_find(process->pid) == process) g_hash_table_remove(trace.processes, GINT_TO_POINTER(process->pid));
  agent_image_clear(&process->image);
  g_free(process);
}

Task *task_new(pid_t tid) {
  Task *task = g_new0(Task, 1);

  task->tid = tid;
  trace.unclaimed++;
  g_hash_table_replace(trace.tasks, GINT_TO_POINTER(tid), task);
  return task;
}

void task_forget_call(Task *task) {
  task->awaits = 0;
  g_clear_pointer(&task->listener, agent_listener_unref);
}

void task_remove(Task *task) {
  Process *process = task->process;

  g_hash_table_remove(trace.tasks, GINT_TO_POINTER(task->tid));
  task_forget_call(task);
  agent_exec_clear(&task->exec);
  g_free(task);
  if (process == NULL) {
    trace.unclaimed--;
    return;
  }
  process->tasks--;
  process_release(process);
}

/* ---- telling ---- */

void tell_thread(Task *task) {
  const Process *process = task->process;

  if (!trace.threads || !process->told || task->told) return;
  task->told = TRUE;
  agent_watch_tell(
      &(BhGuestMessage){.type = BH_GUEST_TELL_THREAD, .pid = (guint32)process->pid, .thread = (guint32)task->tid});
}

void tell_thread_exit(Task *task) {
  if (task->told)
    agent_watch_tell(&(BhGuestMessage){
        .type = BH_GUEST_TELL_THREAD_EXIT, .pid = (guint32)task->process->pid, .thread = (guint32)task->tid});
  task->told = FALSE;
}

void tell_process(Process *process, Task *asked, pid_t creator, pid_t thread) {
  BhGuestMessage message = {.type = BH_GUEST_TELL_PROCESS,
                            .pid = (guint32)process->pid,
                            .parent = (guint32)process->parent,
                            .creator = (guint32)creator,
                            .thread = (guint32)thread,
                            .guest_path = process->image.path,
                            .text = process->image.command_line};

  if (asked != NULL) message.id = asked->awaits = agent_watch_ask(asked->tid);
  process->told = TRUE;
  agent_watch_tell(&message);
}

void tell_image(Process *process, const AgentImage *image, Task *asked) {
  BhGuestMessage message = {.type = BH_GUEST_TELL_IMAGE,
                            .pid = (guint32)process->pid,
                            .guest_path = image->path,
                            .text = image->command_line};

  if (asked != NULL) message.id = asked->awaits = agent_watch_ask(asked->tid);
  agent_watch_tell(&message);
}

void tell_exit(Process *process, int status) {
  if (process->told)
    agent_watch_tell(
        &(BhGuestMessage){.type = BH_GUEST_TELL_EXIT, .pid = (guint32)process->pid, .status = status});
  process->told = FALSE;
}

void task_claim(Task *task, Process *process) {
  task->process = process;
  trace.unclaimed--;
  process->tasks++;
  tell_thread(task);
}

/* ---- those that ended early ---- */

void early_add(pid_t tid, int status, gboolean told) {
  Early *early;

  if (!trace.on) return;
  early = g_new(Early, 1);
  *early = (Early){status, told, g_get_monotonic_time()};
  g_hash_table_replace(trace.early, GINT_TO_POINTER(tid), early);
}

gboolean early_take(pid_t tid, Early *early) {
  const Early *found =
      g_hash_table_size(trace.early) > 0 ? g_hash_table_lookup(trace.early, GINT_TO_POINTER(tid)) : NULL;

  if (found == NULL) return FALSE;
  *early = *found;
  g_hash_table_remove(trace.early, GINT_TO_POINTER(tid));
  return g_get_monotonic_time() - early->time < AGENT_TRACE_CLAIM_MS * 1000;
}
