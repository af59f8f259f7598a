/* The rows of WSLC sessions. */
#include "rows.h"

#define ON_LOAD "on load\n"

/* Hooks that do nothing but log. */
#define ON_SESSION   "on OnSessionCreated\non OnSessionStopping\n"
#define ON_VM        "on WslcVmStarted\non WslcVmStopping\n"
#define ON_CONTAINER "on ContainerStarted\non ContainerStopping\n"

#define CREATED  "OnSessionCreated name=dev pid=* token=set sid=*\n"
#define STOPPING "OnSessionStopping name=dev\n"

#define FATAL "A fatal error was returned by plugin 'TestPlugin'"
#define EXPECT(operation, code) \
  "expect failure " code "\nexpect text \"" FATAL "?Error code: Wsl/Service/" operation "/Plugin/" code "\"\n"

/* What a plugin does in its hook, in row 25, and what comes of it. */
#define PROCESSES \
  "  user\n" \
  "  env GREETING=hello\n" \
  "  process greet /bin/sh -c \"echo $GREETING; echo problem >&2; exit 12\"\n" \
  "  process-read greet stdout\n" \
  "  process-read greet stderr\n" \
  "  process-wait greet\n" \
  "  process-code greet\n" \
  "  process-fd greet 999\n" \
  "  process-fd greet 1\n" \
  "  process-release greet\n" \
  "  process-code greet\n" \
  "  process cat /bin/cat\n" \
  "  process-code cat\n" \
  "  process-write cat input\n" \
  "  process-read cat stdout\n" \
  "  process-wait cat\n" \
  "  process-code cat\n" \
  "  process missing /no/such/binary\n" \
  "  process-code missing\n" \
  "  process-code bogus\n" \
  "  process-fd null 1\n" \
  "  process nothing null\n"
#define PROCESSES_LOG \
  "user %USER%\n" \
  "process greet S_OK\n" \
  "process-read greet stdout: hello\n" \
  "process-read greet stderr: problem\n" \
  "process-wait greet S_OK\n" \
  "process-code greet S_OK 12\n" \
  "process-fd greet E_INVALIDARG\n" \
  "process-fd greet E_NOT_VALID_STATE\n" \
  "process-code greet E_INVALIDARG\n" \
  "process cat S_OK\n" \
  "process-code cat E_NOT_VALID_STATE\n" \
  "process-write cat S_OK\n" \
  "process-read cat stdout: input\n" \
  "process-wait cat S_OK\n" \
  "process-code cat S_OK 0\n" \
  "process missing E_FAIL errno=2\n" \
  "process-code missing E_INVALIDARG\n" \
  "process-code bogus E_INVALIDARG\n" \
  "process-fd null E_INVALIDARG\n" \
  "process nothing E_POINTER\n"

#define MOUNTS \
  "  write %FOLDER%/file.txt OK\n" \
  "  wslc-mount %FOLDER% /mnt/rw rw\n" \
  "  process back /bin/cat /mnt/rw/file.txt\n" \
  "  process-read back stdout\n" \
  "  process more /bin/sh -c \"echo more > /mnt/rw/more.txt; cat /mnt/rw/more.txt\"\n" \
  "  process-read more stdout\n" \
  "  wslc-mount %FOLDER% /mnt/ro ro\n" \
  "  process refused /bin/sh -c \"echo no > /mnt/ro/no.txt\"\n" \
  "  process-wait refused\n" \
  "  process-code refused\n" \
  "  wslc-unmount /mnt/ro\n" \
  "  wslc-unmount /mnt/ro\n" \
  "  wslc-mount %FOLDER%/missing /mnt/missing ro\n" \
  "  wslc-mount %FOLDER% relative ro\n" \
  "  wslc-mount null /mnt/null ro\n" \
  "  wslc-unmount null\n"
#define MOUNTS_LOG \
  "write S_OK\n" \
  "wslc-mount S_OK\n" \
  "process back S_OK\n" \
  "process-read back stdout: OK\n" \
  "process more S_OK\n" \
  "process-read more stdout: more\n" \
  "wslc-mount S_OK\n" \
  "process refused S_OK\n" \
  "process-wait refused S_OK\n" \
  "process-code refused S_OK 2\n" \
  "wslc-unmount S_OK\n" \
  "wslc-unmount ERROR_NOT_FOUND\n" \
  "wslc-mount ERROR_PATH_NOT_FOUND\n" \
  "wslc-mount E_INVALIDARG\n" \
  "wslc-mount E_POINTER\n" \
  "wslc-unmount E_POINTER\n"

const Row wslc_rows[] = {
    {.name = "25-wslc-success",
     .backends = ON_BOTH,
     .plugins =
         {{ON_LOAD "on OnSessionCreated\n" PROCESSES MOUNTS ON_CONTAINER "on ImageDeleted\non OnSessionStopping\n",
           "load\nOnSessionCreated name=dev pid=8 token=set sid=*\n" PROCESSES_LOG MOUNTS_LOG
           "ContainerStarted container=web\nContainerStopping container=web\nImageDeleted id=set\n" STOPPING}},
     .steps = "wslc create dev pid=8\nimage load alpine\ncontainer start web image=alpine\ncontainer stop web\n"
              "image delete alpine\nwslc close dev\n"},

    {.name = "26-wslc-image-pull",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_SESSION "on ImageCreated\non ImageDeleted\n",
                  "load\n" CREATED
                  "ImageCreated image=alpine\nImageCreated image=debian\nImageDeleted image=alpine\n" STOPPING}},
     .steps = "wslc create dev\nimage pull alpine\nimage import debian\nimage load quiet\nimage build quieter\n"
              "image delete alpine\nwslc close dev\n"},

    {.name = "27-wslc-session-refused",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD
                  "on OnSessionCreated\n  error Not here\n  return E_ACCESSDENIED\non OnSessionStopping\n" ON_VM,
                  "load\n" CREATED "error S_OK\nreturn E_ACCESSDENIED\n" STOPPING}},
     .steps = "wslc create dev\nexpect failure E_ACCESSDENIED\n"
              "expect text \"" FATAL ". Error message: 'Not here'?"
              "Error code: Wsl/Service/CreateSession/Plugin/E_ACCESSDENIED\"\n"
              "wslc open dev\nexpect failure ERROR_NOT_FOUND\n"},

    {.name = "28-wslc-container-refused",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_SESSION "on ContainerStarted\n  return E_FAIL\non ContainerStopping\n",
                  "load\n" CREATED "ContainerStarted container=web\nreturn E_FAIL\n" STOPPING}},
     .steps = "wslc create dev\nimage load alpine\ncontainer start web image=alpine\n" EXPECT(
         "CreateContainer", "E_FAIL") "wslc run /bin/echo alive\nexpect text \"alive*\"\nwslc close dev\n"},

    {.name = "29-host-crash-at-session-creation",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnSessionCreated\n  crash null\non OnSessionStopping\n",
                  "load\n" CREATED "crash null\n"}},
     .steps = "wslc create dev\n" EXPECT("CreateSession", "RPC_E_SERVER_DIED") "wslc create dev\n" EXPECT(
         "CreateSession", "RPC_E_SERVER_DIED"),
     .host_dies = TRUE},

    {.name = "29-container-after-the-crash",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_SESSION ON_CONTAINER "on ImageCreated\n  crash null\n",
                  "load\n" CREATED "ImageCreated image=alpine\ncrash null\n"}},
     .steps = "wslc create dev\nimage pull alpine\ncontainer start web image=alpine\n" EXPECT(
         "CreateContainer", "RPC_E_SERVER_DIED") "wslc close dev\n",
     .host_dies = TRUE},

    {.name = "33-parallel-wslc-sessions",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnSessionCreated\n"
                          "  meet inside 2\n"
                          "  wslc-mount %FOLDER% /mnt/%NAME% ro\n"
                          "  process p /bin/echo %NAME%\n"
                          "  process-read p stdout\n"
                          "  meet done 2\n",
                  "load\n~OnSessionCreated name=first *\n~OnSessionCreated name=second *\n"
                  "~meet inside S_OK\n~meet inside S_OK\n"
                  "~wslc-mount S_OK\n~wslc-mount S_OK\n~process p S_OK\n~process p S_OK\n"
                  "~process-read p stdout: first\n~process-read p stdout: second\n"
                  "~meet done S_OK\n~meet done S_OK\n"}},
     .steps = "at once\n  wslc create first\n  wslc create second\nend\n",
     .at_once = 2},

    {.name = "34-wslc-callback-after-the-hook",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnSessionCreated\n"
                          "  thread late none\n"
                          "    await hook\n"
                          "    process p /bin/echo late\n"
                          "    process-read p stdout\n"
                          "  end\n"
                          "on OnSessionStopping\n"
                          "  join late\n",
                  "load\n" CREATED "~await hook S_OK\n~process p S_OK\n~process-read p stdout: late\n" STOPPING
                  "join late S_OK\n"}},
     .steps = "wslc create dev\nwslc close dev\n"},

    {.name = "49-work-while-an-idle-stop-is-announced", .backends = ON_BOTH, .directed = row_49_announced_stop},

    {.name = "51-vm-on-demand",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_SESSION "on WslcVmStarted\n"
                                     "  process p /bin/echo up\n  process-read p stdout\n"
                                     "  wslc-mount %FOLDER% /mnt/here ro\n  wslc-unmount /mnt/here\n"
                                     "on WslcVmStopping\n"
                                     "  process q /bin/echo down\n  process-read q stdout\n"
                                     "  wslc-mount %FOLDER% /mnt/here ro\n  wslc-unmount /mnt/here\n",
#define VM_UP \
  "WslcVmStarted name=dev\nprocess p S_OK\nprocess-read p stdout: up\nwslc-mount S_OK\nwslc-unmount S_OK\n"
                  "load\n" CREATED VM_UP
                  "WslcVmStopping name=dev\nprocess q S_OK\nprocess-read q stdout: down\nwslc-mount S_OK\n"
                  "wslc-unmount S_OK\n" VM_UP
                  "WslcVmStopping name=dev\nprocess q E_NOT_VALID_STATE\nprocess-read q stdout E_INVALIDARG\n"
                  "wslc-mount E_NOT_VALID_STATE\nwslc-unmount E_NOT_VALID_STATE\n" STOPPING}},
     .steps = "wslc create dev on-demand\nwslc run /bin/echo one\nexpect text \"one*\"\nwslc idle\n"
              "wslc run /bin/echo two\nexpect text \"two*\"\nwslc close dev\n"},

    {.name = "52-vm-that-is-never-needed",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD "on OnSessionCreated\n  process p /bin/true\non OnSessionStopping\n" ON_VM,
                  "load\n" CREATED "process p WSLC_E_VM_NOT_RUNNING\n" STOPPING}},
     .steps = "wslc create dev on-demand\nwslc idle\nexpect failure E_NOT_VALID_STATE\nwslc close dev\n"},

    {.name = "54-second-of-three-refuses-the-wslc-session",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_SESSION, "load\n" CREATED STOPPING},
                 {ON_LOAD "on OnSessionCreated\n  return E_FAIL\non OnSessionStopping\n",
                  "load\n" CREATED "return E_FAIL\n" STOPPING},
                 {ON_LOAD ON_SESSION, "load\n" STOPPING}},
     .steps = "wslc create dev\nexpect failure E_FAIL\nexpect text \"*plugin 'OtherPlugin'*\"\n"},

    {.name = "54-second-of-three-refuses-the-container",
     .backends = ON_BOTH,
     .plugins = {{ON_LOAD ON_SESSION ON_CONTAINER, "load\n" CREATED "ContainerStarted container=web\n" STOPPING},
                 {ON_LOAD "on ContainerStarted\n  return E_FAIL\non ContainerStopping\n",
                  "load\nContainerStarted container=web\nreturn E_FAIL\n"},
                 {ON_LOAD ON_SESSION ON_CONTAINER, "load\n" CREATED STOPPING}},
     .steps = "wslc create dev\nimage load alpine\ncontainer start web image=alpine\nexpect failure E_FAIL\n"
              "expect text \"*plugin 'OtherPlugin'*\"\nwslc close dev\n"},
};

const guint wslc_row_count = G_N_ELEMENTS(wslc_rows);
