#include "guest/client.h"

#include <string.h>

#include "core/sync.h"
#include "guest/client-vm.h"
#include "guest/documents.h"
#include "guest/process.h"
#include "guest/socket.h"

static const BhGuestClass agent_class;
static const BhLockClass vm_class = {.name = "guest-vm", .rank = BH_RANK_LEAF};
static const BhLockClass send_class = {.name = "guest-send", .rank = BH_RANK_LEAF};

typedef struct {
  BhGuest base;
  char *agent_path;
} AgentGuest;

/* ---- a VM's functions ---- */

static BhResult agent_mount(BhVm *base, const char *host_path, const char *linux_path, gboolean read_only,
                            const char *name) {
  BhGuestMessage message = {.type = BH_GUEST_MOUNT, .guest_path = (char *)linux_path, .read_only = read_only};
  g_auto(BhGuestMessage) answer = {0};
  g_autofree char *folder = NULL;
  BhResult result;

  (void)name; /* a Linux mount has none */
  if (linux_path[0] != '/') return BH_E_INVALIDARG;
  result = bh_launch_host_folder(host_path, &folder);
  if (BH_FAILED(result)) return result;
  message.host_path = folder;
  return agent_ask_once((AgentVm *)base, &message, BH_GUEST_DONE, &answer);
}

static BhResult agent_unmount(BhVm *base, const char *linux_path) {
  BhGuestMessage message = {.type = BH_GUEST_UNMOUNT, .guest_path = (char *)linux_path};
  g_auto(BhGuestMessage) answer = {0};

  if (linux_path[0] != '/') return BH_E_INVALIDARG;
  return agent_ask_once((AgentVm *)base, &message, BH_GUEST_DONE, &answer);
}

static BhResult agent_image_create(BhVm *base, const char *name, const char *root, BhDescription *image) {
  BhGuestMessage message = {.type = BH_GUEST_FOLDER, .host_path = (char *)(root != NULL ? root : "/")};
  g_auto(BhGuestMessage) answer = {0};
  BhResult result = agent_ask_once((AgentVm *)base, &message, BH_GUEST_DONE, &answer);

  if (BH_SUCCEEDED(result)) bh_describe_image(name, root, image);
  return result;
}

static BhResult agent_instance_start(BhVm *base, const BhDistribution *distribution, BhInstance *instance) {
  AgentVm *vm = (AgentVm *)base;
  BhGuestMessage message = {.type = BH_GUEST_INSTANCE_START, .host_path = distribution->root};
  g_auto(BhGuestMessage) answer = {0};
  BhResult result;

  message.instance = agent_new_number(vm);
  result = agent_ask_once(vm, &message, BH_GUEST_INSTANCE, &answer);
  if (BH_SUCCEEDED(result)) *instance = (BhInstance){message.instance, answer.pid, answer.pid_namespace};
  return result;
}

static BhResult agent_instance_stop(BhVm *base, guint32 instance) {
  BhGuestMessage message = {.type = BH_GUEST_INSTANCE_STOP, .instance = instance};
  g_auto(BhGuestMessage) answer = {0};

  return agent_ask_once((AgentVm *)base, &message, BH_GUEST_DONE, &answer);
}

/* ---- its life ---- */

static void agent_vm_destroy(BhVm *base) {
  AgentVm *vm = (AgentVm *)base;
  gint64 deadline = bh_clock_now() + BH_GUEST_END_SECONDS * G_USEC_PER_SEC;
  gboolean late = FALSE;

  bh_mutex_lock(&vm->lock);
  vm->destroying = TRUE;
  bh_mutex_unlock(&vm->lock);
  if (vm->reader != NULL) {
    bh_socket_end_writing(vm->control.value);
    bh_mutex_lock(&vm->lock);
    while (!vm->ended && !late) late = !bh_cond_wait_until(&vm->changed, &vm->lock, deadline);
    bh_mutex_unlock(&vm->lock);
    if (late) {
      g_log(AGENT_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "an agent does not come to an end; it is left to itself");
      bh_socket_shutdown(vm->control.value);
    }
    bh_thread_join(vm->reader);
  }
  agent_watch_end(vm);
  bh_resource_clear(&vm->control);
  bh_launch_forget(&vm->launched, late);
  g_hash_table_unref(vm->requests);
  g_hash_table_unref(vm->running);
  g_hash_table_unref(vm->containers);
  g_free(vm->refusal);
  bh_cond_clear(&vm->changed);
  bh_mutex_clear(&vm->lock);
  bh_mutex_clear(&vm->send_lock);
  g_free(vm);
}

/* Starts agent and reader. On failure *why is for people, the caller's. */
static BhResult start_agent(AgentVm *vm, const char *agent_path, char **why) {
  BhResource theirs = {0};
  BhResult result = bh_socket_pair(&vm->control, &theirs);

  if (BH_SUCCEEDED(result)) result = bh_launch_agent(agent_path, theirs.value, &vm->launched, why);
  bh_resource_clear(&theirs);
  if (BH_FAILED(result)) return result;
  vm->reader = bh_thread_new("guest-reader", BH_RANK_LEAF, agent_read_channel, vm);
  return vm->reader != NULL ? BH_OK : BH_E_OUTOFMEMORY;
}

static BhResult await_hello(AgentVm *vm, char **why) {
  gint64 deadline = bh_clock_now() + BH_GUEST_START_SECONDS * G_USEC_PER_SEC;
  BhResult result = BH_OK;

  bh_mutex_lock(&vm->lock);
  while (vm->port == 0 && vm->refusal == NULL && !vm->dead && result == BH_OK)
    if (!bh_cond_wait_until(&vm->changed, &vm->lock, deadline)) result = BH_E_TIMEOUT;
  if (vm->dead || vm->refusal != NULL) result = BH_E_FAIL;
  if (vm->port != 0 && result == BH_E_TIMEOUT) result = BH_OK;
  if (result == BH_E_TIMEOUT)
    *why = g_strdup("it said nothing in time");
  else if (BH_FAILED(result))
    *why = g_strdup(vm->refusal != NULL ? vm->refusal : "it ended at once");
  vm->created = BH_SUCCEEDED(result);
  bh_mutex_unlock(&vm->lock);
  return result;
}

static BhResult agent_vm_create(BhGuest *base, const BhVmSettings *settings, const BhVmEvents *events,
                                gpointer data, BhVm **result_vm) {
  AgentGuest *guest = (AgentGuest *)base;
  AgentVm *vm = g_new0(AgentVm, 1);
  g_autofree char *why = NULL;
  BhResult result;

  (void)settings; /* a custom kernel is for real VMs */
  vm->base.class = &agent_class;
  vm->events = events;
  vm->data = data;
  vm->requests = g_hash_table_new(NULL, NULL);
  vm->running = g_hash_table_new_full(NULL, NULL, NULL, agent_running_free);
  vm->containers = g_hash_table_new(NULL, NULL);
  bh_mutex_init(&vm->send_lock, &send_class);
  bh_mutex_init(&vm->lock, &vm_class);
  bh_cond_init(&vm->changed);

  result = start_agent(vm, guest->agent_path, &why);
  if (BH_SUCCEEDED(result)) result = await_hello(vm, &why);
  if (BH_SUCCEEDED(result)) {
    *result_vm = &vm->base;
  } else {
    g_log(AGENT_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "no VM: the agent %s cannot serve: %s", guest->agent_path,
          why != NULL ? why : "no socket or thread can be had");
    agent_vm_destroy(&vm->base);
  }
  return result;
}

/* ---- without a VM ---- */

/* By an agent that is started for it. */
static BhResult agent_distribution_export(BhGuest *guest, const BhDistribution *distribution,
                                          const char *host_path) {
  BhGuestMessage message = {.type = BH_GUEST_EXPORT, .host_path = distribution->root};
  g_auto(BhGuestMessage) answer = {0};
  g_autofree char *archive = NULL;
  BhVmSettings settings = {0};
  BhResult result;
  BhVm *vm;

  if (distribution->root == NULL) {
    g_log(AGENT_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "%s has no root folder of its own: the machine's is not exported",
          distribution->name != NULL ? distribution->name : "the distribution");
    return BH_E_INVALIDARG;
  }
  result = bh_launch_host_file(host_path, &archive);
  if (BH_SUCCEEDED(result)) result = agent_vm_create(guest, &settings, NULL, NULL, &vm);
  if (BH_FAILED(result)) return result;
  message.archive = archive;
  result = agent_ask_once((AgentVm *)vm, &message, BH_GUEST_DONE, &answer);
  agent_vm_destroy(vm);
  return result;
}

static const BhGuestClass agent_class = {
    .name = "agent",
    .vm_create = agent_vm_create,
    .vm_destroy = agent_vm_destroy,
    .mount = agent_mount,
    .execute = agent_execute,
    .instance_start = agent_instance_start,
    .instance_stop = agent_instance_stop,
    .instance_is_idle = agent_instance_is_idle,
    .distribution_export = agent_distribution_export,
    .unmount = agent_unmount,
    .process_start = agent_process_start,
    .process_event = bh_guest_process_event,
    .process_exit_code = bh_guest_process_exit_code,
    .process_free = bh_guest_process_unref,
    .container_start = agent_container_start,
    .container_stop = agent_container_stop,
    .image_create = agent_image_create,
    .watch = agent_watch,
    .has_process = agent_has_process,
};

BhGuest *bh_guest_agent_new(const char *agent_path) {
  AgentGuest *guest = g_new0(AgentGuest, 1);

  guest->base.class = &agent_class;
  guest->agent_path = g_strdup(agent_path);
  return &guest->base;
}

void bh_guest_agent_free(BhGuest *base) {
  AgentGuest *guest = (AgentGuest *)base;

  if (guest == NULL) return;
  g_free(guest->agent_path);
  g_free(guest);
}
