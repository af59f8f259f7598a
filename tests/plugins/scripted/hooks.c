#include "plugin.h"

#include <string.h>

/* Runs a hook's handler with a notification whose strings and SID the caller of convert owns, and frees
 * them. */
static HRESULT run(BhNotification *notification) {
  BhResult result = bh_script_hook(plugin_run, notification);

  g_free(notification->display_name);
  g_free(notification->name);
  g_free(notification->package_family_name);
  g_free(notification->flavor);
  g_free(notification->version);
  if (notification->sid != NULL) g_bytes_unref(notification->sid);
  return result;
}

static char *narrow(LPCWSTR text) {
  return text != NULL ? g_utf16_to_utf8((const gunichar2 *)text, -1, NULL, NULL, NULL) : NULL;
}

static GBytes *sid_bytes(PSID sid) {
  return sid != NULL ? g_bytes_new(sid, GetLengthSid(sid)) : NULL;
}

/* ---- The records, each into the notification's members of the same meaning ----------------------------- */

static void from_vm_session(BhNotification *to, const struct WSLSessionInformation *from) {
  to->session = from->SessionId;
  to->token = (guint64)(guintptr)from->UserToken;
  to->sid = sid_bytes(from->UserSid);
}

static void from_container_session(BhNotification *to, const struct WSLCSessionInformation *from) {
  to->session = from->SessionId;
  to->display_name = narrow(from->DisplayName);
  to->application_pid = from->ApplicationPid;
  to->token = (guint64)(guintptr)from->UserToken;
  to->sid = sid_bytes(from->UserSid);
}

static void from_settings(BhNotification *to, const struct WSLVmCreationSettings *from) {
  to->vm_flags = (guint32)from->CustomConfigurationFlags;
}

static void from_distribution(BhNotification *to, const struct WSLDistributionInformation *from) {
  memcpy(&to->distribution, &from->Id, sizeof to->distribution);
  to->name = narrow(from->Name);
  to->pid_namespace = from->PidNamespace;
  to->package_family_name = narrow(from->PackageFamilyName);
  to->init_pid = from->InitPid;
  to->flavor = narrow(from->Flavor);
  to->version = narrow(from->Version);
}

static void from_offline(BhNotification *to, const struct WslOfflineDistributionInformation *from) {
  memcpy(&to->distribution, &from->Id, sizeof to->distribution);
  to->name = narrow(from->Name);
  to->package_family_name = narrow(from->PackageFamilyName);
  to->flavor = narrow(from->Flavor);
  to->version = narrow(from->Version);
}

static void from_document(BhNotification *to, LPCSTR from) {
  to->document = (char *)from; /* the host's, until the hook returns */
}

/* ---- The hooks: member, number, session record, then the payload's type and conversion ----------------- */

/* clang-format off */
#define VM        const struct WSLSessionInformation *, from_vm_session
#define CONTAINER const struct WSLCSessionInformation *, from_container_session

#define HOOKS(WITHOUT, WITH) \
  WITH(OnVMStarted, VM_STARTED, VM, const struct WSLVmCreationSettings *, from_settings) \
  WITHOUT(OnVMStopping, VM_STOPPING, VM) \
  WITH(OnDistributionStarted, DISTRIBUTION_STARTED, VM, const struct WSLDistributionInformation *, from_distribution) \
  WITH(OnDistributionStopping, DISTRIBUTION_STOPPING, VM, const struct WSLDistributionInformation *, from_distribution) \
  WITH(OnDistributionRegistered, DISTRIBUTION_REGISTERED, VM, const struct WslOfflineDistributionInformation *, \
       from_offline) \
  WITH(OnDistributionUnregistered, DISTRIBUTION_UNREGISTERED, VM, const struct WslOfflineDistributionInformation *, \
       from_offline) \
  WITHOUT(OnSessionCreated, SESSION_CREATED, CONTAINER) \
  WITHOUT(OnSessionStopping, SESSION_STOPPING, CONTAINER) \
  WITH(ContainerStarted, CONTAINER_STARTED, CONTAINER, LPCSTR, from_document) \
  WITH(ContainerStopping, CONTAINER_STOPPING, CONTAINER, LPCSTR, from_document) \
  WITH(ImageCreated, IMAGE_CREATED, CONTAINER, LPCSTR, from_document) \
  WITH(ImageDeleted, IMAGE_DELETED, CONTAINER, LPCSTR, from_document) \
  WITHOUT(WslcVmStarted, CONTAINER_VM_STARTED, CONTAINER) \
  WITHOUT(WslcVmStopping, CONTAINER_VM_STOPPING, CONTAINER)

/* VM and CONTAINER are two arguments each once they are expanded: hence one more step. */
#define DEFINE(...)      DEFINE_(__VA_ARGS__)
#define DEFINE_WITH(...) DEFINE_WITH_(__VA_ARGS__)

#define DEFINE_(member, which, session_type, session_from) \
  static HRESULT member(session_type session) { \
    BhNotification notification = {.hook = BH_HOOK_##which, .number = 1}; \
    session_from(&notification, session); \
    return run(&notification); \
  }
#define DEFINE_WITH_(member, which, session_type, session_from, payload_type, payload_from) \
  static HRESULT member(session_type session, payload_type payload) { \
    BhNotification notification = {.hook = BH_HOOK_##which, .number = 1}; \
    session_from(&notification, session); \
    payload_from(&notification, payload); \
    return run(&notification); \
  }
HOOKS(DEFINE, DEFINE_WITH)
/* clang-format on */

#define FILL(member, which, ...) \
  if ((handled & (1u << BH_HOOK_##which)) != 0) hooks->member = member;

void plugin_fill_hooks(struct WSLPluginHooksV1 *hooks, guint32 handled) {
  HOOKS(FILL, FILL)
}
