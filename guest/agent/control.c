/* control.c: what a client asks for, request by request. Each kind of request owns its sandbox, and is that
 * sandbox's events' user data:
 *
 *   probe       one at the start, without mounts: HELLO, or why there can be no VM
 *   Mount       one at a time: its sandbox tries the list with the new mount at its end
 *   Instance    its sandbox is the instance
 *   Execution   in the root namespace its sandbox is its own, else its instance's. Runs when both are there:
 *               the sandbox is ready, and the data connection has come */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/agent/agent.h"
#include "guest/agent/channel.h"
#include "guest/agent/data.h"
#include "guest/agent/sandbox.h"

#define MOUNTS_MAX     512 /* bwrap's time grows with the square */
#define INSTANCES_MAX  256
#define EXECUTIONS_MAX 512 /* at one time */

typedef struct {
  guint32 id;
  AgentMount *mount;     /* its mount point as it was asked for, until it has its turn */
  AgentSandbox *sandbox; /* NULL: not its turn yet */
  gboolean works;
} Mount;

typedef struct {
  guint32 number;
  guint32 start_id; /* 0: answered */
  guint32 stop_id;  /* 0: nobody asked it to stop */
  AgentSandbox *sandbox;
} Instance;

typedef struct {
  guint32 id;
  char *path; /* this and arguments: NULL once it was asked to run */
  char **arguments;
  Instance *instance;    /* NULL: in the root namespace */
  AgentSandbox *sandbox; /* its own, in the root namespace; NULL: none, or it has ended */
  int socket;            /* -1: did not come yet, or was handed on */
  gboolean ready;        /* its sandbox is */
  gboolean asked;        /* to run */
  gboolean answered;
} Execution;

static struct {
  const AgentSettings *settings;
  GMainLoop *loop;
  AgentChannel *channel;
  AgentData *data;
  gboolean ready;
  GPtrArray *mounts;      /* AgentMount, in their order */
  GQueue mounting;        /* Mount, the first has its turn */
  GHashTable *instances;  /* by number */
  GHashTable *executions; /* by id: all that are not answered, and those that run */
} agent;

static void answer_done(guint32 id, guint32 pid) {
  agent_channel_send(agent.channel, &(BhGuestMessage){.type = BH_GUEST_DONE, .id = id, .pid = pid});
}

static void answer_failed(guint32 id, BhGuestFailure failure, int error, const char *text) {
  g_autofree char *both = g_strdup(text != NULL && *text != '\0' ? text : g_strerror(error));

  agent_channel_send(
      agent.channel,
      &(BhGuestMessage){.type = BH_GUEST_FAILED, .id = id, .failure = failure, .error = error, .text = both});
}

/* Why a sandbox did not start, for people. */
static const char *no_sandbox(int error) {
  return error == ENOENT ? "bubblewrap (bwrap) is not installed, or not on the agent's PATH" : g_strerror(error);
}

static GPtrArray *root_layout(gboolean strict) {
  GPtrArray *layout = g_ptr_array_new_with_free_func(g_free);

  agent_layout_machine(layout, agent.mounts, strict, agent.settings->tmp);
  return layout;
}

/* ---- mounts ---- */

static void next_mount(void);

static void mount_free(Mount *mount) {
  if (mount->mount != NULL) agent_mount_free(mount->mount);
  g_free(mount);
}

static void mount_ready(gpointer user) {
  Mount *mount = user;

  mount->works = TRUE;
  agent_sandbox_kill(mount->sandbox);
}

static void mount_over(Mount *mount, BhGuestFailure failure, int error, const char *text) {
  if (mount->works) {
    g_ptr_array_add(agent.mounts, g_steal_pointer(&mount->mount));
    answer_done(mount->id, 0);
  } else {
    answer_failed(mount->id, failure, error, text);
  }
  mount_free(g_queue_pop_head(&agent.mounting));
  next_mount();
}

static void mount_ended(gpointer user, const char *complaint) {
  mount_over(user, BH_GUEST_UNABLE, EIO, complaint);
}

/* Tries the first of those that wait. Only now is it certain which mounts are before it. */
static void next_mount(void) {
  static const AgentSandboxEvents events = {.ready = mount_ready, .ended = mount_ended};
  Mount *mount = g_queue_peek_head(&agent.mounting);
  g_autoptr(GPtrArray) layout = NULL;
  char *point;
  int error;

  if (mount == NULL || mount->sandbox != NULL) return;
  point = agent_layout_mount_point(mount->mount->guest_path, agent.mounts);
  if (point == NULL) {
    mount_over(mount, BH_GUEST_BAD_PATH, EINVAL, "no mount point can be there");
    return;
  }
  g_free(mount->mount->guest_path);
  mount->mount->guest_path = point;
  g_ptr_array_add(agent.mounts, mount->mount);
  layout = root_layout(TRUE);
  g_ptr_array_steal_index(agent.mounts, agent.mounts->len - 1);
  mount->sandbox = agent_sandbox_start(agent.settings, layout, &events, mount, &error);
  if (mount->sandbox == NULL) mount_over(mount, BH_GUEST_UNABLE, error, no_sandbox(error));
}

static void on_mount(BhGuestMessage *message) {
  struct stat found;
  Mount *mount;

  if (message->host_path[0] != '/' || stat(message->host_path, &found) < 0 || !S_ISDIR(found.st_mode)) {
    answer_failed(message->id, BH_GUEST_NO_FOLDER, ENOENT, NULL);
  } else if (agent.mounts->len + g_queue_get_length(&agent.mounting) >= MOUNTS_MAX) {
    answer_failed(message->id, BH_GUEST_UNABLE, ENOSPC, "too many mounts");
  } else {
    mount = g_new0(Mount, 1);
    mount->id = message->id;
    mount->mount = agent_mount_new(message->host_path, message->guest_path, message->read_only);
    g_queue_push_tail(&agent.mounting, mount);
    next_mount();
  }
}

/* ---- executions ---- */

static void execution_free(gpointer data) {
  Execution *execution = data;

  agent_data_forget(agent.data, execution);
  if (execution->socket >= 0) close(execution->socket);
  g_free(execution->path);
  g_strfreev(execution->arguments);
  g_free(execution);
}

static void close_socket(Execution *execution) {
  if (execution->socket >= 0) close(execution->socket);
  execution->socket = -1;
}

/* It will not run. It goes away now, or when its sandbox has ended. */
static void execution_failed(Execution *execution, BhGuestFailure failure, int error, const char *text) {
  agent_data_forget(agent.data, execution);
  close_socket(execution);
  if (!execution->answered) answer_failed(execution->id, failure, error, text);
  execution->answered = TRUE;
  if (execution->sandbox != NULL)
    agent_sandbox_kill(execution->sandbox);
  else
    g_hash_table_remove(agent.executions, GUINT_TO_POINTER(execution->id));
}

static void run_if_ready(Execution *execution) {
  AgentSandbox *sandbox = execution->instance != NULL ? execution->instance->sandbox : execution->sandbox;
  int error;

  if (!execution->ready || execution->socket < 0 || execution->asked || execution->answered) return;
  execution->asked = TRUE;
  error = agent_sandbox_run(sandbox, execution->id, execution->path, execution->arguments, execution->socket,
                            execution->instance == NULL);
  close_socket(execution);
  /* Init has them. The execution itself stays until its program ends, which may take long. */
  g_clear_pointer(&execution->path, g_free);
  g_clear_pointer(&execution->arguments, g_strfreev);
  if (error != 0) execution_failed(execution, BH_GUEST_UNABLE, error, NULL);
}

static void on_data_connection(gpointer user, int fd) {
  Execution *execution = user;

  execution->socket = fd;
  if (fd < 0)
    execution_failed(execution, BH_GUEST_UNABLE, ETIMEDOUT, "nobody came for the process's stdin and stdout");
  else
    run_if_ready(execution);
}

static void execution_started(Execution *execution, int error, guint32 pid) {
  if (execution->answered) return;
  if (error != 0) {
    execution_failed(execution, BH_GUEST_NO_EXEC, error, NULL);
    return;
  }
  answer_done(execution->id, pid);
  execution->answered = TRUE;
}

static void say_exited(guint32 id, int status) {
  agent_channel_send(agent.channel, &(BhGuestMessage){.type = BH_GUEST_EXITED, .id = id, .status = status});
}

static void own_ready(gpointer user) {
  Execution *execution = user;

  execution->ready = TRUE;
  run_if_ready(execution);
}

static void own_started(gpointer user, guint32 id, int error, guint32 pid) {
  (void)id;
  execution_started(user, error, pid);
}

static void own_exited(gpointer user, guint32 id, int status) {
  (void)user;
  say_exited(id, status);
}

static void own_ended(gpointer user, const char *complaint) {
  Execution *execution = user;

  execution->sandbox = NULL;
  execution_failed(execution, BH_GUEST_UNABLE, EIO, complaint);
}

static Execution *execution_new(BhGuestMessage *message, Instance *instance) {
  Execution *execution = g_new0(Execution, 1);

  execution->id = message->id;
  execution->path = g_steal_pointer(&message->guest_path);
  execution->arguments = g_steal_pointer(&message->arguments);
  execution->instance = instance;
  execution->socket = -1;
  execution->ready = instance != NULL;
  g_hash_table_insert(agent.executions, GUINT_TO_POINTER(execution->id), execution);
  return execution;
}

static void on_execute(BhGuestMessage *message) {
  static const AgentSandboxEvents events = {own_ready, own_started, own_exited, own_ended};
  Instance *instance = g_hash_table_lookup(agent.instances, GUINT_TO_POINTER(message->instance));
  BhGuestMessage connect = {.type = BH_GUEST_CONNECT, .id = message->id};
  g_autoptr(GPtrArray) layout = NULL;
  Execution *execution;
  int error;

  if (message->instance != 0 && (instance == NULL || instance->start_id != 0 || instance->stop_id != 0)) {
    answer_failed(message->id, BH_GUEST_NO_INSTANCE, ESRCH, NULL);
    return;
  }
  if (g_hash_table_contains(agent.executions, GUINT_TO_POINTER(message->id)) ||
      g_hash_table_size(agent.executions) >= EXECUTIONS_MAX) {
    answer_failed(message->id, BH_GUEST_UNABLE, EAGAIN, "too many processes");
    return;
  }
  execution = execution_new(message, instance);
  if (!agent_data_expect(agent.data, connect.token, on_data_connection, execution)) {
    execution_failed(execution, BH_GUEST_UNABLE, errno, NULL);
    return;
  }
  if (instance == NULL) {
    layout = root_layout(FALSE);
    execution->sandbox = agent_sandbox_start(agent.settings, layout, &events, execution, &error);
    if (execution->sandbox == NULL) {
      execution_failed(execution, BH_GUEST_UNABLE, error, no_sandbox(error));
      return;
    }
  }
  agent_channel_send(agent.channel, &connect);
}

/* ---- instances ---- */

static void instance_ready(gpointer user) {
  Instance *instance = user;

  agent_channel_send(agent.channel,
                     &(BhGuestMessage){.type = BH_GUEST_INSTANCE,
                                       .id = instance->start_id,
                                       .pid = agent_sandbox_init_pid(instance->sandbox),
                                       .pid_namespace = agent_sandbox_pid_namespace(instance->sandbox)});
  instance->start_id = 0;
}

static void instance_started(gpointer user, guint32 id, int error, guint32 pid) {
  Execution *execution = g_hash_table_lookup(agent.executions, GUINT_TO_POINTER(id));

  (void)user;
  if (execution != NULL) execution_started(execution, error, pid);
}

static void instance_exited(gpointer user, guint32 id, int status) {
  (void)user;
  say_exited(id, status);
  g_hash_table_remove(agent.executions, GUINT_TO_POINTER(id));
}

/* All of it has ended: because it was asked to, could not start, or was killed. */
static void instance_ended(gpointer user, const char *complaint) {
  Instance *instance = user;
  g_autoptr(GList) executions = g_hash_table_get_values(agent.executions);

  for (GList *at = executions; at != NULL; at = at->next) {
    Execution *execution = at->data;

    if (execution->instance == instance) execution_failed(execution, BH_GUEST_NO_INSTANCE, ESRCH, NULL);
  }
  if (instance->start_id != 0) answer_failed(instance->start_id, BH_GUEST_UNABLE, EIO, complaint);
  if (instance->stop_id != 0) answer_done(instance->stop_id, 0);
  g_hash_table_remove(agent.instances, GUINT_TO_POINTER(instance->number));
}

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

static void on_instance_start(BhGuestMessage *message) {
  static const AgentSandboxEvents events = {instance_ready, instance_started, instance_exited, instance_ended};
  g_autoptr(GPtrArray) layout = instance_layout(message->host_path);
  Instance *instance;
  int error;

  if (layout == NULL) {
    answer_failed(message->id, BH_GUEST_NO_FOLDER, ENOENT, NULL);
    return;
  }
  if (message->instance == 0 || g_hash_table_size(agent.instances) >= INSTANCES_MAX ||
      g_hash_table_contains(agent.instances, GUINT_TO_POINTER(message->instance))) {
    answer_failed(message->id, BH_GUEST_UNABLE, EEXIST, "too many instances, or a number that is taken");
    return;
  }
  instance = g_new0(Instance, 1);
  instance->number = message->instance;
  instance->start_id = message->id;
  instance->sandbox = agent_sandbox_start(agent.settings, layout, &events, instance, &error);
  if (instance->sandbox == NULL) {
    answer_failed(message->id, BH_GUEST_UNABLE, error, no_sandbox(error));
    g_free(instance);
    return;
  }
  g_hash_table_insert(agent.instances, GUINT_TO_POINTER(instance->number), instance);
}

static void on_instance_stop(BhGuestMessage *message) {
  Instance *instance = g_hash_table_lookup(agent.instances, GUINT_TO_POINTER(message->instance));

  if (instance == NULL || instance->stop_id != 0) {
    answer_failed(message->id, BH_GUEST_NO_INSTANCE, ESRCH, NULL);
    return;
  }
  instance->stop_id = message->id;
  agent_sandbox_kill(instance->sandbox);
}

/* ---- the whole ---- */

static void on_message(gpointer user, BhGuestMessage *message) {
  (void)user;
  switch ((BhGuestMessageType)message->type) {
    case BH_GUEST_MOUNT: on_mount(message); break;
    case BH_GUEST_EXECUTE: on_execute(message); break;
    case BH_GUEST_INSTANCE_START: on_instance_start(message); break;
    case BH_GUEST_INSTANCE_STOP: on_instance_stop(message); break;
    default: break;
  }
}

static void on_channel_ended(gpointer user) {
  (void)user;
  g_main_loop_quit(agent.loop);
}

static void probe_ready(gpointer user) {
  agent.ready = TRUE;
  agent_channel_send(agent.channel, &(BhGuestMessage){.type = BH_GUEST_HELLO,
                                                      .version = BH_GUEST_PROTOCOL,
                                                      .port = agent_data_port(agent.data)});
  agent_sandbox_kill(*(AgentSandbox **)user);
}

static void probe_ended(gpointer user, const char *complaint) {
  (void)user;
  if (agent.ready) return;
  answer_failed(0, BH_GUEST_UNABLE, EIO, complaint);
  g_main_loop_quit(agent.loop);
}

static gboolean on_signal(gint fd, GIOCondition condition, gpointer user_data) {
  struct signalfd_siginfo signals[16];
  gssize got = read(fd, signals, sizeof signals);

  (void)condition, (void)user_data;
  for (gsize i = 0; got > 0 && i < (gsize)got / sizeof signals[0]; i++)
    if (signals[i].ssi_signo != SIGCHLD) g_main_loop_quit(agent.loop);
  agent_sandbox_reap();
  return G_SOURCE_CONTINUE;
}

void agent_serve(const AgentSettings *settings) {
  static const AgentChannelEvents channel_events = {on_message, on_channel_ended};
  static const AgentSandboxEvents probe_events = {.ready = probe_ready, .ended = probe_ended};
  static AgentSandbox *probe;
  g_autoptr(GPtrArray) layout = NULL;
  int error;

  agent.settings = settings;
  agent.loop = g_main_loop_new(NULL, FALSE);
  agent.mounts = g_ptr_array_new_with_free_func((GDestroyNotify)agent_mount_free);
  agent.instances = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  agent.executions = g_hash_table_new_full(NULL, NULL, NULL, execution_free);
  agent.channel = agent_channel_new(AGENT_CONTROL_FD, &channel_events, NULL);
  g_unix_fd_add(settings->signal_fd, G_IO_IN, on_signal, NULL);
  agent.data = agent_data_new();
  if (agent.data == NULL) {
    answer_failed(0, BH_GUEST_UNABLE, errno, "no loopback port can be had");
    return;
  }
  layout = root_layout(FALSE);
  probe = agent_sandbox_start(settings, layout, &probe_events, &probe, &error);
  if (probe == NULL) {
    answer_failed(0, BH_GUEST_UNABLE, error, no_sandbox(error));
    return;
  }
  g_main_loop_run(agent.loop);
  /* What is left, the end of the process frees and ends. */
}

void agent_refuse(int error, const char *text) {
  BhGuestMessage message = {
      .type = BH_GUEST_FAILED, .failure = BH_GUEST_UNABLE, .error = error, .text = (char *)text};
  g_autoptr(GBytes) frame = bh_guest_message_encode(&message);

  if (send(AGENT_CONTROL_FD, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), MSG_NOSIGNAL) < 0)
    g_printerr("bulkhead-agent: %s\n", text);
}
