#include <windows.h>

#include "event-log.h"

#include "backend-win32/wire.h"

#define STRINGS_MAX 5
#define STRING_MAX  31839 /* characters, by ReportEvent's documentation; more, and the whole entry is refused */

struct BhEventLog {
  HANDLE source; /* NULL: there is no log */
  gboolean echo;
};

BhEventLog *bh_event_log_new(gboolean echo) {
  BhEventLog *log = g_new0(BhEventLog, 1);

  log->source = RegisterEventSourceW(NULL, L"Bulkhead");
  log->echo = echo;
  if (log->source == NULL && echo) g_printerr("bulkhead: there is no Event Log\n");
  return log;
}

void bh_event_log_free(BhEventLog *log) {
  if (log->source != NULL) DeregisterEventSource(log->source);
  g_free(log);
}

/* The severity is in the id's upper two bits. */
static WORD type_of(guint32 id) {
  static const WORD types[] = {EVENTLOG_SUCCESS, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
                               EVENTLOG_ERROR_TYPE};
  return types[id >> 30];
}

static void echo(guint32 id, const wchar_t **strings) {
  wchar_t *words = NULL;
  g_autofree char *text = NULL;

  FormatMessageW(FORMAT_MESSAGE_FROM_HMODULE | FORMAT_MESSAGE_ARGUMENT_ARRAY | FORMAT_MESSAGE_ALLOCATE_BUFFER,
                 NULL, id, 0, (wchar_t *)&words, 0, (va_list *)strings);
  text = bh_wire_utf8(words);
  if (text != NULL) g_printerr("event %u: %s\n", id & 0xFFFF, g_strchomp(g_strdelimit(text, "\r\n", ' ')));
  LocalFree(words);
}

/* What is not text is left out, what is too long is cut. %1 in it, which Event Viewer would take for a place of its own,
 * gets a percent sign that only looks like one. The caller's. */
static wchar_t *insertion(const char *text) {
  wchar_t *wide = bh_wire_wide(text);

  if (wide == NULL) return g_new0(wchar_t, 1);
  if (wcslen(wide) > STRING_MAX) wide[STRING_MAX] = L'\0';
  for (wchar_t *at = wide; *at != L'\0'; at++)
    if (at[0] == L'%' && at[1] >= L'0' && at[1] <= L'9') at[0] = 0xFF05;
  return wide;
}

void bh_event_log_write(BhEventLog *log, guint32 id, ...) {
  const wchar_t *strings[STRINGS_MAX] = {NULL};
  WORD count = 0;
  va_list arguments;

  va_start(arguments, id);
  for (const char *text = va_arg(arguments, const char *); text != NULL && count < STRINGS_MAX;
       text = va_arg(arguments, const char *))
    strings[count++] = insertion(text);
  va_end(arguments);
  if (log->source != NULL && !ReportEventW(log->source, type_of(id), 0, id, NULL, count, 0, strings, NULL) &&
      log->echo)
    g_printerr("bulkhead: event %u was not taken: error %lu\n", id & 0xFFFF, GetLastError());
  if (log->echo) echo(id, strings);
  for (WORD i = 0; i < count; i++) g_free((wchar_t *)strings[i]);
}

/* Which event of a trace is which entry, by how it ended. 0: none. */
static const struct {
  const char *what;
  guint32 good, bad;
} entries[] = {
    {"host started", BH_EVENT_PLUGIN_ACTIVATED, 0},
    {"left out", 0, BH_EVENT_PLUGIN_LEFT_OUT},
    {"load", BH_EVENT_PLUGIN_LOADED, BH_EVENT_PLUGIN_NOT_LOADED},
    {"crashed", 0, BH_EVENT_PLUGIN_CRASHED},
    {"host ended", 0, BH_EVENT_HOST_ENDED},
};

static guint32 entry_of(const BhTraceEvent *event) {
  for (guint i = 0; i < G_N_ELEMENTS(entries); i++)
    if (g_str_equal(event->what, entries[i].what))
      return BH_SUCCEEDED(event->result) ? entries[i].good : entries[i].bad;
  return 0;
}

void bh_event_log_sink(const BhTraceEvent *event, gpointer log) {
  guint32 id = entry_of(event);
  g_autofree char *process = g_strdup_printf("%u", event->process);
  g_autofree char *code = bh_result_to_string(event->result);
  const gboolean names_code = id == BH_EVENT_PLUGIN_LEFT_OUT || id == BH_EVENT_PLUGIN_NOT_LOADED;

  if (id != 0)
    bh_event_log_write(log, id, event->who, names_code ? code : process,
                       event->detail != NULL ? event->detail : "", NULL);
}
