/* memory-shell.c: as much of a shell as tests need; memory.h says what it knows. */
#include <string.h>

#include "guest/memory-programs.h"

#define STATUS_SYNTAX    2 /* as dash has them; also for a file that cannot be written */
#define STATUS_NOT_FOUND 127

typedef struct {
  MemoryTask *task;
  int status;    /* of the last command */
  gboolean done; /* `exit` was met */
} Shell;

static gboolean is_name(char letter) {
  return g_ascii_isalnum(letter) || letter == '_';
}

/* A word with every $NAME replaced. The caller's. */
static char *expand(Shell *shell, const char *word) {
  g_autoptr(GString) expanded = g_string_new(NULL);

  while (*word != '\0') {
    const char *end = word + 1;

    if (*word == '$')
      while (is_name(*end)) end++;
    if (*word == '$' && end > word + 1) {
      g_autofree char *name = g_strndup(word + 1, (gsize)(end - word - 1));
      const char *value = memory_getenv(shell->task, name);

      g_string_append(expanded, value != NULL ? value : "");
    } else {
      g_string_append_c(expanded, *word);
    }
    word = end;
  }
  return g_string_free(g_steal_pointer(&expanded), FALSE);
}

static gboolean open_output(Shell *shell, const char *target, MemoryOutput *output) {
  g_autofree char *path = expand(shell, target);
  int error = memory_open(shell->task, path, TRUE, &output->file);

  if (error == 0) return TRUE;
  memory_complain(shell->task, "/bin/sh: 1: cannot create %s: %s", path,
                  error == MEMORY_EROFS    ? "Read-only file system"
                  : error == MEMORY_EISDIR ? "Is a directory"
                                           : "Directory nonexistent");
  return FALSE;
}

/* Takes the redirections out of a command, and expands the rest into words. FALSE: one cannot be. */
static gboolean take_redirections(Shell *shell, char **command, GPtrArray *words, MemoryOutput *output) {
  for (; *command != NULL; command++) {
    if (strcmp(*command, ">&2") == 0) {
      g_clear_pointer(&output->file, fclose);
      output->stream = BH_STDERR;
    } else if (**command == '>') {
      const char *target = (*command)[1] != '\0' ? *command + 1 : *++command;

      if (target == NULL) {
        memory_complain(shell->task, "/bin/sh: 1: Syntax error: where to?");
        return FALSE;
      }
      g_clear_pointer(&output->file, fclose);
      if (!open_output(shell, target, output)) return FALSE;
    } else {
      g_autofree char *word = expand(shell, *command);

      /* one of which nothing is left is none, as without quotes in a real shell */
      if (word[0] != '\0' || (*command)[0] == '\0') g_ptr_array_add(words, g_steal_pointer(&word));
    }
  }
  g_ptr_array_add(words, NULL);
  return TRUE;
}

static int run_true(MemoryTask *task, char **words, const MemoryOutput *output) {
  (void)task, (void)words, (void)output;
  return 0;
}

static int run_false(MemoryTask *task, char **words, const MemoryOutput *output) {
  (void)task, (void)words, (void)output;
  return 1;
}

static const struct {
  const char *name;
  int (*run)(MemoryTask *task, char **words, const MemoryOutput *output);
} commands[] = {
    {"cat", memory_cat}, {"echo", memory_echo}, {"sleep", memory_sleep_command},
    {"true", run_true},  {"false", run_false},
};

static void run_words(Shell *shell, char **words, const MemoryOutput *output) {
  if (words[0] == NULL) {
    shell->status = 0; /* nothing but a redirection */
    return;
  }
  if (strcmp(words[0], "exit") == 0) {
    if (words[1] != NULL) shell->status = (int)(g_ascii_strtoll(words[1], NULL, 10) & 0xFF);
    shell->done = TRUE;
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
    if (strcmp(commands[i].name, words[0]) != 0) continue;
    shell->status = commands[i].run(shell->task, words + 1, output);
    return;
  }
  memory_complain(shell->task, "/bin/sh: 1: %s: not found", words[0]);
  shell->status = STATUS_NOT_FOUND;
}

static void run_command(Shell *shell, const char *text) {
  g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
  MemoryOutput output = {shell->task, BH_STDOUT, NULL};
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) command = NULL;

  if (!g_shell_parse_argv(text, NULL, &command, &error)) {
    if (g_error_matches(error, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING)) return;
    memory_complain(shell->task, "/bin/sh: 1: Syntax error: %s", error->message);
    shell->status = STATUS_SYNTAX;
    shell->done = TRUE;
    return;
  }
  if (take_redirections(shell, command, words, &output))
    run_words(shell, (char **)words->pdata, &output);
  else
    shell->status = STATUS_SYNTAX;
  if (output.file != NULL) fclose(output.file);
}

int memory_shell(MemoryTask *task) {
  Shell shell = {.task = task};
  g_auto(GStrv) texts = NULL;

  if (g_strv_length(task->arguments) < 3 || strcmp(task->arguments[1], "-c") != 0) {
    memory_complain(task, "/bin/sh: only -c is known here");
    return STATUS_SYNTAX;
  }
  texts = g_strsplit(task->arguments[2], ";", -1);
  for (char **text = texts; *text != NULL && !shell.done && !memory_is_killed(task); text++)
    run_command(&shell, *text);
  return shell.status;
}
