#include <windows.h>

#include "reference.h"

#include "channel.h"

#include "backend-win32/backend-win32.h"
#include "cli/commands.h"
#include "cli/report.h"

struct BhReference {
  BhEventLog *log;
  BhPlatform platform;
  BhService *service;
  BhChannel *channel;
  BhTimeline timeline; /* of all clients: there is one at a time, and between two nobody hears it */
  BhMutex lock;        /* guards run */
  BhRunStop *run;      /* the one that is under way; NULL: none is */
};

static const BhLockClass run_class = {"reference", BH_RANK_PUMP, FALSE};

/* --- A client's scenario ----------------------------------------------------------------------------------------- */

static void say(gpointer data, gboolean alarm, const char *line) {
  BhReference *self = data;
  bh_channel_say(self->channel, alarm, line);
}

static void set_run(BhReference *self, BhRunStop *run) {
  bh_mutex_lock(&self->lock);
  self->run = run;
  bh_mutex_unlock(&self->lock);
}

static void stop_run(gpointer data) {
  BhReference *self = data;

  bh_mutex_lock(&self->lock);
  if (self->run != NULL) bh_run_stop(self->run);
  bh_mutex_unlock(&self->lock);
}

/* The token's user. NULL: it cannot be read. */
static GBytes *sid_of(guint64 token) {
  DWORD size = sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE;
  g_autofree TOKEN_USER *user = g_malloc0(size);

  if (token == 0 || !GetTokenInformation((HANDLE)(gintptr)token, TokenUser, user, size, &size)) return NULL;
  return g_bytes_new(user->User.Sid, GetLengthSid(user->User.Sid));
}

/* Its sessions belong to the client's user: whoever asks for a distribution is whom plugins are told of. */
static int serve(gpointer data, const char *text, gsize size, guint64 token) {
  BhReference *self = data;
  g_autofree char *problem = NULL;
  g_autoptr(BhScenario) scenario = bh_scenario_parse(text, size, &problem);
  BhUser user = {.token = token, .sid = sid_of(token)};
  BhReport report = {"scenario", &self->timeline};
  BhRunStop stop;
  gboolean held = FALSE;

  if (scenario == NULL) {
    bh_timeline_alarm(&self->timeline, "bulkhead: scenario:%s", problem);
  } else if (user.sid == NULL) {
    bh_timeline_alarm(&self->timeline, "bulkhead: the service cannot tell who has sent the scenario");
  } else {
    bh_run_stop_init(&stop);
    set_run(self, &stop);
    bh_timeline_heading(&self->timeline);
    bh_timeline_note(&self->timeline, "the service is process %u; plugins run in %s, distributions in %s",
                     bh_process_number(), self->platform.backend->class->name, self->platform.guest->class->name);
    held = bh_run_until(self->service, &user, scenario, &(BhRunReport){bh_report_begin, bh_report_end, &report},
                        &stop);
    bh_timeline_note(&self->timeline, "the scenario ends; the service is still process %u", bh_process_number());
    set_run(self, NULL);
    bh_run_stop_clear(&stop);
  }
  g_clear_pointer(&user.sid, g_bytes_unref);
  return scenario == NULL ? BH_EXIT_USAGE : held ? BH_EXIT_OK : BH_EXIT_FAILED;
}

static const BhChannelEvents channel_events = {serve, stop_run};

/* --- The service ------------------------------------------------------------------------------------------------- */

static void on_found(gpointer data, const char *name, const char *path) {
  BhReference *self = data;

  bh_event_log_write(self->log, BH_EVENT_PLUGIN_DISCOVERED, name, path, NULL);
  bh_service_add_plugin(self->service, name, path); /* what it leaves out, it traces */
}

static void on_warning(gpointer data, const char *text) {
  BhReference *self = data;
  bh_event_log_write(self->log, BH_EVENT_REGISTRATION_SKIPPED, text, NULL);
}

BhReference *bh_reference_start(const BhPlatformOptions *options, BhEventLog *log, char **cause) {
  static const BhWin32Discovery discovery = {on_found, on_warning};
  BhReference *self = g_new0(BhReference, 1);

  self->log = log;
  if (!bh_platform_open(&self->platform, options, cause)) {
    g_free(self);
    return NULL;
  }
  bh_mutex_init(&self->lock, &run_class);
  self->timeline = (BhTimeline){.shown = TRUE, .began = bh_clock_now(), .print = say, .data = self};
  self->channel = bh_channel_new(&channel_events, self, cause); /* first: what is traced is said there */
  if (self->channel != NULL) {
    self->service =
        bh_service_new(&(BhServiceSettings){.backend = self->platform.backend, .guest = self->platform.guest});
    bh_trace_attach(bh_service_trace(self->service), bh_event_log_sink, log);
    bh_trace_attach(bh_service_trace(self->service), bh_timeline_sink, &self->timeline);
    bh_win32_discover(&discovery, self);
    if (bh_channel_listen(self->channel)) return self;
    *cause = g_strdup("no thread can be had");
  }
  bh_reference_stop(self);
  return NULL;
}

void bh_reference_stop(BhReference *self) {
  if (self->channel != NULL) bh_channel_stop(self->channel);
  if (self->service != NULL) bh_service_free(self->service); /* releases every proxy */
  if (self->channel != NULL) bh_channel_free(self->channel);
  bh_platform_close(&self->platform); /* lets go of COM */
  bh_mutex_clear(&self->lock);
  g_free(self);
}
