/* program.h: a program and what it is run with, as a request named it; and how lists of strings get to other processes:
 * as memory files of NUL-ended strings, which may be longer than a command line. */
#pragma once

#include "guest/protocol.h"

G_BEGIN_DECLS

typedef struct {
  char *path;
  char **arguments;   /* the whole argv */
  char **environment; /* "NAME=value"; goes before the sandbox's own */
} AgentProgram;

/* Takes a message's guest_path, arguments and environment. The caller's. */
AgentProgram *agent_program_take(BhGuestMessage *message);
void agent_program_free(AgentProgram *program);

/* Path, arguments and environment, one after the other; init knows their number otherwise. -1: errno says why. */
int agent_program_to_file(const AgentProgram *program);

/* A list, NULL-terminated. The file's position is at 0. -1: errno says why. */
int agent_strings_to_file(char *const *strings);

G_END_DECLS
