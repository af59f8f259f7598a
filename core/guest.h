/* guest.h: a session's Linux side, as core sees it.
 *
 * A BhGuest makes VMs; a BhVm runs distributions ("instances") and processes, and mounts folders. An embedder
 * with real virtual machines implements this interface; guest/ has two implementations of ours: `guest/client`
 * (a real Linux agent with bubblewrap) and `guest/memory` (no Linux needed).
 *
 *   BhVm *vm;
 *   guest->class->vm_create(guest, &settings, &events, session, &vm);
 *   guest->class->mount(vm, "C:\\data", "/mnt/data", TRUE, "data");
 *   guest->class->execute(vm, BH_ROOT_NAMESPACE, "/bin/cat", argv, &socket);
 *   guest->class->vm_destroy(vm);
 *
 * Threading: any function may be called from any thread, several at once on one VM (the shared callback design
 * does). Only vm_destroy is called last and alone. A function may block for as long as the guest needs, but every
 * one of them returns promptly, with E_NOT_VALID_STATE, once the VM has died.
 *
 * Events arrive on a thread of the guest's own, which holds no lock of the guest's meanwhile; their handlers take leaf locks
 * only. `vm_destroy` returns only after the last event has returned, so it waits for that thread: a caller must hold no lock
 * which the event's handler takes. */
#pragma once

#include "activity.h"

G_BEGIN_DECLS

typedef struct {
  guint8 bytes[16]; /* as a Windows GUID lies in memory */
} BhGuid;

/* "{e4b5a1f0-…}", the caller's; and back: FALSE when the text is none (the braces may be missing). */
char *bh_guid_to_string(const BhGuid *guid);
gboolean bh_guid_parse(const char *text, BhGuid *guid);
/* A random one (version 4). */
BhGuid bh_guid_random(void);

/* One distribution as it is registered with the service. NULL members stay NULL on their way to a plugin. */
typedef struct {
  BhGuid id;
  char *name;
  char *package_family_name; /* or NULL */
  char *flavor;              /* or NULL */
  char *version;             /* or NULL */
  char *root;                /* the Linux folder that is its /; NULL: the machine's own */
  gboolean wsl1;             /* runs without a VM: no plugin is ever told of its start */
} BhDistribution;

BhDistribution *bh_distribution_copy(const BhDistribution *distribution);
void bh_distribution_free(BhDistribution *distribution);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BhDistribution, bh_distribution_free)

/* What a VM tells of one running distribution. */
typedef struct {
  guint32 number; /* names it in calls to the VM; never BH_ROOT_NAMESPACE, never reused in one VM */
  guint32 init_pid;
  guint64 pid_namespace;
} BhInstance;

#define BH_ROOT_NAMESPACE 0u

/* What the user configured of the VM; the numbers are enum WSLUserConfiguration's. */
#define BH_CUSTOM_KERNEL              1u
#define BH_CUSTOM_KERNEL_COMMAND_LINE 2u

typedef struct {
  guint32 flags; /* of the two above */
} BhVmSettings;

/* A program and what it is run with; bytes, not text. */
typedef struct {
  const char *path;
  const char *const *arguments;   /* the whole argv, NULL-terminated; NULL: argv is { path } */
  const char *const *environment; /* "NAME=value", added to the guest's own and going before it; NULL: nothing */
} BhProgram;

/* The streams of a process; the numbers are enum WSLCProcessFd's. */
enum { BH_STDIN, BH_STDOUT, BH_STDERR, BH_STREAM_COUNT };

/* A process that was started with three streams of its own. */
typedef struct BhProcess BhProcess;

/* What a container is made of: an image, and a program that is run in it. */
typedef struct {
  const char *name;  /* unique among the VM's */
  const char *image; /* its image's name; NULL: it is made of no image */
  const char *root;  /* the Linux folder that is its /; NULL: the machine's own */
  BhProgram program; /* its first process: when that ends, the container does. Its stdin and stdout are empty */
} BhContainerSpec;

/* A running container, or an image, as plugins are told of it. Cleared with bh_description_clear. */
typedef struct {
  guint32 number; /* names a container in calls to the VM, as an instance's does; an image has none */
  char *id;       /* Docker's: 64 hexadecimal digits; an image's begins with "sha256:" */
  char *document; /* JSON, with the keys of section 2 of the contract */
} BhDescription;

void bh_description_clear(BhDescription *description);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhDescription, bh_description_clear)

typedef struct BhGuest BhGuest;
typedef struct BhVm BhVm;

typedef struct {
  /* The VM ended though nobody asked it to. At most once, not after vm_destroy was called, and
   * not of a VM that could not be created. */
  void (*died)(gpointer data);

  /* The first process of a container ended. At most once a container; before container_stop returns, and perhaps before
   * container_start has. May be NULL. */
  void (*container_ended)(gpointer data, guint32 number);

  /* A process or thread of the VM's began or ended, in the order it did; only while it is watched. Unlike the others, this
   * comes on a thread that serves nothing else, may take as long as it likes, and may call back into the VM (but start no
   * program there, which would have to be told first: E_ILLEGAL_METHOD_CALL). Where the activity may be refused the process
   * waits for the answer, and a failure is what its creator gets. Valid during the call. May be NULL. */
  BhResult (*activity)(gpointer data, const BhActivity *activity);
} BhVmEvents;

typedef struct {
  const char *name; /* "agent", "memory" */

  /* Starts a VM. events and data are used until vm_destroy returns. */
  BhResult (*vm_create)(BhGuest *guest, const BhVmSettings *settings, const BhVmEvents *events, gpointer data,
                        BhVm **vm);

  /* Ends all that runs in it, and it; waits until that is done. Also for a VM that died. Frees vm. */
  void (*vm_destroy)(BhVm *vm);

  /* Makes a folder of the host's visible at linux_path in the root namespace, creating the mount point and its
   * parents. host_path is spelled as the service's platform spells paths. A host folder that is not there:
   * 0x80070002; a linux_path that is not absolute, or where the guest has something of its own:
   * E_INVALIDARG (the agent's: below /proc, /dev, /tmp or another mount). */
  BhResult (*mount)(BhVm *vm, const char *host_path, const char *linux_path, gboolean read_only, const char *name);

  /* Runs a program, in the root namespace or in an instance. path and arguments are bytes, not text. arguments is
   * the whole argv, NULL-terminated; NULL: argv is { path }. *socket becomes the process's stdin and stdout,
   * the caller's; its stderr goes to the log. A path that cannot be executed: E_FAIL; an instance that
   * does not run: 0x80040313. What `activity` refuses it with, likewise here, in process_start and container_start. */
  BhResult (*execute)(BhVm *vm, guint32 instance, const char *path, const char *const *arguments,
                      BhResource *socket);

  BhResult (*instance_start)(BhVm *vm, const BhDistribution *distribution, BhInstance *instance);

  /* Ends every process of the instance. */
  BhResult (*instance_stop)(BhVm *vm, guint32 instance);

  /* No program that was executed in the instance runs any more. */
  gboolean (*instance_is_idle)(BhVm *vm, guint32 instance);

  /* Writes all that a distribution's root holds into an archive (tar) on the host. Needs no VM, and the distribution
   * does not run. The folder of host_path is not there: 0x80070003; it cannot be written: E_FAIL. */
  BhResult (*distribution_export)(BhGuest *guest, const BhDistribution *distribution, const char *host_path);

  /* Takes back the last mount at linux_path. Programs that run may keep it; new ones do not see it. Nothing is mounted
   * there: 0x80070490; linux_path is not absolute: E_INVALIDARG. */
  BhResult (*unmount)(BhVm *vm, const char *linux_path);

  /* Runs a program in the root namespace. Each of streams becomes a socket, the caller's, which is that one stream of the
   * process alone. A path that cannot be executed: E_FAIL, and *error is Linux's errno; else *error is 0. */
  BhResult (*process_start)(BhVm *vm, const BhProgram *program, BhResource streams[BH_STREAM_COUNT],
                            BhProcess **process, gint32 *error);

  /* A process belongs to whoever started it, and may be asked and freed by any thread, after its VM's end too (which ended
   * it). process_event: something to wait for, the caller's, signalled once the process has ended; on Windows an event's
   * HANDLE, elsewhere an eventfd. process_exit_code: *code as a shell has it, 128 + n for signal n; E_NOT_VALID_STATE: it
   * runs. process_free: lets go of it; it runs on. */
  BhResult (*process_event)(BhProcess *process, BhResource *event);
  BhResult (*process_exit_code)(BhProcess *process, gint32 *code);
  void (*process_free)(BhProcess *process);

  /* Runs a container. container is the caller's to clear. Its program cannot be executed: E_FAIL; there is no such root:
   * 0x80070003. */
  BhResult (*container_start)(BhVm *vm, const BhContainerSpec *spec, BhDescription *container);

  /* Ends every process of it. Also due for a container that ended by itself. No such container: 0x80070490. */
  BhResult (*container_stop)(BhVm *vm, guint32 number);

  /* Describes the folder root (NULL: the machine's own) as the image `name`. No such folder: 0x80070003. */
  BhResult (*image_create)(BhVm *vm, const char *name, const char *root, BhDescription *image);

  /* From its return on, tells BhVmEvents.activity of what began since, or nothing more (BH_WATCH_NOTHING: after an activity in
   * flight, whose return is not waited for). One call at a time. Costs nothing when nothing is watched. Not while an
   * `activity` of this VM must return first. NULL: this guest cannot, and what runs in it goes unseen; a failure: this VM
   * cannot, though it should, and it is not used (but E_NOT_VALID_STATE, for one that has died). */
  BhResult (*watch)(BhVm *vm, BhWatch what);

  /* Whether a process of the VM's has that number, and (thread not 0) that thread. */
  gboolean (*has_process)(BhVm *vm, guint32 process, guint32 thread);
} BhGuestClass;

/* An implementation's own object begins with this. */
struct BhGuest {
  const BhGuestClass *class;
};
struct BhVm {
  const BhGuestClass *class;
};
struct BhProcess {
  const BhGuestClass *class;
};

G_END_DECLS
