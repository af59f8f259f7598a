/* What `bulkhead watch` prints of one notice: a table's row, an object for a SIEM. */
#include "cli/watch-view.h"

#include <jansson.h>
#include <string.h>

static const BhProcessNotice cat = {
    .activity = {.type = BH_PROCESS_CREATED,
                 .process = 4711,
                 .parent = 4700,
                 .creator = 4701,
                 .creator_thread = 4702,
                 .image = "/bin/cat",
                 .command_line = "/bin/cat 'a file'",
                 .may_refuse = TRUE},
    .origin = {.subsystem = BH_SUBSYSTEM_WSL, .session = 1},
    .is_subsystem_process = TRUE,
};

static void test_rows(void) {
  BhProcessNotice notice = cat;
  g_autofree char *heading = bh_watch_heading(), *created = bh_watch_row(&notice, 105 * 1000);
  g_autofree char *exited = NULL, *crashed = NULL;

  g_assert_cmpstr(created, ==,
                  "   0.105s  WSL        created            4711              4700  session 1         /bin/cat: "
                  "/bin/cat 'a file'");
  g_assert_cmpint(strstr(heading, "pid") + strlen("pid") - heading, ==, strstr(created, "4711") + 4 - created);
  g_assert_cmpint(strstr(heading, "whose") - heading, ==, strstr(created, "session") - created);

  notice = (BhProcessNotice){.activity = {.type = BH_PROCESS_EXITED, .process = 12, .exit_status = 137},
                             .origin = {.subsystem = BH_SUBSYSTEM_WSL, .name = "web"}};
  exited = bh_watch_row(&notice, 0);
  g_assert_true(g_str_has_suffix(exited, "  web               status 137"));

  notice.origin = (BhActivityOrigin){.subsystem = BH_SUBSYSTEM_WIN32, .plugin = "Shield"};
  notice.activity.exit_status = (gint32)0xC0000005;
  crashed = bh_watch_row(&notice, 0);
  g_assert_true(g_str_has_suffix(crashed, "  Shield            status 0xC0000005"));
}

/* A name goes to a terminal: no line of its own, no escape sequence, no broken UTF-8. */
static void test_hostile_names(void) {
  BhProcessNotice notice = cat;
  g_autofree char *row = NULL, *text = NULL;
  json_t *object;

  notice.activity.image = "/tmp/\x1b[2J\n\xff\xe4\xb8\xad";
  notice.activity.command_line = NULL;
  row = bh_watch_row(&notice, 0);
  g_assert_true(g_str_has_suffix(row, "/tmp/\\x1b[2J\\x0a\xef\xbf\xbd\xe4\xb8\xad"));

  text = bh_watch_json(&notice, 0);
  g_assert_null(strchr(text, '\n'));
  object = json_loads(text, 0, NULL);
  g_assert_cmpstr(json_string_value(json_object_get(object, "image")), ==,
                  "/tmp/\x1b[2J\n\xef\xbf\xbd\xe4\xb8\xad");
  json_decref(object);
}

static void test_json(void) {
  g_autofree char *text = bh_watch_json(&cat, G_GINT64_CONSTANT(1795483800123456));

  g_assert_cmpstr(text, ==,
                  "{\"time\":\"2026-11-24T01:30:00.123456Z\",\"subsystem\":\"WSL\",\"is_subsystem_process\":true,"
                  "\"event\":\"process created\",\"pid\":4711,\"parent\":4700,\"creator\":4701,"
                  "\"creator_thread\":4702,\"session\":1,\"image\":\"/bin/cat\","
                  "\"command_line\":\"/bin/cat 'a file'\"}");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/watch-view/rows", test_rows);
  g_test_add_func("/watch-view/hostile-names", test_hostile_names);
  g_test_add_func("/watch-view/json", test_json);
  return g_test_run();
}
