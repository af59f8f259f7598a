#include "watch-view.h"

#include "guest/json.h"

#define HEADING_FORMAT "%9s  %-9s  %-14s  %7s  %7s  %7s  %-16s  %s"
#define ROW_FORMAT     "%8.3fs  %-9s  %-14s  %7s  %7s  %7s  %-16s  %s"

static const struct {
  const char *name;  /* the table's */
  const char *event; /* JSON's */
} types[] = {
    [BH_PROCESS_CREATED] = {"created", "process created"},
    [BH_PROCESS_IMAGE] = {"image", "process image"},
    [BH_PROCESS_EXITED] = {"exited", "process exited"},
    [BH_THREAD_CREATED] = {"thread created", "thread created"},
    [BH_THREAD_EXITED] = {"thread exited", "thread exited"},
};

static const char *const subsystems[] = {[BH_SUBSYSTEM_WIN32] = "Win32", [BH_SUBSYSTEM_WSL] = "WSL"};

/* --- A table ----------------------------------------------------------------------------------------------------- */

char *bh_watch_heading(void) {
  return g_strdup_printf(HEADING_FORMAT, "when", "subsystem", "event", "pid", "thread", "parent", "whose", "what");
}

/* A number, or nothing when it is 0. The caller's. */
static char *number(guint32 value) {
  return value != 0 ? g_strdup_printf("%u", value) : g_strdup("");
}

static char *whose(const BhActivityOrigin *origin) {
  if (origin->plugin != NULL) return g_strdup(origin->plugin);
  if (origin->name != NULL) return g_strdup(origin->name);
  return origin->session != 0 ? g_strdup_printf("session %u", origin->session) : g_strdup("");
}

/* Valid UTF-8 without control characters: it goes to a terminal, and comes from a plugin or a guest. Takes text. */
static char *printable(char *text) {
  g_autofree char *taken = text, *valid = g_utf8_make_valid(text, -1);
  GString *out = g_string_new(NULL);

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
    const gunichar character = g_utf8_get_char(at);
    if (g_unichar_isprint(character))
      g_string_append_unichar(out, character);
    else
      g_string_append_printf(out, "\\x%02x", character);
  }
  return g_string_free(out, FALSE);
}

static char *what(const BhActivity *activity) {
  if (activity->type == BH_PROCESS_EXITED)
    return g_strdup_printf((guint32)activity->exit_status > 0xFFFF ? "status 0x%08X" : "status %u",
                           (guint)activity->exit_status);
  if (activity->command_line != NULL && activity->image != NULL)
    return g_strconcat(activity->image, ": ", activity->command_line, NULL);
  return g_strdup(activity->image != NULL          ? activity->image
                  : activity->command_line != NULL ? activity->command_line
                                                   : "");
}

char *bh_watch_row(const BhProcessNotice *notice, gint64 when) {
  const BhActivity *activity = &notice->activity;
  g_autofree char *pid = number(activity->process), *thread = number(activity->thread);
  g_autofree char *parent = number(activity->parent);
  g_autofree char *owner = printable(whose(&notice->origin)), *text = printable(what(activity));

  return g_strchomp(g_strdup_printf(ROW_FORMAT, (double)when / G_USEC_PER_SEC,
                                    subsystems[notice->origin.subsystem], types[activity->type].name, pid, thread,
                                    parent, owner, text));
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

static void put_text(json_t *object, const char *key, const char *text) {
  if (text != NULL) json_object_set_new(object, key, bh_json_string(text));
}

static void put_number(json_t *object, const char *key, guint32 value) {
  if (value != 0) json_object_set_new(object, key, json_integer(value));
}

char *bh_watch_json(const BhProcessNotice *notice, gint64 now) {
  const BhActivity *activity = &notice->activity;
  g_autoptr(GDateTime) seconds = g_date_time_new_from_unix_utc(now / G_USEC_PER_SEC);
  g_autofree char *date = g_date_time_format(seconds, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *time = g_strdup_printf("%s.%06dZ", date, (int)(now % G_USEC_PER_SEC));
  json_t *object = json_object();

  put_text(object, "time", time);
  put_text(object, "subsystem", subsystems[notice->origin.subsystem]);
  json_object_set_new(object, "is_subsystem_process", json_boolean(notice->is_subsystem_process));
  put_text(object, "event", types[activity->type].event);
  put_number(object, "pid", activity->process);
  put_number(object, "thread", activity->thread);
  put_number(object, "parent", activity->parent);
  put_number(object, "creator", activity->creator);
  put_number(object, "creator_thread", activity->creator_thread);
  put_number(object, "session", notice->origin.session);
  put_text(object, "wslc_session", notice->origin.name);
  put_text(object, "plugin", notice->origin.plugin);
  put_text(object, "image", activity->image);
  put_text(object, "command_line", activity->command_line);
  if (activity->type == BH_PROCESS_EXITED)
    json_object_set_new(object, "exit_status", json_integer(activity->exit_status));
  return bh_json_take_text(object);
}
