/* Every action of a script, over a host without a backend (script-port.h). */
#include "core/lock-order.h"

#include "script-port.h"

#include <glib/gstdio.h>
#include <string.h>

/* A script, what is run of it, and what it then has logged. */
/* clang-format off */
static const struct {
  const char *name, *text;
  BhHook hooks[3]; /* to BH_HOOK_NONE; load comes first where the script has it */
  BhResult result; /* of what ran last */
  const char *log, *calls;
} runs[] = {
    {"load", "on load\n  log version %VERSION%\n", {BH_HOOK_NONE}, BH_OK, "load\nversion 2.9.5\n", ""},
    {"fields/vm", "on OnVMStarted\non OnVMStopping\n", {BH_HOOK_VM_STARTED, BH_HOOK_VM_STOPPING, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nOnVMStopping\n", ""},
    {"fields/distribution",
     "on OnDistributionStarted\non OnDistributionRegistered\n",
     {BH_HOOK_DISTRIBUTION_STARTED, BH_HOOK_DISTRIBUTION_REGISTERED, BH_HOOK_NONE},
     BH_OK,
     "OnDistributionStarted name=Debian id={12345678-9abc-4def-8123-456789abcdef} init=9 pidns=4026531836 family=- "
     "flavor=debian version=-\n"
     "OnDistributionRegistered name=Debian id={12345678-9abc-4def-8123-456789abcdef} family=- flavor=debian "
     "version=-\n",
     ""},
    {"fields/container", "on ContainerStarted\n", {BH_HOOK_CONTAINER_STARTED, BH_HOOK_NONE}, BH_OK,
     "ContainerStarted container=- id=-\n", ""},
    {"fields/wslc-session", "on OnSessionCreated\non OnSessionStopping\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_SESSION_STOPPING, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated name=dev pid=8 token=set sid=-\nOnSessionStopping name=dev\n", ""},
    {"fields/wslc-vm", "on WslcVmStarted\non WslcVmStopping\n",
     {BH_HOOK_CONTAINER_VM_STARTED, BH_HOOK_CONTAINER_VM_STOPPING, BH_HOOK_NONE}, BH_OK,
     "WslcVmStarted name=dev\nWslcVmStopping name=dev\n", ""},
    {"mount",
     "on OnVMStarted\n"
     "  mount %FOLDER%/x /mnt rw\n"
     "  mount \"a \"\"b\"\"\" /mnt ro %NAME%\n"
     "  mount missing /mnt ro\n"
     "  mount null /mnt ro\n"
     "  mount \"null\" /mnt ro\n"
     "  mount a null ro\n"
     "  mount a /b ro null\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nmount S_OK\nmount S_OK\nmount ERROR_FILE_NOT_FOUND\nmount E_INVALIDARG\nmount S_OK\n"
     "mount E_INVALIDARG\nmount E_INVALIDARG\n",
     "MountFolder 7 /the/folder/x /mnt rw script\nMountFolder 7 a \"b\" /mnt ro -\nMountFolder 7 null /mnt ro script"},
    {"execute",
     "on OnVMStarted\n  execute /bin/true\n  execute /bin/echo a \"b c\"\n  execute /bin/noise\n  execute missing\n"
     "  execute null\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nexecute S_OK: NULL\nexecute S_OK: c\nexecute S_OK: one\\ntwo\\x01\xef\xbf\xbd\n"
     "execute E_FAIL\nexecute E_INVALIDARG\n",
     "ExecuteBinary 7 /bin/true NULL\nExecuteBinary 7 /bin/echo /bin/echo,a,b c\nExecuteBinary 7 /bin/noise NULL"},
    {"execute-in",
     "on OnDistributionStarted\n"
     "  execute-in %DISTRIBUTION% /bin/echo %DISTRIBUTION%\n"
     "  execute-in {00000000-0000-4000-8000-000000000001} missing\n"
     "  execute-in unknown missing\n",
     {BH_HOOK_DISTRIBUTION_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnDistributionStarted name=Debian *\n"
     "execute-in S_OK: /bin/echo,{12345678-9abc-4def-8123-456789abcdef}\nexecute-in E_FAIL\nexecute-in E_FAIL\n",
     "ExecuteBinaryInDistribution 7 {12345678-9abc-4def-8123-456789abcdef} /bin/echo "
     "/bin/echo,{12345678-9abc-4def-8123-456789abcdef}"},
    {"wslc-mount",
     "on OnSessionCreated\n  wslc-mount %FOLDER%/x /mnt rw\n  wslc-mount missing /mnt ro\n  wslc-mount null /mnt ro\n"
     "  wslc-mount a null ro\n  wslc-mount \"null\" /b ro\n  session 8\n  wslc-mount a /b ro\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nwslc-mount S_OK\nwslc-mount ERROR_PATH_NOT_FOUND\nwslc-mount E_POINTER\nwslc-mount E_POINTER\n"
     "wslc-mount S_OK\nwslc-mount ERROR_NOT_FOUND\n",
     "WSLCMountFolder 7 /the/folder/x /mnt rw\nWSLCMountFolder 7 null /b ro"},
    {"wslc-unmount", "on OnSessionCreated\n  wslc-unmount /mnt\n  wslc-unmount null\n  session 8\n  wslc-unmount /b\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nwslc-unmount S_OK\nwslc-unmount E_POINTER\nwslc-unmount ERROR_NOT_FOUND\n",
     "WSLCUnmountFolder 7 /mnt"},
    {"process",
     "on OnSessionCreated\n  process p /bin/true\n  process q /bin/echo a \"b c\"\n  process p missing\n"
     "  process p null\n  session 8\n  process p /bin/true\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nprocess p S_OK\nprocess q S_OK\nprocess p E_FAIL errno=2\nprocess p E_POINTER\n"
     "process p ERROR_NOT_FOUND\n",
     "WSLCCreateProcess 7 /bin/true NULL NULL\nWSLCCreateProcess 7 /bin/echo /bin/echo,a,b c NULL"},
    {"env",
     "on OnSessionCreated\n  env A=%SESSION%\n  process p /bin/true\n  env \"B=two words=x\"\n  process p /bin/true\n"
     "  thread t none\n    await hook\n    env C=\n    process q /bin/true\n  end\n"
     "  loop-until s\n    env D=\n    process p /bin/true\n    signal s\n  end\n  process p /bin/true\n"
     "on OnSessionStopping\n  join t\n  process p /bin/true\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_SESSION_STOPPING, BH_HOOK_NONE}, BH_OK, NULL,
     "WSLCCreateProcess 7 /bin/true NULL A=7\nWSLCCreateProcess 7 /bin/true NULL A=7,B=two words=x\n"
     "WSLCCreateProcess 7 /bin/true NULL A=7,B=two words=x,D=\nWSLCCreateProcess 7 /bin/true NULL A=7,B=two words=x\n"
     "WSLCCreateProcess 7 /bin/true NULL A=7,B=two words=x,C=\nWSLCCreateProcess 7 /bin/true NULL NULL"},
    {"process/streams",
     "on OnSessionCreated\n  env A=1\n  process p /bin/cat\n  process-code p\n  process-write p  so it  is\n"
     "  process-wait p\n  process-read p stdout\n  process-read p stderr\n  process-code p\n"
     "  process-write p again\n  process-read p stdout\n  process-read null stderr\n  process-fd p 999\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nprocess p S_OK\nprocess-code p E_NOT_VALID_STATE\nprocess-write p S_OK\nprocess-wait p S_OK\n"
     "process-read p stdout: so it  is\nprocess-read p stderr: A=1\nprocess-code p S_OK 0\n"
     "process-write p E_NOT_VALID_STATE\nprocess-read p stdout E_NOT_VALID_STATE\nprocess-read null stderr E_INVALIDARG\n"
     "process-fd p E_INVALIDARG\n",
     "WSLCCreateProcess 7 /bin/cat NULL A=1\nWSLCProcessGetExitCode 1\nWSLCProcessGetFd 1 0\nWSLCProcessGetExitEvent 1\n"
     "WSLCProcessGetFd 1 1\nWSLCProcessGetFd 1 2\nWSLCProcessGetExitCode 1\nWSLCProcessGetFd 1 0\nWSLCProcessGetFd 1 1\n"
     "WSLCProcessGetFd 1 999"},
    {"process/write-fails", "on OnSessionCreated\n  process p /bin/cat\n  process-write p missing\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nprocess p S_OK\nprocess-write p E_FAIL\n", NULL},
    {"process/code", "on OnSessionCreated\n  process p /bin/fail\n  process-code p\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nprocess p S_OK\nprocess-code p S_OK -1\n", NULL},
    {"process/fd", "on OnSessionCreated\n  process p /bin/true\n  process-fd p 2\n  process-fd p 2\n  process-read p stderr\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nprocess p S_OK\nprocess-fd p S_OK\nprocess-fd p E_NOT_VALID_STATE\n"
     "process-read p stderr E_NOT_VALID_STATE\n",
     NULL},
    {"process/release",
     "on OnSessionCreated\n  process p /bin/true\n  process-release p\n  process-code p\n  process-release null\n"
     "  process-release bogus\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nprocess p S_OK\nprocess-code p E_INVALIDARG\n",
     "WSLCCreateProcess 7 /bin/true NULL NULL\nWSLCReleaseProcess 1\nWSLCProcessGetExitCode 1\nWSLCReleaseProcess 0\n"
     "WSLCReleaseProcess 140736157757616"},
    {"process/handles",
     "on OnSessionCreated\n  process p missing\n  process-code p\n  process-wait p\n  process-fd null 0\n"
     "  process-write null x\n  process-wait bogus\n  process-code bogus\n  process-fd bogus 0\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nprocess p E_FAIL errno=2\nprocess-code p E_INVALIDARG\nprocess-wait p E_INVALIDARG\n"
     "process-fd null E_INVALIDARG\nprocess-write null E_INVALIDARG\nprocess-wait bogus E_INVALIDARG\n"
     "process-code bogus E_INVALIDARG\nprocess-fd bogus E_INVALIDARG\n",
     "WSLCProcessGetExitEvent 140736157757616\nWSLCProcessGetExitCode 140736157757616\n"
     "WSLCProcessGetFd 140736157757616 0"},
    {"process/parallel",
     "on OnSessionCreated\n  parallel 3\n    process p /bin/true\n    wslc-unmount /a\n  end\n"
     "  parallel 1\n    env A=1\n    process p /bin/true\n    process-read p stderr\n    process-wait p\n    process-code p\n"
     "  end\n  parallel 2\n    process-code bogus\n  end\n",
     {BH_HOOK_SESSION_CREATED, BH_HOOK_NONE}, BH_OK,
     "OnSessionCreated *\nparallel success=3 failures=0\nparallel success=1 failures=0\n"
     "parallel success=0 failures=2 first=E_INVALIDARG\n",
     NULL},
    {"session", "on OnVMStarted\n  session 8\n  execute /bin/true\n  session hook\n  execute /bin/true\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nexecute ERROR_NOT_FOUND\nexecute S_OK: NULL\n", "ExecuteBinary 7 /bin/true NULL"},
    {"session-in-load", "on load\n  session 7\n  execute /bin/true\n  session hook\n  execute /bin/true\n", {BH_HOOK_NONE},
     BH_OK, "load\nexecute S_OK: NULL\nexecute ERROR_NOT_FOUND\n", "ExecuteBinary 7 /bin/true NULL"},
    {"error", "on OnVMStarted\n  error Plugin error message\n  error missing\n  error null\n  return E_FAIL\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_E_FAIL,
     "OnVMStarted flags=3\nerror S_OK\nerror E_ILLEGAL_METHOD_CALL\nerror E_INVALIDARG\nreturn E_FAIL\n", ""},
    {"return/success", "on OnVMStarted\n  return 1\n  log never\n", {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, (BhResult)1,
     "OnVMStarted flags=3\n", ""},
    {"return/number", "on load\n  return 0x80010108\n", {BH_HOOK_NONE}, BH_RPC_E_DISCONNECTED,
     "load\nreturn RPC_E_DISCONNECTED\n", ""},
    {"version/enough", "on load\n  require-version 2 9 5\n  require-version 1 99 99\n", {BH_HOOK_NONE}, BH_OK, "load\n", ""},
    {"version/revision", "on load\n  require-version 2 9 6\n", {BH_HOOK_NONE}, BH_E_REQUIRES_UPDATE,
     "load\nreturn WSL_E_PLUGIN_REQUIRES_UPDATE\n", ""},
    {"version/major", "on load\n  require-version 9 0 0\n", {BH_HOOK_NONE}, BH_E_REQUIRES_UPDATE,
     "load\nreturn WSL_E_PLUGIN_REQUIRES_UPDATE\n", ""},
    {"variables", "on OnVMStarted\n  log %SESSION% %TOKEN% %SID% %NAME% %DOCUMENT% 100%%\n  user\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK, "OnVMStarted flags=3\n7 set - - - 100%\nuser somebody\n", ""},
    {"user/none", "on load\n  user\n", {BH_HOOK_NONE}, BH_OK, "load\nuser -\n", ""},
    {"write/fails", "on load\n  write /no/such/folder/anywhere x\n", {BH_HOOK_NONE}, BH_OK, "load\nwrite E_FAIL\n", ""},
    {"crash", "on load\n  crash overflow\n  log never\n", {BH_HOOK_NONE}, BH_OK, "load\ncrash overflow\n", ""},
    {"parallel",
     "on OnVMStarted\n  parallel 4\n    mount a /b ro\n    execute /bin/true\n  end\n"
     "  parallel 3\n    execute missing\n    log here\n  end\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nparallel success=4 failures=0\nhere\nhere\nhere\n"
     "parallel success=0 failures=3 first=E_FAIL\n",
     NULL},
    {"thread",
     "on OnVMStarted\n  thread t sta\n    await hook\n    execute /bin/echo %SESSION%\n  end\n"
     "on OnVMStopping\n  join t\n  join t\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_VM_STOPPING, BH_HOOK_NONE}, BH_OK, NULL, "ExecuteBinary 7 /bin/echo /bin/echo,7"},
    {"thread-runs-already",
     "on OnVMStarted\n  thread t none\n    await s\n  end\n"
     "on OnVMStopping\n  signal s\n  join t\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_VM_STARTED, BH_HOOK_VM_STOPPING}, BH_OK,
     "OnVMStarted flags=3\nOnVMStarted flags=3\nthread t ERROR_ALREADY_EXISTS\nOnVMStopping\nawait s S_OK\n"
     "join t S_OK\n",
     ""},
    {"thread-again",
     "on OnVMStarted\n  reset s\n  thread t none\n    await s\n    log %SESSION%\n  end\n  signal s\n  join t\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nawait s S_OK\n7\njoin t S_OK\nOnVMStarted flags=3\nawait s S_OK\n7\njoin t S_OK\n", ""},
    {"error-on-another-thread", "on OnVMStarted\n  thread t mta\n    error missing\n  end\n  join t\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nerror E_ILLEGAL_METHOD_CALL\njoin t S_OK\n", ""},
    {"loop-until",
     "on OnVMStarted\n  loop-until s\n    execute missing\n    signal s\n  end\n  loop-until s\n    log never\n  end\n"
     "  reset s\n  loop-until s\n    mount a /b ro\n    signal s\n  end\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nloop-until s success=0 failures=1 first=E_FAIL\nloop-until s success=0 failures=0\n"
     "loop-until s success=1 failures=0\n",
     "MountFolder 7 a /b ro script"},
    {"meet",
     "on OnVMStarted\n  thread t none\n    meet m 2\n  end\n  meet m 2\n  join t\n  parallel 6\n    meet n 3\n  end\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nmeet m S_OK\nmeet m S_OK\njoin t S_OK\nparallel success=6 failures=0\n", ""},
    {"eight-callers",
     "on OnVMStarted\n  thread callers none\n    parallel 8\n      loop-until stop\n        execute /bin/true\n      end\n"
     "    end\n  end\non OnVMStopping\n  signal stop\n  join callers\n",
     {BH_HOOK_VM_STARTED, BH_HOOK_VM_STOPPING, BH_HOOK_NONE}, BH_OK,
     "OnVMStarted flags=3\nOnVMStopping\nparallel success=8 failures=0\njoin callers S_OK\n", NULL},
};
/* clang-format on */

static void given_a_script_when_it_runs_then_its_log_and_calls_are_these(gconstpointer data) {
  guint i = GPOINTER_TO_UINT(data);
  BhResult result;
  PortHost host;

  port_host_start(&host, runs[i].text);
  result = port_host_load(&host);
  for (guint j = 0; j < G_N_ELEMENTS(runs[i].hooks) && runs[i].hooks[j] != BH_HOOK_NONE; j++)
    result = port_host_hook(&host, runs[i].hooks[j]);
  g_assert_cmpint(result, ==, runs[i].result);
  if (runs[i].log != NULL) port_host_assert_log(&host, runs[i].log);
  if (runs[i].calls != NULL) port_host_assert_calls(&host, runs[i].calls);
  port_host_end(&host);
}

static void given_a_hook_that_was_not_handled_then_it_succeeds_and_logs_nothing(void) {
  PortHost host;

  port_host_start(&host, "on load\n");
  g_assert_cmpint(port_host_hook(&host, BH_HOOK_VM_STARTED), ==, BH_OK);
  bh_script_attach(host.run);
  port_host_assert_log(&host, "");
  port_host_end(&host);
}

static void given_attach_then_it_runs_apart_from_load(void) {
  PortHost host;

  port_host_start(&host, "on attach\n  log in DllMain\non load\n  log in the entry point\n");
  bh_script_attach(host.run);
  port_host_assert_log(&host, "attach\nin DllMain\n");
  port_host_load(&host);
  port_host_assert_log(&host, "load\nin the entry point\n");
  port_host_end(&host);
}

static void given_apartments_then_threads_are_begun_in_them(void) {
  static const BhApartment apartments[] = {BH_APARTMENT_NONE, BH_APARTMENT_MTA, BH_APARTMENT_STA};
  static const char *const names[] = {"none", "mta", "sta"};

  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *text = g_strdup_printf("on load\n  thread t %s\n    log x\n  end\n  join t\n", names[i]);
    PortHost host;

    port_host_start(&host, text);
    port_host_load(&host);
    g_assert_cmpint(host.apartment, ==, apartments[i]);
    port_host_end(&host);
  }
}

static void given_no_thread_then_that_is_a_result(void) {
  PortHost host;

  port_host_start(&host,
                  "on load\n  thread t none\n    log never\n  end\n  join t\n  parallel 2\n    log x\n  end\n");
  host.threads_left = 0;
  port_host_load(&host);
  port_host_assert_log(&host, "load\nthread t E_OUTOFMEMORY\njoin t ERROR_NOT_FOUND\n"
                              "parallel success=0 failures=2 first=E_OUTOFMEMORY\n");
  port_host_end(&host);
}

static void given_crashes_then_the_port_is_told_which(void) {
  static const char *const names[] = {"null", "overflow", "abort", "exit", "throw", "illegal"};

  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *text = g_strdup_printf("on load\n  crash %s\n", names[i]);
    PortHost host;

    port_host_start(&host, text);
    port_host_load(&host);
    g_assert_cmpint(host.crash, ==, (gint)i);
    port_host_end(&host);
  }
}

/* ---- WSLC ---------------------------------------------------------------------------------------------- */

static void given_a_process_of_an_earlier_hook_when_waited_for_then_its_end_is_awaited(void) {
  PortHost host;

  port_host_start(&host, "on OnSessionCreated\n  process p /bin/cat\n"
                         "  thread t none\n    process-wait p\n    process-read p stdout\n  end\n"
                         "on OnSessionStopping\n  process-write p at last\n  join t\n");
  port_host_hook(&host, BH_HOOK_SESSION_CREATED);
  port_host_hook(&host, BH_HOOK_SESSION_STOPPING);
  g_assert_nonnull(strstr(host.log->str, "process-wait p S_OK\nprocess-read p stdout: at last\n"));
  g_assert_true(g_str_has_suffix(host.log->str, "join t S_OK\n"));
  port_host_end(&host);
}

typedef struct {
  PortHost *host;
  guint32 session;
} SessionHook;

static gpointer create_session(gpointer data) {
  const SessionHook *hook = data;
  g_assert_cmpint(port_host_hook_in(hook->host, BH_HOOK_SESSION_CREATED, hook->session), ==, BH_OK);
  return NULL;
}

/* Neither hook could go on if they did not run at once, nor would each read what it has written if they shared the
 * name. */
static void given_hooks_of_two_sessions_at_once_then_they_meet_and_each_has_its_process(void) {
  SessionHook hooks[2];
  BhThread *threads[2];
  PortHost host;

  port_host_start(
      &host,
      "on OnSessionCreated\n  log %NAME%\n  process p /bin/cat\n  meet both 2\n  process-write p %SESSION%\n"
      "  meet both 2\n  process-read p stdout\n");
  for (guint i = 0; i < G_N_ELEMENTS(hooks); i++) {
    hooks[i] = (SessionHook){&host, i == 0 ? 7 : 9};
    threads[i] = bh_thread_new("hook", BH_RANK_SESSION_TABLE, create_session, &hooks[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS(hooks); i++) bh_thread_join(threads[i]);
  g_assert_nonnull(strstr(host.log->str, "process-read p stdout: 7\n"));
  g_assert_nonnull(strstr(host.log->str, "process-read p stdout: 9\n"));
  g_assert_nonnull(strstr(host.log->str, "\ndev\n"));
  port_host_end(&host);
}

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void given_documents_and_ids_then_the_log_names_what_they_stand_for(void) {
  PortHost host;

  port_host_start(
      &host, "on ContainerStarted\non ContainerStopping\non ImageCreated\non ImageDeleted\n  log %DOCUMENT%\n");
  port_host_document(&host, BH_HOOK_CONTAINER_STARTED, 7,
                     "{\"Config\": {\"Name\": \"inner\", \"Id\": \"x\"}, \"Id\": \"" ID "\", \"Name\": \"/web\"}");
  port_host_document(&host, BH_HOOK_CONTAINER_STOPPING, 7, OTHER);
  port_host_document(&host, BH_HOOK_CONTAINER_STOPPING, 7, ID);
  port_host_document(&host, BH_HOOK_CONTAINER_STOPPING, 7, ID);
  port_host_document(&host, BH_HOOK_CONTAINER_STOPPING, 7, "web");
  port_host_assert_log(
      &host, "ContainerStarted container=web\nContainerStopping id=set\nContainerStopping container=web\n"
             "ContainerStopping id=set\nContainerStopping id=-\n");

  port_host_document(&host, BH_HOOK_IMAGE_CREATED, 7,
                     "{ \"RepoTags\" : [ \"alpine\", \"alpine:3\" ],\n\t\"Size\": -1.5e3, \"Id\":\"sha256:" ID
                     "\" }");
  port_host_document(&host, BH_HOOK_IMAGE_CREATED, 7, "{\"RepoTags\": null, \"Id\": \"sha256:" OTHER "\"}");
  port_host_document(&host, BH_HOOK_IMAGE_DELETED, 7, "sha256:" ID);
  port_host_document(&host, BH_HOOK_IMAGE_DELETED, 7, ID);
  port_host_assert_log(&host,
                       "ImageCreated image=alpine\nImageCreated image=-\nImageDeleted image=alpine\nsha256:" ID
                       "\nImageDeleted id=-\n" ID "\n");

  port_host_document(&host, BH_HOOK_IMAGE_CREATED, 7, "{\"RepoTags\": [\"seven\"], \"Id\": \"sha256:" ID "\"}");
  port_host_document(&host, BH_HOOK_IMAGE_CREATED, 9, "{\"RepoTags\": [\"nine\"], \"Id\": \"sha256:" ID "\"}");
  port_host_document(&host, BH_HOOK_IMAGE_DELETED, 7, "sha256:" ID);
  port_host_document(&host, BH_HOOK_IMAGE_DELETED, 9, "sha256:" ID);
  port_host_assert_log(&host,
                       "ImageCreated image=seven\nImageCreated image=nine\nImageDeleted image=seven\nsha256:" ID
                       "\nImageDeleted image=nine\nsha256:" ID "\n");
  port_host_end(&host);
}

/* What of a document is shown when it is odd: by what is the container called in it? */
static void given_an_odd_document_then_it_is_read_as_json_is(void) {
  static const struct {
    const char *document, *name;
  } documents[] = {
      {"{\"Name\":\"a\\u00e4\\ud83d\\ude00\\n\\/\"}", "a\xc3\xa4\xf0\x9f\x98\x80\\n/"},
      {"{\"Name\":\"a \\\"quoted\\\" } name\",\"x\":[{},[],{\"y\":true}]}", "a \"quoted\" } name"},
      {"{\"x\":[{\"Name\":\"no\"}],\"Name\":\"yes\"}", "yes"},
      {"{\"Name\":\"\\ud83d\"}", "-"},
      {"{\"Name\":null}", "-"},
      {"{\"Name\":{\"Name\":\"inner\"}}", "-"},
      {"{\"Name\":\"a\"", "-"},
      {"{\"Name\":\"a\"}}", "-"},
      {"{\"Name\":\"a\",}", "-"},
      {"{\"Name\":\"a\nb\"}", "-"},
      {"{\"Name\":\"a\",\"x\":maybe}", "-"},
      {"{\"Name\":\"a\",\"x\":1..2}", "-"},
      {"[\"Name\"]", "-"},
      {"", "-"},
  };
  g_autoptr(GString) deep = g_string_new("{\"Name\":\"a\",\"x\":");
  PortHost host;

  port_host_start(&host, "on ContainerStarted\n");
  for (guint i = 0; i < G_N_ELEMENTS(documents); i++) {
    g_autofree char *log = g_strdup_printf("ContainerStarted container=%s id=-\n", documents[i].name);
    port_host_document(&host, BH_HOOK_CONTAINER_STARTED, 7, documents[i].document);
    port_host_assert_log(&host, log);
  }
  for (guint i = 0; i < 100 * 1000; i++) g_string_append_c(deep, '[');
  port_host_document(&host, BH_HOOK_CONTAINER_STARTED, 7, deep->str);
  port_host_assert_log(&host, "ContainerStarted container=- id=-\n");
  port_host_end(&host);
}

/* ---- Files and long strings ---------------------------------------------------------------------------- */

/* A string that is too long for a record is one, and a script can hold it in one variable. */
static void given_long_then_it_is_longer_than_a_record(void) {
  PortHost host;

  port_host_start(&host, "on OnVMStarted\n  execute /bin/echo %LONG%\n");
  port_host_hook(&host, BH_HOOK_VM_STARTED);
  g_assert_cmpuint(strlen(host.calls->pdata[0]), >, 1024 * 1024);
  port_host_end(&host);
}

static void given_a_file_when_it_is_written_then_it_holds_the_text(void) {
  g_autofree char *folder = g_dir_make_tmp("bulkhead-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "file.txt", NULL);
  g_autofree char *text = g_strdup_printf("on load\n  write \"%s\" All is well\n", path);
  g_autofree char *written = NULL;
  PortHost host;

  port_host_start(&host, text);
  port_host_load(&host);
  port_host_assert_log(&host, "load\nwrite S_OK\n");
  port_host_end(&host);
  g_assert_true(g_file_get_contents(path, &written, NULL, NULL));
  g_assert_cmpstr(written, ==, "All is well");
  g_remove(path);
  g_rmdir(folder);
}

/* ---- The end of a host --------------------------------------------------------------------------------- */

static gpointer load_elsewhere(gpointer host) {
  port_host_load(host);
  return NULL;
}

/* Whatever a thread waits for in a script, the host's end lets it go, and it does nothing more. */
static void given_a_thread_that_waits_when_the_host_ends_then_it_ends(gconstpointer data) {
  const char *waits = data;
  g_autofree char *text = g_strdup_printf("on load\n%s  log never\non OnVMStopping\n  signal s\n", waits);
  BhThread *thread;
  PortHost host;

  port_host_start(&host, text);
  thread = bh_thread_new("load", BH_RANK_SESSION_TABLE, load_elsewhere, &host);
  bh_script_end(host.run); /* before, while or after it begins to wait */
  bh_thread_join(thread);
  g_assert_null(strstr(host.log->str, "never"));
  port_host_end(&host);
}

static void given_a_call_in_flight_when_the_host_ends_then_nothing_comes_after_it(void) {
  BhThread *thread;
  PortHost host;

  port_host_start(&host, "on load\n  session 7\n  mount a /b ro\n  log never\n");
  host.hold = TRUE;
  thread = bh_thread_new("load", BH_RANK_SESSION_TABLE, load_elsewhere, &host);
  bh_mutex_lock(&host.lock);
  while (host.waiting == 0) bh_cond_wait(&host.changed, &host.lock);
  bh_mutex_unlock(&host.lock);
  bh_script_end(host.run);
  bh_mutex_lock(&host.lock);
  host.hold = FALSE;
  bh_cond_broadcast(&host.changed);
  bh_mutex_unlock(&host.lock);
  bh_thread_join(thread);
  port_host_assert_log(&host, "load\nmount S_OK\n");
  port_host_end(&host);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  for (guint i = 0; i < G_N_ELEMENTS(runs); i++) {
    g_autofree char *path = g_strconcat("/script/run/", runs[i].name, NULL);
    g_test_add_data_func(path, GUINT_TO_POINTER(i), given_a_script_when_it_runs_then_its_log_and_calls_are_these);
  }
#define TEST(path, function) g_test_add_func("/script/" path, function)
  TEST("no-handler", given_a_hook_that_was_not_handled_then_it_succeeds_and_logs_nothing);
  TEST("attach", given_attach_then_it_runs_apart_from_load);
  TEST("apartments", given_apartments_then_threads_are_begun_in_them);
  TEST("no-threads", given_no_thread_then_that_is_a_result);
  TEST("crashes", given_crashes_then_the_port_is_told_which);
  TEST("wslc/process-of-an-earlier-hook",
       given_a_process_of_an_earlier_hook_when_waited_for_then_its_end_is_awaited);
  TEST("wslc/two-sessions", given_hooks_of_two_sessions_at_once_then_they_meet_and_each_has_its_process);
  TEST("wslc/documents", given_documents_and_ids_then_the_log_names_what_they_stand_for);
  TEST("wslc/odd-documents", given_an_odd_document_then_it_is_read_as_json_is);
  TEST("long", given_long_then_it_is_longer_than_a_record);
  TEST("write", given_a_file_when_it_is_written_then_it_holds_the_text);
  TEST("end/call-in-flight", given_a_call_in_flight_when_the_host_ends_then_nothing_comes_after_it);
#define END(path, waits) \
  g_test_add_data_func("/script/end/" path, waits, given_a_thread_that_waits_when_the_host_ends_then_it_ends)
  END("hang", "  hang\n");
  END("await", "  await s\n");
  END("meet", "  meet m 2\n");
  END("loop-until", "  loop-until s\n    session 7\n    mount a /b ro\n  end\n");
  END("parallel", "  parallel 3\n    await s\n  end\n");
  END("join", "  thread t none\n    hang\n  end\n  join t\n");
  return g_test_run();
}
