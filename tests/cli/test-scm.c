/* What the Service Control Manager is told of the service, asked back. The service is one of the test's own, never started. */
#include "cli/win32/scm.h"

#define NAME L"BulkheadTest"

typedef struct {
  SC_HANDLE manager, service;
} Fixture;

static void fixture_open(Fixture *fixture) {
  fixture->manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
  g_assert_nonnull(fixture->manager);
  fixture->service =
      CreateServiceW(fixture->manager, NAME, NAME, SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
                     SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, L"C:\\nothing.exe", NULL, NULL, NULL, NULL, NULL);
  g_assert_nonnull(fixture->service);
}

static void fixture_close(Fixture *fixture) {
  g_assert_true(DeleteService(fixture->service));
  CloseServiceHandle(fixture->service);
  CloseServiceHandle(fixture->manager);
}

/* The caller's. NULL: Wine 8 keeps nothing of that level. */
static gpointer ask(SC_HANDLE service, DWORD level) {
  DWORD size = 8 * 1024; /* what the documentation has as the most */
  g_autofree BYTE *answer = g_malloc0(size);

  if (QueryServiceConfig2W(service, level, answer, size, &size)) return g_steal_pointer(&answer);
  g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_LEVEL);
  g_assert_nonnull(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version"));
  return NULL;
}

static void test_recovery(void) {
  static const DWORD delays[] = {5 * 1000, 30 * 1000, 120 * 1000};
  Fixture fixture;

  fixture_open(&fixture);
  g_assert_cmpuint(bh_scm_configure(fixture.service), ==, ERROR_SUCCESS);
  g_autofree SERVICE_FAILURE_ACTIONSW *failure = ask(fixture.service, SERVICE_CONFIG_FAILURE_ACTIONS);
  if (failure == NULL || failure->cActions == 0) {
    g_test_skip("Wine 8 keeps no recovery actions");
  } else {
    g_assert_cmpuint(failure->dwResetPeriod, ==, 24 * 60 * 60);
    g_assert_cmpuint(failure->cActions, ==, G_N_ELEMENTS(delays));
    for (guint i = 0; i < G_N_ELEMENTS(delays); i++) {
      g_assert_cmpuint(failure->lpsaActions[i].Type, ==, SC_ACTION_RESTART);
      g_assert_cmpuint(failure->lpsaActions[i].Delay, ==, delays[i]);
    }
  }
  fixture_close(&fixture);
}

static void test_stops_with_an_error(void) {
  Fixture fixture;

  fixture_open(&fixture);
  g_assert_cmpuint(bh_scm_configure(fixture.service), ==, ERROR_SUCCESS);
  g_autofree SERVICE_FAILURE_ACTIONS_FLAG *flag = ask(fixture.service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG);
  if (flag == NULL)
    g_test_skip("Wine 8 does not know that a stop with an error may count as a failure");
  else
    g_assert_true(flag->fFailureActionsOnNonCrashFailures);
  fixture_close(&fixture);
}

static void test_pre_shutdown(void) {
  Fixture fixture;

  fixture_open(&fixture);
  g_assert_cmpuint(bh_scm_configure(fixture.service), ==, ERROR_SUCCESS);
  g_autofree SERVICE_PRESHUTDOWN_INFO *shutdown = ask(fixture.service, SERVICE_CONFIG_PRESHUTDOWN_INFO);
  g_assert_nonnull(shutdown);
  g_assert_cmpuint(shutdown->dwPreshutdownTimeout, ==, BH_SERVICE_STOP_MAX);
  fixture_close(&fixture);
}

/* One that does not run has nothing to be waited for. */
static void test_stop_of_a_stopped_one(void) {
  Fixture fixture;

  fixture_open(&fixture);
  g_assert_cmpuint(bh_scm_stop(fixture.service), ==, ERROR_SUCCESS);
  fixture_close(&fixture);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/scm/recovery", test_recovery);
  g_test_add_func("/scm/stops-with-an-error", test_stops_with_an_error);
  g_test_add_func("/scm/pre-shutdown", test_pre_shutdown);
  g_test_add_func("/scm/stop-of-a-stopped-one", test_stop_of_a_stopped_one);
  return g_test_run();
}
