/* command.h: runs the built `bulkhead` as a user does, and keeps what it said.
 *
 *   g_auto(Command) command = {0};
 *   command_open(&command);
 *   command_write(&command, "short.scenario", "vm stop\n");
 *   command_run(&command, "run", "--quiet", "short.scenario", NULL);
 *   g_assert_cmpint(command.status, ==, 0);
 *   assert_silent(command.err);
 *
 * Each test has a folder of its own, the working folder while it lasts, so files go by their bare names. One thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  char *folder;    /* absolute */
  char *home;      /* the working folder before */
  int status;      /* the exit status of what ran last */
  char *out, *err; /* … and all it printed, with \n for line ends */
} Command;

/* Before g_test_run: takes the program's path from the end of argv. */
void command_init(int *argc, char ***argv);

void command_open(Command *command);
void command_close(Command *command); /* removes the folder and its files */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Command, command_close)

/* Writes a file into the folder. size: -1 up to the NUL. */
void command_write_bytes(const Command *command, const char *name, const char *text, gssize size);
void command_write(const Command *command, const char *name, const char *text);

/* A file of the folder; the caller's. */
char *command_read(const Command *command, const char *name);

/* Runs `bulkhead` with these arguments to its end. */
void command_run(Command *command, ...) G_GNUC_NULL_TERMINATED;
void command_run_strv(Command *command, const char *const *arguments);

/* How many lines match; * and ? as in a shell. */
guint lines_like(const char *text, const char *pattern);

/* Exactly one line does; there is no other besides; there is none at all. */
void assert_line(const char *text, const char *pattern);
void assert_only_line(const char *text, const char *pattern);
void assert_silent(const char *text);

G_END_DECLS
