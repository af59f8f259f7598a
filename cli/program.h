/* program.h: a program that a scenario runs in a WSLC session's VM, and what it prints.
 *
 *   g_autofree char *output = NULL;
 *   result = bh_program_run(session, argv, &output, &error);
 *
 * Its stdin is empty. It is waited for until it has ended and nobody has its stdout and stderr open any more. Any thread;
 * one more reads its stderr meanwhile. */
#pragma once

#include "core/container-session.h"

G_BEGIN_DECLS

/* Runs argv[0] with the whole argv. *output (the caller's) is what came of stdout, then of stderr, 64 KiB of each at most.
 * It cannot be executed: E_FAIL, with Linux's errno in the text; it does not end with 0: E_FAIL, with its exit status. */
BhResult bh_program_run(BhContainerSession *session, char *const *argv, char **output, BhError **error);

G_END_DECLS
