#include "session-internal.h"

#include <string.h>

static guint guid_hash(gconstpointer key) {
  guint hash;
  memcpy(&hash, ((const BhGuid *)key)->bytes, sizeof hash);
  return hash;
}

static gboolean guid_equal(gconstpointer a, gconstpointer b) {
  return memcmp(a, b, sizeof(BhGuid)) == 0;
}

BhSession *bh_session_new(const BhSessionShared *shared, guint32 id, const BhUser *user) {
  BhSession *session = g_atomic_rc_box_new0(BhSession);

  session->shared = shared;
  session->id = id;
  session->user = *user;
  if (user->sid != NULL) g_bytes_ref(user->sid);
  session->name = g_strdup_printf("session %u", id);
  session->distributions =
      g_hash_table_new_full(guid_hash, guid_equal, NULL, (GDestroyNotify)bh_distribution_free);
  session->running = g_ptr_array_new_with_free_func(g_free);
  bh_callback_gate_init(&session->gate);
  return session;
}

BhSession *bh_session_ref(BhSession *session) {
  return g_atomic_rc_box_acquire(session);
}

static void finalize(gpointer data) {
  BhSession *session = data;

  g_assert(session->vm == NULL);
  bh_callback_gate_clear(&session->gate);
  g_ptr_array_unref(session->running);
  g_hash_table_unref(session->distributions);
  g_clear_pointer(&session->user.sid, g_bytes_unref);
  g_free(session->name);
}

void bh_session_unref(BhSession *session) {
  g_atomic_rc_box_release_full(session, finalize);
}

guint32 bh_session_id(const BhSession *session) {
  return session->id;
}

/* From here on: with the lock held, unless said otherwise. */

/* --- Telling plugins -------------------------------------------------------------------------------------------- */

/* token: the user's, while a VM runs; its life is the VM's. */
static BhResult notify(BhSession *session, BhHook hook, const Running *running, const BhDistribution *distribution,
                       const BhVmSettings *settings, const BhContext *context, BhError **error) {
  BhNotification notification = {
      .hook = hook,
      .session = session->id,
      .token = session->vm != NULL ? session->user.token : 0,
      .sid = session->user.sid,
      .vm_flags = settings != NULL ? settings->flags : 0,
  };

  if (distribution != NULL) {
    notification.distribution = distribution->id;
    notification.name = distribution->name;
    notification.package_family_name = distribution->package_family_name;
    notification.flavor = distribution->flavor;
    notification.version = distribution->version;
  }
  if (running != NULL) {
    notification.pid_namespace = running->instance.pid_namespace;
    notification.init_pid = running->instance.init_pid;
  }
  return bh_plugin_manager_notify(session->shared->manager, &session->gate, &notification, context, error);
}

static BhResult notify_vm(BhSession *session, BhHook hook, const BhVmSettings *settings, const BhContext *context,
                          BhError **error) {
  return notify(session, hook, NULL, NULL, settings, context, error);
}

static BhResult notify_running(BhSession *session, BhHook hook, const Running *running, const BhContext *context,
                               BhError **error) {
  return notify(session, hook, running, running->distribution, NULL, context, error);
}

/* Registered and unregistered: for every distribution, once plugins are loaded. */
static void notify_offline(BhSession *session, BhHook hook, const BhDistribution *distribution) {
  if (bh_plugin_manager_is_loaded(session->shared->manager))
    notify(session, hook, NULL, distribution, NULL, NULL, NULL);
}

/* --- Distributions ---------------------------------------------------------------------------------------------- */

/* Around each change of `vm` and `running`, which plugins' calls look at. */
static void begin_change(BhSession *session) {
  bh_plugin_manager_callbacks(session->shared->manager)->mutate_begin(&session->gate);
}

static void end_change(BhSession *session) {
  bh_plugin_manager_callbacks(session->shared->manager)->mutate_end(&session->gate);
}

static void add_running(BhSession *session, Running *running) {
  begin_change(session);
  g_ptr_array_add(session->running, running);
  end_change(session);
}

Running *bh_session_find_running(BhSession *session, const BhGuid *id) {
  for (guint i = 0; i < session->running->len; i++) {
    Running *running = session->running->pdata[i];
    if (guid_equal(&running->distribution->id, id)) return running;
  }
  return NULL;
}

static BhResult start_wsl1(BhSession *session, const BhDistribution *distribution) {
  Running *running = g_new0(Running, 1);
  running->distribution = distribution;
  add_running(session, running);
  return BH_OK;
}

/* Registered before its hook, so that the hook can execute in it. */
static BhResult start_distribution(BhSession *session, const BhDistribution *distribution,
                                   const BhContext *context, BhError **error) {
  BhTraceEvent span = bh_trace_begin(session->name, "start distribution");
  Running *running = g_new0(Running, 1);
  BhResult result;

  running->distribution = distribution;
  result = session->vm->class->instance_start(session->vm, distribution, &running->instance);
  bh_trace_end(session->shared->trace, &span, result, "%s, init pid %u", distribution->name,
               running->instance.init_pid);
  if (BH_FAILED(result)) {
    g_free(running);
    return bh_error_set(error, result, context, "The distribution '%s' could not be started", distribution->name);
  }
  add_running(session, running);

  result = notify_running(session, BH_HOOK_DISTRIBUTION_STARTED, running, context, error);
  if (BH_FAILED(result)) {
    guint32 number = running->instance.number;
    begin_change(session);
    g_ptr_array_remove(session->running, running);
    end_change(session);
    session->vm->class->instance_stop(session->vm, number);
  }
  return result;
}

/* D-, then the end. A guest that cannot end it leaves it running, and D- comes again at the next try; but for a VM that is
 * going anyway (force). */
static BhResult stop_running(BhSession *session, Running *running, gboolean force) {
  const char *name = running->distribution->name;
  BhTraceEvent span = bh_trace_begin(session->name, "stop distribution");
  BhResult result = BH_OK;
  gboolean gone = TRUE;

  if (!running->distribution->wsl1) notify_running(session, BH_HOOK_DISTRIBUTION_STOPPING, running, NULL, NULL);
  begin_change(session);
  if (!running->distribution->wsl1) {
    result = session->vm->class->instance_stop(session->vm, running->instance.number);
    gone = BH_SUCCEEDED(result) || force || g_atomic_int_get(&session->died);
  }
  if (gone) g_ptr_array_remove(session->running, running);
  end_change(session);
  bh_trace_end(session->shared->trace, &span, result, "%s", name);
  return gone ? BH_OK : result;
}

/* The last one started first. */
static void stop_all_running(BhSession *session, gboolean wsl1) {
  for (guint i = session->running->len; i > 0; i--) {
    Running *running = session->running->pdata[i - 1];
    if (running->distribution->wsl1 == wsl1) stop_running(session, running, TRUE);
  }
}

/* --- The VM ----------------------------------------------------------------------------------------------------- */

static void destroy_vm(BhSession *session, const char *why) {
  BhTraceEvent span = bh_trace_begin(session->name, "stop VM");
  BhVm *vm;

  stop_all_running(session, FALSE);
  notify_vm(session, BH_HOOK_VM_STOPPING, NULL, NULL, NULL);
  vm = session->vm;
  begin_change(session); /* waits for the calls in flight; later ones find no VM */
  session->vm = NULL;
  end_change(session);
  bh_activity_source_close(session->source);
  vm->class->vm_destroy(vm);
  session->retired = g_slist_append(session->retired, g_steal_pointer(&session->source));
  g_atomic_int_set(&session->died, FALSE);
  bh_trace_end(session->shared->trace, &span, BH_OK, "%s", why);
}

static BhResult begin(BhSession *session, const BhContext *context, BhError **error);
static BhResult end(BhSession *session, BhResult result);

static void destroy_vm_if_died(BhSession *session) {
  if (session->vm != NULL && g_atomic_int_get(&session->died)) destroy_vm(session, "it ended by itself");
}

/* On a worker, with no lock: the VM's end is an operation like any other, and every operation begins with it. */
static void after_death(gpointer data) {
  BhSession *session = data;

  begin(session, NULL, NULL);
  end(session, BH_OK);
  bh_session_unref(session);
}

/* On a thread of the guest's, which vm_destroy waits for: must not wait for the session's lock. */
static void on_vm_died(gpointer data) {
  BhSession *session = data;

  g_atomic_int_set(&session->died, TRUE);
  bh_trace_event(session->shared->trace, session->name, "VM died", BH_E_NOT_VALID_STATE, NULL);
  /* Where no thread can be had, the session's next operation sees to it. */
  bh_session_ref(session);
  if (!bh_workers_post(session->shared->workers, after_death, session)) bh_session_unref(session);
}

/* On a thread of the guest's that serves nothing else, and which vm_destroy waits for. */
static BhResult on_activity(gpointer data, const BhActivity *activity) {
  return bh_activity_source_tell(((BhSession *)data)->source, activity);
}

static const BhVmEvents vm_events = {.died = on_vm_died, .activity = on_activity};

/* A VM of which no plugin has heard. *vm: NULL before. */
static BhResult start_vm(BhSession *session, const BhVmSettings *settings, BhVm **vm, const BhContext *context,
                         BhError **error) {
  BhTraceEvent span = bh_trace_begin(session->name, "create VM");
  BhGuest *guest = session->shared->guest;
  BhResult result;

  session->source = bh_vm_source_new(session->shared->notify, session->id, NULL);
  result = guest->class->vm_create(guest, settings, &vm_events, session, vm);
  bh_trace_end(session->shared->trace, &span, result, "flags=%u", settings->flags);
  if (BH_FAILED(result))
    bh_error_set(error, result, context, "The virtual machine could not be created");
  else
    result = bh_vm_source_open(session->source, *vm, context, error);
  if (BH_SUCCEEDED(result)) return BH_OK;
  bh_activity_source_close(session->source);
  if (*vm != NULL) (*vm)->class->vm_destroy(*vm);
  g_atomic_int_set(&session->died, FALSE);
  session->retired = g_slist_append(session->retired, g_steal_pointer(&session->source));
  return result;
}

static BhResult create_vm(BhSession *session, const BhVmSettings *wanted, const BhContext *context,
                          BhError **error) {
  const BhVmSettings allowed = {wanted->flags & ~session->shared->forbidden_flags}, *settings = &allowed;
  BhVm *vm = NULL;
  BhResult result = start_vm(session, settings, &vm, context, error);

  if (BH_FAILED(result)) return result;
  begin_change(session);
  session->vm = vm;
  end_change(session);
  result = notify_vm(session, BH_HOOK_VM_STARTED, settings, context, error);
  if (BH_FAILED(result)) destroy_vm(session, "a plugin refused it");
  return result;
}

/* --- Idle VMs ---------------------------------------------------------------------------------------------------- */

static gboolean is_idle(const BhSession *session) {
  for (guint i = 0; i < session->running->len; i++)
    if (!((const Running *)session->running->pdata[i])->distribution->wsl1) return FALSE;
  return session->vm != NULL;
}

/* On a worker. A timer that was called off may still come: only one that is as old as it should be counts. */
static void on_idle(gpointer data) {
  BhSession *session = data;

  if (BH_SUCCEEDED(begin(session, NULL, NULL)) && is_idle(session) &&
      bh_clock_now() - session->idle_from >= session->shared->vm_idle_timeout)
    destroy_vm(session, "idle");
  end(session, BH_OK);
}

/* At the end of every operation: an idle VM's time begins anew. */
static void watch_idle(BhSession *session) {
  if (session->idle_timer != 0) bh_timers_cancel(session->shared->timers, session->idle_timer);
  session->idle_timer = 0;
  if (session->closed) return; /* the service, and with it what is shared, may be gone */
  if (session->shared->vm_idle_timeout <= 0 || !is_idle(session)) return;
  session->idle_from = bh_clock_now();
  session->idle_timer = bh_timers_set(session->shared->timers, bh_clock_deadline(session->shared->vm_idle_timeout),
                                      on_idle, bh_session_ref(session), (GDestroyNotify)bh_session_unref);
}

/* --- Operations -------------------------------------------------------------------------------------------------- */

/* Every operation is between begin and end. begin takes the lock, and deals with a VM that has died. A failure: the session
 * is closed; there is nothing to do, but end is due all the same. */
static BhResult begin(BhSession *session, const BhContext *context, BhError **error) {
  bh_instance_lock_acquire(&session->gate.instance);
  if (session->closed) return bh_error_set(error, BH_E_NOT_VALID_STATE, context, "The session is closed");
  destroy_vm_if_died(session);
  return BH_OK;
}

static BhResult end(BhSession *session, BhResult result) {
  GSList *retired = g_steal_pointer(&session->retired);

  watch_idle(session);
  bh_instance_lock_release(&session->gate.instance);
  g_slist_free_full(retired, (GDestroyNotify)bh_activity_source_free); /* tells routines: with no lock */
  return result;
}

static BhResult unknown_distribution(const BhContext *context, BhError **error) {
  return bh_error_set(error, BH_E_NOT_FOUND, context, "There is no distribution with the supplied name");
}

static gboolean is_registered(BhSession *session, const BhDistribution *distribution) {
  g_autofree char *name = g_utf8_casefold(distribution->name, -1);
  GHashTableIter iter;
  gpointer other;

  g_hash_table_iter_init(&iter, session->distributions);
  while (g_hash_table_iter_next(&iter, NULL, &other)) {
    g_autofree char *other_name = g_utf8_casefold(((const BhDistribution *)other)->name, -1);
    if (g_str_equal(name, other_name)) return TRUE;
  }
  return g_hash_table_contains(session->distributions, &distribution->id);
}

/* With the lock held. */
static BhResult check_name(BhSession *session, const BhDistribution *distribution, const BhContext *context,
                           BhError **error) {
  if (!is_registered(session, distribution)) return BH_OK;
  return bh_error_set(error, BH_E_ALREADY_EXISTS, context, "A distribution with the supplied name already exists");
}

static void add_distribution(BhSession *session, const BhDistribution *distribution) {
  BhDistribution *copy = bh_distribution_copy(distribution);

  g_hash_table_insert(session->distributions, &copy->id, copy);
  notify_offline(session, BH_HOOK_DISTRIBUTION_REGISTERED, copy);
}

BhResult bh_session_register(BhSession *session, const BhDistribution *distribution, BhError **error) {
  BhContext context = {&bh_service_context, "RegisterDistribution"};
  BhResult result = begin(session, &context, error);

  if (BH_SUCCEEDED(result)) result = check_name(session, distribution, &context, error);
  if (BH_SUCCEEDED(result)) add_distribution(session, distribution);
  return end(session, result);
}

/* With the lock held: loads the plugins, and starts the VM, if that was not done. */
static BhResult need_vm(BhSession *session, const BhVmSettings *settings, const BhContext *context,
                        BhError **error) {
  BhContext here = {context, "CreateVm"};
  BhResult result;

  if (session->vm != NULL) return BH_OK;
  result = bh_plugin_manager_load(session->shared->manager, &here, error);
  return BH_SUCCEEDED(result) ? create_vm(session, settings, &here, error) : result;
}

BhResult bh_session_import(BhSession *session, const BhDistribution *distribution, const BhVmSettings *settings,
                           BhError **error) {
  BhContext context = {&bh_service_context, "RegisterDistribution"};
  BhResult result = begin(session, &context, error);

  if (BH_SUCCEEDED(result)) result = check_name(session, distribution, &context, error); /* before all that */
  if (BH_SUCCEEDED(result) && !distribution->wsl1) result = need_vm(session, settings, &context, error);
  if (BH_SUCCEEDED(result)) add_distribution(session, distribution);
  return end(session, result);
}

/* Stops one that runs, when it is not the VM that stops. */
static BhResult stop_one(BhSession *session, Running *running, const BhContext *context, BhError **error) {
  const char *name = running->distribution->name; /* registered: it outlives running */
  BhResult result = stop_running(session, running, FALSE);

  return BH_FAILED(result)
             ? bh_error_set(error, result, context, "The distribution '%s' could not be stopped", name)
             : result;
}

BhResult bh_session_unregister(BhSession *session, const BhGuid *id, BhError **error) {
  BhContext context = {&bh_service_context, "UnregisterDistribution"};
  BhResult result = begin(session, &context, error);
  BhDistribution *distribution = g_hash_table_lookup(session->distributions, id);
  Running *running = bh_session_find_running(session, id);

  if (BH_SUCCEEDED(result) && distribution == NULL) result = unknown_distribution(&context, error);
  if (BH_SUCCEEDED(result) && running != NULL) result = stop_one(session, running, &context, error);
  if (BH_SUCCEEDED(result)) {
    g_hash_table_steal(session->distributions, id);
    notify_offline(session, BH_HOOK_DISTRIBUTION_UNREGISTERED, distribution);
    bh_distribution_free(distribution);
  }
  return end(session, result);
}

/* With the lock held. */
static BhResult start(BhSession *session, const BhGuid *id, const BhVmSettings *settings,
                      const BhContext *create_instance, BhError **error) {
  const BhDistribution *distribution = g_hash_table_lookup(session->distributions, id);
  BhResult result;

  if (distribution == NULL) return unknown_distribution(create_instance, error);
  if (bh_session_find_running(session, id) != NULL) return BH_OK;
  if (distribution->wsl1) return start_wsl1(session, distribution);
  result = need_vm(session, settings, create_instance, error);
  if (BH_SUCCEEDED(result)) result = start_distribution(session, distribution, create_instance, error);
  return result;
}

BhResult bh_session_start(BhSession *session, const BhGuid *id, const BhVmSettings *settings, BhError **error) {
  BhContext context = {&bh_service_context, "CreateInstance"};
  BhResult result = begin(session, &context, error);

  if (BH_SUCCEEDED(result)) result = start(session, id, settings, &context, error);
  return end(session, result);
}

BhResult bh_session_terminate(BhSession *session, const BhGuid *id, BhError **error) {
  BhContext context = {&bh_service_context, "TerminateInstance"};
  BhResult result = begin(session, &context, error);
  Running *running = bh_session_find_running(session, id);

  if (BH_FAILED(result)) return end(session, result);
  if (running == NULL)
    result = bh_error_set(error, BH_E_DISTRO_NOT_RUNNING, &context, "The distribution is not running");
  else
    result = stop_one(session, running, &context, error);
  return end(session, result);
}

BhResult bh_session_stop_if_idle(BhSession *session, const BhGuid *id, BhError **error) {
  BhContext context = {&bh_service_context, "StopInstance"};
  BhResult result = begin(session, &context, error);
  Running *running = bh_session_find_running(session, id);

  if (BH_FAILED(result)) return end(session, result);
  if (running == NULL)
    result = bh_error_set(error, BH_E_DISTRO_NOT_RUNNING, &context, "The distribution is not running");
  else if (!running->distribution->wsl1 &&
           !session->vm->class->instance_is_idle(session->vm, running->instance.number))
    result =
        bh_error_set(error, BH_E_BUSY, &context, "The distribution '%s' is in use", running->distribution->name);
  else
    result = stop_one(session, running, &context, error);
  return end(session, result);
}

BhResult bh_session_export(BhSession *session, const BhGuid *id, const char *host_path, BhError **error) {
  BhContext context = {&bh_service_context, "ExportDistribution"};
  BhGuest *guest = session->shared->guest;
  BhResult result = begin(session, &context, error);
  const BhDistribution *distribution = g_hash_table_lookup(session->distributions, id);
  Running *running = bh_session_find_running(session, id);

  if (BH_SUCCEEDED(result) && distribution == NULL) result = unknown_distribution(&context, error);
  if (BH_SUCCEEDED(result) && running != NULL) result = stop_one(session, running, &context, error);
  if (BH_SUCCEEDED(result)) {
    BhTraceEvent span = bh_trace_begin(session->name, "export distribution");
    result = guest->class->distribution_export(guest, distribution, host_path);
    bh_trace_end(session->shared->trace, &span, result, "%s to %s", distribution->name, host_path);
    if (BH_FAILED(result))
      bh_error_set(error, result, &context, "The distribution '%s' could not be exported to '%s'",
                   distribution->name, host_path);
  }
  return end(session, result);
}

/* With the lock held. */
static void stop_all(BhSession *session, const char *why) {
  stop_all_running(session, TRUE);
  if (session->vm != NULL) destroy_vm(session, why);
}

void bh_session_stop_vm(BhSession *session) {
  if (BH_SUCCEEDED(begin(session, NULL, NULL))) stop_all(session, "asked to");
  end(session, BH_OK);
}

void bh_session_close(BhSession *session) {
  if (BH_SUCCEEDED(begin(session, NULL, NULL))) stop_all(session, "the session is closed");
  session->closed = TRUE; /* in the same hold of the lock: nobody starts a VM after this */
  end(session, BH_OK);
}
