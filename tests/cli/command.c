#include "command.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#ifdef G_OS_WIN32
#include <io.h>
#else
#include <sys/wait.h>
#include <unistd.h>
#endif

static char *program; /* bulkhead's, absolute */

/* --- Files -------------------------------------------------------------------------------------------------------- */

void command_init(int *argc, char ***argv) {
  g_setenv("LC_ALL", "C", TRUE); /* what GLib and the C library have to say is compared too */
  g_test_init(argc, argv, NULL);
  if (*argc != 2) g_error("the last argument is bulkhead's path");
  program = g_canonicalize_filename((*argv)[1], NULL);
}

void command_open(Command *command) {
  g_autoptr(GError) error = NULL;

  command->home = g_get_current_dir();
  command->folder = g_dir_make_tmp("bulkhead-XXXXXX", &error);
  g_assert_no_error(error);
  g_assert_cmpint(g_chdir(command->folder), ==, 0);
}

void command_close(Command *command) {
  g_autoptr(GDir) files = g_dir_open(command->folder, 0, NULL);
  const char *file;

  while ((file = g_dir_read_name(files)) != NULL) g_assert_cmpint(g_unlink(file), ==, 0);
  g_assert_cmpint(g_chdir(command->home), ==, 0); /* Windows keeps a folder that somebody works in */
  g_assert_cmpint(g_rmdir(command->folder), ==, 0);
  g_free(command->folder);
  g_free(command->home);
  g_free(command->out);
  g_free(command->err);
}

void command_write_bytes(const Command *command, const char *name, const char *text, gssize size) {
  g_autofree char *path = g_build_filename(command->folder, name, NULL);
  g_autoptr(GError) error = NULL;

  g_file_set_contents(path, text, size, &error);
  g_assert_no_error(error);
}

void command_write(const Command *command, const char *name, const char *text) {
  command_write_bytes(command, name, text, -1);
}

char *command_read(const Command *command, const char *name) {
  g_autofree char *path = g_build_filename(command->folder, name, NULL);
  g_autoptr(GError) error = NULL;
  char *text = NULL;

  g_file_get_contents(path, &text, NULL, &error);
  g_assert_no_error(error);
  return text;
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

/* Makes the descriptor lead into a file. Returns a copy of what it was. */
static int redirect(int descriptor, const char *name) {
  int file = g_open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  int before = dup(descriptor);

  g_assert_cmpint(file, >=, 0);
  g_assert_cmpint(before, >=, 0);
  g_assert_cmpint(dup2(file, descriptor), !=, -1);
  close(file);
  return before;
}

static void restore(int descriptor, int before) {
  g_assert_cmpint(dup2(before, descriptor), !=, -1);
  close(before);
}

static char *printed(const Command *command, const char *name) {
  g_autofree char *text = command_read(command, name);
  g_auto(GStrv) parts = g_strsplit(text, "\r\n", -1);

  return g_strjoinv("\n", parts);
}

void command_run_strv(Command *command, const char *const *arguments) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  int status, out, err;

  g_ptr_array_add(argv, program);
  for (; *arguments != NULL; arguments++) g_ptr_array_add(argv, (char *)*arguments);
  g_ptr_array_add(argv, NULL);

  /* Into files by way of our own stdout and stderr: with pipes, GLib on Windows starts a helper program, which is not
   * there. These are the flags with which it does without one. */
  fflush(NULL);
  out = redirect(1, "stdout");
  err = redirect(2, "stderr");
  g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_CHILD_INHERITS_STDIN | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
               NULL, NULL, NULL, NULL, &status, &error);
  restore(1, out);
  restore(2, err);
  g_assert_no_error(error);
#ifndef G_OS_WIN32
  g_assert_true(WIFEXITED(status));
  status = WEXITSTATUS(status);
#endif

  g_free(command->out);
  g_free(command->err);
  command->status = status;
  command->out = printed(command, "stdout");
  command->err = printed(command, "stderr");
}

void command_run(Command *command, ...) {
  g_autoptr(GPtrArray) arguments = g_ptr_array_new();
  const char *argument;
  va_list list;

  va_start(list, command);
  do {
    argument = va_arg(list, const char *);
    g_ptr_array_add(arguments, (char *)argument);
  } while (argument != NULL);
  va_end(list);
  command_run_strv(command, (const char *const *)arguments->pdata);
}

/* --- What it printed ---------------------------------------------------------------------------------------------- */

guint lines_like(const char *text, const char *pattern) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  guint count = 0;

  for (char **line = lines; *line != NULL; line++)
    if (g_pattern_match_simple(pattern, *line)) count++;
  return count;
}

/* The text goes before the complaint, as a message: a result's own line cannot hold more than one. */
static void assert_count(const char *text, const char *pattern, guint expected) {
  guint count = lines_like(text, pattern);

  if (count == expected) return;
  g_test_message("%s", text);
  g_test_fail_printf("lines like '%s': %u, not %u", pattern, count, expected);
}

void assert_line(const char *text, const char *pattern) {
  assert_count(text, pattern, 1);
}

void assert_only_line(const char *text, const char *pattern) {
  assert_count(text, pattern, 1);
  assert_count(text, "?*", 1);
}

void assert_silent(const char *text) {
  assert_count(text, "?*", 0);
}
