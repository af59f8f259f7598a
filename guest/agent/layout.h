/* layout.h: what a sandbox's file system looks like, as bubblewrap's arguments.
 *
 * Where a mount point does not exist on the machine, its parent must be writable to create it, but the machine's
 * folders are bound read-only. So the deepest folder above it that does exist is *opened*: replaced by an empty
 * one, in which everything it held is bound again, and which becomes read-only in the end. / always is opened, and
 * stays writable:
 *
 *     mount on /mnt/data/deep, where /mnt exists          --tmpfs /       --ro-bind /etc /etc  …
 *                                                         --tmpfs /mnt    --ro-bind /mnt/cdrom /mnt/cdrom
 *                                                         --bind  HOST /mnt/data/deep
 *
 * No threads, no state; looks at the machine's file system and changes nothing. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  char *host_path;  /* absolute */
  char *guest_path; /* absolute, canonical, not / */
  gboolean read_only;
} AgentMount;

AgentMount *agent_mount_new(const char *host_path, const char *guest_path, gboolean read_only);
void agent_mount_free(AgentMount *mount);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentMount, agent_mount_free)

/* A mount point as the sandbox will know it: no ".", "..", or doubled slash, and the machine's symbolic links
 * followed as far as it exists. NULL: not absolute, / itself, or one of those that agent.h says cannot be, mounts
 * (AgentMount) being the earlier ones. The caller's. */
char *agent_layout_mount_point(const char *path, GPtrArray *mounts);

/* bwrap's file system arguments for the root namespace: mounts in their order (AgentMount), tmp as its /tmp. One whose
 * mount point a link has taken the place of is left out, and so is one whose folder is no longer there, but for the
 * last one if strict. tmp NULL: an empty one, in memory. Appends strings, the array's own, to arguments. */
void agent_layout_machine(GPtrArray *arguments, GPtrArray *mounts, gboolean strict, const char *tmp);

/* And for an instance with a root folder of its own. */
void agent_layout_folder(GPtrArray *arguments, const char *root);

G_END_DECLS
