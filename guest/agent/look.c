#include "guest/agent/look.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guest/agent/calls.h"

#define PAGE          4096u
#define ARGUMENTS_MAX 4096u /* looked at; BH_COMMAND_LINE_MAX bytes are mostly over sooner */

/* ---- values ---- */

AgentImage agent_image_ref(const AgentImage *image) {
  return (AgentImage){
      image->path != NULL ? g_ref_string_acquire(image->path) : NULL,
      image->command_line != NULL ? g_ref_string_acquire(image->command_line) : NULL,
  };
}

void agent_image_clear(AgentImage *image) {
  g_clear_pointer(&image->path, g_ref_string_release);
  g_clear_pointer(&image->command_line, g_ref_string_release);
}

void agent_exec_clear(AgentExec *exec) {
  agent_image_clear(&exec->image);
  if (exec->known) close(exec->file);
  *exec = (AgentExec){0};
}

/* ---- /proc ---- */

typedef char ProcPath[64];

static void proc_path(ProcPath path, pid_t pid, const char *what) {
  snprintf(path, sizeof(ProcPath), "/proc/%d/%s", (int)pid, what);
}

/* What is in a small file there, or its beginning, and a NUL. Returns its length; -1: it is not there. */
static gssize read_proc(pid_t pid, const char *what, char *bytes, gsize size) {
  ProcPath path;
  gssize got;
  int file;

  proc_path(path, pid, what);
  file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  got = read(file, bytes, size - 1);
  close(file);
  bytes[MAX(got, 0)] = '\0';
  return got;
}

/* Where a link there leads. The caller's; NULL: it is not there. */
static char *read_link(pid_t pid, const char *what) {
  char target[PATH_MAX];
  ProcPath path;
  gssize length;

  proc_path(path, pid, what);
  length = readlink(path, target, sizeof target);
  return length > 0 ? g_strndup(target, (gsize)length) : NULL;
}

/* FALSE: it is not there. */
static gboolean look_stat(pid_t pid, char *state, int *parent) {
  char stat[256]; /* "pid (name) state parent …", and a name has at most 64 bytes */
  const char *end;

  if (read_proc(pid, "stat", stat, sizeof stat) <= 0) return FALSE;
  end = strrchr(stat, ')');
  return end != NULL && sscanf(end, ") %c %d", state, parent) == 2;
}

pid_t agent_look_parent(pid_t pid) {
  int parent;
  char state;

  return look_stat(pid, &state, &parent) ? parent : 0;
}

gboolean agent_look_has_ended(pid_t pid) {
  int parent;
  char state;

  return !look_stat(pid, &state, &parent) || state == 'Z' || state == 'X';
}

static pid_t look_status(pid_t pid, const char *name) {
  char status[2048];
  const char *line;

  if (read_proc(pid, "status", status, sizeof status) <= 0) return 0;
  line = strstr(status, name);
  return line != NULL ? (pid_t)strtol(line + strlen(name), NULL, 10) : 0;
}

pid_t agent_look_process(pid_t thread) {
  return look_status(thread, "\nTgid:");
}

pid_t agent_look_tracer(pid_t thread) {
  return look_status(thread, "\nTracerPid:");
}

gboolean agent_look_has_thread(pid_t process, pid_t thread) {
  ProcPath path;

  snprintf(path, sizeof path, "/proc/%d/task/%d", (int)process, (int)thread);
  return access(path, F_OK) == 0;
}

gboolean agent_look_same(pid_t left, pid_t right) {
  struct stat one, other;
  ProcPath path;

  proc_path(path, left, "exe");
  if (stat(path, &one) < 0) return FALSE;
  proc_path(path, right, "exe");
  return stat(path, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

GArray *agent_look_numbers(const char *folder) {
  g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
  GArray *numbers = g_array_new(FALSE, FALSE, sizeof(pid_t));
  const char *name;

  while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
    pid_t number = (pid_t)strtol(name, NULL, 10);

    if (number > 0) g_array_append_val(numbers, number);
  }
  return numbers;
}

/* ---- command lines ---- */

/* Adds one argument, as a shell would have it quoted. FALSE: that was all there is room for. */
static gboolean add_argument(GString *line, const char *bytes, gsize length) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  gboolean quote = length == 0;

  for (gsize i = 0; i < length && !quote; i++) quote = bytes[i] == '\0' || strchr(plain, bytes[i]) == NULL;
  if (line->len > 0) g_string_append_c(line, ' ');
  if (quote) g_string_append_c(line, '\'');
  for (gsize i = 0; i < length && line->len <= BH_COMMAND_LINE_MAX; i++) {
    if (bytes[i] == '\'')
      g_string_append(line, "'\\''");
    else
      g_string_append_c(line, bytes[i]);
  }
  if (quote) g_string_append_c(line, '\'');
  return line->len <= BH_COMMAND_LINE_MAX;
}

/* Takes line. */
static char *line_to_ref(GString *line) {
  char *result = NULL;

  if (line->len > BH_COMMAND_LINE_MAX) g_string_truncate(line, BH_COMMAND_LINE_MAX);
  if (line->len > 0) result = g_ref_string_new_len(line->str, (gssize)line->len);
  g_string_free(line, TRUE);
  return result;
}

static char *look_command_line(pid_t pid) {
  g_autofree char *bytes = g_malloc(BH_COMMAND_LINE_MAX + 1);
  gssize length = read_proc(pid, "cmdline", bytes, BH_COMMAND_LINE_MAX + 1);
  GString *line = g_string_new(NULL);

  for (gssize at = 0; at < length;) {
    gsize size = strlen(bytes + at);

    if (!add_argument(line, bytes + at, size)) break;
    at += (gssize)size + 1;
  }
  return line_to_ref(line);
}

AgentImage agent_look_image(pid_t pid) {
  g_autofree char *path = read_link(pid, "exe");

  return (AgentImage){path != NULL ? g_ref_string_new(path) : NULL, look_command_line(pid)};
}

/* ---- a process's memory ---- */

static gssize read_memory(pid_t pid, guint64 address, gpointer bytes, gsize size) {
  struct iovec here = {bytes, size}, there = {(gpointer)(guintptr)address, size};

  return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

/* Appends a string of at most limit bytes, a page at a time, as the next page may not be there. FALSE: it cannot be read. */
static gboolean read_string(pid_t pid, guint64 address, gsize limit, GString *string) {
  char bytes[PAGE];

  for (gsize total = 0; total < limit;) {
    gsize size = MIN(PAGE - address % PAGE, limit - total);
    gssize got = read_memory(pid, address, bytes, size);
    gsize length = got > 0 ? strnlen(bytes, (gsize)got) : 0;

    if (got <= 0) return FALSE;
    g_string_append_len(string, bytes, (gssize)length);
    if (length < (gsize)got) return TRUE;
    address += (gsize)got;
    total += (gsize)got;
  }
  return TRUE;
}

/* The arguments at argv, of which each is a pointer of that many bytes. */
static char *read_arguments(pid_t pid, guint64 argv, guint32 pointer) {
  g_autoptr(GString) argument = g_string_new(NULL);
  GString *line = g_string_new(NULL);
  guint8 some[256];
  gssize got = 0, at = 0;

  for (guint i = 0; i < ARGUMENTS_MAX; i++, at += pointer) {
    guint64 address = 0; /* little-endian */

    if (at + (gssize)pointer > got) { /* the next ones; the next page may not be there */
      guint64 from = argv + (guint64)i * pointer;

      got = read_memory(pid, from, some, MIN(sizeof some, PAGE - from % PAGE));
      at = 0;
    }
    if (at + (gssize)pointer > got)
      break; /* an argv may be anywhere, but hardly across two pages in the middle of a pointer */
    memcpy(&address, some + at, pointer);
    if (address == 0) break;
    g_string_truncate(argument, 0);
    if (!read_string(pid, address, BH_COMMAND_LINE_MAX, argument) ||
        !add_argument(line, argument->str, argument->len))
      break;
  }
  return line_to_ref(line);
}

/* ---- what is about to be executed ---- */

/* Opens a path of the process's, so that it can be looked at, but not read. -1: errno says why not. */
static int open_inside(pid_t pid, const char *path, guint64 flags) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_IN_ROOT};
  ProcPath root_path;
  int root, file, error;

  proc_path(root_path, pid, "root");
  root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return -1;
  file = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
  error = errno;
  close(root);
  errno = error;
  return file;
}

/* The same by a descriptor of the process's. */
static int open_descriptor(pid_t pid, int number) {
  ProcPath path;

  snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, number);
  return open(path, O_PATH | O_CLOEXEC);
}

/* "/proc/self/fd/7" and the like: procfs would take "self" for the agent. -1: it is no such path. */
static int open_self(pid_t pid, const char *path) {
  static const char *const selves[] = {"/proc/self/", "/proc/thread-self/"};
  ProcPath self;
  int number, end = 0;

  if (sscanf(path, "/dev/fd/%d%n", &number, &end) == 1 && path[end] == '\0') return open_descriptor(pid, number);
  for (guint i = 0; i < G_N_ELEMENTS(selves); i++) {
    if (!g_str_has_prefix(path, selves[i])) continue;
    if (sscanf(path + strlen(selves[i]), "fd/%d%n", &number, &end) == 1 && path[strlen(selves[i]) + end] == '\0')
      return open_descriptor(pid, number);
    if (strcmp(path + strlen(selves[i]), "exe") == 0) {
      proc_path(self, pid, "exe");
      return open(self, O_PATH | O_CLOEXEC);
    }
  }
  errno = ENOSYS;
  return -1;
}

/* path from the folder that a descriptor is (AT_FDCWD: the current one). The caller's. */
static char *absolute(pid_t pid, int folder, const char *path) {
  char descriptor[32];
  g_autofree char *base = NULL;

  if (path[0] == '/') return g_strdup(path);
  snprintf(descriptor, sizeof descriptor, "fd/%d", folder);
  base = read_link(pid, folder == AT_FDCWD ? "cwd" : descriptor);
  return base != NULL ? g_build_filename(base, path, NULL) : g_strdup(path);
}

/* What is known of an open file, which is kept: where it is, and whether execve would have it. FALSE: it would not. */
static gboolean look_file(int file, AgentExec *exec) {
  g_autofree char *path = NULL;
  struct stat found;
  ProcPath self;

  exec->known = TRUE;
  exec->file = file;
  snprintf(self, sizeof self, "fd/%d", file);
  path = read_link(getpid(), self);
  if (path != NULL) exec->image.path = g_ref_string_new(path);
  if (fstat(file, &found) < 0 || !S_ISREG(found.st_mode) || (found.st_mode & 0111) == 0) return FALSE;
  exec->device = found.st_dev;
  exec->inode = found.st_ino;
  return TRUE;
}

/* It is no image itself: or so it seems to whoever may not read it. */
static gboolean is_script(const AgentExec *exec) {
  char start[4] = "";
  ProcPath self;
  gboolean script;
  int readable;

  snprintf(self, sizeof self, "/proc/self/fd/%d", exec->file);
  readable = open(self, O_RDONLY | O_CLOEXEC);
  script = readable < 0 || pread(readable, start, sizeof start, 0) < 0 || memcmp(start, "\177ELF", 4) != 0;
  if (readable >= 0) close(readable);
  return script;
}

gboolean agent_look_exec(pid_t thread, const struct seccomp_data *call, AgentExec *exec) {
  const BhCalls *calls = bh_calls_of(call->arch);
  gboolean at = calls != NULL && (guint32)call->nr == calls->execveat;
  int folder = at ? (int)call->args[0] : AT_FDCWD, flags = at ? (int)call->args[4] : 0, file;
  guint64 argument = call->args[at ? 1 : 0], vector = call->args[at ? 2 : 1];
  g_autoptr(GString) path = g_string_new(NULL);
  g_autofree char *whole = NULL;

  if (calls == NULL || !read_string(thread, argument, PATH_MAX, path)) return FALSE;
  if (path->len == 0 && (flags & AT_EMPTY_PATH) == 0) return FALSE;
  if (path->len == 0) {
    file = open_descriptor(thread, folder);
  } else {
    whole = absolute(thread, folder, path->str);
    file = open_self(thread, whole);
    if (file < 0 && errno == ENOSYS)
      file = open_inside(thread, whole, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0);
    if (file < 0 && (errno == ENOENT || errno == ENOTDIR)) return FALSE;
  }
  if (file >= 0 && !look_file(file, exec)) {
    agent_exec_clear(exec);
    return FALSE;
  }
  if (exec->image.path == NULL && whole != NULL) exec->image.path = g_ref_string_new(whole);
  exec->image.command_line = read_arguments(thread, vector, calls->pointer);
  return TRUE;
}

gboolean agent_look_is_clone(const struct seccomp_data *call) {
  const BhCalls *calls = bh_calls_of(call->arch);

  return calls != NULL && (guint32)call->nr == calls->clone;
}

gboolean agent_look_is(pid_t pid, const AgentExec *exec) {
  struct stat found;
  ProcPath path;

  if (!exec->known) return TRUE;
  proc_path(path, pid, "exe");
  if (stat(path, &found) == 0 && found.st_dev == exec->device && found.st_ino == exec->inode) return TRUE;
  return is_script(exec);
}
