/* contract.h: the plugin contract as data.
 *
 * One row per hook, one row per API call. Whoever needs all of them (the codec, the host's dispatch, the manager's
 * abort rules, the scripted plugins, the tests) walks these tables; nobody lists them a second time.
 *
 * What travels between service and host is one of four plain structs below. A field table says which of a struct's
 * members travel for a given hook or call, as what, and which may be NULL; `record` turns them into bytes and back.
 *
 *   for (guint i = 0; i < BH_HOOK_COUNT; i++) g_print("%s\n", bh_hooks[i].name);
 *
 * Source: sections 2 to 4 of the contract. Everything here is immutable. */
#pragma once

#include "guest.h"

G_BEGIN_DECLS

typedef enum {
  BH_SESSION_VM,        /* a WSL session: one VM, distributions */
  BH_SESSION_CONTAINER, /* a WSLC session: containers, images */
} BhSessionKind;

/* Hooks: service to plugin. The numbers are the places in WSLPluginHooksV1. */
typedef enum {
  BH_HOOK_VM_STARTED,
  BH_HOOK_VM_STOPPING,
  BH_HOOK_DISTRIBUTION_STARTED,
  BH_HOOK_DISTRIBUTION_STOPPING,
  BH_HOOK_DISTRIBUTION_REGISTERED,
  BH_HOOK_DISTRIBUTION_UNREGISTERED,
  BH_HOOK_SESSION_CREATED,
  BH_HOOK_SESSION_STOPPING,
  BH_HOOK_CONTAINER_STARTED,
  BH_HOOK_CONTAINER_STOPPING,
  BH_HOOK_IMAGE_CREATED,
  BH_HOOK_IMAGE_DELETED,
  BH_HOOK_CONTAINER_VM_STARTED,
  BH_HOOK_CONTAINER_VM_STOPPING,
  BH_HOOK_COUNT,
  BH_HOOK_NONE = BH_HOOK_COUNT,
} BhHook;

/* API calls: plugin to service. The numbers are the places in WSLPluginAPIV1, after Version. */
typedef enum {
  BH_API_MOUNT_FOLDER,
  BH_API_EXECUTE_BINARY,
  BH_API_PLUGIN_ERROR, /* served inside the host; never travels */
  BH_API_EXECUTE_BINARY_IN_DISTRIBUTION,
  BH_API_CONTAINER_MOUNT_FOLDER,
  BH_API_CONTAINER_UNMOUNT_FOLDER,
  BH_API_CONTAINER_CREATE_PROCESS,
  BH_API_PROCESS_GET_FD,
  BH_API_PROCESS_GET_EXIT_EVENT,
  BH_API_PROCESS_GET_EXIT_CODE,
  BH_API_PROCESS_RELEASE,
  BH_API_COUNT,
} BhApi;

/* How one member of a struct travels. */
typedef enum {
  BH_FIELD_U32,
  BH_FIELD_U64,
  BH_FIELD_BOOL,    /* gboolean */
  BH_FIELD_TEXT,    /* char *, UTF-8; UTF-16 at the plugin */
  BH_FIELD_BYTES,   /* char *, any bytes up to a NUL; LPCSTR at the plugin */
  BH_FIELD_STRINGS, /* char **, NULL-terminated, each as BH_FIELD_BYTES */
  BH_FIELD_GUID,    /* BhGuid */
  BH_FIELD_BLOB,    /* GBytes *: what only the backend understands */
} BhFieldType;

typedef struct {
  const char *name;
  BhFieldType type;
  guint offset;       /* in its struct */
  BhResult when_null; /* what the API call answers to NULL; BH_OK: NULL may be */
} BhField;

typedef struct {
  const BhField *fields;
  guint count;
} BhFields;

/* Service to host: a hook is to be run. Members that the hook's field table does not name are zero. Strings, sid
 * and blob are owned by the struct only after bh_record_decode; a caller may point at its own. */
typedef struct {
  BhHook hook;
  guint64 number; /* names this notification; unique in a service, never 0 */
  guint32 session;
  guint64 token; /* the session user's token: as the embedder knows it in the service, as the host knows it in
                     the host; the backend translates; 0: none */
  GBytes *sid;   /* the session user's SID, as Windows lays it out; NULL: none */
  char *display_name;
  guint32 application_pid;
  guint32 vm_flags;
  BhGuid distribution;
  char *name;
  guint64 pid_namespace;
  char *package_family_name;
  guint32 init_pid;
  char *flavor;
  char *version;
  char *document; /* JSON, or a container's or image's id */
} BhNotification;

/* Host to service: what came of it. A struct of its own, so that the transport's status and the hook's result never
 * mix. Cleared with bh_record_clear(&bh_notify_reply_fields, reply). */
typedef struct {
  BhResult result;  /* what the hook returned: data */
  char *message;    /* what it said by PluginError, or NULL */
  guint64 thread;   /* the thread of the host that ran it, for people to read */
  guint64 duration; /* µs that the hook took */
} BhNotifyReply;

/* Host to service: the plugin wants something. Ownership as in BhNotification. */
typedef struct {
  BhApi api;
  guint64 notification; /* the notification on whose thread the plugin calls; 0: some other thread */
  guint64 thread;       /* for people to read */
  guint32 session;
  char *host_path;  /* WindowsPath */
  char *linux_path; /* LinuxPath, Mountpoint */
  gboolean read_only;
  char *name;
  BhGuid distribution;
  char *path; /* Path, Executable */
  char **arguments;
  char **environment;
  guint64 process;
  guint32 fd;
} BhCall;

/* Service to host: what came of it. */
typedef struct {
  BhResult result;
  guint64 process;
  guint32 number;      /* errno, or an exit code's bits */
  GBytes *blob;        /* how the resource travels; made and used by the backend only */
  BhResource resource; /* a socket or event; does not travel; owned */
} BhCallReply;

/* Host to service: what came of loading the plugin. */
typedef struct {
  BhResult result;
  char *cause;   /* for people: which step failed, with the file's or DLL's name; NULL: nothing to add */
  guint32 hooks; /* bit n: the plugin has hook n. A hook it has not succeeds without being called */
} BhLoadReply;

typedef struct {
  guint32 major, minor, revision;
} BhVersion;

/* What plugins are told is the service's version. */
extern const BhVersion bh_contract_version;

typedef struct {
  const char *name; /* as in WSLPluginHooksV1 */
  BhSessionKind kind;
  gboolean aborts;          /* a failure ends the operation */
  gboolean carries_message; /* PluginError's text reaches the user */
  BhFields session;         /* the session record's members */
  BhFields payload;         /* what comes after it */
  BhVersion since;
} BhHookInfo;

typedef struct {
  const char *name; /* as in WSLPluginAPIV1 */
  BhSessionKind kind;
  gboolean travels;
  gboolean names_process; /* one that the plugin was handed, and no session */
  BhFields arguments;
  BhVersion since;
} BhApiInfo;

extern const BhHookInfo bh_hooks[BH_HOOK_COUNT];
extern const BhApiInfo bh_apis[BH_API_COUNT];
extern const BhFields bh_notify_reply_fields;
extern const BhFields bh_call_reply_fields;
extern const BhFields bh_load_reply_fields;

/* The hook of that name, or BH_HOOK_NONE. */
BhHook bh_hook_by_name(const char *name);

/* BH_OK, or what the call must answer because an argument that may not be NULL is NULL. */
BhResult bh_call_check(const BhCall *call);

/* Closes or frees what a reply owns. */
void bh_call_reply_clear(BhCallReply *reply);
void bh_notify_reply_clear(BhNotifyReply *reply);
void bh_load_reply_clear(BhLoadReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhCallReply, bh_call_reply_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhNotifyReply, bh_notify_reply_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhLoadReply, bh_load_reply_clear)

G_END_DECLS
