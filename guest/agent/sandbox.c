#include "guest/agent/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/agent/execs.h"
#include "guest/agent/init-protocol.h"
#include "guest/agent/trace.h"

#define COMPLAINT_LIMIT 2048 /* bytes kept of what bwrap says */
#define ARGUMENTS_FD    5    /* where bwrap reads its arguments, and the last descriptor that it gets */

struct AgentSandbox {
  const AgentSandboxEvents *events;
  gpointer user;
  pid_t bwrap;
  pid_t init;    /* 0: not ready */
  gboolean over; /* bwrap was reaped: neither PID is ours any more */
  guint64 pid_namespace;
  int control, complaints; /* -1: closed */
  guint control_watch, complaints_watch, timer;
  GString *complaint;
};

static GList *sandboxes; /* all that have not ended */

static void stop_watching(int *fd, guint *watch) {
  if (*watch != 0) g_source_remove(*watch);
  *watch = 0;
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void sandbox_free(AgentSandbox *sandbox) {
  stop_watching(&sandbox->control, &sandbox->control_watch);
  stop_watching(&sandbox->complaints, &sandbox->complaints_watch);
  if (sandbox->timer != 0) g_source_remove(sandbox->timer);
  g_string_free(sandbox->complaint, TRUE);
  g_free(sandbox);
}

/* ---- start ---- */

static void add_all(GPtrArray *arguments, const char *const *strings) {
  for (; *strings != NULL; strings++) g_ptr_array_add(arguments, (gpointer)*strings);
}

/* Everything bwrap is told, as a memory file: the list of folders may be longer than a command line. */
static int bwrap_arguments(GPtrArray *layout) {
  static const char *const always[] = {"--unshare-pid", "--unshare-ipc", "--as-pid-1", "--die-with-parent", NULL};
  /* root without capabilities could not read another user's files, as the host's service can. */
  static const char *const as_root[] = {
      "--cap-drop",       "ALL",        "--cap-add",  "CAP_CHOWN", "--cap-add",
      "CAP_DAC_OVERRIDE", "--cap-add",  "CAP_FOWNER", "--cap-add", "CAP_SETUID",
      "--cap-add",        "CAP_SETGID", "--cap-add",  "CAP_KILL",  NULL,
  };
  static const char *const end[] = {"--chdir", "/", NULL};
  g_autoptr(GPtrArray) arguments = g_ptr_array_new();

  add_all(arguments, always);
  if (geteuid() == 0) add_all(arguments, as_root);
  for (guint i = 0; i < layout->len; i++) g_ptr_array_add(arguments, layout->pdata[i]);
  add_all(arguments, end);
  g_ptr_array_add(arguments, NULL);
  return agent_strings_to_file((char *const *)arguments->pdata);
}

/* What guest processes have for an environment: nothing of the service's. BULKHEAD_MARK is how ./check finds processes
 * that were left behind. */
static char **guest_environment(void) {
  static char *environment[] = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8", NULL, NULL,
  };
  const char *mark = g_getenv("BULKHEAD_MARK");

  if (mark != NULL && environment[3] == NULL) environment[3] = g_strconcat("BULKHEAD_MARK=", mark, NULL);
  return environment;
}

/* In the child: becomes bwrap. fds are what shall be 0 to ARGUMENTS_FD. */
static void become_bwrap(const char *bwrap, const int *fds, pid_t parent) {
  static const char *const arguments[] = {
      "bwrap", "--args", G_STRINGIFY(ARGUMENTS_FD), "--", "/proc/self/fd/" G_STRINGIFY(INIT_SELF_FD), NULL,
  };
  int copies[ARGUMENTS_FD + 1];
  sigset_t none;

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127); /* it ended before we could be told */
  for (int i = 0; i <= ARGUMENTS_FD; i++) copies[i] = fcntl(fds[i], F_DUPFD, 2 * ARGUMENTS_FD);
  for (int i = 0; i <= ARGUMENTS_FD; i++)
    if (dup2(copies[i], i) < 0) _exit(127);
  if (close_range(ARGUMENTS_FD + 1, ~0u, 0) < 0) _exit(127);
  signal(SIGPIPE, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execve(bwrap, (char *const *)arguments, guest_environment());
  dprintf(2, "%s: %s", bwrap, g_strerror(errno));
  _exit(127);
}

static gboolean on_control(gint fd, GIOCondition condition, gpointer user_data);
static gboolean on_complaint(gint fd, GIOCondition condition, gpointer user_data);

static gboolean on_too_late(gpointer user_data) {
  AgentSandbox *sandbox = user_data;

  sandbox->timer = 0;
  g_string_append(sandbox->complaint, "it did not start in time");
  agent_sandbox_kill(sandbox);
  return G_SOURCE_REMOVE;
}

static AgentSandbox *watch(pid_t bwrap, int control, int complaints, const AgentSandboxEvents *events,
                           gpointer user) {
  AgentSandbox *sandbox = g_new0(AgentSandbox, 1);

  sandbox->events = events;
  sandbox->user = user;
  sandbox->bwrap = bwrap;
  sandbox->control = control;
  sandbox->complaints = complaints;
  sandbox->complaint = g_string_new(NULL);
  sandbox->control_watch = g_unix_fd_add(control, G_IO_IN | G_IO_HUP, on_control, sandbox);
  sandbox->complaints_watch = g_unix_fd_add(complaints, G_IO_IN | G_IO_HUP, on_complaint, sandbox);
  sandbox->timer = g_timeout_add_seconds(AGENT_SANDBOX_DEADLINE_S, on_too_late, sandbox);
  sandboxes = g_list_prepend(sandboxes, sandbox);
  return sandbox;
}

AgentSandbox *agent_sandbox_start(const AgentSettings *settings, GPtrArray *layout,
                                  const AgentSandboxEvents *events, gpointer user, int *error) {
  g_autofree char *bwrap = g_find_program_in_path("bwrap");
  int control[2] = {-1, -1}, complaints[2] = {-1, -1}, arguments = -1, null = -1, on = 1;
  AgentSandbox *sandbox = NULL;
  pid_t pid, parent = getpid();

  errno = ENOENT;
  if (bwrap == NULL) goto out;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0) goto out;
  if (setsockopt(control[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) goto out;
  if (pipe2(complaints, O_CLOEXEC) < 0) goto out;
  if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0) goto out;
  if ((arguments = bwrap_arguments(layout)) < 0) goto out;
  pid = fork();
  if (pid < 0) goto out;
  if (pid == 0)
    become_bwrap(bwrap, (int[]){null, null, complaints[1], control[1], settings->init_fd, arguments}, parent);
  sandbox = watch(pid, control[0], complaints[0], events, user);
  control[0] = complaints[0] = -1;
out:
  *error = errno;
  for (int i = 0; i < 2; i++) {
    if (control[i] >= 0) close(control[i]);
    if (complaints[i] >= 0) close(complaints[i]);
  }
  if (arguments >= 0) close(arguments);
  if (null >= 0) close(null);
  return sandbox;
}

/* ---- what init and bwrap say ---- */

/* A sandbox in which nothing is ever run has no events for that. */
static void started(AgentSandbox *sandbox, guint32 id, int error, guint32 pid) {
  if (sandbox->events->started != NULL) sandbox->events->started(sandbox->user, id, error, pid);
}

static void on_packet(AgentSandbox *sandbox, const InitPacket *packet, pid_t sender, int listener) {
  switch (packet->kind) {
    case INIT_READY:
      if (sandbox->init != 0) break; /* said once, and whoever says it again is not our init */
      if (sandbox->timer != 0) g_source_remove(sandbox->timer);
      sandbox->timer = 0;
      sandbox->init = sender;
      sandbox->pid_namespace = packet->pid_namespace;
      if (sandbox->events->started != NULL) agent_trace_init(sender);
      sandbox->events->ready(sandbox->user);
      break;
    case INIT_STARTED: started(sandbox, packet->id, 0, packet->pid); break;
    case INIT_FAILED: started(sandbox, packet->id, packet->value, 0); break;
    case INIT_EXITED:
      if (sandbox->events->exited != NULL) sandbox->events->exited(sandbox->user, packet->id, packet->value);
      break;
    case INIT_FILTERED:
      if (listener >= 0) agent_execs_listen(listener);
      return;
    default: break;
  }
  if (listener >= 0) close(listener); /* nobody else has one to give */
}

/* Takes one packet. FALSE: there is none. */
static gboolean receive(AgentSandbox *sandbox) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
  } control;
  InitPacket packet;
  struct iovec part = {&packet, sizeof packet};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct ucred sender = {0};
  int listener = -1;

  if (sandbox->control < 0 ||
      recvmsg(sandbox->control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof packet)
    return FALSE;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_type == SCM_CREDENTIALS) memcpy(&sender, CMSG_DATA(at), sizeof sender);
    if (at->cmsg_type == SCM_RIGHTS) memcpy(&listener, CMSG_DATA(at), sizeof listener);
  }
  on_packet(sandbox, &packet, sender.pid, listener);
  return TRUE;
}

static gboolean on_control(gint fd, GIOCondition condition, gpointer user_data) {
  AgentSandbox *sandbox = user_data;

  (void)fd;
  if (receive(sandbox) || (condition & G_IO_HUP) == 0) return G_SOURCE_CONTINUE;
  /* init has ended, and SIGCHLD will say the rest */
  sandbox->control_watch = 0;
  return G_SOURCE_REMOVE;
}

/* Reads what is there. FALSE: nothing more will come. */
static gboolean hear(AgentSandbox *sandbox) {
  char bytes[512];
  gssize got;

  if (sandbox->complaints < 0) return FALSE;
  got = read(sandbox->complaints, bytes, sizeof bytes);
  if (got <= 0) return got < 0 && errno == EINTR;
  if (sandbox->complaint->len < COMPLAINT_LIMIT) g_string_append_len(sandbox->complaint, bytes, got);
  return TRUE;
}

static gboolean on_complaint(gint fd, GIOCondition condition, gpointer user_data) {
  AgentSandbox *sandbox = user_data;

  (void)fd, (void)condition;
  if (hear(sandbox)) return G_SOURCE_CONTINUE;
  sandbox->complaints_watch = 0;
  return G_SOURCE_REMOVE;
}

/* ---- run and end ---- */

int agent_sandbox_run(AgentSandbox *sandbox, guint32 id, const AgentProgram *program, const int *streams,
                      gboolean last) {
  int fds[INIT_RUN_FDS] = {agent_program_to_file(program), streams[0], streams[1], streams[2]}, error = 0;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof fds)];
  } control = {.space = {0}};
  InitPacket packet = {.kind = INIT_RUN,
                       .id = id,
                       .value = (last ? INIT_LAST : 0) | (agent_trace_is_on() ? INIT_WATCHED : 0),
                       .arguments = g_strv_length(program->arguments)};
  struct iovec part = {&packet, sizeof packet};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

  if (fds[0] < 0) return errno;
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof fds);
  memcpy(CMSG_DATA(&control.header), fds, sizeof fds);
  if (sendmsg(sandbox->control, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) error = errno;
  close(fds[0]);
  return error;
}

void agent_sandbox_kill(AgentSandbox *sandbox) {
  if (sandbox->over) return;
  /* Killing init is enough: bwrap waits for it, and so knows when the namespace is empty. Its PID can't be
   * another's yet: we have not reaped bwrap, whose child it is. */
  kill(sandbox->init != 0 ? sandbox->init : sandbox->bwrap, SIGKILL);
}

guint32 agent_sandbox_init_pid(const AgentSandbox *sandbox) {
  return (guint32)sandbox->init;
}

void agent_sandbox_each_init(void (*func)(pid_t init)) {
  for (GList *at = sandboxes; at != NULL; at = at->next) {
    AgentSandbox *sandbox = at->data;

    if (sandbox->init != 0 && !sandbox->over && sandbox->events->started != NULL) func(sandbox->init);
  }
}

guint64 agent_sandbox_pid_namespace(const AgentSandbox *sandbox) {
  return sandbox->pid_namespace;
}

static void ended(AgentSandbox *sandbox) {
  sandbox->over = TRUE; /* first: what init still had to say may lead to a kill */
  sandboxes = g_list_remove(sandboxes, sandbox);
  while (receive(sandbox)) continue;
  fcntl(sandbox->complaints, F_SETFL, O_NONBLOCK); /* should anyone still hold the other end */
  while (hear(sandbox)) continue;
  g_strstrip(sandbox->complaint->str);
  sandbox->events->ended(sandbox->user, sandbox->complaint->str);
  sandbox_free(sandbox);
}

gboolean agent_sandbox_reaped(pid_t pid) {
  for (GList *at = sandboxes; at != NULL; at = at->next) {
    AgentSandbox *sandbox = at->data;

    if (sandbox->bwrap != pid) continue;
    ended(sandbox);
    return TRUE;
  }
  return FALSE;
}
