#include "contract.h"

#include "record.h"

#define FIELD(struct_type, member, field_type, when_null) \
  { #member, BH_FIELD_##field_type, G_STRUCT_OFFSET(struct_type, member), when_null }
#define NOTIFICATION(member, field_type, when_null) FIELD(BhNotification, member, field_type, when_null)
#define CALL(member, field_type, when_null)         FIELD(BhCall, member, field_type, when_null)
#define FIELDS(array) \
  { array, G_N_ELEMENTS(array) }
#define NO_FIELDS \
  { NULL, 0 }

const BhVersion bh_contract_version = {2, 9, 5};

/* Where NULL may not be, in a notification, the service is at fault: E_INVALIDARG. */
static const BhField vm_session_fields[] = {
    NOTIFICATION(session, U32, BH_OK),
    NOTIFICATION(token, U64, BH_OK),
    NOTIFICATION(sid, BLOB, BH_OK),
};
static const BhField container_session_fields[] = {
    NOTIFICATION(session, U32, BH_OK),
    NOTIFICATION(display_name, TEXT, BH_E_INVALIDARG),
    NOTIFICATION(application_pid, U32, BH_OK),
    NOTIFICATION(token, U64, BH_OK),
    NOTIFICATION(sid, BLOB, BH_OK),
};
static const BhField vm_settings_fields[] = {NOTIFICATION(vm_flags, U32, BH_OK)};
static const BhField distribution_fields[] = {
    NOTIFICATION(distribution, GUID, BH_OK), NOTIFICATION(name, TEXT, BH_E_INVALIDARG),
    NOTIFICATION(pid_namespace, U64, BH_OK), NOTIFICATION(package_family_name, TEXT, BH_OK),
    NOTIFICATION(init_pid, U32, BH_OK),      NOTIFICATION(flavor, TEXT, BH_OK),
    NOTIFICATION(version, TEXT, BH_OK),
};
static const BhField offline_distribution_fields[] = {
    NOTIFICATION(distribution, GUID, BH_OK),
    NOTIFICATION(name, TEXT, BH_E_INVALIDARG),
    NOTIFICATION(package_family_name, TEXT, BH_OK),
    NOTIFICATION(flavor, TEXT, BH_OK),
    NOTIFICATION(version, TEXT, BH_OK),
};
static const BhField document_fields[] = {NOTIFICATION(document, BYTES, BH_E_INVALIDARG)};

#define VM_SESSION        FIELDS(vm_session_fields)
#define CONTAINER_SESSION FIELDS(container_session_fields)
#define V(major, minor, revision) \
  { major, minor, revision }

/* name, kind, aborts, carries a message, session, payload, since */
const BhHookInfo bh_hooks[BH_HOOK_COUNT] = {
    {"OnVMStarted", BH_SESSION_VM, TRUE, TRUE, VM_SESSION, FIELDS(vm_settings_fields), V(1, 0, 0)},
    {"OnVMStopping", BH_SESSION_VM, FALSE, FALSE, VM_SESSION, NO_FIELDS, V(1, 0, 0)},
    {"OnDistributionStarted", BH_SESSION_VM, TRUE, TRUE, VM_SESSION, FIELDS(distribution_fields), V(1, 0, 0)},
    {"OnDistributionStopping", BH_SESSION_VM, FALSE, FALSE, VM_SESSION, FIELDS(distribution_fields), V(1, 0, 0)},
    {"OnDistributionRegistered", BH_SESSION_VM, FALSE, FALSE, VM_SESSION, FIELDS(offline_distribution_fields),
     V(2, 1, 2)},
    {"OnDistributionUnregistered", BH_SESSION_VM, FALSE, FALSE, VM_SESSION, FIELDS(offline_distribution_fields),
     V(2, 1, 2)},
    {"OnSessionCreated", BH_SESSION_CONTAINER, TRUE, TRUE, CONTAINER_SESSION, NO_FIELDS, V(2, 9, 0)},
    {"OnSessionStopping", BH_SESSION_CONTAINER, FALSE, FALSE, CONTAINER_SESSION, NO_FIELDS, V(2, 9, 0)},
    {"ContainerStarted", BH_SESSION_CONTAINER, TRUE, TRUE, CONTAINER_SESSION, FIELDS(document_fields), V(2, 9, 0)},
    {"ContainerStopping", BH_SESSION_CONTAINER, FALSE, FALSE, CONTAINER_SESSION, FIELDS(document_fields),
     V(2, 9, 0)},
    {"ImageCreated", BH_SESSION_CONTAINER, FALSE, FALSE, CONTAINER_SESSION, FIELDS(document_fields), V(2, 9, 0)},
    {"ImageDeleted", BH_SESSION_CONTAINER, FALSE, FALSE, CONTAINER_SESSION, FIELDS(document_fields), V(2, 9, 0)},
    {"WslcVmStarted", BH_SESSION_CONTAINER, FALSE, FALSE, CONTAINER_SESSION, NO_FIELDS, V(2, 9, 5)},
    {"WslcVmStopping", BH_SESSION_CONTAINER, FALSE, FALSE, CONTAINER_SESSION, NO_FIELDS, V(2, 9, 5)},
};

static const BhField mount_folder_fields[] = {
    CALL(session, U32, BH_OK),    CALL(host_path, TEXT, BH_E_INVALIDARG), CALL(linux_path, TEXT, BH_E_INVALIDARG),
    CALL(read_only, BOOL, BH_OK), CALL(name, TEXT, BH_E_INVALIDARG),
};
static const BhField execute_fields[] = {
    CALL(session, U32, BH_OK),
    CALL(path, BYTES, BH_E_INVALIDARG),
    CALL(arguments, STRINGS, BH_OK),
};
static const BhField execute_in_distribution_fields[] = {
    CALL(session, U32, BH_OK),
    CALL(distribution, GUID, BH_E_INVALIDARG),
    CALL(path, BYTES, BH_E_INVALIDARG),
    CALL(arguments, STRINGS, BH_OK),
};
static const BhField container_mount_fields[] = {
    CALL(session, U32, BH_OK),
    CALL(host_path, TEXT, BH_E_POINTER),
    CALL(linux_path, BYTES, BH_E_POINTER),
    CALL(read_only, BOOL, BH_OK),
};
static const BhField container_unmount_fields[] = {
    CALL(session, U32, BH_OK),
    CALL(linux_path, BYTES, BH_E_POINTER),
};
static const BhField create_process_fields[] = {
    CALL(session, U32, BH_OK),
    CALL(path, BYTES, BH_E_POINTER),
    CALL(arguments, STRINGS, BH_OK),
    CALL(environment, STRINGS, BH_OK),
};
/* A process's number is its handle at the plugin: 0 is NULL. */
static const BhField get_fd_fields[] = {CALL(process, U64, BH_E_INVALIDARG), CALL(fd, U32, BH_OK)};
static const BhField process_fields[] = {CALL(process, U64, BH_E_INVALIDARG)};
static const BhField release_fields[] = {CALL(process, U64, BH_OK)};

/* name, kind, travels, names a process, arguments, since. Out-parameters are the host's to check: only it sees them. */
const BhApiInfo bh_apis[BH_API_COUNT] = {
    {"MountFolder", BH_SESSION_VM, TRUE, FALSE, FIELDS(mount_folder_fields), V(1, 0, 0)},
    {"ExecuteBinary", BH_SESSION_VM, TRUE, FALSE, FIELDS(execute_fields), V(1, 0, 0)},
    {"PluginError", BH_SESSION_VM, FALSE, FALSE, NO_FIELDS, V(1, 0, 0)},
    {"ExecuteBinaryInDistribution", BH_SESSION_VM, TRUE, FALSE, FIELDS(execute_in_distribution_fields),
     V(2, 1, 2)},
    {"WSLCMountFolder", BH_SESSION_CONTAINER, TRUE, FALSE, FIELDS(container_mount_fields), V(2, 9, 0)},
    {"WSLCUnmountFolder", BH_SESSION_CONTAINER, TRUE, FALSE, FIELDS(container_unmount_fields), V(2, 9, 0)},
    {"WSLCCreateProcess", BH_SESSION_CONTAINER, TRUE, FALSE, FIELDS(create_process_fields), V(2, 9, 0)},
    {"WSLCProcessGetFd", BH_SESSION_CONTAINER, TRUE, TRUE, FIELDS(get_fd_fields), V(2, 9, 0)},
    {"WSLCProcessGetExitEvent", BH_SESSION_CONTAINER, TRUE, TRUE, FIELDS(process_fields), V(2, 9, 0)},
    {"WSLCProcessGetExitCode", BH_SESSION_CONTAINER, TRUE, TRUE, FIELDS(process_fields), V(2, 9, 0)},
    {"WSLCReleaseProcess", BH_SESSION_CONTAINER, TRUE, TRUE, FIELDS(release_fields), V(2, 9, 0)},
};

static const BhField notify_reply_fields[] = {
    FIELD(BhNotifyReply, result, U32, BH_OK),
    FIELD(BhNotifyReply, message, TEXT, BH_OK),
    FIELD(BhNotifyReply, thread, U64, BH_OK),
    FIELD(BhNotifyReply, duration, U64, BH_OK),
};
static const BhField call_reply_fields[] = {
    FIELD(BhCallReply, result, U32, BH_OK),
    FIELD(BhCallReply, process, U64, BH_OK),
    FIELD(BhCallReply, number, U32, BH_OK),
    FIELD(BhCallReply, blob, BLOB, BH_OK),
};
static const BhField load_reply_fields[] = {
    FIELD(BhLoadReply, result, U32, BH_OK),
    FIELD(BhLoadReply, cause, TEXT, BH_OK),
    FIELD(BhLoadReply, hooks, U32, BH_OK),
};

const BhFields bh_notify_reply_fields = FIELDS(notify_reply_fields);
const BhFields bh_call_reply_fields = FIELDS(call_reply_fields);
const BhFields bh_load_reply_fields = FIELDS(load_reply_fields);

BhHook bh_hook_by_name(const char *name) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++)
    if (g_str_equal(bh_hooks[i].name, name)) return (BhHook)i;
  return BH_HOOK_NONE;
}

static gboolean is_null(const BhCall *call, const BhField *field) {
  switch (field->type) {
    case BH_FIELD_TEXT:
    case BH_FIELD_BYTES: return G_STRUCT_MEMBER(char *, call, field->offset) == NULL;
    case BH_FIELD_U64: return G_STRUCT_MEMBER(guint64, call, field->offset) == 0;
    default: return FALSE; /* a GUID's pointer only the host sees */
  }
}

BhResult bh_call_check(const BhCall *call) {
  const BhFields *arguments;

  if ((guint)call->api >= BH_API_COUNT) return BH_E_INVALIDARG;
  arguments = &bh_apis[call->api].arguments;
  for (guint i = 0; i < arguments->count; i++) {
    const BhField *field = &arguments->fields[i];
    if (BH_FAILED(field->when_null) && is_null(call, field)) return field->when_null;
  }
  return BH_OK;
}

void bh_call_reply_clear(BhCallReply *reply) {
  bh_resource_clear(&reply->resource);
  bh_record_clear(&bh_call_reply_fields, reply);
}

void bh_notify_reply_clear(BhNotifyReply *reply) {
  bh_record_clear(&bh_notify_reply_fields, reply);
}

void bh_load_reply_clear(BhLoadReply *reply) {
  bh_record_clear(&bh_load_reply_fields, reply);
}
