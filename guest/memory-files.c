#include "guest/memory-files.h"

#include <string.h>

MemoryMount *memory_mount_new(const char *host_path, const char *guest_path, gboolean read_only) {
  MemoryMount *mount = g_new(MemoryMount, 1);

  *mount = (MemoryMount){g_strdup(host_path), g_strdup(guest_path), read_only};
  return mount;
}

void memory_mount_free(gpointer data) {
  MemoryMount *mount = data;

  g_free(mount->host_path);
  g_free(mount->guest_path);
  g_free(mount);
}

char *memory_canonical(const char *path) {
  g_autoptr(GPtrArray) parts = g_ptr_array_new();
  g_auto(GStrv) words = g_strsplit(path, "/", -1);
  g_autofree char *joined = NULL;

  if (path[0] != '/') return NULL;
  for (char **word = words; *word != NULL; word++) {
    if (strcmp(*word, "..") == 0 && parts->len > 0) g_ptr_array_remove_index(parts, parts->len - 1);
    if (strcmp(*word, "") != 0 && strcmp(*word, ".") != 0 && strcmp(*word, "..") != 0)
      g_ptr_array_add(parts, *word);
  }
  g_ptr_array_add(parts, NULL);
  joined = g_strjoinv("/", (char **)parts->pdata);
  return g_strconcat("/", joined, NULL);
}

/* What follows a mount point in path, without a slash; NULL: path does not lie in it. */
static const char *rest_of(const char *path, const char *mount_point) {
  gsize length = strlen(mount_point);

  if (strcmp(mount_point, "/") == 0) return path + 1;
  if (strncmp(path, mount_point, length) != 0) return NULL;
  if (path[length] == '/') return path + length + 1;
  return path[length] == '\0' ? path + length : NULL;
}

char *memory_find_file(GPtrArray *mounts, const char *path, gboolean *read_only) {
  g_autofree char *whole = memory_canonical(path);
  const char *best_rest = NULL;
  const MemoryMount *best = NULL;

#ifdef G_OS_WIN32
  /* Letters of a name in Linux; on the host they would lead out of the mount. */
  if (strpbrk(path, "\\:") != NULL) return NULL;
#endif
  for (guint i = 0; whole != NULL && i < mounts->len; i++) {
    const MemoryMount *mount = mounts->pdata[i];
    const char *rest = rest_of(whole, mount->guest_path);

    /* of two on one mount point, the later covers the earlier */
    if (rest == NULL || (best != NULL && strlen(mount->guest_path) < strlen(best->guest_path))) continue;
    best = mount;
    best_rest = rest;
  }
  if (best == NULL) return NULL;
  *read_only = best->read_only;
  return g_build_filename(best->host_path, best_rest, NULL);
}

gboolean memory_remove_mount(GPtrArray *mounts, const char *point) {
  for (guint i = mounts->len; i-- > 0;) {
    if (strcmp(((const MemoryMount *)mounts->pdata[i])->guest_path, point) != 0) continue;
    g_ptr_array_remove_index(mounts, i);
    return TRUE;
  }
  return FALSE;
}
