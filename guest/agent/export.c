/* export.c: what is asked of folders: whether one is there, and all that is in it, as an archive. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/control.h"

static struct {
  pid_t tar; /* 0: none runs */
  guint32 id;
  char *archive;
} export;

static gboolean is_folder(const char *path, struct stat *found) {
  return path[0] == '/' && stat(path, found) == 0 && S_ISDIR(found->st_mode);
}

void on_folder(BhGuestMessage *message) {
  struct stat found;

  if (is_folder(message->host_path, &found))
    answer_done(message->id, 0);
  else
    answer_failed(message->id, BH_GUEST_NO_FOLDER, ENOENT, NULL);
}

/* A file to be written from its beginning; nothing that one might have to wait for. -1: errno says why. */
static int open_archive(const char *path) {
  int archive = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  struct stat found;

  if (archive < 0) return -1;
  if (fstat(archive, &found) == 0 && S_ISREG(found.st_mode) && ftruncate(archive, 0) == 0) return archive;
  close(archive);
  errno = EINVAL;
  return -1;
}

/* In the child: becomes tar, which complains to the log. */
static void become_tar(const char *tar, const char *root, int archive, pid_t parent) {
  const char *const arguments[] = {"tar", "--create", "--numeric-owner", "--xattrs", "--directory", root,
                                   ".",   NULL};
  int null = open("/dev/null", O_RDONLY);
  sigset_t none;

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127); /* it ended before we could be told */
  if (dup2(null, 0) < 0 || dup2(archive, 1) < 0 || close_range(3, ~0u, 0) < 0) _exit(127);
  signal(SIGPIPE, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  unsetenv("TAR_OPTIONS"); /* the archive is what we say, not what the service's user likes */
  execv(tar, (char *const *)arguments);
  _exit(127);
}

static void start_tar(BhGuestMessage *message) {
  g_autofree char *tar = g_find_program_in_path("tar");
  int archive = tar != NULL ? open_archive(message->archive) : -1, error = errno;
  pid_t pid, parent = getpid();

  if (tar == NULL) {
    answer_failed(message->id, BH_GUEST_UNABLE, ENOENT, "tar is not installed, or not on the agent's PATH");
    return;
  }
  if (archive < 0) {
    answer_failed(message->id, error == ENOENT || error == ENOTDIR ? BH_GUEST_NO_FOLDER : BH_GUEST_UNABLE, error,
                  NULL);
    return;
  }
  pid = fork();
  error = errno;
  if (pid == 0) become_tar(tar, message->host_path, archive, parent);
  close(archive);
  if (pid < 0) {
    unlink(message->archive);
    answer_failed(message->id, BH_GUEST_UNABLE, error, NULL);
    return;
  }
  export.tar = pid;
  export.id = message->id;
  export.archive = g_steal_pointer(&message->archive);
}

void on_export(BhGuestMessage *message) {
  struct stat found, own;

  if (!is_folder(message->host_path, &found))
    answer_failed(message->id, BH_GUEST_NO_FOLDER, ENOENT, NULL);
  else if (stat("/", &own) == 0 && own.st_ino == found.st_ino && own.st_dev == found.st_dev)
    answer_failed(message->id, BH_GUEST_BAD_PATH, EINVAL, "this is the machine's own root, which is not exported");
  else if (export.tar != 0)
    answer_failed(message->id, BH_GUEST_UNABLE, EBUSY, "something is being exported already");
  else
    start_tar(message);
}

gboolean export_reaped(pid_t pid, int status) {
  if (pid != export.tar) return FALSE;
  export.tar = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    answer_done(export.id, 0);
  } else {
    unlink(export.archive); /* half an archive is none */
    answer_failed(export.id, BH_GUEST_UNABLE, EIO, "tar failed; what it says is in the log");
  }
  g_clear_pointer(&export.archive, g_free);
  return TRUE;
}

void export_abandon(void) {
  if (export.tar != 0) unlink(export.archive);
}
