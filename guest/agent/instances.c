/* instances.c: sandboxes that live until they are stopped (instances), or until their first program ends (containers). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/agent/control.h"

#define INSTANCES_MAX 256 /* containers included */
#define FIRST         0u  /* what init knows a container's first program by: no request has that id */

static void instance_free(gpointer data) {
  Instance *instance = data;

  g_clear_pointer(&instance->first, agent_program_free);
  g_free(instance);
}

/* ---- what its init says ---- */

static void answer_instance(Instance *instance) {
  agent_channel_send(agent.channel,
                     &(BhGuestMessage){.type = BH_GUEST_INSTANCE,
                                       .id = instance->id,
                                       .pid = agent_sandbox_init_pid(instance->sandbox),
                                       .pid_namespace = agent_sandbox_pid_namespace(instance->sandbox)});
  instance->started = TRUE;
}

/* It will not run. It goes away when its sandbox has ended. */
static void start_failed(Instance *instance, BhGuestFailure failure, int error, const char *text) {
  if (instance->id != 0) answer_failed(instance->id, failure, error, text);
  instance->id = 0;
  agent_sandbox_kill(instance->sandbox);
}

/* A container's first program has nothing to read, and writes to the log. */
static void run_first(Instance *instance) {
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC), error = errno;

  if (null >= 0)
    error = agent_sandbox_run(instance->sandbox, FIRST, instance->first,
                              (int[]){null, STDERR_FILENO, STDERR_FILENO}, FALSE);
  if (null >= 0) close(null);
  g_clear_pointer(&instance->first, agent_program_free);
  if (error != 0) start_failed(instance, BH_GUEST_UNABLE, error, NULL);
}

static void instance_ready(gpointer user) {
  Instance *instance = user;

  if (instance->container)
    run_first(instance);
  else
    answer_instance(instance);
}

static void instance_program_started(gpointer user, guint32 id, int error, guint32 pid) {
  Instance *instance = user;

  if (id != FIRST)
    execution_started(id, error, pid);
  else if (error != 0)
    start_failed(instance, exec_failure(error), error, NULL);
  else if (!instance->started)
    answer_instance(instance);
}

static void instance_program_exited(gpointer user, guint32 id, int status) {
  Instance *instance = user;

  if (id == FIRST) {
    instance->status = status;
    agent_sandbox_kill(instance->sandbox); /* whatever else is in it ends with it */
  } else {
    execution_exited(id, status);
  }
}

/* All of it has ended: because it was asked to, could not start, or was killed. */
static void instance_ended(gpointer user, const char *complaint) {
  Instance *instance = user;

  executions_end_with(instance);
  if (!instance->started && instance->id != 0) answer_failed(instance->id, BH_GUEST_UNABLE, EIO, complaint);
  if (instance->started && instance->container) answer_exited(instance->id, instance->status);
  if (instance->stop_id != 0) answer_done(instance->stop_id, 0);
  g_hash_table_remove(agent.instances, GUINT_TO_POINTER(instance->number));
  instance_free(instance);
}

/* ---- requests ---- */

/* The layout of a root folder. The machine's own may be spelled in many ways, and is never writable. NULL: there is
 * no such folder. */
static GPtrArray *instance_layout(const char *root) {
  g_autoptr(GPtrArray) layout = g_ptr_array_new_with_free_func(g_free);
  struct stat found, own;

  if (*root != '\0' && (*root != '/' || stat(root, &found) < 0 || !S_ISDIR(found.st_mode))) return NULL;
  if (*root == '\0' || (stat("/", &own) == 0 && own.st_ino == found.st_ino && own.st_dev == found.st_dev))
    agent_layout_machine(layout, NULL, FALSE, NULL);
  else
    agent_layout_folder(layout, root);
  return g_steal_pointer(&layout);
}

/* first: the callee's; NULL: an instance. */
static void start(BhGuestMessage *message, AgentProgram *first) {
  static const AgentSandboxEvents events = {instance_ready, instance_program_started, instance_program_exited,
                                            instance_ended};
  g_autoptr(GPtrArray) layout = instance_layout(message->host_path);
  Instance *instance = g_new0(Instance, 1);
  int error;

  instance->number = message->instance;
  instance->id = message->id;
  instance->first = first;
  instance->container = first != NULL;
  instance->status = SIGKILL;
  if (layout == NULL) {
    answer_failed(message->id, BH_GUEST_NO_FOLDER, ENOENT, NULL);
  } else if (message->instance == 0 || g_hash_table_size(agent.instances) >= INSTANCES_MAX ||
             g_hash_table_contains(agent.instances, GUINT_TO_POINTER(message->instance))) {
    answer_failed(message->id, BH_GUEST_UNABLE, EEXIST, "too many instances, or a number that is taken");
  } else {
    instance->sandbox = agent_sandbox_start(agent.settings, layout, &events, instance, &error);
    if (instance->sandbox == NULL) answer_failed(message->id, BH_GUEST_UNABLE, error, no_sandbox(error));
  }
  if (instance->sandbox != NULL)
    g_hash_table_insert(agent.instances, GUINT_TO_POINTER(instance->number), instance);
  else
    instance_free(instance);
}

void on_instance_start(BhGuestMessage *message) {
  start(message, NULL);
}

void on_container_start(BhGuestMessage *message) {
  start(message, agent_program_take(message));
}

void on_instance_stop(BhGuestMessage *message) {
  Instance *instance = g_hash_table_lookup(agent.instances, GUINT_TO_POINTER(message->instance));

  if (instance == NULL || instance->stop_id != 0) {
    answer_failed(message->id, BH_GUEST_NO_INSTANCE, ESRCH, NULL);
    return;
  }
  instance->stop_id = message->id;
  agent_sandbox_kill(instance->sandbox);
}
