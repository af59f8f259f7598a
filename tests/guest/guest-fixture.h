/* guest-fixture.h: a VM of whichever guest a test is about, a folder of the host's, and few-worded ways to use them.
 *
 * A test is a function of the fixture; guest_test_add registers it for a guest:
 *
 *   static void cat_reads_a_mounted_file(GuestFixture *fixture, gconstpointer guest) { … }
 *   guest_test_add("agent", "cat-reads-a-mounted-file", cat_reads_a_mounted_file);   // guest/agent/cat-reads-…
 *
 * The real guest is there when the environment's BULKHEAD_AGENT names the agent; guest_test_has_agent tells. */
#pragma once

#include "core/guest.h"

typedef struct GuestFixture GuestFixture;

struct GuestFixture {
  BhGuest *guest;
  BhVm *vm;
  gboolean real;
  char *folder;  /* on the host; empty at first */
  gint deaths;   /* how often the VM was said to have died; atomic */
  GArray *ended; /* the numbers of containers that were said to have ended, as often as they were */
  BhResult (*activity)(gpointer data, const BhActivity *activity); /* gets the VM's, with activity_data; or NULL */
  gpointer activity_data;
};

typedef void (*GuestTest)(GuestFixture *fixture, gconstpointer unused);

typedef struct {
  const char *name;
  GuestTest test;
} GuestTestRow;

gboolean guest_test_has_agent(void);

/* Registers a whole table, for each guest there is; or says that there is no agent here. */
void guest_test_add_all(const GuestTestRow *tests, guint count);
/* Likewise, for the real one alone. */
void guest_test_add_agent(const GuestTestRow *tests, guint count);

void guest_test_add(const char *guest, const char *name, GuestTest test);

/* Writes a file into the fixture's folder. */
void guest_write(GuestFixture *fixture, const char *name, const char *contents);

/* Mounts the fixture's folder. */
void guest_mount(GuestFixture *fixture, const char *linux_path, gboolean read_only);

/* Mounts another folder of the host's, as Linux spells it. */
void guest_mount_linux(GuestFixture *fixture, const char *folder, const char *linux_path);

/* Runs a program ("/bin/cat /data/file", words by single spaces), sends it input, ends its stdin, and returns what
 * it wrote, the caller's. */
char *guest_run(GuestFixture *fixture, guint32 instance, const char *command, const char *input);

/* As guest_run, with an argv of one's own. */
char *guest_run_argv(GuestFixture *fixture, guint32 instance, const char *const *argv, const char *input);

/* The result of executing a program, whose output is dropped. */
BhResult guest_try(GuestFixture *fixture, guint32 instance, const char *command);

/* Starts a program that goes on until it is ended (cat without arguments), in an instance. */
BhResource guest_start_cat(GuestFixture *fixture, guint32 instance);

/* Starts an instance whose root is the machine's own, or the folder root. */
BhInstance guest_start_instance(GuestFixture *fixture, char *root);

/* Waits until the VM was said to have died. */
void guest_await_death(GuestFixture *fixture);

/* Waits until a container was said to have ended. */
void guest_await_ended(GuestFixture *fixture, guint32 number);

/* How often it was, so far. */
guint guest_count_ended(GuestFixture *fixture, guint32 number);

/* The fixture's folder as a root: as the guest spells paths. The caller's. */
char *guest_own_root(GuestFixture *fixture);

/* ---- processes ---- */

typedef struct {
  BhProcess *process;
  BhResource streams[BH_STREAM_COUNT];
  BhResource event;
} GuestProcess;

#define GUEST_SH(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

/* Starts one in the root namespace; it must start. */
GuestProcess guest_process_start(GuestFixture *fixture, const char *const *argv, const char *const *environment);

/* Ends its stdin, after this input (NULL: none). */
void guest_process_say(GuestProcess *process, const char *input);

/* All that it still writes to a stream. The caller's. */
char *guest_process_hear(GuestProcess *process, int stream);

/* Waits for its event, and returns its exit code. */
gint32 guest_process_await(GuestProcess *process);

void guest_process_clear(GuestProcess *process);

/* Runs a script in the root namespace to its end; what it writes must be that. Returns its exit code. */
gint32 guest_assert_script(GuestFixture *fixture, const char *script, const char *const *environment,
                           const char *expected_out);

void guest_vm_destroy(GuestFixture *fixture);

/* Removes a folder and what is in it. */
void guest_remove_folder(const char *path);

#define guest_assert_output(fixture, instance, command, input, expected) \
  G_STMT_START { \
    g_autofree char *output_ = guest_run(fixture, instance, command, input); \
    g_assert_cmpstr(output_, ==, expected); \
  } \
  G_STMT_END
