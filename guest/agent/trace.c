#include "guest/agent/trace.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/sandbox.h"
#include "guest/agent/seize.h"
#include "guest/agent/tasks.h"
#include "guest/agent/watch.h"

#define OPTIONS \
  (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)
#define E_ABORT ((gint32)0x80004004u) /* what waits gets, when whoever watched is gone */

gboolean agent_trace_is_on(void) {
  return trace.on;
}

/* ---- stops ---- */

static gboolean is_group_stop(int status) {
  int signal = WSTOPSIG(status);

  return status >> 16 == PTRACE_EVENT_STOP &&
         (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU);
}

/* The signal that it is to get as it goes on. */
static gpointer signal_of(int status) {
  return GINT_TO_POINTER(status >> 16 == 0 ? WSTOPSIG(status) : 0);
}

/* Lets it go on, if nothing holds it. Fails if it was killed meanwhile, as wait(2) will say. */
static void go_on(Task *task) {
  int status = task->stop;

  if (status == 0 || task->process == NULL || task->behind || (task->awaits != 0 && task->listener == NULL))
    return;
  task->stop = 0;
  if (is_group_stop(status))
    ptrace(PTRACE_LISTEN, task->tid, NULL, NULL);
  else
    ptrace(PTRACE_CONT, task->tid, NULL, signal_of(status));
}

void agent_trace_early(pid_t tid, int status) {
  early_add(tid, status, FALSE);
}

static void ended(Task *task, int status) {
  Process *process = task->process;
  /* The first thread's end is reported when it is the only one left; one that was no more when it all was seized, never. */
  gboolean last = process != NULL && (task->tid == process->pid || process->tasks == 1);

  if (process == NULL || task->unheard) early_add(task->tid, status, process != NULL);
  if (process != NULL) tell_thread_exit(task);
  if (last) tell_exit(process, status);
  task_remove(task);
}

/* A new process, made by task. Looking at it costs as much as all the rest. */
static Process *add_child(Task *task, pid_t pid) {
  Process *creator = task->process, *process;
  pid_t parent = creator->filtered && !task->sibling ? 0 : agent_look_parent(pid);

  task->sibling = FALSE;
  process = process_new(pid, parent != 0 ? parent : creator->pid);

  process->image = agent_image_ref(&creator->image);
  process->filtered = creator->filtered;
  process->fresh = creator->init;
  return process;
}

/* task has created another, and is stopped. */
static void forked(Task *task, int event) {
  Process *creator = task->process, *process = creator;
  unsigned long number = 0;
  Early early = {0};
  gboolean dead = FALSE;
  Task *child;

  if (ptrace(PTRACE_GETEVENTMSG, task->tid, NULL, &number) < 0) return;
  child = task_find((pid_t)number);
  if (child == NULL) {
    dead = early_take((pid_t)number, &early);
    if (dead && early.told) return;
    child = task_new((pid_t)number);
  } else if (child->process != NULL) {
    child->unheard = FALSE;
    return; /* it was found otherwise */
  }
  /* Of one that is no more nobody can say what it was; as a process it would hardly have come by this event. */
  if (event != PTRACE_EVENT_CLONE || (!dead && !agent_look_has_thread(creator->pid, child->tid)))
    process = add_child(task, child->tid);
  task->behind = agent_watch_is_behind();
  go_on(task);

  if (process != creator && !process->fresh) tell_process(process, dead ? NULL : child, creator->pid, task->tid);
  task_claim(child, process);
  if (dead)
    ended(child, early.status);
  else
    go_on(child);
}

/* task's process runs another image. */
static void executed(Task *task) {
  unsigned long former = (unsigned long)task->tid;
  const AgentExec none = {0};
  Process *process;
  Task *caller;

  ptrace(PTRACE_GETEVENTMSG, task->tid, NULL, &former);
  caller = task_find((pid_t)former);
  if (caller != NULL && caller != task) {
    if (task->process == NULL && caller->process != NULL) task_claim(task, caller->process);
    agent_exec_clear(&task->exec);
    task->exec = caller->exec;
    task->exec_told = caller->exec_told;
    caller->exec = none;
    if (caller->process != NULL) tell_thread_exit(caller);
    task_remove(caller);
  }
  process = task->process;
  if (process == NULL) return;
  agent_image_clear(&process->image);
  if (task->exec_told && agent_look_is(process->pid, &task->exec)) {
    process->image = agent_image_ref(&task->exec.image);
  } else {
    process->image = agent_look_image(process->pid);
    if (process->told)
      tell_image(process, &process->image, process->filtered ? task : NULL);
    else if (!process->init)
      tell_process(process, process->filtered ? task : NULL, process->parent, process->parent);
    tell_thread(task);
  }
  agent_exec_clear(&task->exec);
  task->exec_told = FALSE;
  process->fresh = FALSE;
}

static void stopped(pid_t tid, int status) {
  Task *task = task_find(tid);

  if (task == NULL && trace.on) {
    g_hash_table_remove(trace.early, GINT_TO_POINTER(tid));
    task = task_new(tid);
  }
  if (task == NULL || task->leaving) {
    ptrace(PTRACE_DETACH, tid, NULL, signal_of(status));
    if (task != NULL) task_remove(task);
    return;
  }
  task->stop = status;
  switch (status >> 16) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE: forked(task, status >> 16); break;
    case PTRACE_EVENT_EXEC: executed(task); break;
    default: break;
  }
  go_on(task);
}

gboolean agent_trace_waited(pid_t tid, int status) {
  Task *task;

  if (WIFSTOPPED(status)) {
    stopped(tid, status);
    return TRUE;
  }
  task = task_find(tid);
  if (task == NULL) return FALSE;
  ended(task, status);
  return TRUE;
}

/* ---- answers ---- */

static void refuse(Task *task, gint32 result) {
  Process *process = task->process;

  if (task->listener != NULL) {
    /* Init's code hands the result on; programs know errno only. */
    agent_listener_refuse(task->listener, task->call, process->fresh ? result : -EPERM, process->fresh);
    task->exec_told = FALSE;
  } else {
    syscall(SYS_tgkill, process->pid, task->tid, SIGKILL);
  }
}

void agent_trace_exec(AgentListener *listener, const struct seccomp_notif *call) {
  Task *task = trace.on ? task_find((pid_t)call->pid) : NULL;
  Process *process = task != NULL ? task->process : NULL;

  if (process != NULL && task->listener != NULL) {
    task->call = call->id; /* a signal came between, and it tries again: its answer is on its way */
    return;
  }
  if (process != NULL && agent_look_is_clone(&call->data)) {
    task->sibling = TRUE;
    process = NULL;
  }
  if (process != NULL) {
    process->filtered = TRUE;
    agent_exec_clear(&task->exec);
    task->exec_told = !task->leaving && agent_look_exec(task->tid, &call->data, &task->exec);
  }
  if (process == NULL || !task->exec_told) {
    agent_listener_go_on(listener, call->id);
    return;
  }
  task->listener = agent_listener_ref(listener);
  task->call = call->id;
  if (process->told) {
    tell_image(process, &task->exec.image, task);
    return;
  }
  agent_image_clear(&process->image);
  process->image = agent_image_ref(&task->exec.image);
  tell_process(process, task, process->parent, process->parent);
  tell_thread(task);
}

void agent_trace_verdict(pid_t tid, guint32 id, gint32 result) {
  Task *task = task_find(tid);

  if (task == NULL || task->awaits != id) return; /* killed meanwhile */
  if (result < 0)
    refuse(task, result);
  else if (task->listener != NULL)
    agent_listener_go_on(task->listener, task->call);
  task_forget_call(task);
  go_on(task);
}

void agent_trace_go_on(void) {
  g_autoptr(GList) tasks = trace.tasks != NULL ? g_hash_table_get_values(trace.tasks) : NULL;

  for (GList *at = tasks; at != NULL; at = at->next) {
    Task *task = at->data;

    task->behind = FALSE;
    go_on(task);
  }
  agent_trace_settle();
}

/* ---- what nobody claims ---- */

/* Nobody has said who created it, and nobody will. */
static void claim_by_looking(Task *task) {
  pid_t pid = agent_look_process(task->tid);
  Process *process = pid != 0 ? process_find(pid) : NULL;

  if (process == NULL) {
    process = process_new(task->tid, agent_look_parent(task->tid));
    process->image = agent_look_image(task->tid);
    tell_process(process, task, 0, 0);
  }
  task_claim(task, process);
  task->unheard = TRUE;
  go_on(task);
}

static gboolean on_overdue(gpointer user_data) {
  g_autoptr(GList) tasks = g_hash_table_get_values(trace.tasks);

  (void)user_data;
  for (GList *at = tasks; at != NULL; at = at->next) {
    Task *task = at->data;

    if (task->process == NULL && task->overdue) claim_by_looking(task);
    task->overdue = TRUE;
  }
  if (trace.unclaimed == 0) trace.timer = 0;
  agent_trace_settle();
  return trace.timer != 0;
}

void agent_trace_settle(void) {
  if (trace.on && trace.unclaimed > 0 && trace.timer == 0)
    trace.timer = g_timeout_add(AGENT_TRACE_CLAIM_MS, on_overdue, NULL);
  agent_watch_flush();
}

/* ---- what runs already ---- */

/* Traces a thread. NULL: it has ended, or somebody else traces it. */
static Task *seize(pid_t tid) {
  Task *task = task_find(tid);
  gboolean ours = FALSE;

  if (task != NULL) return task;
  if (ptrace(PTRACE_SEIZE, tid, NULL, OPTIONS) < 0) {
    int error = errno;

    /* It may have been created by one that is traced, but was not heard yet. */
    ours = error == EPERM && agent_look_tracer(tid) == getpid();
    errno = error;
    if (!ours) return NULL;
  }
  task = task_new(tid);
  task->unheard = ours;
  return task;
}

void agent_trace_init(pid_t init) {
  Task *task = trace.on ? seize(init) : NULL;

  if (task == NULL || task->process != NULL) return;
  task_claim(task, process_new(init, 0));
  task->process->init = TRUE;
}

gboolean agent_trace_adopt(pid_t pid, pid_t parent) {
  g_autofree char *folder = g_strdup_printf("/proc/%d/task", (int)pid);
  g_autoptr(GArray) threads = agent_look_numbers(folder);
  Process *process = process_find(pid), *above = process_find(parent);
  gboolean found = FALSE;

  if (process == NULL) {
    process = process_new(pid, parent);
    process->image = agent_look_image(pid);
    process->fresh = above != NULL && above->init && agent_look_same(pid, parent);
  }
  process->tasks++; /* while we look */
  for (guint i = 0; i < threads->len; i++) {
    Task *task = seize(g_array_index(threads, pid_t, i));

    if (task == NULL || task->process != NULL) continue;
    task_claim(task, process);
    go_on(task);
    found = TRUE;
  }
  process->tasks--;
  if (process->tasks > 0 && !process->told && !process->fresh && !process->init) {
    g_autoptr(GList) tasks = g_hash_table_get_values(trace.tasks);

    tell_process(process, NULL, 0, 0);
    for (GList *at = tasks; at != NULL; at = at->next)
      if (((Task *)at->data)->process == process) tell_thread(at->data);
  }
  process_release(process);
  return found;
}

/* ---- the whole ---- */

static int refusal; /* why an init cannot be traced */

static void start_init(pid_t init) {
  int error;

  errno = 0;
  agent_trace_init(init);
  error = errno;
  if (task_find(init) == NULL && !agent_look_has_ended(init)) refusal = error;
}

int agent_trace_start(gboolean threads) {
  GHashTableIter iterator;
  gpointer value;

  if (trace.tasks == NULL) {
    trace.tasks = g_hash_table_new(NULL, NULL);
    trace.processes = g_hash_table_new(NULL, NULL);
    trace.early = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  }
  trace.on = TRUE;
  trace.threads = threads;
  g_hash_table_iter_init(&iterator, trace.tasks);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) ((Task *)value)->leaving = FALSE; /* those left, stay */
  refusal = 0;
  agent_sandbox_each_init(start_init);
  if (refusal == 0) agent_seize_all();
  return refusal;
}

void agent_trace_threads(gboolean threads) {
  g_autoptr(GList) tasks = g_hash_table_get_values(trace.tasks);

  trace.threads = threads;
  for (GList *at = tasks; at != NULL; at = at->next) {
    Task *task = at->data;

    if (!threads) task->told = FALSE;
    if (task->process != NULL) tell_thread(task);
  }
}

/* Lets a task go, now or at the stop that it is asked for. */
static void leave(Task *task, gboolean refused) {
  if (task->awaits != 0 && refused)
    refuse(task, E_ABORT);
  else if (task->listener != NULL)
    agent_listener_go_on(task->listener, task->call);
  task_forget_call(task);
  task->leaving = TRUE;
  task->told = task->behind = FALSE;
  if (task->process != NULL) task->process->told = FALSE;
  if (task->stop == 0) {
    ptrace(PTRACE_INTERRUPT, task->tid, NULL, NULL);
    return;
  }
  ptrace(PTRACE_DETACH, task->tid, NULL, signal_of(task->stop));
  task_remove(task);
}

void agent_trace_stop(gboolean refused) {
  g_autoptr(GList) tasks = NULL;

  if (!trace.on) return;
  tasks = g_hash_table_get_values(trace.tasks);
  trace.on = FALSE;
  if (trace.timer != 0) g_source_remove(trace.timer);
  trace.timer = 0;
  g_hash_table_remove_all(trace.early);
  for (GList *at = tasks; at != NULL; at = at->next) leave(at->data, refused);
}
