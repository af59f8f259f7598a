#include "script-file.h"

#include "script-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#ifdef G_OS_WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#ifndef O_BINARY
#define O_BINARY 0
#endif
#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

struct BhScriptLog {
  BhMutex lock; /* one line after the other, where the system does not see to that */
  int file;
};

static const BhLockClass log_class = {"script-log", BH_RANK_LEAF, FALSE};

BhResult bh_script_read(const char *path, BhScript **script, char **cause) {
  /* One byte more than it may have, so that the parser can tell. */
  g_autofree char *text = g_malloc(BH_SCRIPT_MAX_SIZE + 1);
  g_autofree char *error = NULL;
  FILE *file = g_fopen(path, "rb");
  gsize size;

  if (file == NULL) {
    *cause = g_strdup_printf("'%s' cannot be opened: %s", path, g_strerror(errno));
    return BH_E_MOD_NOT_FOUND;
  }
  size = fread(text, 1, BH_SCRIPT_MAX_SIZE + 1, file);
  fclose(file);
  *script = bh_script_parse(text, size, &error);
  if (*script != NULL) return BH_OK;
  *cause = g_strdup_printf("'%s', %s", path, error);
  return BH_E_BAD_EXE_FORMAT;
}

char *bh_script_sibling(const char *path, const char *extension) {
  g_autofree char *name = g_path_get_basename(path);
  const char *dot = strrchr(name, '.');
  gsize cut = dot != NULL ? strlen(dot) : 0;
  g_autofree char *stem = g_strndup(path, strlen(path) - cut);

  return g_strconcat(stem, extension, NULL);
}

BhScriptLog *bh_script_log_open(const char *path) {
  g_autofree char *log_path = bh_script_sibling(path, ".log");
  int file = g_open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_BINARY | O_CLOEXEC, 0666);
  BhScriptLog *log;

  if (file < 0) return NULL;
  log = g_new0(BhScriptLog, 1);
  log->file = file;
  bh_mutex_init(&log->lock, &log_class);
  return log;
}

void bh_script_log_append(BhScriptLog *log, const char *line) {
  g_autofree char *text = g_strconcat(line, "\n", NULL);
  gsize length = strlen(text);

  bh_mutex_lock(&log->lock);
  /* Nobody could be told of a full disk: the line is missing then, which a test sees. */
  if (write(log->file, text, (unsigned)length) < 0) errno = 0;
  bh_mutex_unlock(&log->lock);
}

void bh_script_log_close(BhScriptLog *log) {
  close(log->file);
  bh_mutex_clear(&log->lock);
  g_free(log);
}
