/* The tables against the facts of the contract's sections 3 and 4, written down a second time on purpose. */
#include "core/contract.h"

#include <string.h>

/* --- Hooks ---------------------------------------------------------------------------------------------- */

#define VM        "session token sid"
#define CONTAINER "session display_name application_pid token sid"
#define ONLINE    "distribution name pid_namespace package_family_name init_pid flavor version"
#define OFFLINE   "distribution name package_family_name flavor version"

static const struct {
  const char *name, *session, *payload;
  BhVersion since;
} hooks[] = {
    {"OnVMStarted", VM, "vm_flags", {1, 0, 0}},
    {"OnVMStopping", VM, "", {1, 0, 0}},
    {"OnDistributionStarted", VM, ONLINE, {1, 0, 0}},
    {"OnDistributionStopping", VM, ONLINE, {1, 0, 0}},
    {"OnDistributionRegistered", VM, OFFLINE, {2, 1, 2}},
    {"OnDistributionUnregistered", VM, OFFLINE, {2, 1, 2}},
    {"OnSessionCreated", CONTAINER, "", {2, 9, 0}},
    {"OnSessionStopping", CONTAINER, "", {2, 9, 0}},
    {"ContainerStarted", CONTAINER, "document", {2, 9, 0}},
    {"ContainerStopping", CONTAINER, "document", {2, 9, 0}},
    {"ImageCreated", CONTAINER, "document", {2, 9, 0}},
    {"ImageDeleted", CONTAINER, "document", {2, 9, 0}},
    {"WslcVmStarted", CONTAINER, "", {2, 9, 5}},
    {"WslcVmStopping", CONTAINER, "", {2, 9, 5}},
};

/* The fields' names, blank-separated; the caller's. */
static char *field_names(const BhFields *fields) {
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < fields->count; i++)
    g_string_append_printf(names, "%s%s", i > 0 ? " " : "", fields->fields[i].name);
  return g_string_free(names, FALSE);
}

static void hooks_are_named_in_the_order_of_the_abi(void) {
  g_assert_cmpuint(BH_HOOK_COUNT, ==, G_N_ELEMENTS(hooks));
  for (guint i = 0; i < BH_HOOK_COUNT; i++) g_assert_cmpstr(bh_hooks[i].name, ==, hooks[i].name);
}

static void hooks_carry_their_records_in_order(void) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++) {
    g_autofree char *session = field_names(&bh_hooks[i].session);
    g_autofree char *payload = field_names(&bh_hooks[i].payload);
    g_assert_cmpstr(session, ==, hooks[i].session);
    g_assert_cmpstr(payload, ==, hooks[i].payload);
  }
}

static void exactly_hooks_0_2_6_and_8_abort(void) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++)
    g_assert_cmpint(bh_hooks[i].aborts, ==, i == 0 || i == 2 || i == 6 || i == 8);
}

static void exactly_the_aborting_hooks_carry_a_message(void) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++) g_assert_cmpint(bh_hooks[i].carries_message, ==, bh_hooks[i].aborts);
}

static void hooks_0_to_5_are_of_a_vm_session_the_others_of_a_container_session(void) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++)
    g_assert_cmpint(bh_hooks[i].kind, ==, i <= 5 ? BH_SESSION_VM : BH_SESSION_CONTAINER);
}

static void hooks_say_since_when_they_are(void) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++)
    g_assert_cmpmem(&bh_hooks[i].since, sizeof(BhVersion), &hooks[i].since, sizeof(BhVersion));
}

static void hooks_are_found_by_name(void) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++) g_assert_cmpint(bh_hook_by_name(hooks[i].name), ==, i);
  g_assert_cmpint(bh_hook_by_name("onvmstarted"), ==, BH_HOOK_NONE);
  g_assert_cmpint(bh_hook_by_name("OnVMStarted "), ==, BH_HOOK_NONE);
  g_assert_cmpint(bh_hook_by_name(""), ==, BH_HOOK_NONE);
}

/* Names and documents must be there; what plugins test for NULL keeps its NULL. */
static void only_names_and_documents_may_not_be_null_in_a_notification(void) {
  for (guint i = 0; i < BH_HOOK_COUNT; i++) {
    const BhFields *runs[] = {&bh_hooks[i].session, &bh_hooks[i].payload};
    for (guint run = 0; run < G_N_ELEMENTS(runs); run++) {
      for (guint j = 0; j < runs[run]->count; j++) {
        const BhField *field = &runs[run]->fields[j];
        gboolean required = g_str_equal(field->name, "name") || g_str_equal(field->name, "display_name") ||
                            g_str_equal(field->name, "document");
        g_assert_cmpint(field->when_null, ==, required ? BH_E_INVALIDARG : BH_OK);
      }
    }
  }
}

static void the_version_reported_is_2_9_5(void) {
  g_assert_cmpuint(bh_contract_version.major, ==, 2);
  g_assert_cmpuint(bh_contract_version.minor, ==, 9);
  g_assert_cmpuint(bh_contract_version.revision, ==, 5);
}

/* --- API calls ------------------------------------------------------------------------------------------ */

/* What each answers when the argument of that name is NULL; arguments not listed may be NULL, or cannot. */
typedef struct {
  const char *argument;
  BhResult answer;
} WhenNull;

static const struct {
  const char *name, *arguments;
  WhenNull when_null[4];
} apis[] = {
    {"MountFolder",
     "session host_path linux_path read_only name",
     {{"host_path", BH_E_INVALIDARG}, {"linux_path", BH_E_INVALIDARG}, {"name", BH_E_INVALIDARG}}},
    {"ExecuteBinary", "session path arguments", {{"path", BH_E_INVALIDARG}}},
    {"PluginError", "", {{NULL}}},
    {"ExecuteBinaryInDistribution",
     "session distribution path arguments",
     {{"distribution", BH_E_INVALIDARG}, {"path", BH_E_INVALIDARG}}},
    {"WSLCMountFolder",
     "session host_path linux_path read_only",
     {{"host_path", BH_E_POINTER}, {"linux_path", BH_E_POINTER}}},
    {"WSLCUnmountFolder", "session linux_path", {{"linux_path", BH_E_POINTER}}},
    {"WSLCCreateProcess", "session path arguments environment", {{"path", BH_E_POINTER}}},
    {"WSLCProcessGetFd", "process fd", {{"process", BH_E_INVALIDARG}}},
    {"WSLCProcessGetExitEvent", "process", {{"process", BH_E_INVALIDARG}}},
    {"WSLCProcessGetExitCode", "process", {{"process", BH_E_INVALIDARG}}},
    {"WSLCReleaseProcess", "process", {{NULL}}},
};

static BhResult expected_when_null(guint api, const char *argument) {
  for (const WhenNull *entry = apis[api].when_null; entry->argument != NULL; entry++)
    if (g_str_equal(entry->argument, argument)) return entry->answer;
  return BH_OK;
}

/* A call whose every argument is there. */
static BhCall full_call(BhApi api) {
  static char *strings[] = {(char *)"x", NULL};

  return (BhCall){
      .api = api,
      .session = 1,
      .host_path = (char *)"C:\\",
      .linux_path = (char *)"/",
      .name = (char *)"name",
      .path = (char *)"/bin/true",
      .arguments = strings,
      .environment = strings,
      .process = 7,
      .fd = 1,
  };
}

/* Makes one argument of it NULL. FALSE: it is none that can be. */
static gboolean make_null(BhCall *call, const BhField *field) {
  switch (field->type) {
    case BH_FIELD_TEXT:
    case BH_FIELD_BYTES:
    case BH_FIELD_STRINGS: G_STRUCT_MEMBER(gpointer, call, field->offset) = NULL; return TRUE;
    case BH_FIELD_U64: G_STRUCT_MEMBER(guint64, call, field->offset) = 0; return TRUE; /* a WSLCProcessHandle */
    default: return FALSE;
  }
}

static void calls_are_named_in_the_order_of_the_abi(void) {
  g_assert_cmpuint(BH_API_COUNT, ==, G_N_ELEMENTS(apis));
  for (guint i = 0; i < BH_API_COUNT; i++) g_assert_cmpstr(bh_apis[i].name, ==, apis[i].name);
}

static void calls_carry_their_arguments_in_order(void) {
  for (guint i = 0; i < BH_API_COUNT; i++) {
    g_autofree char *names = field_names(&bh_apis[i].arguments);
    g_assert_cmpstr(names, ==, apis[i].arguments);
  }
}

static void every_call_but_plugin_error_travels(void) {
  for (guint i = 0; i < BH_API_COUNT; i++) g_assert_cmpint(bh_apis[i].travels, ==, i != BH_API_PLUGIN_ERROR);
}

static void calls_0_to_3_are_of_a_vm_session_the_others_of_a_container_session(void) {
  for (guint i = 0; i < BH_API_COUNT; i++)
    g_assert_cmpint(bh_apis[i].kind, ==, i <= 3 ? BH_SESSION_VM : BH_SESSION_CONTAINER);
}

static void windows_strings_are_text_and_linux_strings_are_bytes(void) {
  for (guint i = 0; i < BH_API_COUNT; i++) {
    for (guint j = 0; j < bh_apis[i].arguments.count; j++) {
      const BhField *field = &bh_apis[i].arguments.fields[j];
      if (field->type != BH_FIELD_TEXT && field->type != BH_FIELD_BYTES) continue;
      /* LPCWSTR: MountFolder's three and WSLCMountFolder's WindowsPath; all else is LPCSTR. */
      gboolean wide = i == BH_API_MOUNT_FOLDER || g_str_equal(field->name, "host_path");
      g_assert_cmpint(field->type, ==, wide ? BH_FIELD_TEXT : BH_FIELD_BYTES);
    }
  }
}

static void the_table_says_what_each_null_is_answered(void) {
  for (guint i = 0; i < BH_API_COUNT; i++)
    for (guint j = 0; j < bh_apis[i].arguments.count; j++) {
      const BhField *field = &bh_apis[i].arguments.fields[j];
      g_assert_cmphex((guint32)field->when_null, ==, (guint32)expected_when_null(i, field->name));
    }
}

static void each_null_is_answered_so(void) {
  for (guint i = 0; i < BH_API_COUNT; i++)
    for (guint j = 0; j < bh_apis[i].arguments.count; j++) {
      const BhField *field = &bh_apis[i].arguments.fields[j];
      BhCall call = full_call((BhApi)i);

      g_assert_cmpint(bh_call_check(&call), ==, BH_OK);
      if (!make_null(&call, field)) continue;
      g_assert_cmphex((guint32)bh_call_check(&call), ==, (guint32)expected_when_null(i, field->name));
    }
}

static void empty_strings_are_not_null(void) {
  BhCall call = {
      .api = BH_API_MOUNT_FOLDER, .host_path = (char *)"", .linux_path = (char *)"", .name = (char *)""};
  g_assert_cmpint(bh_call_check(&call), ==, BH_OK);
}

static void a_call_that_there_is_not_is_an_invalid_argument(void) {
  BhCall call = full_call(BH_API_COUNT);

  g_assert_cmpint(bh_call_check(&call), ==, BH_E_INVALIDARG);
  call.api = (BhApi)-1;
  g_assert_cmpint(bh_call_check(&call), ==, BH_E_INVALIDARG);
}

/* --- Replies -------------------------------------------------------------------------------------------- */

static guint closed;

static void note_close(gintptr value) {
  g_assert_cmpint(value, ==, 5);
  closed++;
}

static void clearing_a_reply_closes_and_frees_what_it_owns(void) {
  BhCallReply call_reply = {.result = BH_E_FAIL, .blob = g_bytes_new("x", 1), .resource = {5, note_close}};
  BhNotifyReply notify_reply = {.result = BH_E_FAIL, .message = g_strdup("no"), .thread = 1, .duration = 2};
  BhLoadReply load_reply = {.result = BH_E_FAIL, .cause = g_strdup("no such DLL"), .hooks = 3};

  closed = 0;
  bh_call_reply_clear(&call_reply);
  bh_call_reply_clear(&call_reply);
  g_assert_cmpuint(closed, ==, 1);
  g_assert_null(call_reply.blob);
  g_assert_cmpint(call_reply.result, ==, BH_OK);

  bh_notify_reply_clear(&notify_reply);
  g_assert_null(notify_reply.message);
  g_assert_cmpuint(notify_reply.duration, ==, 0);

  bh_load_reply_clear(&load_reply);
  g_assert_null(load_reply.cause);
  g_assert_cmpuint(load_reply.hooks, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/hooks/are-named-in-the-order-of-the-abi", hooks_are_named_in_the_order_of_the_abi);
  g_test_add_func("/hooks/carry-their-records-in-order", hooks_carry_their_records_in_order);
  g_test_add_func("/hooks/exactly-0-2-6-and-8-abort", exactly_hooks_0_2_6_and_8_abort);
  g_test_add_func("/hooks/exactly-the-aborting-ones-carry-a-message", exactly_the_aborting_hooks_carry_a_message);
  g_test_add_func("/hooks/0-to-5-are-of-a-vm-session-the-others-of-a-container-session",
                  hooks_0_to_5_are_of_a_vm_session_the_others_of_a_container_session);
  g_test_add_func("/hooks/say-since-when-they-are", hooks_say_since_when_they_are);
  g_test_add_func("/hooks/are-found-by-name", hooks_are_found_by_name);
  g_test_add_func("/hooks/only-names-and-documents-may-not-be-null",
                  only_names_and_documents_may_not_be_null_in_a_notification);
  g_test_add_func("/contract/the-version-reported-is-2.9.5", the_version_reported_is_2_9_5);
  g_test_add_func("/calls/are-named-in-the-order-of-the-abi", calls_are_named_in_the_order_of_the_abi);
  g_test_add_func("/calls/carry-their-arguments-in-order", calls_carry_their_arguments_in_order);
  g_test_add_func("/calls/every-one-but-PluginError-travels", every_call_but_plugin_error_travels);
  g_test_add_func("/calls/0-to-3-are-of-a-vm-session-the-others-of-a-container-session",
                  calls_0_to_3_are_of_a_vm_session_the_others_of_a_container_session);
  g_test_add_func("/calls/windows-strings-are-text-and-linux-strings-are-bytes",
                  windows_strings_are_text_and_linux_strings_are_bytes);
  g_test_add_func("/calls/the-table-says-what-each-null-is-answered", the_table_says_what_each_null_is_answered);
  g_test_add_func("/calls/each-null-is-answered-so", each_null_is_answered_so);
  g_test_add_func("/calls/empty-strings-are-not-null", empty_strings_are_not_null);
  g_test_add_func("/calls/one-that-there-is-not-is-an-invalid-argument",
                  a_call_that_there_is_not_is_an_invalid_argument);
  g_test_add_func("/replies/clearing-one-closes-and-frees-what-it-owns",
                  clearing_a_reply_closes_and_frees_what_it_owns);
  return g_test_run();
}
