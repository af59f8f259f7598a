/* witness.h: sees what a VM tells of its processes and threads, keeps it, and objects to what cannot be: a process or thread
 * that begins twice, ends twice, or does anything before or after.
 *
 *   Witness *witness = witness_new(fixture, judge, data);       watches nothing yet
 *   witness_watch(witness, BH_WATCH_PROCESSES);
 *   …
 *   witness_await_end(witness);                                 all that it saw begin has ended
 *   g_assert_cmpuint(witness_count(witness, BH_PROCESS_CREATED), ==, 1);
 *   witness_free(witness);                                      and nothing was objectionable */
#pragma once

#include "guest-fixture.h"

typedef struct Witness Witness;

/* What is to become of it; on the VM's thread. */
typedef BhResult (*WitnessJudge)(gpointer data, const BhActivity *activity);

/* judge NULL: everything is welcome. */
Witness *witness_new(GuestFixture *fixture, WitnessJudge judge, gpointer data);
void witness_free(Witness *witness);

/* It must be watched as asked. Whoever was watched before, and is not told of any more, is forgotten. */
void witness_watch(Witness *witness, BhWatch what);

/* Waits until nothing runs that it saw begin. */
void witness_await_end(Witness *witness);

/* Waits until it has seen that, with an image whose path ends so (NULL: any), and returns a copy, valid until it is freed. */
BhActivity witness_await(Witness *witness, BhActivityType type, const char *image);

guint witness_count(Witness *witness, BhActivityType type);

/* As many as there were, in their order; each valid until it is freed. */
BhActivity witness_get(Witness *witness, guint number);
guint witness_length(Witness *witness);

/* The folder with activity-program, seen in the root namespace as this. */
#define PROGRAMS "/programs"
#define PROGRAM  PROGRAMS "/activity-program"

/* Mounts it. FALSE: the environment names none, and the test is skipped. */
gboolean witness_mount_program(GuestFixture *fixture);

/* Runs a command (words by single spaces) in the root namespace to its end. Returns what it wrote, the caller's, and its exit
 * code in *code, which may be NULL. */
char *witness_run(GuestFixture *fixture, const char *command, gint32 *code);
