/* init.c: bulkhead-init, process 1 of every sandbox. It runs what the agent asks it to run, tells of errno and
 * exit, and reaps whatever ends. When the agent's socket closes it ends, and with it the PID namespace.
 *
 * Linked statically and without GLib, because it runs in root folders that may hold no library at all. Whatever
 * it must trust comes from the agent; nothing that runs inside the sandbox has its socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/filter.h"
#include "guest/agent/init-protocol.h"

typedef struct Process Process;
struct Process {
  Process *next;
  pid_t pid;
  uint32_t id;
  int failure; /* the pipe by which it tells why it does not execute; -1: it does */
  int ended;   /* reaped before that was known, with this status: */
  int status;
};

static Process *processes; /* started by a RUN, and not reaped yet or not told of */
static int last;           /* no RUN will come any more */

static void die(const char *what) {
  fprintf(stderr, "bulkhead-init: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void say(uint32_t kind, uint32_t id, int32_t value, uint32_t pid) {
  InitPacket packet = {.kind = kind, .id = id, .value = value, .pid = pid};
  struct stat inode;

  if (kind == INIT_READY && stat("/proc/self/ns/pid", &inode) == 0) packet.pid_namespace = inode.st_ino;
  if (send(INIT_CONTROL_FD, &packet, sizeof packet, MSG_NOSIGNAL) < 0) exit(1);
}

/* The strings of a memory file as a vector, NULL-terminated: the path, argv, environment. Mapped privately and never
 * freed by the child that uses it. NULL: errno says why. */
static char **read_vector(int file, size_t *length) {
  struct stat found;
  size_t size, count = 0, at = 0;
  char **vector, *bytes;

  if (fstat(file, &found) < 0) return NULL;
  size = (size_t)found.st_size;
  bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (bytes == MAP_FAILED) return NULL;
  for (size_t i = 0; i < size; i++) count += bytes[i] == '\0';
  vector = calloc(count + 1, sizeof *vector);
  if (vector == NULL) return NULL;
  for (size_t i = 0; i < count; i++) {
    vector[i] = bytes + at;
    at += strlen(bytes + at) + 1;
  }
  *length = count;
  return vector;
}

/* In the child: has the agent asked about every image from here on. Without, it can only be told. */
static void be_watched(uint32_t id) {
  int listener = bh_filter_install();
  InitPacket packet = {.kind = INIT_FILTERED, .id = id};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof listener)];
  } control = {.space = {0}};
  struct iovec part = {&packet, sizeof packet};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

  if (listener < 0) return;
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof listener);
  memcpy(CMSG_DATA(&control.header), &listener, sizeof listener);
  if (sendmsg(INIT_CONTROL_FD, &message, MSG_NOSIGNAL) < 0) _exit(126); /* the agent is no more */
  close(listener);
}

/* In the child: becomes the program, or tells why not. fds are RUN's. */
static void become(const int *fds, const InitPacket *run, int failure) {
  size_t length = 0, arguments = run->arguments;
  char **vector = read_vector(fds[0], &length);
  sigset_t none;
  long result;
  int error;

  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  if (vector == NULL || dup2(fds[1], 0) < 0 || dup2(fds[2], 1) < 0 || dup2(fds[3], 2) < 0) goto out;
  /* The later goes before the earlier, and all before what init has. putenv removes what has no "=": leave it out. */
  for (size_t i = 1 + arguments; i < length; i++)
    if (strchr(vector[i], '=') != NULL) putenv(vector[i]);
  if (1 + arguments < length) vector[1 + arguments] = NULL;
  if ((run->value & INIT_WATCHED) != 0) be_watched(run->id);
  /* execve itself returns -1 and nothing else: anything else is what the agent had it return, an HRESULT. */
  result = syscall(SYS_execve, vector[0], vector + 1, environ);
  if (result != -1) errno = (int32_t)result;
out:
  error = errno;
  if (write(failure, &error, sizeof error) < 0) _exit(126);
  _exit(127);
}

/* Starts a program. Its exec closes the pipe; a failure's errno comes through it, and that may take as long as whoever
 * watches likes. Returns an errno. */
static int start(const int *fds, const InitPacket *run, Process *process) {
  int ends[2], error = 0;

  if (pipe2(ends, O_CLOEXEC) < 0) return errno;
  process->pid = fork();
  if (process->pid == 0) become(fds, run, ends[1]);
  if (process->pid < 0) error = errno;
  close(ends[1]);
  process->failure = ends[0];
  if (error != 0) close(ends[0]);
  return error;
}

static void run(const InitPacket *packet, const int *fds) {
  Process *process = calloc(1, sizeof *process);
  int error = process != NULL ? start(fds, packet, process) : ENOMEM;

  last = (packet->value & INIT_LAST) != 0;
  if (error != 0) {
    free(process);
    say(INIT_FAILED, packet->id, error, 0);
    return;
  }
  process->id = packet->id;
  process->next = processes;
  processes = process;
}

static void forget(Process *process) {
  Process **at = &processes;

  while (*at != process) at = &(*at)->next;
  *at = process->next;
  free(process);
}

static void end_if_last(void) {
  if (last && processes == NULL && waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
    exit(0);
}

/* Its pipe has something to say: that it executes, or why not. Then it is like any orphan. */
static void hear(Process *process) {
  int error = 0;

  if (read(process->failure, &error, sizeof error) < 0) error = errno;
  close(process->failure);
  process->failure = -1;
  if (error == 0) say(INIT_STARTED, process->id, 0, (uint32_t)process->pid);
  if (error == 0 && process->ended) say(INIT_EXITED, process->id, process->status, (uint32_t)process->pid);
  if (error != 0) say(INIT_FAILED, process->id, error, 0);
  if (error != 0 || process->ended) forget(process);
}

static void listen_to_agent(void) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(INIT_RUN_FDS * sizeof(int))];
  } control;
  InitPacket packet;
  struct iovec part = {&packet, sizeof packet};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *rights;
  int fds[INIT_RUN_FDS];
  ssize_t got = recvmsg(INIT_CONTROL_FD, &message, MSG_CMSG_CLOEXEC);

  if (got < 0 && errno == EINTR) return;
  if (got != sizeof packet || packet.kind != INIT_RUN) exit(0);
  rights = CMSG_FIRSTHDR(&message);
  if (rights == NULL || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof fds)) exit(1);
  memcpy(fds, CMSG_DATA(rights), sizeof fds);
  run(&packet, fds);
  for (int i = 0; i < INIT_RUN_FDS; i++) close(fds[i]);
}

static void reap(void) {
  pid_t pid;
  int status;

  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    Process *process = processes;

    while (process != NULL && (process->pid != pid || process->ended)) process = process->next;
    if (process == NULL) continue;
    process->ended = 1;
    process->status = status;
    if (process->failure >= 0) continue; /* its pipe first: perhaps it never was that program */
    say(INIT_EXITED, process->id, status, (uint32_t)pid);
    forget(process);
  }
}

/* What is to be waited for: the agent, a child's end, and whether the newest programs execute. Returns how many; the
 * caller's, to be freed. */
static nfds_t waits_for(int signals, struct pollfd **waits) {
  nfds_t count = 2;

  for (Process *at = processes; at != NULL; at = at->next) count++;
  *waits = calloc(count, sizeof **waits);
  if (*waits == NULL) die("poll");
  (*waits)[0] = (struct pollfd){.fd = INIT_CONTROL_FD, .events = POLLIN};
  (*waits)[1] = (struct pollfd){.fd = signals, .events = POLLIN};
  count = 2;
  for (Process *at = processes; at != NULL; at = at->next)
    if (at->failure >= 0) (*waits)[count++] = (struct pollfd){.fd = at->failure, .events = POLLIN};
  return count;
}

static void hear_from(int failure) {
  Process *process = processes;

  while (process != NULL && process->failure != failure) process = process->next;
  if (process != NULL) hear(process);
}

static void turn(int signals) {
  struct signalfd_siginfo ignored;
  struct pollfd *waits;
  nfds_t count = waits_for(signals, &waits);

  if (poll(waits, count, -1) < 0) {
    if (errno != EINTR) die("poll");
    free(waits);
    return;
  }
  for (nfds_t i = 2; i < count; i++)
    if (waits[i].revents != 0) hear_from(waits[i].fd);
  if (waits[1].revents != 0) {
    while (read(signals, &ignored, sizeof ignored) > 0) continue;
    reap();
  }
  end_if_last();
  if (waits[0].revents != 0) listen_to_agent();
  free(waits);
}

int main(void) {
  sigset_t child;
  int signals;

  prctl(PR_SET_NAME, "bulkhead-init");
  umask(022);
  close(INIT_SELF_FD);
  fcntl(INIT_CONTROL_FD, F_SETFD, FD_CLOEXEC);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_SETMASK, &child, NULL);
  signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) die("signalfd");

  say(INIT_READY, 0, 0, 0);
  for (;;) turn(signals);
}
