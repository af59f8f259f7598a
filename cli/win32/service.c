/* service.c: `bulkhead service`: the reference service under the Service Control Manager, or on a console.
 *
 *     the SCM's dispatcher (main thread)      service_main (the SCM's thread)          stop thread
 *     ──────────────────────────────────      ───────────────────────────────          ───────────
 *       ├─────────────────────────────────────▶ START_PENDING, start, RUNNING
 *     STOP, PRESHUTDOWN: sets an event ───────▶ STOP_PENDING
 *                                               ├────────────────────────────────────▶ bh_reference_stop
 *                                               a checkpoint every second
 *                                               STOPPED ◀──────────────────────────────┘
 *     returns from the dispatcher ◀─────────────┘
 */
#include "commands-win32.h"

#include "machine.h"
#include "reference.h"
#include "scm.h"

#include "backend-win32/wire.h"

#define CHECKPOINT (1000)      /* ms */
#define START_HINT (30 * 1000) /* ms */

typedef struct {
  gboolean console;
  char *guest, *agent, *host;
  BhGuestKind kind; /* guest's; BH_GUEST_DEFAULT: none was named */
} Options;

/* The SCM's functions carry no data of ours; and a process has one service. */
static struct {
  Options options;
  HANDLE stop; /* event: the service is to end */
  SERVICE_STATUS_HANDLE handle;
  SERVICE_STATUS status;
} self;

/* --- Options ----------------------------------------------------------------------------------------------------- */

/* From the command line, which is the ImagePath. A start's parameters (`sc start Bulkhead …`) are not looked at: who may
 * start a service must not thereby choose the programs that it runs. */
static gboolean parse(char ***arguments) {
  const GOptionEntry entries[] = {
      {"console", 0, 0, G_OPTION_ARG_NONE, &self.options.console,
       "on this console, not under the Service Control Manager; until Ctrl-C, or until its input ends", NULL},
      {"guest", 'g', 0, G_OPTION_ARG_STRING, &self.options.guest,
       "where distributions run: 'agent' (a real Linux; needs Wine) or 'memory'. Else the agent, where it is "
       "installed",
       "KIND"},
      {"agent", 0, 0, G_OPTION_ARG_FILENAME, &self.options.agent,
       "the agent's program; else it is beside this one", "PATH"},
      {"host", 0, 0, G_OPTION_ARG_FILENAME, &self.options.host,
       "wslpluginhost.exe, as it is registered; else it is beside this program", "PATH"},
      G_OPTION_ENTRY_NULL,
  };

  if (!bh_parse_options(arguments, "The service: runs the registered plugins for 'bulkhead run --service'.",
                        entries))
    return FALSE;
  return self.options.guest == NULL || bh_guest_kind_parse(self.options.guest, &self.options.kind);
}

static BhGuestKind guest_kind(const char *agent) {
  if (self.options.kind != BH_GUEST_DEFAULT) return self.options.kind;
  return g_file_test(agent, G_FILE_TEST_EXISTS) ? BH_GUEST_AGENT : BH_GUEST_MEMORY;
}

/* --- Start and stop ---------------------------------------------------------------------------------------------- */

/* Of build and policy the stricter wins; an administrator is told which. */
#ifdef BH_SIGNING_REQUIRED
#define BUILT_STRICT TRUE
#else
#define BUILT_STRICT FALSE
#endif

static BhReference *start(BhEventLog *log) {
  g_autofree char *agent = bh_platform_file(self.options.agent, "bulkhead-agent"), *cause = NULL;
  g_autofree char *host = bh_platform_file(self.options.host, "wslpluginhost.exe");
  g_autofree char *process = g_strdup_printf("%u", bh_process_number());
  const gboolean policy = bh_machine_requires_signatures();
  const BhPlatformOptions options = {
      .guest = guest_kind(agent), .agent = agent, .host = host, .signed_only = policy};
  BhReference *reference = bh_reference_start(&options, log, self.options.console, &cause);

  if (reference != NULL)
    bh_event_log_write(log, BH_EVENT_STARTED, BH_VERSION, process, NULL);
  else
    bh_event_log_write(log, BH_EVENT_NOT_STARTED, cause, NULL);
  if (reference != NULL && (policy || BUILT_STRICT))
    bh_event_log_write(log, BH_EVENT_SIGNATURES_REQUIRED, policy ? "the policy" : "this build", NULL);
  return reference;
}

static void setting(BhEventLog *log, const char *what, DWORD error) {
  g_autofree char *words = bh_wire_error_words(bh_wire_error(error));
  g_autofree char *text = g_strdup_printf("%s: %s", what, words);

  if (error != ERROR_SUCCESS) bh_event_log_write(log, BH_EVENT_SETTING_FAILED, text, NULL);
}

/* Dumps go where the installer has made room for them, unless the administrator has set another folder for the service. */
static void choose_dumps(void) {
  g_autofree char *dumps = bh_platform_beside("dumps");
  g_setenv("BULKHEAD_DUMPS", dumps, FALSE);
}

/* What the MSI cannot say, the service says of itself, at each start: then it holds also after a repair. */
static void configure(BhEventLog *log) {
  g_autofree char *program = bh_platform_program(), *host = bh_platform_beside("wslpluginhost.exe");
  g_autofree char *dumps = bh_platform_beside("dumps");
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service =
      manager != NULL ? OpenServiceW(manager, BH_SERVICE_NAME, SERVICE_CHANGE_CONFIG | SERVICE_START) : NULL;

  setting(log, "recovery", service != NULL ? bh_scm_configure(service) : GetLastError());
  setting(log, "the folder for dumps", bh_machine_make_dumps(dumps));
  setting(log, "no layered providers in the service", bh_machine_refuse_providers(program));
  setting(log, "no layered providers in hosts", bh_machine_refuse_providers(host));
  if (service != NULL) CloseServiceHandle(service);
  if (manager != NULL) CloseServiceHandle(manager);
}

/* --- On a console ------------------------------------------------------------------------------------------------ */

static BOOL WINAPI on_console_event(DWORD event) {
  (void)event;
  SetEvent(self.stop);
  return TRUE;
}

/* Whoever runs us from a script has no Ctrl-C, but can close our input. Never joined: it may read for ever. */
static DWORD WINAPI await_end_of_input(void *data) {
  char some[64];
  DWORD got = 0;

  (void)data;
  while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), some, sizeof some, &got, NULL) && got > 0) continue;
  SetEvent(self.stop);
  return 0;
}

static int run_on_console(void) {
  BhEventLog *log = bh_event_log_new(TRUE);
  BhReference *reference = start(log);
  HANDLE input;

  if (reference != NULL) {
    SetConsoleCtrlHandler(on_console_event, TRUE);
    input = CreateThread(NULL, 0, await_end_of_input, NULL, 0, NULL);
    if (input != NULL) CloseHandle(input);
    WaitForSingleObject(self.stop, INFINITE);
    bh_reference_stop(reference);
    bh_event_log_write(log, BH_EVENT_STOPPED, NULL);
  }
  bh_event_log_free(log);
  return reference != NULL ? BH_EXIT_OK : BH_EXIT_FAILED;
}

/* --- Under the SCM ----------------------------------------------------------------------------------------------- */

static void report(DWORD state, DWORD hint, gboolean failed) {
  const gboolean pending = state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;

  self.status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
  self.status.dwCheckPoint =
      pending && self.status.dwCurrentState == state ? self.status.dwCheckPoint + 1 : (DWORD)pending;
  self.status.dwCurrentState = state;
  self.status.dwWaitHint = hint;
  self.status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PRESHUTDOWN : 0;
  self.status.dwWin32ExitCode = failed ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR;
  self.status.dwServiceSpecificExitCode = failed;
  SetServiceStatus(self.handle, &self.status);
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context) {
  (void)type;
  (void)data;
  (void)context;
  switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_PRESHUTDOWN: SetEvent(self.stop); return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE: return NO_ERROR; /* the SCM has our status */
    default: return ERROR_CALL_NOT_IMPLEMENTED;
  }
}

typedef struct {
  BhReference *reference;
  HANDLE done;
} Stopping;

static gpointer stop_reference(gpointer data) {
  Stopping *stopping = data;

  bh_reference_stop(stopping->reference);
  SetEvent(stopping->done);
  return NULL;
}

/* Something of ours does not return: the process ends, and with it the job and every host. */
static void end_by_force(BhEventLog *log) {
  g_autofree char *seconds = g_strdup_printf("%d", BH_SERVICE_STOP_MAX / 1000);

  bh_event_log_write(log, BH_EVENT_STOPPED_BY_FORCE, seconds, NULL);
  report(SERVICE_STOPPED, 0, FALSE); /* it was asked to stop: an error would have the SCM start it again */
  TerminateProcess(GetCurrentProcess(), BH_EXIT_FAILED);
}

/* Orderly; the SCM sees by the checkpoints that it goes on. */
static void stop(BhReference *reference, BhEventLog *log) {
  Stopping stopping = {reference, CreateEventW(NULL, TRUE, FALSE, NULL)};
  gint64 deadline = bh_clock_deadline((gint64)BH_SERVICE_STOP_MAX * 1000);
  BhThread *thread =
      stopping.done != NULL ? bh_thread_new("stop", BH_RANK_SESSION_TABLE, stop_reference, &stopping) : NULL;

  report(SERVICE_STOP_PENDING, 3 * CHECKPOINT, FALSE);
  if (thread == NULL) {
    bh_reference_stop(reference);
  } else {
    while (WaitForSingleObject(stopping.done, CHECKPOINT) == WAIT_TIMEOUT) {
      if (bh_clock_now() > deadline) end_by_force(log);
      report(SERVICE_STOP_PENDING, 3 * CHECKPOINT, FALSE);
    }
    bh_thread_join(thread);
  }
  if (stopping.done != NULL) CloseHandle(stopping.done);
  bh_event_log_write(log, BH_EVENT_STOPPED, NULL);
}

/* Wine 8 gives a native program /dev/null for its input if who starts it has no console, and a service has none; the agent's
 * input is the service's line to it. Where there is no agent, as on Windows, no console is made. */
static void make_console_for_agent(void) {
  g_autofree char *agent = bh_platform_file(self.options.agent, "bulkhead-agent");
  if (guest_kind(agent) == BH_GUEST_AGENT) AllocConsole();
}

static void WINAPI service_main(DWORD count, wchar_t **words) {
  BhEventLog *log = bh_event_log_new(FALSE);
  BhReference *reference;

  (void)count;
  (void)words;
  self.handle = RegisterServiceCtrlHandlerExW(BH_SERVICE_NAME, on_control, NULL);
  report(SERVICE_START_PENDING, START_HINT, FALSE);
  choose_dumps();
  make_console_for_agent();
  reference = start(log);
  if (reference != NULL) {
    configure(log);
    report(SERVICE_RUNNING, 0, FALSE);
    WaitForSingleObject(self.stop, INFINITE);
    stop(reference, log);
  }
  bh_event_log_free(log);
  report(SERVICE_STOPPED, 0, reference == NULL);
}

static int run_under_scm(void) {
  wchar_t name[] = BH_SERVICE_NAME;
  const SERVICE_TABLE_ENTRYW table[] = {{name, service_main}, {NULL, NULL}};

  if (StartServiceCtrlDispatcherW(table)) return BH_EXIT_OK;
  return bh_usage_error("only the Service Control Manager runs it so; see 'net start Bulkhead', or use --console");
}

static int do_service(char ***arguments) {
  int status = BH_EXIT_USAGE;

  if (!parse(arguments)) return status;
  self.stop = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (self.stop == NULL) {
    g_printerr("bulkhead: no event can be had\n");
    return BH_EXIT_FAILED;
  }
  status = self.options.console ? run_on_console() : run_under_scm();
  CloseHandle(self.stop);
  return status;
}

const BhCommand bh_command_service = {"service", do_service, "runs the registered plugins, as a service"};
