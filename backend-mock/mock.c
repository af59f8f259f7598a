#include "mock-internal.h"

#include "core/hook-slot.h"
#include "core/record.h"

#include "scripted.h"

/* Above every process number of Linux, and of no use to Windows: nobody takes it for a real one. */
#define FIRST_NUMBER 5000001u

typedef struct {
  BhMockStep step;
  char *plugin; /* NULL: any */
  guint steps_left;
  BhResult status;
} Fault;

typedef struct {
  BhBackend parent;
  GArray *plugins; /* BhMockPlugin; immutable */

  BhMutex lock;        /* guards what follows */
  GArray *faults;      /* Fault, the one asked for first at the front */
  guint32 next_number; /* of a process or thread */
  GHashTable *numbers; /* of those there are → the process whose thread it is, or itself */
  guint links;         /* started and not yet released */
} Mock;

/* One load or notify. The thread that waits for it and the thread of the host that does it share it;
 * whoever lets go of it last frees it. */
typedef struct {
  BhMockHost *host;
  BhHook hook;     /* BH_HOOK_NONE: a load */
  GBytes *request; /* the notification's record, or NULL */
  GBytes *reply;   /* the reply's record; guarded by the host's lock, as are the next two */
  gboolean done;
  gboolean abandoned; /* nobody waits any more */
} Task;

static const BhLockClass mock_class = {"mock-backend", BH_RANK_LEAF, FALSE};

BhMockHost *bh_mock_host(BhLink *link) {
  return (BhMockHost *)link;
}

/* ---- Faults on demand ---------------------------------------------------------------------------------- */

static void fault_clear(gpointer data) {
  g_free(((Fault *)data)->plugin);
}

void bh_backend_mock_fail(BhBackend *backend, BhMockStep step, const char *plugin, guint nth, BhResult status) {
  Mock *mock = (Mock *)backend;
  Fault fault = {step, g_strdup(plugin), nth, status};

  g_assert(nth > 0);
  bh_mutex_lock(&mock->lock);
  g_array_append_val(mock->faults, fault);
  bh_mutex_unlock(&mock->lock);
}

void bh_backend_mock_forget_faults(BhBackend *backend) {
  Mock *mock = (Mock *)backend;

  bh_mutex_lock(&mock->lock);
  g_array_set_size(mock->faults, 0);
  bh_mutex_unlock(&mock->lock);
}

/* Counts a step. TRUE: it is to fail, with *status. */
static gboolean fault_due(Mock *mock, BhMockStep step, const char *plugin, BhResult *status) {
  gint due = -1;

  bh_mutex_lock(&mock->lock);
  for (guint i = 0; i < mock->faults->len; i++) {
    Fault *fault = &g_array_index(mock->faults, Fault, i);
    if (fault->step != step || (fault->plugin != NULL && !g_str_equal(fault->plugin, plugin))) continue;
    if (fault->steps_left > 1)
      fault->steps_left--;
    else if (due < 0)
      due = (gint)i;
  }
  if (due >= 0) {
    *status = g_array_index(mock->faults, Fault, due).status;
    g_array_remove_index(mock->faults, (guint)due);
  }
  bh_mutex_unlock(&mock->lock);
  return due >= 0;
}

/* ---- Numbers ------------------------------------------------------------------------------------------- */

guint32 bh_mock_number(gpointer data, guint32 process) {
  Mock *mock = data;
  guint32 number;

  bh_mutex_lock(&mock->lock);
  number = mock->next_number++;
  g_hash_table_insert(mock->numbers, GUINT_TO_POINTER(number), GUINT_TO_POINTER(process != 0 ? process : number));
  bh_mutex_unlock(&mock->lock);
  return number;
}

void bh_mock_forget(gpointer data, guint32 number) {
  Mock *mock = data;

  bh_mutex_lock(&mock->lock);
  g_hash_table_remove(mock->numbers, GUINT_TO_POINTER(number));
  bh_mutex_unlock(&mock->lock);
}

static BhResult mock_subsystem(BhBackend *backend, guint32 process, guint32 thread, BhSubsystem *subsystem,
                               gboolean *assumed) {
  Mock *mock = (Mock *)backend;
  gpointer number = GUINT_TO_POINTER(thread != 0 ? thread : process), owner;

  bh_mutex_lock(&mock->lock);
  owner = g_hash_table_lookup(mock->numbers, number);
  bh_mutex_unlock(&mock->lock);
  if (process == 0 || owner != GUINT_TO_POINTER(process)) return BH_E_NOT_FOUND;
  *subsystem = BH_SUBSYSTEM_WIN32;
  *assumed = FALSE;
  return BH_OK;
}

/* ---- Load and notify ----------------------------------------------------------------------------------- */

static void task_free(Task *task) {
  g_clear_pointer(&task->request, g_bytes_unref);
  g_clear_pointer(&task->reply, g_bytes_unref);
  g_free(task);
}

static GBytes *run_load(BhMockHost *host) {
  g_auto(BhLoadReply) reply = {.hooks = host->plugin.hooks};

  if (host->plugin.load != NULL) host->plugin.load(host, &reply, host->plugin.data);
  bh_mutex_lock(&host->lock);
  host->hooks = BH_SUCCEEDED(reply.result) ? reply.hooks : 0;
  bh_mutex_unlock(&host->lock);
  return bh_record_encode(&bh_load_reply_fields, &reply, NULL);
}

static GBytes *run_hook(BhMockHost *host, BhHook hook, GBytes *request) {
  g_auto(BhNotification) notification = {0};
  g_auto(BhNotifyReply) reply = {0};
  BhHookSlot slot;
  BhResult result = BH_OK;
  gboolean has_hook;
  gsize size;
  gconstpointer bytes = g_bytes_get_data(request, &size);

  if (!bh_record_decode_notification(hook, bytes, size, &notification, NULL)) return NULL;
  bh_mutex_lock(&host->lock);
  has_hook = (host->hooks & (1u << hook)) != 0;
  bh_mutex_unlock(&host->lock);

  bh_hook_slot_begin(&slot, hook, notification.number);
  if (has_hook && host->plugin.hook != NULL) result = host->plugin.hook(host, &notification, host->plugin.data);
  bh_hook_slot_end(&slot, result, &reply);
  return bh_record_encode(&bh_notify_reply_fields, &reply, NULL);
}

static void run_task(gpointer data) {
  Task *task = data;
  BhMockHost *host = task->host;
  GBytes *reply = task->hook == BH_HOOK_NONE ? run_load(host) : run_hook(host, task->hook, task->request);
  gboolean abandoned;

  bh_mutex_lock(&host->lock);
  task->reply = reply;
  task->done = TRUE;
  abandoned = task->abandoned;
  bh_mock_host_leave(host);
  bh_mutex_unlock(&host->lock);
  if (abandoned) task_free(task); /* the other thread frees it otherwise, perhaps already */
}

/* Has a thread of the host's do it, and waits until that is done or the host is dead. *reply: the
 * caller's. */
static BhResult do_task(BhMockHost *host, BhHook hook, GBytes *request, GBytes **reply) {
  Task *task = g_new0(Task, 1);
  BhResult status;
  gboolean done;

  *task = (Task){.host = host, .hook = hook, .request = request != NULL ? g_bytes_ref(request) : NULL};
  status = bh_mock_host_enter(host, run_task, task);
  if (BH_FAILED(status)) {
    task_free(task);
    return status;
  }

  bh_mutex_lock(&host->lock);
  while (!task->done && host->state == BH_MOCK_ALIVE) bh_cond_wait(&host->changed, &host->lock);
  /* Once the host is dead its answer has no way back, even if it lies there. */
  if (host->state != BH_MOCK_ALIVE) status = BH_RPC_S_CALL_FAILED;
  done = task->done;
  task->abandoned = !done;
  if (done) *reply = g_steal_pointer(&task->reply);
  bh_mutex_unlock(&host->lock);

  if (done) task_free(task);
  if (BH_SUCCEEDED(status) && *reply == NULL) status = BH_E_UNEXPECTED; /* it could not be encoded or decoded */
  return status;
}

static BhResult mock_load(BhLink *link, BhLoadReply *reply) {
  BhMockHost *host = (BhMockHost *)link;
  g_autoptr(GBytes) record = NULL;
  BhResult status;
  gconstpointer bytes;
  gsize size;

  if (fault_due(host->mock, BH_MOCK_LOAD, host->name, &status)) return status;
  status = do_task(host, BH_HOOK_NONE, NULL, &record);
  if (BH_FAILED(status)) return status;
  bytes = g_bytes_get_data(record, &size);
  return bh_record_decode(&bh_load_reply_fields, bytes, size, reply, NULL) ? BH_OK : BH_E_UNEXPECTED;
}

static BhResult mock_notify(BhLink *link, const BhNotification *notification, BhNotifyReply *reply) {
  BhMockHost *host = (BhMockHost *)link;
  g_autoptr(GBytes) request = NULL;
  g_autoptr(GBytes) record = NULL;
  BhResult status;
  gconstpointer bytes;
  gsize size;

  if (fault_due(host->mock, BH_MOCK_NOTIFY, host->name, &status)) return status;
  request = bh_record_encode_notification(notification, NULL);
  if (request == NULL) return BH_E_INVALIDARG;
  status = do_task(host, notification->hook, request, &record);
  if (BH_FAILED(status)) return status;
  bytes = g_bytes_get_data(record, &size);
  return bh_record_decode(&bh_notify_reply_fields, bytes, size, reply, NULL) ? BH_OK : BH_E_UNEXPECTED;
}

/* ---- Start and the end --------------------------------------------------------------------------------- */

static const BhBackendClass mock_backend_class;

static gboolean is_registered(const Mock *mock, const BhPluginSpec *spec, BhMockPlugin *plugin) {
  for (guint i = 0; i < mock->plugins->len; i++) {
    *plugin = g_array_index(mock->plugins, BhMockPlugin, i);
    if (g_str_equal(plugin->name, spec->name)) return TRUE;
  }
  return FALSE;
}

static BhResult mock_start(BhBackend *backend, const BhPluginSpec *spec, const BhLinkEvents *events, gpointer data,
                           BhLink **link, char **cause) {
  Mock *mock = (Mock *)backend;
  BhMockHost *host;
  BhResult status;

  if (fault_due(mock, BH_MOCK_START, spec->name, &status)) {
    *cause = g_strdup("the start was asked to fail");
    return status;
  }
  host = bh_mock_host_new(spec->name, events, data);
  if (host == NULL) {
    *cause = g_strdup("no thread can be had for the host");
    return BH_E_OUTOFMEMORY;
  }
  host->parent.class = &mock_backend_class;
  host->mock = mock;
  if (!is_registered(mock, spec, &host->plugin)) host->plugin = bh_mock_scripted_plugin(host, spec->path);

  host->pid = bh_mock_begin_process(host, bh_process_number(), "mock-host", spec->name);
  bh_mutex_lock(&mock->lock);
  mock->links++;
  bh_mutex_unlock(&mock->lock);
  *link = &host->parent;
  return BH_OK;
}

static void mock_kill(BhLink *link, const char *reason) {
  bh_mock_host_crash((BhMockHost *)link, reason);
}

static void mock_release(BhLink *link) {
  BhMockHost *host = (BhMockHost *)link;
  Mock *mock = host->mock;

  bh_mock_host_free(host);
  bh_mutex_lock(&mock->lock);
  mock->links--;
  bh_mutex_unlock(&mock->lock);
}

static guint32 mock_pid(BhLink *link) {
  return ((BhMockHost *)link)->pid;
}

static const BhBackendClass mock_backend_class = {
    .name = "mock",
    .start = mock_start,
    .load = mock_load,
    .notify = mock_notify,
    .kill = mock_kill,
    .release = mock_release,
    .pid = mock_pid,
    .watch = bh_mock_watch,
    .subsystem = mock_subsystem,
};

BhBackend *bh_backend_mock_new(const BhMockPlugin *plugins, guint count) {
  Mock *mock = g_new0(Mock, 1);

  mock->parent.class = &mock_backend_class;
  mock->plugins = g_array_new(FALSE, FALSE, sizeof(BhMockPlugin));
  if (count > 0) g_array_append_vals(mock->plugins, plugins, count);
  mock->faults = g_array_new(FALSE, FALSE, sizeof(Fault));
  g_array_set_clear_func(mock->faults, fault_clear);
  mock->next_number = FIRST_NUMBER;
  mock->numbers = g_hash_table_new(NULL, NULL);
  bh_mutex_init(&mock->lock, &mock_class);
  return &mock->parent;
}

void bh_backend_mock_free(BhBackend *backend) {
  Mock *mock = (Mock *)backend;

  g_assert(mock->links == 0 && g_hash_table_size(mock->numbers) == 0);
  g_hash_table_unref(mock->numbers);
  g_array_unref(mock->faults);
  g_array_unref(mock->plugins);
  bh_mutex_clear(&mock->lock);
  g_free(mock);
}
