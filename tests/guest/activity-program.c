/* Run in the guest by test-activity and test-activity-cost: creates, executes and ends what is to be watched.
 *
 * Every task of a PID namespace gets the next number, so that a new child's own is the kernel's count of how many there were:
 * most modes end by writing it ("tasks 17"). Static, so that it runs in any root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *self;

static void die(const char *what) {
  perror(what);
  exit(99);
}

static void await(pid_t pid) {
  int status;

  if (waitpid(pid, &status, 0) != pid) die("no child");
  if (status == 0) return;
  fprintf(stderr, "a child's status is %x\n", status);
  exit(98);
}

/* How many tasks there were, this one included. */
static void print_tasks(void) {
  pid_t pid = fork();

  if (pid == 0) {
    printf("tasks %d\n", (int)getpid());
    exit(0);
  }
  await(pid);
}

static void *do_nothing(void *data) {
  return data;
}

/* forks COUNT THREADS: children, each with so many threads; half of them are not waited for before the next. */
static int forks(char **words) {
  int count = atoi(words[0]), threads = atoi(words[1]);
  pthread_t thread;

  for (int i = 0; i < count; i++) {
    pid_t pid = fork();

    if (pid < 0) die("fork");
    if (pid == 0) {
      for (int j = 0; j < threads; j++)
        if (pthread_create(&thread, NULL, do_nothing, NULL) != 0) die("pthread_create");
      _exit(0); /* whether the threads have begun or not */
    }
    if (i % 2 == 0) await(pid);
  }
  while (wait(NULL) > 0) continue;
  print_tasks();
  return 0;
}

/* short COUNT: children that end at once, of parents that are no more, by fork, vfork and clone in turn. */
static int short_lived(char **words) {
  signal(SIGCHLD, SIG_IGN); /* nobody reaps them */
  for (int i = 0; i < atoi(words[0]); i++) {
    pid_t pid = i % 3 == 0   ? fork()
                : i % 3 == 1 ? (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL)
                             : (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL); /* no signal at its end */

    if (pid == 0) {
      if (i % 2 == 0) (void)!fork();
      _exit(0);
    }
  }
  while (wait(NULL) > 0 || waitpid(-1, NULL, __WALL) > 0) continue;
  signal(SIGCHLD, SIG_DFL);
  print_tasks();
  return 0;
}

/* killed COUNT: parents that are killed as they fork. A fork that is interrupted by it takes a number, and creates nobody: so
 * it is children themselves that say how many they were. */
static int killed(char **words) {
  int *count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  prctl(PR_SET_CHILD_SUBREAPER, 1); /* those whose parents are no more are ours */
  for (int i = 0; i < atoi(words[0]); i++) {
    struct timespec moment = {0, i % 50 * 20000};
    pid_t pid = fork();

    while (pid == 0) {
      if (fork() != 0) continue;
      __atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
      _exit(0);
    }
    nanosleep(&moment, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
  }
  while (wait(NULL) > 0) continue;
  printf("ran %d\n", *count + atoi(words[0]));
  return 0;
}

static void *wait_for_ever(void *data) {
  pause();
  return data;
}

static void *execute(void *path) {
  execl(path, path, "say", "hello", NULL);
  return NULL;
}

/* exec-thread: another thread than the first executes us; others are in the way. */
static int exec_thread(char **words) {
  pthread_t threads[4];

  (void)words;
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, wait_for_ever, NULL);
  pthread_create(&threads[3], NULL, execute, (void *)self);
  pause();
  return 1;
}

/* exec-orphan-thread: likewise, and the first thread is no more. */
static int exec_orphan_thread(char **words) {
  pthread_t thread;

  (void)words;
  pthread_create(&thread, NULL, execute, (void *)self);
  pthread_exit(NULL);
}

static int say(char **words) {
  printf("%s\n", words[0]);
  return 0;
}

/* try PATH [WORD]: executes it, and says why it cannot; from a child ("fork"), by a descriptor ("fd"), relatively ("cwd"). */
static int try_exec(char **words) {
  char *arguments[] = {words[0], words[1], NULL}, name[32];
  const char *how = words[1] != NULL ? words[1] : "";
  int fd, status;
  pid_t pid = 0;

  if (strcmp(how, "fork") == 0) pid = fork();
  if (pid > 0) {
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  if (strcmp(how, "fd") == 0) {
    fd = open(words[0], O_PATH);
    syscall(SYS_execveat, fd, "", arguments, NULL, AT_EMPTY_PATH);
  } else if (strcmp(how, "proc") == 0) {
    snprintf(name, sizeof name, "/proc/self/fd/%d", open(words[0], O_PATH));
    execv(name, arguments);
  } else if (strcmp(how, "cwd") == 0) {
    char *slash = strrchr(words[0], '/');

    *slash = '\0';
    if (chdir(words[0]) < 0) die("chdir");
    arguments[0] = slash + 1;
    execv(slash + 1, arguments);
  } else {
    execv(words[0], arguments);
  }
  printf("errno %d\n", errno);
  fflush(stdout);
  _exit(3);
}

/* fork FILE: a child makes the file; how did it end? */
static int fork_file(char **words) {
  pid_t pid = fork();
  int status;

  if (pid == 0) _exit(creat(words[0], 0644) >= 0 ? 0 : 1);
  if (pid < 0) die("fork");
  waitpid(pid, &status, 0);
  printf("status %d\n", status);
  return 0;
}

/* jobs: stopping, continuing and signals are what they are to programs that nobody watches. */
static int jobs(char **words) {
  pid_t pid = fork();
  int status;

  (void)words;
  if (pid == 0) {
    setpgid(0, 0);
    raise(SIGSTOP);
    raise(SIGTSTP);
    for (;;) pause();
  }
  for (int i = 0; i < 2; i++) {
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) die("no stop");
    printf("stopped %d\n", WSTOPSIG(status));
    kill(pid, SIGCONT);
    if (i > 0 && (waitpid(pid, &status, WCONTINUED) != pid || !WIFCONTINUED(status))) die("not continued");
  }
  kill(pid, SIGUSR1);
  if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) die("no signal");
  printf("signal %d\n", WTERMSIG(status));
  return 0;
}

/* odd: ways to create that are told apart, refused, or not to be had. */
static int odd(char **words) {
  struct clone_args arguments = {.exit_signal = SIGCHLD};
  pid_t pid = fork();

  (void)words;
  if (pid == 0) { /* its child is its sibling */
    pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
    _exit(pid >= 0 ? 0 : 1);
  }
  while (wait(NULL) > 0) continue;
  pid = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, NULL);
  if (pid == 0) _exit(0);
  printf("untraced %d\n", pid < 0 ? errno : 0);
  if (pid > 0) await(pid);
  pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  printf("clone3 %d\n", pid < 0 ? errno : 0);
  if (pid > 0) await(pid);
  printf("ptrace %d\n", ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0);
  return 0;
}

/* busy: forks and has threads until it is told to end, and says how many tasks there were. */
static int busy(char **words) {
  pthread_t thread;
  char letter;

  (void)words;
  fcntl(0, F_SETFL, O_NONBLOCK);
  while (read(0, &letter, 1) != 0) {
    pid_t pid = fork();

    if (pid == 0) _exit(0);
    await(pid);
    if (pthread_create(&thread, NULL, do_nothing, NULL) != 0) die("pthread_create");
    pthread_join(thread, NULL);
  }
  print_tasks();
  return 0;
}

/* ---- what is measured: each writes its time in ns ---- */

static void fork_often(int count) {
  for (int i = 0; i < count; i++) {
    pid_t pid = fork();

    if (pid == 0) _exit(0);
    await(pid);
  }
}

static void execute_often(int count) {
  for (int i = 0; i < count; i++) {
    pid_t pid = fork();

    if (pid == 0) {
      execl(self, self, "nothing", NULL);
      _exit(1);
    }
    await(pid);
  }
}

/* Reads a file in blocks, again and again. */
static void call_often(int count) {
  static char block[4096];
  struct stat found;

  for (int i = 0; i < count; i++) {
    int file = open(self, O_RDONLY);

    fstat(file, &found);
    while (read(file, block, sizeof block) > 0) continue;
    close(file);
  }
}

static void compute_often(int count) {
  volatile uint32_t sum = 0;

  for (int i = 0; i < count; i++)
    for (int j = 0; j < 1000; j++) sum = sum * 1664525u + 1013904223u;
}

static void run_shell(const char *script, int count) {
  char number[16];
  pid_t pid;

  snprintf(number, sizeof number, "%d", count);
  pid = fork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", script, "sh", number, NULL);
    _exit(1);
  }
  await(pid);
}

static void fork_in_shell(int count) {
  run_shell("i=0; while [ $i -lt $1 ]; do (:); i=$((i+1)); done", count);
}

static void execute_in_shell(int count) {
  run_shell("i=0; while [ $i -lt $1 ]; do /bin/true; i=$((i+1)); done", count);
}

/* By clock: what runs alone is measured in its own time, which nobody else's is in. */
static int measure(char **words) {
  static const struct {
    const char *name;
    void (*often)(int count);
    clockid_t clock;
  } kinds[] = {
      {"fork", fork_often, CLOCK_MONOTONIC},           {"exec", execute_often, CLOCK_MONOTONIC},
      {"shell-forks", fork_in_shell, CLOCK_MONOTONIC}, {"shell-execs", execute_in_shell, CLOCK_MONOTONIC},
      {"calls", call_often, CLOCK_PROCESS_CPUTIME_ID}, {"cpu", compute_often, CLOCK_PROCESS_CPUTIME_ID},
  };
  struct timespec start, end;

  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(kinds[i].name, words[0]) != 0) continue;
    clock_gettime(kinds[i].clock, &start);
    kinds[i].often(atoi(words[1]));
    clock_gettime(kinds[i].clock, &end);
    printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000000000ll + end.tv_nsec - start.tv_nsec);
  }
  return 0;
}

static int nothing(char **words) {
  (void)words;
  return 0;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(char **words);
  } modes[] = {
      {"forks", forks},
      {"short", short_lived},
      {"killed", killed},
      {"exec-thread", exec_thread},
      {"exec-orphan-thread", exec_orphan_thread},
      {"say", say},
      {"try", try_exec},
      {"fork", fork_file},
      {"jobs", jobs},
      {"odd", odd},
      {"busy", busy},
      {"measure", measure},
      {"nothing", nothing},
  };

  self = argv[0];
  setvbuf(stdout, NULL, _IONBF, 0);
  for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++)
    if (strcmp(modes[i].name, argv[1]) == 0) return modes[i].run(argv + 2);
  return 2;
}
