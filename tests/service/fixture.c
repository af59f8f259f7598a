#include "fixture.h"

const BhCallbacks *fixture_callbacks = &bh_callbacks_pumped;

static const BhVmSettings settings;

static void note(const BhTraceEvent *event, gpointer data) {
  Fixture *fixture = data;
  g_autofree char *code = bh_result_to_string(event->result);
  g_string_append_printf(fixture->trace, "%s: %s %s\n", event->who, event->what, code);
}

BhSession *fixture_open_session(Fixture *fixture) {
  BhSession *session = bh_service_open_session(fixture->service, &(BhUser){.token = 1});
  g_assert_cmpint(bh_session_register(session, &fixture->distribution, NULL), ==, BH_OK);
  return session;
}

void fixture_open(Fixture *fixture, const BhMockPlugin *plugins, guint count) {
  *fixture = (Fixture){.backend = bh_backend_mock_new(plugins, count),
                       .inner = bh_guest_memory_new(),
                       .trace = g_string_new(NULL),
                       .distribution = {.id = {{1}}, .name = "Debian"}};
  bh_probe_guest_init(&fixture->guest, fixture->inner);
  fixture->service = bh_service_new(&(BhServiceSettings){.backend = fixture->backend,
                                                         .guest = &fixture->guest.parent,
                                                         .callbacks = fixture_callbacks,
                                                         .stop_timeout = FIXTURE_STOP_TIMEOUT});
  bh_trace_attach(bh_service_trace(fixture->service), note, fixture);
  for (guint i = 0; i < count; i++)
    g_assert_true(bh_service_add_plugin(fixture->service, plugins[i].name, plugins[i].name));
  fixture->session = fixture_open_session(fixture);
}

void fixture_close(Fixture *fixture) {
  bh_service_close_session(fixture->service, fixture->session);
  bh_session_unref(fixture->session);
  bh_service_free(fixture->service);
  bh_backend_mock_free(fixture->backend);
  bh_guest_memory_free(fixture->inner);
  g_string_free(fixture->trace, TRUE);
}

BhResult fixture_start(Fixture *fixture) {
  return bh_session_start(fixture->session, &fixture->distribution.id, &settings, NULL);
}

char *fixture_refused(Fixture *fixture) {
  g_autoptr(BhError) error = NULL;

  g_assert_true(BH_FAILED(bh_session_start(fixture->session, &fixture->distribution.id, &settings, &error)));
  g_assert_nonnull(error);
  return bh_error_text(error);
}
