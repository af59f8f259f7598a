#include "fixture.h"

static const BhLockClass fixture_class = {"fixture", BH_RANK_LEAF, FALSE};

static void on_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  Fixture *fixture = data;

  bh_mutex_lock(&fixture->lock);
  fixture->calls++;
  bh_mutex_unlock(&fixture->lock);
  if (fixture->on_call != NULL) fixture->on_call(fixture, call, reply);
}

static void on_died(gpointer data, const char *how) {
  Fixture *fixture = data;

  bh_mutex_lock(&fixture->lock);
  fixture->died++;
  g_free(fixture->how);
  fixture->how = g_strdup(how);
  bh_cond_broadcast(&fixture->changed);
  bh_mutex_unlock(&fixture->lock);
}

static const BhLinkEvents events = {.call = on_call, .died = on_died};

void fixture_start(Fixture *fixture, const BhMockPlugin *plugin) {
  BhMockPlugin with_data = *plugin;
  BhPluginSpec spec = {plugin->name, "/nowhere"};
  g_autofree char *cause = NULL;

  *fixture = (Fixture){.next_number = 1};
  bh_mutex_init(&fixture->lock, &fixture_class);
  bh_cond_init(&fixture->changed);
  with_data.data = fixture;
  fixture->backend = bh_backend_mock_new(&with_data, 1);
  g_assert_cmpint(
      fixture->backend->class->start(fixture->backend, &spec, &events, fixture, &fixture->link, &cause), ==,
      BH_OK);
}

BhResult fixture_load(Fixture *fixture) {
  g_auto(BhLoadReply) reply = {0};
  BhResult status = fixture->link->class->load(fixture->link, &reply);

  if (BH_SUCCEEDED(status)) g_assert_cmpint(reply.result, ==, BH_OK);
  return status;
}

BhResult fixture_notify(Fixture *fixture, BhHook hook, BhNotifyReply *reply) {
  BhNotification notification = {
      .hook = hook,
      .session = 7,
      .token = 70,
      .display_name = "session",
      .vm_flags = 1,
      .name = "Debian",
      .document = "{}",
  };

  bh_mutex_lock(&fixture->lock);
  notification.number = fixture->next_number++;
  bh_mutex_unlock(&fixture->lock);
  return fixture->link->class->notify(fixture->link, &notification, reply);
}

void fixture_assert_died(Fixture *fixture, const char *how) {
  bh_mutex_lock(&fixture->lock);
  while (fixture->died == 0) bh_cond_wait(&fixture->changed, &fixture->lock);
  g_assert_cmpstr(fixture->how, ==, how);
  bh_mutex_unlock(&fixture->lock);
}

void fixture_release(Fixture *fixture) {
  BhLink *link = g_steal_pointer(&fixture->link);
  if (link != NULL) link->class->release(link);
}

void fixture_end(Fixture *fixture, guint died) {
  fixture_release(fixture);
  g_assert_cmpuint(fixture->died, ==, died);
  bh_backend_mock_free(fixture->backend);
  bh_cond_clear(&fixture->changed);
  bh_mutex_clear(&fixture->lock);
  g_free(fixture->how);
}

void fixture_reach(Fixture *fixture, guint step) {
  bh_mutex_lock(&fixture->lock);
  fixture->step = MAX(fixture->step, step);
  bh_cond_broadcast(&fixture->changed);
  bh_mutex_unlock(&fixture->lock);
}

void fixture_await(Fixture *fixture, guint step) {
  bh_mutex_lock(&fixture->lock);
  while (fixture->step < step) bh_cond_wait(&fixture->changed, &fixture->lock);
  bh_mutex_unlock(&fixture->lock);
}
