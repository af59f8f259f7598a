/* control.c: the agent's start, its main loop, and which request goes where. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/control.h"
#include "guest/agent/trace.h"

Agent agent;

/* ---- answers ---- */

void answer_done(guint32 id, guint32 pid) {
  agent_channel_send(agent.channel, &(BhGuestMessage){.type = BH_GUEST_DONE, .id = id, .pid = pid});
}

void answer_exited(guint32 id, int status) {
  agent_channel_send(agent.channel, &(BhGuestMessage){.type = BH_GUEST_EXITED, .id = id, .status = status});
}

void answer_failed(guint32 id, BhGuestFailure failure, int error, const char *text) {
  g_autofree char *both = g_strdup(text != NULL && *text != '\0' ? text
                                   : error < 0                   ? "whoever watches refused it"
                                                                 : g_strerror(error));

  agent_channel_send(
      agent.channel,
      &(BhGuestMessage){.type = BH_GUEST_FAILED, .id = id, .failure = failure, .error = error, .text = both});
}

BhGuestFailure exec_failure(int error) {
  return error < 0 ? BH_GUEST_REFUSED : BH_GUEST_NO_EXEC;
}

const char *no_sandbox(int error) {
  return error == ENOENT ? "bubblewrap (bwrap) is not installed, or not on the agent's PATH" : g_strerror(error);
}

/* ---- the whole ---- */

static void on_message(gpointer user, BhGuestMessage *message) {
  (void)user;
  switch ((BhGuestMessageType)message->type) {
    case BH_GUEST_MOUNT: on_mount(message); break;
    case BH_GUEST_EXECUTE: on_execute(message); break;
    case BH_GUEST_INSTANCE_START: on_instance_start(message); break;
    case BH_GUEST_INSTANCE_STOP: on_instance_stop(message); break;
    case BH_GUEST_UNMOUNT: on_unmount(message); break;
    case BH_GUEST_PROCESS: on_process(message); break;
    case BH_GUEST_CONTAINER_START: on_container_start(message); break;
    case BH_GUEST_FOLDER: on_folder(message); break;
    case BH_GUEST_EXPORT: on_export(message); break;
    case BH_GUEST_WATCH: on_watch(message); break;
    case BH_GUEST_FIND: on_find(message); break;
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

/* Reaps whatever ended, looks at whatever stopped, and lets follow what follows from it. */
static void reap(void) {
  pid_t pid;
  int status;

  while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
    if (!agent_trace_waited(pid, status) && !agent_sandbox_reaped(pid) && !export_reaped(pid, status))
      agent_trace_early(pid, status);
  agent_trace_settle();
}

static gboolean on_signal(gint fd, GIOCondition condition, gpointer user_data) {
  struct signalfd_siginfo signals[16];
  gssize got = read(fd, signals, sizeof signals);

  (void)condition, (void)user_data;
  for (gsize i = 0; got > 0 && i < (gsize)got / sizeof signals[0]; i++)
    if (signals[i].ssi_signo != SIGCHLD) g_main_loop_quit(agent.loop);
  reap();
  return G_SOURCE_CONTINUE;
}

void agent_serve(const AgentSettings *settings) {
  static const AgentChannelEvents channel_events = {.message = on_message, .ended = on_channel_ended};
  static const AgentSandboxEvents probe_events = {.ready = probe_ready, .ended = probe_ended};
  static AgentSandbox *probe;
  g_autoptr(GPtrArray) layout = NULL;
  int error;

  agent.settings = settings;
  agent.loop = g_main_loop_new(NULL, FALSE);
  agent.mounts = g_ptr_array_new_with_free_func((GDestroyNotify)agent_mount_free);
  agent.instances = g_hash_table_new(NULL, NULL);
  executions_init();
  agent.channel = agent_channel_new(AGENT_CONTROL_FD, &channel_events, NULL);
  agent_fd_add(settings->signal_fd, G_IO_IN, on_signal, NULL);
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
  export_abandon();
  /* What is left, the end of the process frees and ends. */
}

void agent_refuse(int error, const char *text) {
  BhGuestMessage message = {
      .type = BH_GUEST_FAILED, .failure = BH_GUEST_UNABLE, .error = error, .text = (char *)text};
  g_autoptr(GBytes) frame = bh_guest_message_encode(&message);

  if (send(AGENT_CONTROL_FD, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), MSG_NOSIGNAL) < 0)
    g_printerr("bulkhead-agent: %s\n", text);
}
