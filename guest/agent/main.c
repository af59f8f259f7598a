/* main.c: the start of bulkhead-agent, and the guard (agent.h draws both). */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/agent.h"

/* Whoever starts us (Wine, above all) may leave open descriptors, blocked signals and odd handlers behind. FALSE:
 * errno says why they cannot be got rid of. */
static gboolean forget_parent(void) {
  int null = open("/dev/null", O_RDWR);

  dup2(null, 1);
  if (fcntl(2, F_GETFD) < 0) dup2(null, 2);
  if (close_range(3, ~0u, 0) < 0) return FALSE; /* guest programs would inherit what is the service's */
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  setsid(); /* a terminal's Ctrl-C is the service's business */
  return chdir("/") == 0;
}

/* Opens bulkhead-init, which lies beside us. -1: errno says why. */
static int open_init(void) {
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  g_autofree char *folder = self != NULL ? g_path_get_dirname(self) : NULL;
  g_autofree char *init = folder != NULL ? g_build_filename(folder, "bulkhead-init", NULL) : NULL;

  errno = ENOENT;
  return init != NULL ? open(init, O_RDONLY | O_CLOEXEC) : -1;
}

/* The VM's /tmp: a folder of everyone's inside one that is ours alone. NULL: errno says why. */
static char *make_tmp(void) {
  g_autofree char *own = g_build_filename(g_get_tmp_dir(), "bulkhead-vm-XXXXXX", NULL);
  g_autofree char *tmp = NULL;

  if (g_mkdtemp(own) == NULL) return NULL;
  tmp = g_build_filename(own, "tmp", NULL);
  if (g_mkdir(tmp, 0700) < 0 || g_chmod(tmp, 01777) < 0) return NULL;
  return g_steal_pointer(&tmp);
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *position) {
  (void)found, (void)kind, (void)position;
  if (remove(path) < 0) g_printerr("bulkhead-agent: %s: %s\n", path, g_strerror(errno));
  return 0;
}

static void remove_tmp(const char *tmp) {
  g_autofree char *own = g_path_get_dirname(tmp);

  nftw(own, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int open_signals(void) {
  sigset_t signals;

  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  if (sigprocmask(SIG_SETMASK, &signals, NULL) < 0) return -1;
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void be_agent(AgentSettings *settings, pid_t guard) {
  prctl(PR_SET_NAME, "bulkhead-agent");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  settings->signal_fd = open_signals();
  if (getppid() == guard && settings->signal_fd >= 0) agent_serve(settings);
  agent_end_children(FALSE);
  if (getppid() != guard) remove_tmp(settings->tmp);
  _exit(0);
}

/* Outlives the agent, ends what it left, and only then lets go of the control channel. */
static void be_guard(pid_t agent) {
  prctl(PR_SET_NAME, "bulkhead-guard");
  while (waitpid(agent, NULL, 0) < 0 && errno == EINTR) continue;
  agent_end_children(TRUE);
}

int main(int argc, char **argv) {
  AgentSettings settings = {.signal_fd = -1};
  struct stat control;
  pid_t guard = getpid(), agent;
  sigset_t none;

  (void)argv;
  if (argc != 1 || fstat(AGENT_CONTROL_FD, &control) < 0 || !S_ISSOCK(control.st_mode)) {
    fputs("bulkhead-agent is started by Bulkhead, with its control channel as stdin.\n", stderr);
    return 2;
  }
  if (!forget_parent()) {
    agent_refuse(errno, "the descriptors that were inherited cannot be closed");
    return 1;
  }
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  settings.init_fd = open_init();
  if (settings.init_fd < 0) {
    agent_refuse(errno, "bulkhead-init is not beside bulkhead-agent");
    return 1;
  }
  settings.tmp = make_tmp();
  agent = settings.tmp != NULL ? fork() : -1;
  if (agent == 0) be_agent(&settings, guard);
  if (agent > 0)
    be_guard(agent);
  else
    agent_refuse(errno, "no folder for /tmp, or no process, can be had");
  if (settings.tmp != NULL) remove_tmp(settings.tmp);
  g_free(settings.tmp);
  return 0;
}
