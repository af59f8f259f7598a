/* `bulkhead explore`: every interleaving of core's protocols, on Linux.
 *
 * It is a program of its own, bulkhead-explore, for it has a scheduler where this one has the system's threads, and one
 * program cannot have both. This finds it, and becomes it. */
#include "commands.h"
#include "platform.h"

#include <errno.h>
#include <unistd.h>

/* Beside this program where it is installed; where both were built, in the folder of the tests. */
static char *find_program(void) {
  g_autofree char *beside = bh_platform_beside("bulkhead-explore");
  g_autofree char *folder = g_path_get_dirname(beside);

  if (g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE)) return g_steal_pointer(&beside);
  return g_build_filename(folder, "..", "tests", "explore", "bulkhead-explore", NULL);
}

static int explore(char ***arguments) {
  g_autofree char *program = find_program();

  execv(program, *arguments);
  g_printerr("bulkhead: %s cannot be run: %s\n", program, g_strerror(errno));
  return BH_EXIT_FAILED;
}

const BhCommand bh_command_explore = {"explore", explore, "tries every interleaving of its own protocols"};
