#include "container-session-internal.h"

static const BhContext create_context = {&bh_service_context, "CreateSession"};
static const BhContainerVmOwner vm_owner;

BhContainerSession *bh_container_session_new(const BhSessionShared *shared, guint32 id,
                                             const BhContainerSettings *settings) {
  BhContainerSession *session = g_atomic_rc_box_new0(BhContainerSession);

  session->shared = shared;
  session->id = id;
  session->application_pid = settings->application_pid;
  session->user = *settings->user;
  if (session->user.sid != NULL) g_bytes_ref(session->user.sid);
  session->name = g_strdup(settings->name);
  session->label = g_strdup_printf("wslc %s", settings->name);
  bh_containers_init(session);
  session->vm = (BhContainerVm){.shared = shared,
                                .owner = &vm_owner,
                                .data = session,
                                .name = session->label,
                                .session = session->name,
                                .settings = {settings->vm.flags & ~shared->forbidden_flags},
                                .on_demand = settings->on_demand,
                                .idle_timeout = settings->idle_timeout};
  bh_container_vm_init(&session->vm);
  return session;
}

void bh_container_session_on_end(BhContainerSession *session, void (*on_end)(BhContainerSession *, gpointer),
                                 gpointer data) {
  session->on_end = on_end;
  session->data = data;
}

BhContainerSession *bh_container_session_ref(BhContainerSession *session) {
  return g_atomic_rc_box_acquire(session);
}

static void finalize(gpointer data) {
  BhContainerSession *session = data;

  bh_container_vm_clear(&session->vm);
  bh_containers_clear(session);
  g_clear_pointer(&session->user.sid, g_bytes_unref);
  g_free(session->name);
  g_free(session->label);
}

void bh_container_session_unref(BhContainerSession *session) {
  g_atomic_rc_box_release_full(session, finalize);
}

guint32 bh_container_session_id(const BhContainerSession *session) {
  return session->id;
}

const char *bh_container_session_name(const BhContainerSession *session) {
  return session->name;
}

/* --- Telling plugins --------------------------------------------------------------------------------------------- */

/* With no lock held (the manager asserts it). */
BhResult bh_container_session_notify(BhContainerSession *session, BhHook hook, const char *document,
                                     const BhContext *context, BhError **error) {
  BhNotification notification = {
      .hook = hook,
      .session = session->id,
      .display_name = session->name,
      .application_pid = session->application_pid,
      .token = session->user.token,
      .sid = session->user.sid,
      .document = (char *)document,
  };

  return bh_plugin_manager_notify(session->shared->manager, NULL, &notification, context, error);
}

static void notify_vm(gpointer data, BhHook hook) {
  bh_container_session_notify(data, hook, NULL, NULL, NULL);
}

/* --- Operations -------------------------------------------------------------------------------------------------- */

static void close_streams(BhResource streams[BH_STREAM_COUNT]) {
  for (guint i = 0; i < BH_STREAM_COUNT; i++) bh_resource_clear(&streams[i]);
}

BhResult bh_container_session_run(BhContainerSession *session, const BhProgram *program, BhProcessFunc func,
                                  gpointer data, gint32 *linux_error, BhError **error) {
  BhContext context = {&bh_service_context, "CreateProcess"};
  BhResource streams[BH_STREAM_COUNT] = {{0}};
  BhProcess *process;
  BhVm *vm;
  BhResult result;

  *linux_error = 0;
  result = bh_container_vm_begin_work(&session->vm, TRUE, &vm, &context, error);
  if (BH_FAILED(result)) return result;
  bh_containers_stop_ended(session, vm);
  result = vm->class->process_start(vm, program, streams, &process, linux_error);
  if (BH_SUCCEEDED(result))
    bh_container_vm_hold(&session->vm); /* not idle; but whoever ends the VM does not wait for the program */
  else
    bh_error_set(error, result, &context, "'%s' could not be run", program->path);
  bh_container_vm_end_work(&session->vm);
  if (BH_FAILED(result)) return result;

  func(process, streams, data);
  close_streams(streams);
  process->class->process_free(process);
  bh_container_vm_release(&session->vm);
  return BH_OK;
}

BhResult bh_container_session_stop_idle_vm(BhContainerSession *session, BhError **error) {
  BhContext context = {&bh_service_context, "StopIdleVm"};
  BhVm *vm;
  BhResult result = bh_container_vm_begin_work(&session->vm, FALSE, &vm, NULL, NULL);

  if (BH_SUCCEEDED(result)) {
    bh_containers_stop_ended(session, vm);
    bh_container_vm_end_work(&session->vm);
  }
  result = bh_container_vm_stop_idle(&session->vm, "idle");

  if (result == BH_E_BUSY)
    bh_error_set(error, result, &context, "%s is in use", session->label);
  else if (BH_FAILED(result))
    bh_error_set(error, result, &context, "%s has no virtual machine on demand that runs", session->label);
  return result;
}

/* --- What happens to its VM -------------------------------------------------------------------------------------- */

/* A job of a worker's, with a reference to the session. */
void bh_container_session_post(BhContainerSession *session, BhWorkerFunc func) {
  bh_container_session_ref(session);
  if (!bh_workers_post(session->shared->workers, func, session)) bh_container_session_unref(session);
}

static void after_death(gpointer data) {
  BhContainerSession *session = data;

  if (session->vm.on_demand)
    bh_container_vm_bury(&session->vm);
  else
    session->on_end(session, session->data);
  bh_container_session_unref(session);
}

/* On a thread of the guest's, as is the next. Where no thread can be had, the next operation or look-up sees to it. */
static void on_vm_died(gpointer data) {
  BhContainerSession *session = data;

  bh_container_vm_died(&session->vm);
  bh_trace_event(session->shared->trace, session->label, "VM died", BH_E_NOT_VALID_STATE, NULL);
  bh_container_session_post(session, after_death);
}

static void on_timeout(gpointer data) {
  BhContainerSession *session = data;
  bh_container_vm_timeout(&session->vm);
}

static BhResult on_activity(gpointer data, const BhActivity *activity) {
  return bh_container_vm_activity(&((BhContainerSession *)data)->vm, activity);
}

static const BhVmEvents guest_events = {
    .died = on_vm_died, .container_ended = bh_containers_on_ended, .activity = on_activity};
static const BhContainerVmOwner vm_owner = {.notify = notify_vm,
                                            .stop_containers = bh_containers_stop_all,
                                            .guest = &guest_events,
                                            .timeout = on_timeout,
                                            .ref = (gpointer(*)(gpointer))bh_container_session_ref,
                                            .unref = (GDestroyNotify)bh_container_session_unref};

/* --- Beginning and end ------------------------------------------------------------------------------------------- */

/* In the change that ends it. */
static void finish(BhContainerSession *session, const char *why) {
  BhContainerVm *vm = &session->vm;

  if (vm->on_demand) {
    bh_container_vm_stop(vm, TRUE, why);
    bh_container_session_notify(session, BH_HOOK_SESSION_STOPPING, NULL, NULL, NULL);
  } else {
    bh_container_vm_stop_containers(vm);
    bh_container_session_notify(session, BH_HOOK_SESSION_STOPPING, NULL, NULL, NULL);
    bh_container_vm_stop(vm, FALSE, why);
  }
  bh_container_vm_end_change(vm);
}

/* In the change that begins it: no work was let in yet, and none is from here on. */
static void give_up(BhContainerSession *session, const char *why) {
  bh_container_vm_refuse_work(&session->vm);
  finish(session, why);
}

BhResult bh_container_session_begin(BhContainerSession *session, BhError **error) {
  BhResult result;

  bh_container_vm_begin_change(&session->vm);
  result = bh_plugin_manager_load(session->shared->manager, &create_context, error);
  if (BH_SUCCEEDED(result) && !session->vm.on_demand)
    result = bh_container_vm_start(&session->vm, &create_context, error);
  if (BH_FAILED(result)) {
    bh_container_vm_refuse_work(&session->vm); /* no plugin has heard of it */
    bh_container_vm_end_change(&session->vm);
    return result;
  }
  result = bh_container_session_notify(session, BH_HOOK_SESSION_CREATED, NULL, &create_context, error);
  if (BH_FAILED(result)) give_up(session, "a plugin refused it");
  return result;
}

void bh_container_session_announce(BhContainerSession *session) {
  bh_container_vm_announce(&session->vm);
  bh_container_vm_end_change(&session->vm);
}

BhResult bh_container_session_abandon(BhContainerSession *session, BhError **error) {
  give_up(session, "its name was won by another");
  return bh_error_set(error, BH_E_ALREADY_EXISTS, &create_context, "There is a session '%s' already",
                      session->name);
}

void bh_container_session_stop(BhContainerSession *session, const char *why) {
  if (bh_container_vm_begin_end(&session->vm)) finish(session, why);
}

gboolean bh_container_session_is_dead(BhContainerSession *session) {
  return bh_container_vm_is_dead(&session->vm);
}

/* --- Plugins' calls ---------------------------------------------------------------------------------------------- */

/* A WSLC session has a code of its own for a folder that is not there. */
static BhResult mount(BhVm *vm, const BhCall *call) {
  BhResult result = vm->class->mount(vm, call->host_path, call->linux_path, call->read_only, "");
  return result == BH_E_FILE_NOT_FOUND ? BH_E_PATH_NOT_FOUND : result;
}

static BhResult create_process(BhVm *vm, const BhCall *call, BhProcessTable *processes, BhCallReply *reply) {
  const BhProgram program = {call->path, (const char *const *)call->arguments,
                             (const char *const *)call->environment};
  BhResource streams[BH_STREAM_COUNT] = {{0}};
  BhProcess *process;
  gint32 linux_error = 0;
  BhResult result = bh_process_table_reserve(processes); /* first: what is refused must not run */

  if (BH_FAILED(result)) return result;
  result = vm->class->process_start(vm, &program, streams, &process, &linux_error);
  reply->number = (guint32)linux_error;
  if (BH_SUCCEEDED(result)) return bh_process_table_add(processes, process, streams, &reply->process);
  bh_process_table_cancel(processes);
  return result;
}

void bh_container_session_call(BhContainerSession *session, const BhCall *call, BhProcessTable *processes,
                               BhCallReply *reply) {
  BhVm *vm;

  reply->result = bh_container_vm_begin_call(&session->vm, &vm);
  if (BH_FAILED(reply->result)) return;
  switch (call->api) {
    case BH_API_CONTAINER_MOUNT_FOLDER: reply->result = mount(vm, call); break;
    case BH_API_CONTAINER_UNMOUNT_FOLDER: reply->result = vm->class->unmount(vm, call->linux_path); break;
    case BH_API_CONTAINER_CREATE_PROCESS: reply->result = create_process(vm, call, processes, reply); break;
    default: reply->result = BH_E_NOTIMPL; break; /* a VM session's call */
  }
  bh_container_vm_end_call(&session->vm);
}
