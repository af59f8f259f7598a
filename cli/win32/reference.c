#include <windows.h>

#include "reference.h"

#include "channel.h"

#include "backend-win32/backend-win32.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "cli/watcher.h"

struct BhReference {
  BhEventLog *log;
  BhPlatform platform;
  BhService *service;
  BhChannel *channel, *watch; /* a scenario comes by the one, who wants to see processes by the other */
  BhTimeline timeline;        /* of all clients: there is one at a time, and between two nobody hears it */
};

/* --- A client's scenario ----------------------------------------------------------------------------------------- */

static void say(gpointer data, gboolean alarm, const char *line) {
  BhReference *self = data;
  if (self->channel != NULL) bh_channel_say(self->channel, alarm, line);
}

/* The token's user. NULL: it cannot be read. */
static GBytes *sid_of(guint64 token) {
  DWORD size = sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE;
  g_autofree TOKEN_USER *user = g_malloc0(size);

  if (token == 0 || !GetTokenInformation((HANDLE)(gintptr)token, TokenUser, user, size, &size)) return NULL;
  return g_bytes_new(user->User.Sid, GetLengthSid(user->User.Sid));
}

/* The client's working folder is not ours: a file must be named in full. NULL: all are; else the caller's. */
static char *relative_file(const BhScenario *scenario) {
  for (guint i = 0; i < scenario->steps->len; i++) {
    const BhStep *step = scenario->steps->pdata[i];
    const guint count = step->together != NULL ? step->together->len : 1;

    for (guint k = 0; k < count; k++) {
      const BhStep *one = step->together != NULL ? step->together->pdata[k] : step;
      if (one->kind == BH_STEP_DISTRO_EXPORT && !g_path_is_absolute(one->words[1]))
        return g_strdup_printf("%u: '%s': the service needs an absolute path", one->line, one->words[1]);
    }
  }
  return NULL;
}

/* Its sessions belong to the client's user: whoever asks for a distribution is whom plugins are told of. */
static gboolean run_scenario(BhReference *self, const BhScenario *scenario, const BhUser *user, BhRunStop *stop) {
  BhReport report = {"scenario", &self->timeline};
  gboolean held;

  bh_timeline_heading(&self->timeline);
  bh_timeline_note(&self->timeline, "the service is process %u; plugins run in %s, distributions in %s",
                   bh_process_number(), self->platform.backend->class->name, self->platform.guest->class->name);
  held =
      bh_run_until(self->service, user, scenario, &(BhRunReport){bh_report_begin, bh_report_end, &report}, stop);
  bh_timeline_note(&self->timeline, "the scenario ends; the service is still process %u", bh_process_number());
  return held;
}

static int serve(gpointer data, const BhChannelRequest *request) {
  BhReference *self = data;
  g_autofree char *problem = NULL;
  g_autoptr(BhScenario) scenario = bh_scenario_parse(request->text, request->size, &problem);
  g_autoptr(GBytes) sid = sid_of(request->user);
  const BhUser user = {.token = request->user, .sid = sid};

  if (scenario != NULL) problem = relative_file(scenario);
  if (problem != NULL) {
    bh_timeline_alarm(&self->timeline, "bulkhead: scenario:%s", problem);
    return BH_EXIT_USAGE;
  }
  if (sid == NULL) {
    bh_timeline_alarm(&self->timeline, "bulkhead: the service cannot tell who has sent the scenario");
    return BH_EXIT_FAILED;
  }
  return run_scenario(self, scenario, &user, request->stop) ? BH_EXIT_OK : BH_EXIT_FAILED;
}

/* --- Who watches ------------------------------------------------------------------------------------------------- */

static void say_notice(gpointer data, const char *line) {
  const BhReference *self = data;
  bh_channel_say(self->watch, FALSE, line);
}

static int serve_watch(gpointer data, const BhChannelRequest *request) {
  BhReference *self = data;
  g_auto(GStrv) words = g_strsplit(request->text, " ", -1);
  BhWatcher watcher = {.json = g_strv_contains((const char *const *)words, "json"),
                       .plain = g_strv_contains((const char *const *)words, "plain"),
                       .print = say_notice,
                       .data = self};
  BhResult result = bh_watcher_begin(&watcher, bh_service_process_notify(self->service));
  g_autofree char *code = bh_result_to_string(result);
  g_autofree char *problem = g_strdup_printf("bulkhead: processes cannot be watched: %s", code);

  if (BH_FAILED(result)) {
    bh_channel_say(self->watch, TRUE, problem);
    return BH_EXIT_FAILED;
  }
  bh_run_stop_await(request->stop, G_MAXINT64);
  bh_watcher_end(&watcher);
  return BH_EXIT_OK;
}

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

/* The first, as what is traced is said there. NULL: *cause says why. */
static BhChannel *open_channel(BhReference *self, const wchar_t *name, BhChannelServe serve_it,
                               gboolean must_listen, char **cause) {
  BhChannel *channel = bh_channel_new(name, serve_it, self, cause);

  if (channel == NULL && !must_listen) bh_event_log_write(self->log, BH_EVENT_SETTING_FAILED, *cause, NULL);
  return channel;
}

static void start_service(BhReference *self) {
  static const BhWin32Discovery discovery = {on_found, on_warning};

  self->service =
      bh_service_new(&(BhServiceSettings){.backend = self->platform.backend, .guest = self->platform.guest});
  bh_trace_attach(bh_service_trace(self->service), bh_event_log_sink, self->log);
  bh_trace_attach(bh_service_trace(self->service), bh_timeline_sink, &self->timeline);
  bh_win32_discover(&discovery, self);
}

BhReference *bh_reference_start(const BhPlatformOptions *options, BhEventLog *log, gboolean must_listen,
                                char **cause) {
  BhReference *self = g_new0(BhReference, 1);

  self->log = log;
  if (!bh_platform_open(&self->platform, options, cause)) {
    g_free(self);
    return NULL;
  }
  self->timeline = (BhTimeline){.shown = TRUE, .began = bh_clock_now(), .print = say, .data = self};
  self->channel = open_channel(self, BH_CHANNEL_RUN, serve, must_listen, cause);
  if (self->channel != NULL) self->watch = open_channel(self, BH_CHANNEL_WATCH, serve_watch, must_listen, cause);
  if (self->watch != NULL || !must_listen) {
    g_clear_pointer(cause, g_free);
    start_service(self);
    if ((self->channel == NULL || bh_channel_listen(self->channel)) &&
        (self->watch == NULL || bh_channel_listen(self->watch)))
      return self;
    *cause = g_strdup("no thread can be had");
  }
  bh_reference_stop(self);
  return NULL;
}

void bh_reference_stop(BhReference *self) {
  if (self->channel != NULL) bh_channel_stop(self->channel);
  if (self->watch != NULL) bh_channel_stop(self->watch);
  if (self->service != NULL) bh_service_free(self->service); /* releases every proxy */
  if (self->channel != NULL) bh_channel_free(self->channel);
  if (self->watch != NULL) bh_channel_free(self->watch);
  bh_platform_close(&self->platform); /* lets go of COM */
  g_free(self);
}
