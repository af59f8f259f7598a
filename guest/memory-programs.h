/* memory-programs.h: the programs there are in the memory guest; memory.h lists them for whoever runs them. */
#pragma once

#include "guest/memory-task.h"

G_BEGIN_DECLS

/* NULL: there is no such program. */
MemoryProgram memory_program_find(const char *path);

/* Where a program's output goes. */
typedef struct {
  MemoryTask *task;
  int stream;
  FILE *file; /* NULL: to the stream */
} MemoryOutput;

/* What the shell has, too. words: NULL-terminated, what follows the program's name. Each returns an exit status. */
int memory_cat(MemoryTask *task, char **words, const MemoryOutput *output);
int memory_echo(MemoryTask *task, char **words, const MemoryOutput *output);
int memory_sleep_command(MemoryTask *task, char **words, const MemoryOutput *output);

/* /bin/sh (memory-shell.c). */
int memory_shell(MemoryTask *task);

G_END_DECLS
