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

typedef struct {
  BhGuest *guest;
  BhVm *vm;
  gboolean real;
  char *folder; /* on the host; empty at first */
  gint deaths;  /* how often the VM was said to have died; atomic */
} GuestFixture;

typedef void (*GuestTest)(GuestFixture *fixture, gconstpointer unused);

gboolean guest_test_has_agent(void);
void guest_test_add(const char *guest, const char *name, GuestTest test);

/* Writes a file into the fixture's folder. */
void guest_write(GuestFixture *fixture, const char *name, const char *contents);

/* Mounts the fixture's folder. */
void guest_mount(GuestFixture *fixture, const char *linux_path, gboolean read_only);

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

void guest_vm_destroy(GuestFixture *fixture);

/* Removes a folder and what is in it. */
void guest_remove_folder(const char *path);

#define guest_assert_output(fixture, instance, command, input, expected) \
  G_STMT_START { \
    g_autofree char *output_ = guest_run(fixture, instance, command, input); \
    g_assert_cmpstr(output_, ==, expected); \
  } \
  G_STMT_END
