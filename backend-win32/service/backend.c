#include "backend-win32/wire.h"

#include "backend-win32/service/callback.h"
#include "backend-win32/service/link.h"
#include "backend-win32/service/process-facts.h"
#include "backend-win32/security.h"

/* --- Starting a host ------------------------------------------------------------------------------------ */

typedef struct {
  BhWin32Link *link;
  char *cause;
  BhResult result;
} Start;

static gboolean start_failed(Start *start, HRESULT status, const char *step) {
  g_autofree char *words = NULL;

  if (SUCCEEDED(status)) return FALSE;
  words = bh_wire_error_words(status);
  start->result = status;
  start->cause = g_strdup_printf("%s: %s", step, words);
  return TRUE;
}

/* Wine 8 keeps what a host has registered until somebody is given it, even when the host was killed meanwhile: who is
 * given that finds no server, or hears that the call did not execute. And of several activations at once it gives each the
 * first host that comes: one whose own host was given to another, and has ended by then, finds no interface. Each try
 * uses up one such host. Windows does not say the last of a host that is registered; and what did not execute may be
 * tried again anywhere. */
#define ACTIVATION_TRIES 16

static gboolean may_try_again(HRESULT status) {
  return status == E_NOINTERFACE || status == (HRESULT)BH_RPC_S_SERVER_UNAVAILABLE ||
         status == (HRESULT)BH_RPC_S_CALL_FAILED_DNE;
}

static HRESULT create_host(IWslPluginHost **host) {
  HRESULT status = E_NOINTERFACE;

  /* EOAC_DISABLE_AAA (security.c) forbids activation as the activator, which is what a class without RunAs is; this one
   * is meant. */
  for (guint tries = 0; may_try_again(status) && tries < ACTIVATION_TRIES; tries++)
    status = CoCreateInstance(&CLSID_WslPluginHost, NULL, CLSCTX_LOCAL_SERVER | CLSCTX_ENABLE_AAA,
                              &IID_IWslPluginHost, (void **)host);
  return status;
}

/* Activation and handshake. In the multithreaded apartment: what a callback object is marshalled from
 * decides which thread its calls come on, and a single-threaded apartment's would wait for its message loop. */
static void activate(gpointer data) {
  Start *start = data;
  BhWin32Link *link = start->link;
  HRESULT status = create_host(&link->host);

  if (start_failed(start, status, "the host could not be activated")) return;
  status = IWslPluginHost_Attach(link->host, bh_callback_interface(link->callback));
  if (SUCCEEDED(status) && link->process.pid == 0) status = E_ACCESSDENIED; /* it never said hello */
  if (!start_failed(start, status, "the host could not be attached") || status != E_ACCESSDENIED) return;
  g_free(start->cause);
  start->cause = g_strdup_printf("what COM has started is not %s (register that), or may not be put into a job",
                                 link->backend->host_path);
}

static BhResult start(BhBackend *backend, const BhPluginSpec *spec, const BhLinkEvents *events, gpointer data,
                      BhLink **link, char **cause) {
  Start start = {.link = bh_win32_link_new((BhWin32Backend *)backend, spec, events, data)};
  HRESULT status = bh_apartment_run(activate, &start);

  *link = NULL;
  if (!start_failed(&start, status, "no thread could be had") && BH_SUCCEEDED(start.result) &&
      !bh_win32_link_watch(start.link))
    start_failed(&start, bh_wire_error(GetLastError()), "the host's process could not be watched");
  if (BH_SUCCEEDED(start.result)) {
    *link = &start.link->base;
    return BH_OK;
  }
  bh_win32_link_release(&start.link->base);
  if (cause != NULL)
    *cause = start.cause;
  else
    g_free(start.cause);
  return start.result;
}

const BhBackendClass bh_backend_win32_class = {
    .name = "win32",
    .start = start,
    .load = bh_win32_link_load,
    .notify = bh_win32_link_notify,
    .kill = bh_win32_link_kill,
    .release = bh_win32_link_release,
    .pid = bh_win32_link_pid,
    .watch = bh_win32_link_watch_activity,
    .subsystem = bh_win32_subsystem,
};

/* --- The backend ---------------------------------------------------------------------------------------- */

/* Which of our user's processes may call us back the callback object decides, by the caller's process id; Wine 8 takes
 * the access list and looks at nothing, so there that is all. */
static HRESULT secure(void) {
  HRESULT status = bh_security_set_up();
  return status == RPC_E_TOO_LATE ? S_OK : status; /* the embedder has chosen its own */
}

/* By the build, which defines it to 1. */
#ifndef BH_SIGNING_REQUIRED
#define BH_SIGNING_REQUIRED 0
#endif

BhBackend *bh_backend_win32_new(const BhWin32Settings *settings, char **cause) {
  BhWin32Backend *self = g_new0(BhWin32Backend, 1);
  const char *step = "COM could not be set up";
  WSADATA winsock;
  HRESULT status;

  self->base.class = &bh_backend_win32_class;
  self->host_path = bh_wire_full_path(settings->host_path);
  self->signed_only = BH_SIGNING_REQUIRED || settings->signing == BH_WIN32_SIGNING_REQUIRED;
  status = bh_apartment_keep(&self->apartment);
  if (SUCCEEDED(status)) status = secure();
  if (SUCCEEDED(status)) {
    step = "Winsock could not be started";
    status = HRESULT_FROM_WIN32((DWORD)WSAStartup(MAKEWORD(2, 2), &winsock));
  }
  if (SUCCEEDED(status)) {
    step = "the hosts' job could not be made";
    self->job = bh_host_process_job();
    if (self->job != NULL) {
      self->activity = bh_activity_port_new();
      return &self->base;
    }
    status = bh_wire_error(GetLastError());
    WSACleanup();
  }
  if (cause != NULL) {
    g_autofree char *words = bh_wire_error_words(status);
    *cause = g_strdup_printf("%s: %s", step, words);
  }
  if (self->apartment != NULL) bh_apartment_let_go(self->apartment);
  g_free(self->host_path);
  g_free(self);
  return NULL;
}

void bh_backend_win32_free(BhBackend *backend) {
  BhWin32Backend *self = (BhWin32Backend *)backend;

  bh_activity_port_free(self->activity);
  CloseHandle(self->job);
  WSACleanup();
  bh_apartment_let_go(self->apartment);
  g_free(self->host_path);
  g_free(self);
}
