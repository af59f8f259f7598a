#include "guest/agent/seize.h"

#include "guest/agent/look.h"
#include "guest/agent/sandbox.h"
#include "guest/agent/trace.h"

#define QUIET_PASSES 2    /* after so many in which nothing new was found, there is nothing */
#define DEPTH_MAX    4096 /* of a process below init; nobody's are so deep */

static GHashTable *below; /* the numbers of processes that are known to be ours, in one pass */

static void note_init(pid_t init) {
  g_hash_table_add(below, GINT_TO_POINTER(init));
}

static void start_pass(void) {
  if (below == NULL) below = g_hash_table_new(NULL, NULL);
  g_hash_table_remove_all(below);
  agent_sandbox_each_init(note_init);
}

/* Parents first. Returns whether anything was not traced before. */
static gboolean pass(void) {
  g_autoptr(GArray) numbers = agent_look_numbers("/proc");
  g_autoptr(GArray) parents = g_array_sized_new(FALSE, FALSE, sizeof(pid_t), numbers->len);
  gboolean found = FALSE, more = TRUE;

  start_pass();
  for (guint i = 0; i < numbers->len; i++) {
    pid_t parent = agent_look_parent(g_array_index(numbers, pid_t, i));

    g_array_append_val(parents, parent);
  }
  while (more) {
    more = FALSE;
    for (guint i = 0; i < numbers->len; i++) {
      pid_t pid = g_array_index(numbers, pid_t, i), parent = g_array_index(parents, pid_t, i);

      if (!g_hash_table_contains(below, GINT_TO_POINTER(parent)) || !g_hash_table_add(below, GINT_TO_POINTER(pid)))
        continue;
      more = TRUE;
      if (agent_trace_adopt(pid, parent)) found = TRUE;
    }
  }
  return found;
}

/* What is not traced yet goes on creating meanwhile, and what loses its parent may be missed by a pass. */
void agent_seize_all(void) {
  for (guint quiet = 0; quiet < QUIET_PASSES;) quiet = pass() ? 0 : quiet + 1;
}

gboolean agent_seize_finds(pid_t process, pid_t thread) {
  pid_t at = process;

  if (process <= 0 || thread < 0 || agent_look_process(process) != process) return FALSE;
  if (thread != 0 && !agent_look_has_thread(process, thread)) return FALSE;
  start_pass();
  for (guint i = 0; i < DEPTH_MAX && at > 1; i++) {
    if (g_hash_table_contains(below, GINT_TO_POINTER(at))) return TRUE;
    at = agent_look_parent(at);
  }
  return FALSE;
}
