#include "rows.h"

/* What several rows have in common. */

#define REGISTER "distro register Debian id={11111111-2222-3333-4444-555555555555} flavor=debian version=12\n"
#define START    REGISTER "distro start Debian\n"

#define D_STARTED  "OnDistributionStarted name=Debian id={11111111-2222-3333-4444-555555555555} *\n"
#define D_STOPPING "OnDistributionStopping name=Debian *\n"
#define STARTED    "load\nOnVMStarted flags=0\n"
#define START_STOP START "vm stop\n"

/* The entry point, so that it logs that it ran. */
#define ON_LOAD "on load\n"

/* All the hooks of a VM session, doing nothing. */
#define ON_ALL \
  "on OnVMStarted\n" \
  "on OnVMStopping\n" \
  "on OnDistributionStarted\n" \
  "on OnDistributionStopping\n"

#define ON_ALL_OFFLINE \
  ON_LOAD "on OnVMStarted\non OnVMStopping\non OnDistributionRegistered\non OnDistributionUnregistered\n"
#define REGISTERED   "OnDistributionRegistered name=New *\n"
#define UNREGISTERED "OnDistributionUnregistered name=New *\n"

/* Four threads were stopped in V-; how far they had come is chance. */
#define LOOPED "~loop-until stop success=* failures=*\n"
#define RACED  LOOPED LOOPED LOOPED LOOPED "OnVMStopping\njoin a S_OK\njoin b S_OK\njoin c S_OK\njoin d S_OK\n"

#define FATAL   "A fatal error was returned by plugin 'TestPlugin'"
#define VM_PATH "\\nError code: Wsl/Service/CreateInstance/CreateVm/Plugin/"
#define EXPECT_VM(code) \
  "expect failure " code "\nexpect text \"" FATAL "*Wsl/Service/CreateInstance/CreateVm/Plugin/" code "\"\n"
#define EXPECT_DISTRO(code) \
  "expect failure " code "\nexpect text \"" FATAL "?Error code: Wsl/Service/CreateInstance/Plugin/" code "\"\n"

/* The plugin mounts its own folder, writes a file into it, and has the VM print that. */
#define SUCCESS_SCRIPT \
  ON_LOAD "on OnVMStarted\n" \
          "  mount %FOLDER% /test-plugin/deep/folder ro test\n" \
          "  write %FOLDER%/file.txt OK\n" \
          "  execute /bin/cat /test-plugin/deep/folder/file.txt\n" \
          "on OnVMStopping\n" \
          "on OnDistributionStarted\n" \
          "on OnDistributionStopping\n"
#define SUCCESS_LOG(flags) \
  "load\nOnVMStarted flags=" flags "\nmount S_OK\nwrite S_OK\nexecute S_OK: OK\n" D_STARTED D_STOPPING \
  "OnVMStopping\n"

/* Row 29 and 36: the VM's start crashes the host; the second start does not drive it again. */
#define CRASH_ROW(row_name, kind) \
  { \
    .name = row_name, .backends = ON_BOTH, \
    .plugins = {{ON_LOAD "on OnVMStarted\n  log Crashing host\n  crash " kind "\non OnVMStopping\n", \
                 STARTED "Crashing host\ncrash " kind "\n"}}, \
    .steps = START EXPECT_VM("RPC_E_SERVER_DIED") "distro start Debian\n" EXPECT_VM("RPC_E_SERVER_DIED"), \
    .host_dies = TRUE \
  }

/* Row 31: a thread that was begun in D+ executes in the distribution after the hook returned. */
#define AFTER_HOOK_ROW(row_name, apartment) \
  { \
    .name = row_name, .backends = ON_BOTH, \
    .plugins = {{ON_LOAD "on OnDistributionStarted\n" \
                         "  thread worker " apartment "\n" \
                         "    await hook\n" \
                         "    execute-in %DISTRIBUTION% /bin/echo late\n" \
                         "  end\n" \
                         "on OnDistributionStopping\n" \
                         "  join worker\n", \
                 "load\n" D_STARTED "~await hook S_OK\n~execute-in S_OK: late*\n" D_STOPPING \
                 "join worker S_OK\n"}}, \
    .steps = START_STOP \
  }

const Row rows[] = {
    {.name = "01-success",
     .backends = ON_BOTH,
     .plugins = {{SUCCESS_SCRIPT, SUCCESS_LOG("0")}},
     .steps = START_STOP},

    {.name = "02-custom-kernel",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n  return E_ACCESSDENIED\non OnVMStopping\n",
                  "load\nOnVMStarted flags=1\nreturn E_ACCESSDENIED\nOnVMStopping\n"}},
     .steps = REGISTER "distro start Debian custom-kernel\n" EXPECT_VM("E_ACCESSDENIED")},

    {.name = "03-custom-kernel-command-line",
     .backends = ON_BOTH,
     .plugins = {{SUCCESS_SCRIPT, SUCCESS_LOG("2")}},
     .steps = REGISTER "distro start Debian custom-kernel-command-line\nvm stop\n"},

    {.name = "04-custom-kernel-forbidden-by-policy",
     .backends = ON_BOTH,
     .plugins = {{SUCCESS_SCRIPT, SUCCESS_LOG("0")}},
     .steps = REGISTER "distro start Debian custom-kernel\nvm stop\n",
     .forbidden = BH_CUSTOM_KERNEL},

    {.name = "05-same-dll-twice",
     .backends = ON_BOTH,
     .plugins = {{SUCCESS_SCRIPT, SUCCESS_LOG("0")}, {SAME_FILE, NULL}},
     .steps = START_STOP},

    {.name = "06-distro-id",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_ALL, STARTED D_STARTED D_STOPPING
                  "OnVMStopping\nOnVMStarted flags=0\n" D_STARTED D_STOPPING "OnVMStopping\n"}},
     .steps = START_STOP "distro start Debian\nvm stop\n"},

    {.name = "07-init-pid", .backends = ON_BOTH, .directed = row_07_init_pid},

    {.name = "08-requires-update",
     .backends = ON_BOTH,
     .plugins = {{"on load\n  require-version 9 0 0\n" ON_ALL, "load\nreturn WSL_E_PLUGIN_REQUIRES_UPDATE\n"}},
     .steps =
         START "expect failure WSL_E_PLUGIN_REQUIRES_UPDATE\n"
               "expect text \"The plugin 'TestPlugin' requires a newer version of WSL. Please run: wsl.exe "
               "--update?Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/WSL_E_PLUGIN_REQUIRES_UPDATE\"\n"},

    {.name = "09-api-errors",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n"
                          "  mount %FOLDER%/missing /mnt/missing ro test\n"
                          "  mount null /mnt/null ro test\n"
                          "  execute /no/such/binary\n"
                          "  execute null\n"
                          "  session 4242\n"
                          "  mount %FOLDER% /mnt/there ro test\n"
                          "  execute /bin/true\n"
                          "  session hook\n"
                          "  thread other none\n"
                          "    error from another thread\n"
                          "  end\n"
                          "  join other\n"
                          "  error null\n"
                          "on OnDistributionStarted\n"
                          "on OnDistributionStopping\n"
                          "on OnVMStopping\n",
                  STARTED "mount ERROR_FILE_NOT_FOUND\n"
                          "mount E_INVALIDARG\n"
                          "execute E_FAIL\n"
                          "execute E_INVALIDARG\n"
                          "mount ERROR_NOT_FOUND\n"
                          "execute ERROR_NOT_FOUND\n"
                          "error E_ILLEGAL_METHOD_CALL\n"
                          "join other S_OK\n"
                          "error E_INVALIDARG\n" D_STARTED D_STOPPING "OnVMStopping\n"}},
     .steps = START_STOP},

    {.name = "10-success-wsl1",
     .backends = ON_BOTH,
     .plugins = {{SUCCESS_SCRIPT, NULL}},
     .steps = "distro register Old wsl1\ndistro start Old\ndistro terminate Old\n"},

    {.name = "11-load-failure",
     .backends = ON_BOTH,
     .plugins = {{"on load\n  return E_UNEXPECTED\n" ON_ALL, "load\nreturn E_UNEXPECTED\n"}},
     .steps = START EXPECT_VM("E_UNEXPECTED") "distro start Debian\n" EXPECT_VM("E_UNEXPECTED")},

    {.name = "12-load-failure-wsl1",
     .backends = ON_BOTH,
     .plugins = {{"on load\n  return E_UNEXPECTED\n", NULL}},
     .steps = "distro register Old wsl1\ndistro start Old\n"},

    {.name = "13-vm-start-fails",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n  return E_UNEXPECTED\non OnVMStopping\non OnDistributionStarted\n",
                  STARTED "return E_UNEXPECTED\nOnVMStopping\n"}},
     .steps = START EXPECT_VM("E_UNEXPECTED")},

    {.name = "14-message-twice",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n  error Plugin error message\n  return E_UNEXPECTED\non OnVMStopping\n",
                  STARTED "error S_OK\nreturn E_UNEXPECTED\nOnVMStopping\n"
                          "OnVMStarted flags=0\nerror S_OK\nreturn E_UNEXPECTED\nOnVMStopping\n"}},
     .steps = START "expect failure E_UNEXPECTED\n"
                    "expect text \"" FATAL ". Error message: 'Plugin error message'?Error code: *\"\n"
                    "distro start Debian\n"
                    "expect failure E_UNEXPECTED\n"
                    "expect text \"" FATAL ". Error message: 'Plugin error message'?Error code: *\"\n"},

    {.name = "15-vm-stop-fails",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\non OnVMStopping\n  return E_UNEXPECTED\non OnDistributionStarted\n"
                          "on OnDistributionStopping\n",
                  STARTED D_STARTED D_STOPPING "OnVMStopping\nreturn E_UNEXPECTED\n"}},
     .steps = START_STOP},

    {.name = "16-distro-start-fails",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\non OnVMStopping\non OnDistributionStarted\n  return E_UNEXPECTED\n"
                          "on OnDistributionStopping\n",
                  STARTED D_STARTED "return E_UNEXPECTED\nOnVMStopping\n"}},
     .steps = START EXPECT_DISTRO("E_UNEXPECTED")},

    {.name = "17-distro-stop-fails",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\non OnVMStopping\non OnDistributionStarted\n"
                          "on OnDistributionStopping\n  return E_UNEXPECTED\n",
                  STARTED D_STARTED D_STOPPING "return E_UNEXPECTED\nOnVMStopping\n"}},
     .steps = START_STOP},

    {.name = "18-message-at-vm-start",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD
                  "on OnVMStarted\n  error Starting this VM is forbidden\n  return E_FAIL\non OnVMStopping\n",
                  STARTED "error S_OK\nreturn E_FAIL\nOnVMStopping\n"}},
     .steps = START "expect failure E_FAIL\n"
                    "expect text \"" FATAL ". Error message: 'Starting this VM is forbidden'?"
                    "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/E_FAIL\"\n"},

    {.name = "19-message-at-distro-start",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD
                  "on OnVMStarted\non OnVMStopping\n"
                  "on OnDistributionStarted\n  error Not this one\n  return E_FAIL\non OnDistributionStopping\n",
                  STARTED D_STARTED "error S_OK\nreturn E_FAIL\nOnVMStopping\n"}},
     .steps = START "expect failure E_FAIL\n"
                    "expect text \"" FATAL ". Error message: 'Not this one'?"
                    "Error code: Wsl/Service/CreateInstance/Plugin/E_FAIL\"\n"},

    {.name = "20-register-and-unregister",
     .backends = ON_BOTH,
     .plugins = {{ON_ALL_OFFLINE, STARTED REGISTERED UNREGISTERED "OnVMStopping\n"}},
     .steps = "distro import New\ndistro unregister New\n"},

    {.name = "21-import-in-place",
     .backends = ON_BOTH,
     .plugins = {{ON_ALL_OFFLINE, STARTED REGISTERED
                  "OnVMStopping\n" UNREGISTERED "OnVMStarted flags=0\n" REGISTERED UNREGISTERED "OnVMStopping\n"}},
     .steps = "distro import New root=/etc/default\nvm stop\ndistro export New %FOLDER%/New.tar\ndistro "
              "unregister New\n"
              "distro import New root=/etc/default\ndistro unregister New\n"},

    {.name = "22-register-and-unregister-fail",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnDistributionRegistered\n  return E_FAIL\n"
                          "on OnDistributionUnregistered\n  return E_UNEXPECTED\n",
                  "load\n" REGISTERED "return E_FAIL\n" UNREGISTERED "return E_UNEXPECTED\n"}},
     .steps = "distro import New\ndistro unregister New\n"},

    {.name = "23-command-in-the-distro",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnDistributionStarted\n"
                          "  execute-in %DISTRIBUTION% /bin/echo inside\n"
                          "  execute-in %DISTRIBUTION% /no/such/binary\n"
                          "  execute-in unknown /bin/echo nowhere\n",
                  "load\n" D_STARTED
                  "execute-in S_OK: inside*\nexecute-in E_FAIL\nexecute-in WSL_E_DISTRO_NOT_RUNNING\n"}},
     .steps = START_STOP},

    {.name = "24-user-token",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n  user\n", STARTED "user %USER%\n"}},
     .steps = START_STOP},

    CRASH_ROW("29-host-crash", "null"),

    {.name = "29-host-crash-at-distro-start",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnDistributionStarted\n  crash null\n"
                          "on OnVMStopping\n",
                  "load\n" D_STARTED "crash null\n"}},
     .steps = START EXPECT_DISTRO("RPC_E_SERVER_DIED") "distro start Debian\n" EXPECT_DISTRO("RPC_E_SERVER_DIED"),
     .host_dies = TRUE},

    {.name = "30-concurrent-callbacks",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n"
                          "  write %FOLDER%/file.txt OK\n"
                          "  parallel 4\n"
                          "    mount %FOLDER% /test-plugin/folder ro test\n"
                          "    execute /bin/cat /test-plugin/folder/file.txt\n"
                          "  end\n",
                  STARTED "write S_OK\nparallel success=4 failures=0\n"}},
     .steps = START_STOP,
     .at_once = 4},

    AFTER_HOOK_ROW("31-callback-after-the-hook-none", "none"),
    AFTER_HOOK_ROW("31-callback-after-the-hook-mta", "mta"),
    AFTER_HOOK_ROW("31-callback-after-the-hook-sta", "sta"),

    {.name = "32-callbacks-racing-termination",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n"
                          "  reset stop\n"
                          "  thread a none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread b none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread c none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread d none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "on OnVMStopping\n"
                          "  signal stop\n"
                          "  join a\n  join b\n  join c\n  join d\n",
                  STARTED RACED "OnVMStarted flags=0\n" RACED}},
     .steps = START_STOP "distro start Debian\nvm stop\n"},

    /* What is there but wrong needs a signature: win32/signature. */
    {.name = "35-broken-signature",
     .backends = ON_WIN32,
     .plugins = {{SUCCESS_SCRIPT, NULL}},
     .steps = START EXPECT_VM("TRUST_E_NOSIGNATURE") "distro start Debian\n" EXPECT_VM("TRUST_E_NOSIGNATURE"),
     .signing_required = TRUE},

    CRASH_ROW("36-access-violation", "null"),
    CRASH_ROW("36-stack-overflow", "overflow"),
    CRASH_ROW("36-abort", "abort"),
    CRASH_ROW("36-exit", "exit"),
    CRASH_ROW("36-uncaught-exception", "throw"),
    CRASH_ROW("36-illegal-instruction", "illegal"),

    {.name = "37-fault-on-an-own-thread", .backends = ON_BOTH, .directed = row_37_own_thread},
    {.name = "38-pre-notification-window", .backends = ON_MOCK, .directed = row_38_pre_notification},
    {.name = "39-hook-returns-meanwhile", .backends = ON_BOTH, .directed = row_39_hook_returns},

    {.name = "40-stream-of-callbacks",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n"
                          "  thread stream none\n"
                          "    loop-until stop\n"
                          "      mount %FOLDER% /mnt/stream ro test\n"
                          "    end\n"
                          "  end\n"
                          "on OnDistributionStarted\n"
                          "on OnVMStopping\n"
                          "  signal stop\n"
                          "  join stream\n",
                  STARTED D_STARTED "OnVMStopping\n~loop-until stop success=* failures=0\njoin stream S_OK\n"}},
     .steps = START_STOP},

    {.name = "41-no-thread", .backends = ON_BOTH, .directed = row_41_no_thread},

    {.name = "42-one-of-two-crashes",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\non OnVMStopping\n  crash null\n", STARTED "OnVMStopping\ncrash null\n"},
                 {ON_LOAD "on OnVMStarted\non OnVMStopping\n", STARTED "OnVMStopping\n"}},
     .steps = START_STOP "distro start Debian\n" EXPECT_VM("RPC_E_SERVER_DIED"),
     .host_dies = TRUE},

    {.name = "43-disconnected-is-a-result", .backends = ON_BOTH, .directed = row_43_disconnected_result},

    {.name = "44-service-killed",
     .backends = ON_WIN32,
     .elsewhere = "tests/win32: /win32/host/44-killed-service-takes-its-host-along"},
    {.name = "45-never-asked-to-load",
     .backends = ON_WIN32,
     .elsewhere = "tests/win32: /win32/host/45-never-asked-to-load"},
    {.name = "46-service-stopped-with-live-hosts",
     .backends = ON_WIN32,
     .elsewhere = "tests/win32: /win32/link/46-start-and-release"},

    {.name = "47-service-stopped-while-a-distribution-runs",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnDistributionStopping\n"
                          "  execute /bin/echo root\n"
                          "  execute-in %DISTRIBUTION% /bin/echo inside\n"
                          "on OnVMStopping\n"
                          "  execute /bin/echo last\n",
                  "load\n" D_STOPPING "execute S_OK: root*\nexecute-in S_OK: inside*\nOnVMStopping\n"
                  "execute S_OK: last*\n"}},
     .steps = START},

    {.name = "48-vm-refused-while-others-wait",
     .backends = ON_MOCK,
     .elsewhere = "tests/service: /session-idle/refused-vm-while-others-wait"},
    {.name = "50-two-sessions-at-once", .backends = ON_BOTH, .directed = row_50_two_sessions},

    {.name = "53-hook-returns-a-transport-code",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n  return 0x80010108\non OnVMStopping\n",
                  STARTED "return RPC_E_DISCONNECTED\nOnVMStopping\n"
                          "OnVMStarted flags=0\nreturn RPC_E_DISCONNECTED\nOnVMStopping\n"}},
     .steps = START EXPECT_VM("RPC_E_DISCONNECTED") "distro start Debian\n" EXPECT_VM("RPC_E_DISCONNECTED")},

    {.name = "53-entry-point-returns-a-transport-code",
     .backends = ON_BOTH,
     .plugins = {{"on load\n  return 0x800706BA\n", "load\nreturn RPC_S_SERVER_UNAVAILABLE\n"}},
     .steps = START EXPECT_VM("RPC_S_SERVER_UNAVAILABLE") "distro start Debian\n" EXPECT_VM(
         "RPC_S_SERVER_UNAVAILABLE")},

    {.name = "54-second-of-three-refuses-the-vm",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_ALL, STARTED "OnVMStopping\n"},
                 {ON_LOAD "on OnVMStarted\n  return E_FAIL\non OnVMStopping\n",
                  STARTED "return E_FAIL\nOnVMStopping\n"},
                 {ON_LOAD ON_ALL, "load\nOnVMStopping\n"}},
     .steps = START "expect failure E_FAIL\nexpect text \"*plugin 'OtherPlugin'*\"\n"},

    {.name = "54-second-of-three-refuses-the-distribution",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_ALL, STARTED D_STARTED "OnVMStopping\n"},
                 {ON_LOAD "on OnDistributionStarted\n  return E_FAIL\non OnDistributionStopping\n",
                  "load\n" D_STARTED "return E_FAIL\n"},
                 {ON_LOAD ON_ALL, STARTED "OnVMStopping\n"}},
     .steps = START "expect failure E_FAIL\nexpect text \"*plugin 'OtherPlugin'*\"\n"},

    {.name = "55-vm-dies-idle", .backends = ON_MOCK, .directed = row_55_dies_idle},
    {.name = "55-vm-dies-at-its-start", .backends = ON_MOCK, .directed = row_55_dies_at_vm_start},
    {.name = "55-vm-dies-at-a-distro-start", .backends = ON_MOCK, .directed = row_55_dies_at_distro_start},

    {.name = "56-distro-start-again",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\non OnVMStopping\non OnDistributionStarted\n  return E_FAIL\n",
                  STARTED D_STARTED "return E_FAIL\n" D_STARTED "return E_FAIL\nOnVMStopping\n"}},
     .steps = START EXPECT_DISTRO("E_FAIL") "distro start Debian\n" EXPECT_DISTRO("E_FAIL")},

    {.name = "57-eight-callers-without-pause",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnVMStarted\n"
                          "  thread a none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread b none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread c none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread d none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread e none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread f none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread g none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "  thread h none\n    loop-until stop\n      execute /bin/true\n    end\n  end\n"
                          "on OnVMStopping\n"
                          "  signal stop\n"
                          "  join a\n  join b\n  join c\n  join d\n  join e\n  join f\n  join g\n  join h\n",
                  STARTED LOOPED LOOPED LOOPED LOOPED LOOPED LOOPED LOOPED LOOPED
                  "OnVMStopping\njoin a S_OK\njoin b S_OK\njoin c S_OK\njoin d S_OK\n"
                  "join e S_OK\njoin f S_OK\njoin g S_OK\njoin h S_OK\n"}},
     .steps = START "distro terminate Debian\nvm stop\n"},

    {.name = "58-entry-point-never-returns",
     .backends = ON_BOTH,
     .plugins = {{"on load\n  hang\n", "load\nhang\n"}},
     .steps = "distro register Old wsl1\ndistro start Old\n" START
         EXPECT_VM("ERROR_TIMEOUT") "distro start Debian\n" EXPECT_VM(
             "ERROR_TIMEOUT") "distro terminate Old\ndistro start Old\n",
     .host_dies = TRUE,
     .load_timeout = 600},

    {.name = "58-dll-main-never-returns",
     .backends = ON_BOTH,
     .plugins = {{"on attach\n  hang\n", "attach\nhang\n"}},
     .steps = START EXPECT_VM("ERROR_TIMEOUT") "distro start Debian\n" EXPECT_VM("ERROR_TIMEOUT"),
     .host_dies = TRUE,
     .load_timeout = 600},

    {.name = "58-entry-point-calls-the-api",
     .backends = ON_BOTH,
     .plugins = {{"on load\n"
                  "  session 1\n"
                  "  mount %FOLDER% /mnt/early ro test\n"
                  "  execute /bin/true\n"
                  "  error too early\n"
                  "on OnVMStarted\n",
                  "load\nmount ERROR_NOT_FOUND\nexecute ERROR_NOT_FOUND\nerror E_ILLEGAL_METHOD_CALL\n"
                  "OnVMStarted flags=0\n"}},
     .steps = START_STOP},

    {.name = "59-result-on-its-way-to-a-dead-host", .backends = ON_WIN32, .directed = row_59_result_on_its_way},
};

const guint row_count = G_N_ELEMENTS(rows);
