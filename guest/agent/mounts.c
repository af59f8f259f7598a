/* mounts.c: the folders that are mounted in the root namespace. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/agent/control.h"

#define MOUNTS_MAX 512 /* bwrap's time grows with the square */

typedef struct {
  guint32 id;
  AgentMount *mount;     /* its mount point as it was asked for, until it has its turn */
  AgentSandbox *sandbox; /* NULL: not its turn yet */
  gboolean works;
} Mount;

static GQueue mounting = G_QUEUE_INIT; /* Mount, the first has its turn */

GPtrArray *root_layout(gboolean strict) {
  GPtrArray *layout = g_ptr_array_new_with_free_func(g_free);

  agent_layout_machine(layout, agent.mounts, strict, agent.settings->tmp);
  return layout;
}

static void next_mount(void);

static void mount_free(Mount *mount) {
  if (mount->mount != NULL) agent_mount_free(mount->mount);
  g_free(mount);
}

static void mount_ready(gpointer user) {
  Mount *mount = user;

  mount->works = TRUE;
  agent_sandbox_kill(mount->sandbox);
}

static void mount_over(Mount *mount, BhGuestFailure failure, int error, const char *text) {
  if (mount->works) {
    g_ptr_array_add(agent.mounts, g_steal_pointer(&mount->mount));
    answer_done(mount->id, 0);
  } else {
    answer_failed(mount->id, failure, error, text);
  }
  mount_free(g_queue_pop_head(&mounting));
  next_mount();
}

static void mount_ended(gpointer user, const char *complaint) {
  mount_over(user, BH_GUEST_UNABLE, EIO, complaint);
}

/* Tries the first of those that wait. Only now is it certain which mounts are before it. */
static void next_mount(void) {
  static const AgentSandboxEvents events = {.ready = mount_ready, .ended = mount_ended};
  Mount *mount = g_queue_peek_head(&mounting);
  g_autoptr(GPtrArray) layout = NULL;
  char *point;
  int error;

  if (mount == NULL || mount->sandbox != NULL) return;
  point = agent_layout_mount_point(mount->mount->guest_path, agent.mounts);
  if (point == NULL) {
    mount_over(mount, BH_GUEST_BAD_PATH, EINVAL, "no mount point can be there");
    return;
  }
  g_free(mount->mount->guest_path);
  mount->mount->guest_path = point;
  g_ptr_array_add(agent.mounts, mount->mount);
  layout = root_layout(TRUE);
  g_ptr_array_steal_index(agent.mounts, agent.mounts->len - 1);
  mount->sandbox = agent_sandbox_start(agent.settings, layout, &events, mount, &error);
  if (mount->sandbox == NULL) mount_over(mount, BH_GUEST_UNABLE, error, no_sandbox(error));
}

void on_mount(BhGuestMessage *message) {
  struct stat found;
  Mount *mount;

  if (message->host_path[0] != '/' || stat(message->host_path, &found) < 0 || !S_ISDIR(found.st_mode)) {
    answer_failed(message->id, BH_GUEST_NO_FOLDER, ENOENT, NULL);
  } else if (agent.mounts->len + g_queue_get_length(&mounting) >= MOUNTS_MAX) {
    answer_failed(message->id, BH_GUEST_UNABLE, ENOSPC, "too many mounts");
  } else {
    mount = g_new0(Mount, 1);
    mount->id = message->id;
    mount->mount = agent_mount_new(message->host_path, message->guest_path, message->read_only);
    g_queue_push_tail(&mounting, mount);
    next_mount();
  }
}

/* A mount point as the list has it, from how it was spelled when it was made. */
void on_unmount(BhGuestMessage *message) {
  g_autofree char *point = agent_layout_mount_point(message->guest_path, agent.mounts);

  if (message->guest_path[0] != '/') {
    answer_failed(message->id, BH_GUEST_BAD_PATH, EINVAL, "no absolute path");
    return;
  }
  for (guint i = agent.mounts->len; point != NULL && i-- > 0;) {
    if (strcmp(((const AgentMount *)agent.mounts->pdata[i])->guest_path, point) != 0) continue;
    g_ptr_array_remove_index(agent.mounts, i);
    answer_done(message->id, 0);
    return;
  }
  answer_failed(message->id, BH_GUEST_NO_MOUNT, EINVAL, "nothing is mounted there");
}
