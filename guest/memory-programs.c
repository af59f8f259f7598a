#include "guest/memory-programs.h"

#include <string.h>

#define SLEEP_MAX_S (100 * 365 * 24 * 3600.0)

static gboolean put(const MemoryOutput *output, gconstpointer bytes, gsize length) {
  if (output->file != NULL) return fwrite(bytes, 1, length, output->file) == length;
  return memory_write(output->task, output->stream, bytes, length);
}

static int cat_file(MemoryTask *task, const char *path, const MemoryOutput *output) {
  FILE *file = NULL;
  int error = memory_open(task, path, FALSE, &file);
  char bytes[4096];
  gboolean taken = TRUE;
  gsize got;

  if (error != 0) {
    memory_complain(task, "cat: %s: %s", path,
                    error == MEMORY_EISDIR ? "Is a directory" : "No such file or directory");
    return 1;
  }
  while (taken && (got = fread(bytes, 1, sizeof bytes, file)) > 0) taken = put(output, bytes, got);
  fclose(file);
  return taken ? 0 : 1;
}

int memory_cat(MemoryTask *task, char **words, const MemoryOutput *output) {
  char bytes[4096];
  int status = 0;
  gssize got;

  if (words[0] != NULL) {
    for (; *words != NULL; words++) status |= cat_file(task, *words, output);
    return status;
  }
  while ((got = memory_read(task, bytes, sizeof bytes)) > 0)
    if (!put(output, bytes, (gsize)got)) return 1;
  return 0;
}

int memory_echo(MemoryTask *task, char **words, const MemoryOutput *output) {
  gboolean bare = words[0] != NULL && strcmp(words[0], "-n") == 0;
  g_autofree char *joined = g_strjoinv(" ", words + bare), *line = g_strconcat(joined, bare ? "" : "\n", NULL);

  (void)task;
  return put(output, line, strlen(line)) ? 0 : 1;
}

int memory_sleep_command(MemoryTask *task, char **words, const MemoryOutput *output) {
  double seconds = words[0] != NULL ? g_ascii_strtod(words[0], NULL) : -1;

  (void)output;
  if (!(seconds >= 0)) {
    memory_complain(task, "sleep: how many seconds?");
    return 1;
  }
  memory_sleep(task, (gint64)(MIN(seconds, SLEEP_MAX_S) * G_USEC_PER_SEC));
  return 0;
}

/* ---- as programs of their own ---- */

/* What follows argv[0], of which there need be none. */
static char **words_of(const MemoryTask *task) {
  return task->arguments[0] != NULL ? task->arguments + 1 : task->arguments;
}

static int run_cat(MemoryTask *task) {
  return memory_cat(task, words_of(task), &(MemoryOutput){task, BH_STDOUT, NULL});
}

static int run_echo(MemoryTask *task) {
  return memory_echo(task, words_of(task), &(MemoryOutput){task, BH_STDOUT, NULL});
}

static int run_sleep(MemoryTask *task) {
  return memory_sleep_command(task, words_of(task), NULL);
}

static int run_true(MemoryTask *task) {
  (void)task;
  return 0;
}

static int run_false(MemoryTask *task) {
  (void)task;
  return 1;
}

static const struct {
  const char *path;
  MemoryProgram run;
} programs[] = {
    {"/bin/cat", run_cat},     {"/bin/echo", run_echo},   {"/bin/true", run_true},
    {"/bin/sh", memory_shell}, {"/bin/sleep", run_sleep}, {"/bin/false", run_false},
};

MemoryProgram memory_program_find(const char *path) {
  for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
    if (strcmp(programs[i].path, path) == 0) return programs[i].run;
  return NULL;
}
