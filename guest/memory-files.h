/* memory-files.h: the memory guest's file system: a list of mounts, of which the longest that fits a path counts, and of
 * two on one point the later. What is in them is the host's. No threads: whoever has the list guards it. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  char *host_path;
  char *guest_path; /* absolute, canonical */
  gboolean read_only;
} MemoryMount;

MemoryMount *memory_mount_new(const char *host_path, const char *guest_path, gboolean read_only);
void memory_mount_free(gpointer mount);

/* Without ".", ".." and doubled slashes, as Linux would see it. The caller's; NULL: not absolute. */
char *memory_canonical(const char *path);

/* The host's file of a path, the caller's; it need not be there. NULL: no mount has it. */
char *memory_find_file(GPtrArray *mounts, const char *path, gboolean *read_only);

/* Takes the last mount at a canonical point off the list. FALSE: there is none. */
gboolean memory_remove_mount(GPtrArray *mounts, const char *point);

G_END_DECLS
