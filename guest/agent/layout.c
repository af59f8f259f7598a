#include "guest/agent/layout.h"

#include <string.h>
#include <sys/stat.h>

AgentMount *agent_mount_new(const char *host_path, const char *guest_path, gboolean read_only) {
  AgentMount *mount = g_new(AgentMount, 1);

  mount->host_path = g_strdup(host_path);
  mount->guest_path = g_strdup(guest_path);
  mount->read_only = read_only;
  return mount;
}

void agent_mount_free(AgentMount *mount) {
  g_free(mount->host_path);
  g_free(mount->guest_path);
  g_free(mount);
}

static gboolean is_folder(const char *path) {
  struct stat found;

  return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* Whether path is folder or lies in it. */
static gboolean is_below(const char *path, const char *folder) {
  gsize length = strlen(folder);

  if (strcmp(folder, "/") == 0) return TRUE;
  return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The deepest folder that exists on the machine and is path or above it. */
static char *existing_folder(const char *path) {
  char *folder = g_strdup(path);

  while (strcmp(folder, "/") != 0 && !is_folder(folder)) {
    char *parent = g_path_get_dirname(folder);

    g_free(folder);
    folder = parent;
  }
  return folder;
}

/* Whether a link of the machine's lies on the way to path. A mount point has none when it is resolved, but for one
 * that leads nowhere; and one may take a folder's place later. */
static gboolean has_link(const char *path) {
  g_autofree char *at = g_strdup(path);
  struct stat found;

  while (strcmp(at, "/") != 0) {
    char *parent = g_path_get_dirname(at);

    if (lstat(at, &found) == 0 && S_ISLNK(found.st_mode)) {
      g_free(parent);
      return TRUE;
    }
    g_free(at);
    at = parent;
  }
  return FALSE;
}

/* The folders that every sandbox has of its own. */
static gboolean is_own(const char *path) {
  return is_below(path, "/proc") || is_below(path, "/dev") || is_below(path, "/tmp");
}

/* Whether it must not be a mount point, for the reasons in agent.h. */
static gboolean is_forbidden(const char *path, GPtrArray *mounts) {
  if (is_own(path) && strcmp(path, "/tmp") != 0) return TRUE;
  for (guint i = 0; i < mounts->len; i++) {
    const char *other = ((const AgentMount *)mounts->pdata[i])->guest_path;

    if (is_below(path, other) && strcmp(path, other) != 0) return TRUE;
  }
  return FALSE;
}

/* Whether path is a mount point already, or is the sandbox's /tmp: what the machine has there is of no meaning. */
static gboolean is_known(const char *path, GPtrArray *mounts) {
  for (guint i = 0; i < mounts->len; i++)
    if (strcmp(path, ((const AgentMount *)mounts->pdata[i])->guest_path) == 0) return TRUE;
  return strcmp(path, "/tmp") == 0;
}

char *agent_layout_mount_point(const char *path, GPtrArray *mounts) {
  g_autofree char *lexical = NULL, *exists = NULL, *real = NULL, *point = NULL;

  if (path[0] != '/') return NULL;
  lexical = g_canonicalize_filename(path, "/");
  /* Two slashes at the front mean something in POSIX, and GLib keeps them. */
  if (lexical[0] == '/' && lexical[1] == '/') memmove(lexical, lexical + 1, strlen(lexical));
  if (is_forbidden(lexical, mounts)) return NULL;
  if (is_known(lexical, mounts)) return g_steal_pointer(&lexical);
  exists = existing_folder(lexical);
  real = realpath(exists, NULL);
  if (real == NULL) return NULL;
  point = g_build_filename(real, lexical + strlen(exists), NULL);
  if (g_str_has_suffix(point, "/")) point[strlen(point) - 1] = '\0';
  if (point[0] == '\0' || is_forbidden(point, mounts) || (has_link(point) && !is_known(point, mounts)))
    return NULL;
  return g_steal_pointer(&point);
}

static void add(GPtrArray *arguments, const char *option, const char *first, const char *second) {
  g_ptr_array_add(arguments, g_strdup(option));
  if (first != NULL) g_ptr_array_add(arguments, g_strdup(first));
  if (second != NULL) g_ptr_array_add(arguments, g_strdup(second));
}

/* Makes folder an empty writable one, with all that it holds on the machine bound again. */
static void open_folder(GPtrArray *arguments, const char *folder) {
  g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
  const char *name;

  add(arguments, "--tmpfs", folder, NULL);
  while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *target = g_file_read_link(path, NULL);

    if (is_own(path)) continue;
    if (target != NULL)
      add(arguments, "--symlink", target, path);
    else
      add(arguments, "--ro-bind-try", path, path);
  }
}

static gint compare_paths(gconstpointer left, gconstpointer right) {
  return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The folders that must be opened, each above those within it. No mount lies inside another one, or in /tmp. */
static GPtrArray *folders_to_open(GPtrArray *mounts) {
  GPtrArray *folders = g_ptr_array_new_with_free_func(g_free);

  g_ptr_array_add(folders, g_strdup("/"));
  for (guint i = 0; i < mounts->len; i++) {
    const char *path = ((AgentMount *)mounts->pdata[i])->guest_path;
    g_autofree char *folder = existing_folder(path);

    if (strcmp(folder, path) != 0 && !g_ptr_array_find_with_equal_func(folders, folder, g_str_equal, NULL))
      g_ptr_array_add(folders, g_steal_pointer(&folder));
  }
  g_ptr_array_sort(folders, compare_paths);
  return folders;
}

/* The mounts whose mount points are still what they were resolved to. */
static GPtrArray *without_links(GPtrArray *mounts) {
  GPtrArray *good = g_ptr_array_new();

  for (guint i = 0; mounts != NULL && i < mounts->len; i++) {
    const char *point = ((const AgentMount *)mounts->pdata[i])->guest_path;

    if (strcmp(point, "/tmp") == 0 || !has_link(point)) g_ptr_array_add(good, mounts->pdata[i]);
  }
  return good;
}

static void add_own_folders(GPtrArray *arguments) {
  add(arguments, "--proc", "/proc", NULL);
  add(arguments, "--dev", "/dev", NULL);
}

void agent_layout_machine(GPtrArray *arguments, GPtrArray *mounts, gboolean strict, const char *tmp) {
  g_autoptr(GPtrArray) good = without_links(mounts), folders = folders_to_open(good);

  for (guint i = 0; i < folders->len; i++) open_folder(arguments, folders->pdata[i]);
  add_own_folders(arguments);
  if (tmp != NULL)
    add(arguments, "--bind", tmp, "/tmp");
  else
    add(arguments, "--tmpfs", "/tmp", NULL);
  for (guint i = 0; i < good->len; i++) {
    const AgentMount *mount = good->pdata[i];
    gboolean must = strict && mount == mounts->pdata[mounts->len - 1];

    add(arguments, mount->read_only ? (must ? "--ro-bind" : "--ro-bind-try") : (must ? "--bind" : "--bind-try"),
        mount->host_path, mount->guest_path);
  }
  /* With all mount points made, what was opened is as read-only as the rest of the machine. */
  for (guint i = 0; i < folders->len; i++)
    if (strcmp(folders->pdata[i], "/") != 0) add(arguments, "--remount-ro", folders->pdata[i], NULL);
}

void agent_layout_folder(GPtrArray *arguments, const char *root) {
  add(arguments, "--bind", root, "/");
  add_own_folders(arguments);
}
