#include "backend-win32/host/plugin.h"

#include "backend-win32/host/api.h"
#include "backend-win32/host/guard.h"
#include "backend-win32/host/plugin-file.h"
#include "core/hook-slot.h"

#include <string.h>

G_STATIC_ASSERT(sizeof(struct WSLPluginHooksV1) == BH_HOOK_COUNT * sizeof(gpointer));
G_STATIC_ASSERT(sizeof(GUID) == sizeof(BhGuid));

#define ENTRY_POINT G_STRINGIFY(WSLPLUGINAPI_ENTRYPOINTV1)

/* --- Loading -------------------------------------------------------------------------------------------- */

/* Why LoadLibrary refused a file that looked well from outside. */
static char *load_cause(const char *path, DWORD error) {
  g_autofree char *missing = NULL;
  g_autofree char *words = NULL;

  switch (error) {
    case ERROR_MOD_NOT_FOUND:
      missing = bh_plugin_file_missing_dll(path);
      if (missing != NULL) return g_strdup_printf("%s needs a DLL that is not there: %s", path, missing);
      return g_strdup_printf("%s needs a DLL that is not there", path);
    case ERROR_PROC_NOT_FOUND: return g_strdup_printf("%s needs a function that a DLL does not have", path);
    case ERROR_DLL_INIT_FAILED: return g_strdup_printf("DllMain of %s refused", path);
    case ERROR_NOACCESS: return g_strdup_printf("DllMain of %s, or of a DLL it needs, faulted", path);
    default: break;
  }
  words = bh_wire_error_words(bh_wire_error(error));
  return g_strdup_printf("%s cannot be loaded: %s", path, words);
}

/* What the plugin itself loads by a bare name comes from the same two folders as what it imports. */
static void add_folder(const char *path) {
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree wchar_t *wide = bh_wire_wide(folder);
  AddDllDirectory(wide); /* fails for a folder that is not there, and then the DLL is not either */
}

static BhResult load_library(BhPlugin *plugin, const char *path, char **cause) {
  g_autofree wchar_t *wide = bh_wire_wide(path);
  DWORD error;

  add_folder(path);
  /* What it imports comes from its own folder and from Windows': not from the current folder, nor from PATH. */
  plugin->module = LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
  if (plugin->module != NULL) return BH_OK;
  error = GetLastError();
  *cause = load_cause(path, error);
  return bh_wire_error(error);
}

static BhResult run_entry_point(BhPlugin *plugin, const char *path, char **cause) {
  FARPROC entry = GetProcAddress(plugin->module, ENTRY_POINT);
  g_autofree char *words = NULL;
  BhResult result;

  if (entry == NULL) {
    *cause = g_strdup_printf("%s does not export %s", path, ENTRY_POINT);
    return BH_E_PROC_NOT_FOUND;
  }
  result = (BhResult)bh_guard_call((gpointer)entry, bh_host_api(), &plugin->hooks.named);
  if (BH_SUCCEEDED(result)) return BH_OK;
  words = bh_result_to_string(result);
  *cause = g_strdup_printf("the entry point of %s returned %s", path, words);
  return result;
}

void bh_plugin_load(BhPlugin *plugin, const char *path, BhLoadReply *reply) {
  memset(plugin, 0, sizeof *plugin);
  reply->result = bh_plugin_file_inspect(path, &reply->cause);
  if (BH_SUCCEEDED(reply->result)) reply->result = load_library(plugin, path, &reply->cause);
  if (BH_SUCCEEDED(reply->result)) reply->result = run_entry_point(plugin, path, &reply->cause);
  for (guint i = 0; i < BH_HOOK_COUNT; i++)
    if (plugin->hooks.numbered[i] != NULL) reply->hooks |= 1u << i;
}

/* --- Hooks ---------------------------------------------------------------------------------------------- */

/* A notification as the contract's C records. Strings in UTF-16 are owned, all else is the notification's. */
typedef struct {
  union {
    struct WSLSessionInformation vm;
    struct WSLCSessionInformation container;
  } session;
  union {
    struct WSLVmCreationSettings settings;
    struct WSLDistributionInformation distribution;
    struct WslOfflineDistributionInformation offline;
  } payload;
  gconstpointer second; /* the hook's second argument; NULL: it has one only */
  wchar_t *strings[5];
  guint count;
} Arguments;

/* UTF-16, owned; NULL stays NULL. */
static LPCWSTR wide(Arguments *arguments, const char *text) {
  if (text == NULL) return NULL;
  g_assert(arguments->count < G_N_ELEMENTS(arguments->strings));
  return arguments->strings[arguments->count++] = bh_wire_wide(text);
}

/* The SID inside the blob; NULL when there is none, or the bytes are not one. */
static PSID sid_of(GBytes *blob) {
  gsize size = 0;
  PSID sid = blob != NULL ? (PSID)g_bytes_get_data(blob, &size) : NULL;

  /* Its second byte says how long it is; so it must be there before anybody asks. */
  if (size < GetSidLengthRequired(0) || size > SECURITY_MAX_SID_SIZE) return NULL;
  return IsValidSid(sid) && GetLengthSid(sid) <= size ? sid : NULL;
}

/* Whether a member of BhNotification travels as one of these fields. */
static gboolean has(const BhFields *fields, gsize offset) {
  for (guint i = 0; i < fields->count; i++)
    if (fields->fields[i].offset == offset) return TRUE;
  return FALSE;
}
#define HAS(fields, member) has(fields, G_STRUCT_OFFSET(BhNotification, member))

static void arguments_session(Arguments *arguments, const BhNotification *from) {
  if (bh_hooks[from->hook].kind == BH_SESSION_VM)
    arguments->session.vm = (struct WSLSessionInformation){
        .SessionId = from->session,
        .UserToken = (HANDLE)(gintptr)from->token,
        .UserSid = sid_of(from->sid),
    };
  else
    arguments->session.container = (struct WSLCSessionInformation){
        .SessionId = from->session,
        .DisplayName = wide(arguments, from->display_name),
        .ApplicationPid = from->application_pid,
        .UserToken = (HANDLE)(gintptr)from->token,
        .UserSid = sid_of(from->sid),
    };
}

/* The contract's table says what a hook's payload is made of; that says which record it is. */
static void arguments_payload(Arguments *arguments, const BhNotification *from) {
  const BhFields *fields = &bh_hooks[from->hook].payload;

  if (fields->count == 0) return;
  arguments->second = &arguments->payload;
  if (HAS(fields, document)) {
    arguments->second = from->document;
  } else if (HAS(fields, vm_flags)) {
    arguments->payload.settings.CustomConfigurationFlags = (enum WSLUserConfiguration)from->vm_flags;
  } else if (HAS(fields, init_pid)) {
    struct WSLDistributionInformation *to = &arguments->payload.distribution;
    memcpy(&to->Id, &from->distribution, sizeof to->Id);
    to->Name = wide(arguments, from->name);
    to->PidNamespace = from->pid_namespace;
    to->PackageFamilyName = wide(arguments, from->package_family_name);
    to->InitPid = from->init_pid;
    to->Flavor = wide(arguments, from->flavor);
    to->Version = wide(arguments, from->version);
  } else {
    struct WslOfflineDistributionInformation *to = &arguments->payload.offline;
    memcpy(&to->Id, &from->distribution, sizeof to->Id);
    to->Name = wide(arguments, from->name);
    to->PackageFamilyName = wide(arguments, from->package_family_name);
    to->Flavor = wide(arguments, from->flavor);
    to->Version = wide(arguments, from->version);
  }
}

void bh_plugin_notify(const BhPlugin *plugin, const BhNotification *notification, BhNotifyReply *reply) {
  gpointer hook = plugin->hooks.numbered[notification->hook];
  Arguments arguments = {.count = 0};
  BhHookSlot slot;
  BhResult result = BH_OK;

  arguments_session(&arguments, notification);
  arguments_payload(&arguments, notification);
  bh_hook_slot_begin(&slot, notification->hook, notification->number);
  if (hook != NULL) result = (BhResult)bh_guard_call(hook, &arguments.session, arguments.second);
  bh_hook_slot_end(&slot, result, reply);
  for (guint i = 0; i < arguments.count; i++) g_free(arguments.strings[i]);
  if (notification->token != 0) CloseHandle((HANDLE)(gintptr)notification->token);
}
