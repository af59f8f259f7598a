#include "backend-win32/host/harden.h"

#include <string.h>

/* --- Privileges ----------------------------------------------------------------------------------------- */

/* What stays. All else goes, also what a later Windows may add. Most telling among that, and why a plugin does
 * without:
 *
 *   SeDebug                     opens any process, and so undoes everything here. Plugins debug nobody
 *   SeTcb                       acts as the system itself. The session's token is handed to the plugin, made
 *   SeCreateToken               makes tokens out of nothing. Likewise
 *   SeAssignPrimaryToken        starts a process with any token. As the session's user one is started by
 *                               CreateProcessWithToken, which asks for SeImpersonate only
 *   SeIncreaseQuota             goes with it
 *   SeLoadDriver                brings code into the kernel. A driver is loaded by its own service
 *   SeBackup, SeRestore         read and write every file, whatever its access list says. What is mounted for
 *                               Linux the service opens, not the plugin
 *   SeTakeOwnership, SeRelabel  make any object one's own
 *   SeSecurity, SeAudit         read and forge the security log
 *   SeManageVolume, SeSystemEnvironment, SeSystemtime, SeShutdown, SeCreatePagefile, …
 *                               the machine's administration, which is no session's business
 *   SeLockMemory, SeIncreaseBasePriority, SeProfileSingleProcess, SeSystemProfile
 *                               take from others, or look at them
 *   SeCreateSymbolicLink        would let a plugin turn a path of the service's elsewhere
 */
static const wchar_t *const kept[] = {
    L"SeChangeNotifyPrivilege",       /* everybody has it; without, each folder of a path is checked */
    L"SeImpersonatePrivilege",        /* a hook is given the user's token so that it can act as that user */
    L"SeCreateGlobalPrivilege",       /* named objects that the plugin shares with its maker's own programs */
    L"SeIncreaseWorkingSetPrivilege", /* everybody has it; of its own memory only */
};

/* The privileges that a token has, enabled or not. NULL: they cannot be asked for. The caller's, g_free. */
static TOKEN_PRIVILEGES *privileges_of(HANDLE token) {
  TOKEN_PRIVILEGES *privileges;
  DWORD size = 0;

  GetTokenInformation(token, TokenPrivileges, NULL, 0, &size);
  if (size == 0) return NULL;
  privileges = g_malloc0(size);
  if (!GetTokenInformation(token, TokenPrivileges, privileges, size, &size)) g_clear_pointer(&privileges, g_free);
  return privileges;
}

static gboolean is_kept(LUID privilege) {
  for (guint i = 0; i < G_N_ELEMENTS(kept); i++) {
    LUID luid;
    if (LookupPrivilegeValueW(NULL, kept[i], &luid) && memcmp(&luid, &privilege, sizeof luid) == 0) return TRUE;
  }
  return FALSE;
}

/* One that the token has and that has to go; NULL: there is none. */
static const LUID *excess(const TOKEN_PRIVILEGES *privileges) {
  for (DWORD i = 0; i < privileges->PrivilegeCount; i++)
    if (!is_kept(privileges->Privileges[i].Luid)) return &privileges->Privileges[i].Luid;
  return NULL;
}

static char *privilege_name(LUID privilege) {
  wchar_t name[64];
  DWORD size = G_N_ELEMENTS(name);
  return LookupPrivilegeNameW(NULL, &privilege, name, &size) ? bh_wire_utf8(name) : g_strdup("one without a name");
}

static void remove_privileges(HANDLE token, TOKEN_PRIVILEGES *privileges) {
  for (DWORD i = 0; i < privileges->PrivilegeCount; i++) {
    LUID_AND_ATTRIBUTES *one = &privileges->Privileges[i];
    one->Attributes = is_kept(one->Luid) ? one->Attributes & SE_PRIVILEGE_ENABLED : SE_PRIVILEGE_REMOVED;
  }
  /* Succeeds also where it did a part only: who calls looks. */
  AdjustTokenPrivileges(token, FALSE, privileges, 0, NULL, NULL);
}

/* Why privileges may be left, or NULL. */
static char *drop_privileges(void) {
  g_autofree TOKEN_PRIVILEGES *before = NULL;
  g_autofree TOKEN_PRIVILEGES *after = NULL;
  g_autofree char *name = NULL;
  const LUID *left;
  HANDLE token;

  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token))
    return g_strdup("its token cannot be opened");
  before = privileges_of(token);
  if (before != NULL) remove_privileges(token, before);
  after = privileges_of(token);
  CloseHandle(token);
  if (after == NULL) return g_strdup("its privileges cannot be read");
  left = excess(after);
  if (left == NULL) return NULL;
  name = privilege_name(*left);
  return g_strdup_printf("it still has the privilege %s", name);
}

/* --- Mitigation policies -------------------------------------------------------------------------------- */

/* The bits of each are as winnt.h's structure of that name has them. Wine 8 accepts all of them, and does nothing.
 *
 * Off, as a legitimate plugin would notice:
 *
 *   DynamicCode             a plugin may bring a virtual machine that compiles (.NET, a script language)
 *   Signature               means Microsoft's signatures; plugins are others'. The service checks theirs
 *   SystemCallDisable       COM itself needs win32k
 *   StrictHandleCheck       a handle closed twice would end plugins that lived with it in the service's process
 *   ChildProcess            a plugin may start programs; they are in its job
 *   ImageLoad's PreferSystem32Images
 *                           a plugin may bring its own version of a DLL that Windows has too
 *   RedirectionTrust        the user's folders, which plugins show to Linux, hold the user's own links
 *   PayloadRestriction      breaks tools that hook functions, and is made for exploits of ordinary programs
 *   SideChannelIsolation    costs, and Windows keeps processes apart without it
 *   DEP                     is always on for 64 bits
 *   ControlFlowGuard, UserShadowStack
 *                           are the program file's to ask for, and mingw-w64 makes no such code
 */
static const struct {
  PROCESS_MITIGATION_POLICY policy;
  DWORD flags;
} policies[] = {
    {ProcessASLRPolicy, 1u << 1},                  /* EnableForceRelocateImages: DLLs that did not ask for it too;
                                                      one that cannot be moved still loads */
    {ProcessExtensionPointDisablePolicy, 1u << 0}, /* no AppInit DLLs, window hooks, IMEs, layered Winsock
                                                      providers: code that nobody registered as a plugin */
    {ProcessFontDisablePolicy, 1u << 0},           /* DisableNonSystemFonts: no parser of fonts in the kernel for
                                                      who draws nothing */
    {ProcessImageLoadPolicy, 1u << 0 | 1u << 1},   /* NoRemoteImages, NoLowMandatoryLabelImages: no code from
                                                      network shares, nor written by a sandboxed program */
};

static void set_policies(void) {
  for (guint i = 0; i < G_N_ELEMENTS(policies); i++) {
    DWORD flags = 0;
    /* What is on already may not be missing: no policy can be taken back. */
    if (!GetProcessMitigationPolicy(GetCurrentProcess(), policies[i].policy, &flags, sizeof flags)) flags = 0;
    flags |= policies[i].flags;
    /* Fails where this Windows does not know it, which is no reason to do without plugins. */
    SetProcessMitigationPolicy(policies[i].policy, &flags, sizeof flags);
  }
}

/* -------------------------------------------------------------------------------------------------------- */

void bh_harden(char **refusal) {
  g_autofree char *cause = NULL;

  HeapSetInformation(NULL, HeapEnableTerminationOnCorruption, NULL, 0);
  set_policies();
  *refusal = NULL;
  cause = drop_privileges();
  if (cause == NULL && !SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32 | LOAD_LIBRARY_SEARCH_USER_DIRS))
    cause = g_strdup("it would look for DLLs anywhere");
  if (cause != NULL) *refusal = g_strdup_printf("the host may not run a plugin: %s", cause);
}
