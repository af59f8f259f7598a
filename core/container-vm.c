#include "container-vm.h"

static const BhLockClass vm_class = {"WSLC VM", BH_RANK_LEAF, FALSE};

void bh_container_vm_init(BhContainerVm *self) {
  bh_mutex_init(&self->lock, &vm_class);
  bh_cond_init(&self->changed);
  self->refusal = BH_E_WSLC_VM_NOT_RUNNING;
}

void bh_container_vm_clear(BhContainerVm *self) {
  g_assert(self->vm == NULL && self->work == 0 && self->calls == 0);
  bh_cond_clear(&self->changed);
  bh_mutex_clear(&self->lock);
}

/* From here on `with the lock` means: the caller holds it. */

/* --- Changes ----------------------------------------------------------------------------------------------------- */

void bh_container_vm_begin_change(BhContainerVm *self) {
  bh_mutex_lock(&self->lock);
  while (self->changing) bh_cond_wait(&self->changed, &self->lock);
  self->changing = TRUE;
  bh_mutex_unlock(&self->lock);
}

void bh_container_vm_end_change(BhContainerVm *self) {
  bh_mutex_lock(&self->lock);
  self->changing = FALSE;
  bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
}

void bh_container_vm_refuse_work(BhContainerVm *self) {
  bh_mutex_lock(&self->lock);
  self->ended = TRUE;
  bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
}

gboolean bh_container_vm_begin_end(BhContainerVm *self) {
  gboolean first;
  guint64 timer;

  bh_mutex_lock(&self->lock);
  while (self->changing) bh_cond_wait(&self->changed, &self->lock);
  first = !self->ended;
  if (first) {
    self->ended = TRUE; /* first, so that the work to wait for gets no more */
    self->changing = TRUE;
    bh_cond_broadcast(&self->changed);
    while (self->work > 0 || self->arming > 0) bh_cond_wait(&self->changed, &self->lock);
  }
  timer = self->timer;
  self->timer = 0;
  bh_mutex_unlock(&self->lock);
  bh_timers_cancel(self->shared->timers, timer);
  return first;
}

static void set_refusal(BhContainerVm *self, BhResult refusal) {
  bh_mutex_lock(&self->lock);
  self->refusal = refusal;
  bh_mutex_unlock(&self->lock);
}

/* With no lock held: what it ran has ended, and is told of. vm: NULL: it could not be created. */
static void destroy(BhContainerVm *self, BhVm *vm) {
  bh_activity_source_close(self->source);
  if (vm != NULL) vm->class->vm_destroy(vm); /* after this, no event of it comes any more */
  bh_activity_source_free(g_steal_pointer(&self->source));
}

BhResult bh_container_vm_start(BhContainerVm *self, const BhContext *context, BhError **error) {
  BhContext here = {context, "CreateVm"};
  BhGuest *guest = self->shared->guest;
  BhTraceEvent span = bh_trace_begin(self->name, "create VM");
  BhVm *vm = NULL;
  BhResult result;

  bh_mutex_lock(&self->lock);
  self->died = FALSE; /* before there is one that may */
  bh_mutex_unlock(&self->lock);
  self->source = bh_vm_source_new(self->shared->notify, 0, self->session);
  result = guest->class->vm_create(guest, &self->settings, self->owner->guest, self->data, &vm);
  bh_trace_end(self->shared->trace, &span, result, "flags=%u", self->settings.flags);
  if (BH_FAILED(result))
    bh_error_set(error, result, &here, "The virtual machine could not be created");
  else
    result = bh_vm_source_open(self->source, vm, &here, error);
  if (BH_FAILED(result)) {
    destroy(self, vm);
    return result;
  }

  bh_mutex_lock(&self->lock);
  self->vm = vm;
  self->refusal = BH_OK;
  bh_mutex_unlock(&self->lock);
  return BH_OK;
}

/* Only changes look at `announced` and write `vm`, and there is one at a time. */
void bh_container_vm_announce(BhContainerVm *self) {
  if (self->vm == NULL) return;
  self->announced = TRUE;
  self->owner->notify(self->data, BH_HOOK_CONTAINER_VM_STARTED);
}

void bh_container_vm_stop_containers(BhContainerVm *self) {
  if (self->vm != NULL) self->owner->stop_containers(self->data, self->vm);
}

void bh_container_vm_stop(BhContainerVm *self, gboolean final, const char *why) {
  BhVm *vm = self->vm;
  BhTraceEvent span = bh_trace_begin(self->name, "stop VM");

  if (vm == NULL) return;
  bh_container_vm_stop_containers(self);
  if (final) set_refusal(self, BH_E_NOT_VALID_STATE);
  if (self->announced) self->owner->notify(self->data, BH_HOOK_CONTAINER_VM_STOPPING);
  self->announced = FALSE;

  bh_mutex_lock(&self->lock);
  if (!final) self->refusal = BH_E_WSLC_VM_NOT_RUNNING;
  while (self->calls > 0) bh_cond_wait(&self->changed, &self->lock);
  self->refusal = BH_E_WSLC_VM_NOT_RUNNING;
  self->vm = NULL;
  bh_mutex_unlock(&self->lock);
  destroy(self, vm);
  bh_trace_end(self->shared->trace, &span, BH_OK, "%s", why);
}

/* --- Work -------------------------------------------------------------------------------------------------------- */

/* In a change: there is a VM afterwards, or the reason why not. */
static BhResult provide(BhContainerVm *self, const BhContext *context, BhError **error) {
  BhResult result;

  if (self->vm != NULL) bh_container_vm_stop(self, FALSE, "it ended by itself");
  result = bh_container_vm_start(self, context, error);
  if (BH_SUCCEEDED(result)) bh_container_vm_announce(self);
  return result;
}

BhResult bh_container_vm_begin_work(BhContainerVm *self, gboolean start, BhVm **vm, const BhContext *context,
                                    BhError **error) {
  gboolean runs, ended, provides;
  BhResult result = BH_OK;
  guint64 timer;

  bh_mutex_lock(&self->lock);
  while (self->changing && !self->ended) bh_cond_wait(&self->changed, &self->lock);
  ended = self->ended;
  runs = !ended && self->vm != NULL && !self->died;
  provides = !ended && !runs && start && self->on_demand;
  if (provides) {
    self->changing = TRUE;
    while (self->work > 0) bh_cond_wait(&self->changed, &self->lock); /* it ends soon: its VM has died */
  }
  if (runs || provides) self->work++; /* from here on nobody stops it, nor frees what is shared */
  timer = ended ? 0 : self->timer;
  if (!ended) self->timer = 0;
  bh_mutex_unlock(&self->lock);

  if (timer != 0) bh_timers_cancel(self->shared->timers, timer);
  if (ended) return bh_error_set(error, BH_E_NOT_VALID_STATE, context, "%s has ended", self->name);
  if (!runs && !provides)
    return bh_error_set(error, self->on_demand ? BH_E_WSLC_VM_NOT_RUNNING : BH_E_NOT_VALID_STATE, context,
                        "%s has no virtual machine", self->name);
  if (provides) {
    result = provide(self, context, error);
    bh_container_vm_end_change(self);
  }
  *vm = self->vm; /* does not change while there is work */
  if (BH_FAILED(result)) bh_container_vm_end_work(self);
  return result;
}

/* With the lock. Nothing but plugins' calls use it, and those do not count. */
static gboolean is_idle(const BhContainerVm *self) {
  return self->on_demand && self->vm != NULL && self->work == 0 && self->holds == 0;
}

/* In the place of an older one, if there is one. Where two do so at once, both timers stay: each looks at the clock again. */
static void set_timer(BhContainerVm *self, guint64 old) {
  guint64 timer;

  bh_timers_cancel(self->shared->timers, old);
  timer = bh_timers_set(self->shared->timers, bh_clock_deadline(self->idle_timeout), self->owner->timeout,
                        self->owner->ref(self->data), self->owner->unref);
  bh_mutex_lock(&self->lock);
  self->timer = timer;
  self->arming--;
  bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
}

void bh_container_vm_end_work(BhContainerVm *self) {
  gboolean arms;
  guint64 old = 0;

  bh_mutex_lock(&self->lock);
  self->work--; /* in one step with what follows: of two that end at once, one is the last */
  arms = self->idle_timeout > 0 && !self->ended && is_idle(self);
  if (arms) {
    self->arming++; /* whoever ends the session, and after that frees the timers, waits for that, and finds the timer */
    old = self->timer;
    self->timer = 0;
    self->idle_from = bh_clock_now();
  }
  bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
  if (arms) set_timer(self, old);
}

void bh_container_vm_hold(BhContainerVm *self) {
  bh_mutex_lock(&self->lock);
  self->holds++;
  bh_mutex_unlock(&self->lock);
}

void bh_container_vm_release(BhContainerVm *self) {
  gboolean works;

  bh_mutex_lock(&self->lock);
  self->holds--;
  works = !self->ended && self->vm != NULL;
  if (works) self->work++; /* the end of this work may be the beginning of the idle timeout */
  bh_mutex_unlock(&self->lock);
  if (works) bh_container_vm_end_work(self);
}

/* --- Calls ------------------------------------------------------------------------------------------------------- */

BhResult bh_container_vm_begin_call(BhContainerVm *self, BhVm **vm) {
  BhResult result;

  bh_mutex_lock(&self->lock);
  result = BH_SUCCEEDED(self->refusal) && self->died ? BH_E_NOT_VALID_STATE : self->refusal;
  if (BH_SUCCEEDED(result)) {
    self->calls++;
    *vm = self->vm;
  }
  bh_mutex_unlock(&self->lock);
  return result;
}

void bh_container_vm_end_call(BhContainerVm *self) {
  bh_mutex_lock(&self->lock);
  if (--self->calls == 0) bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
}

/* --- Idle and dead ----------------------------------------------------------------------------------------------- */

/* idle_for: µs for which nothing has used it. */
static BhResult stop_idle(BhContainerVm *self, gint64 idle_for, const char *why) {
  BhResult result = BH_OK;

  bh_mutex_lock(&self->lock);
  while (self->changing) bh_cond_wait(&self->changed, &self->lock);
  if (!self->on_demand || self->vm == NULL || self->ended)
    result = BH_E_NOT_VALID_STATE;
  else if (!is_idle(self) || bh_clock_now() - self->idle_from < idle_for)
    result = BH_E_BUSY;
  else
    self->changing = TRUE;
  bh_mutex_unlock(&self->lock);
  if (BH_FAILED(result)) return result;
  bh_container_vm_stop(self, FALSE, why);
  bh_container_vm_end_change(self);
  return BH_OK;
}

BhResult bh_container_vm_stop_idle(BhContainerVm *self, const char *why) {
  return stop_idle(self, 0, why);
}

void bh_container_vm_timeout(BhContainerVm *self) {
  stop_idle(self, self->idle_timeout, "idle");
}

void bh_container_vm_died(BhContainerVm *self) {
  bh_mutex_lock(&self->lock);
  self->died = TRUE;
  bh_mutex_unlock(&self->lock);
}

BhResult bh_container_vm_activity(BhContainerVm *self, const BhActivity *activity) {
  return bh_activity_source_tell(self->source, activity);
}

void bh_container_vm_bury(BhContainerVm *self) {
  gboolean mine;

  bh_mutex_lock(&self->lock);
  while (self->changing) bh_cond_wait(&self->changed, &self->lock);
  mine = self->vm != NULL && self->died && !self->ended;
  if (mine) {
    self->changing = TRUE;
    while (self->work > 0) bh_cond_wait(&self->changed, &self->lock); /* it ends soon: its VM has died */
  }
  bh_mutex_unlock(&self->lock);
  if (!mine) return;
  bh_container_vm_stop(self, FALSE, "it ended by itself");
  bh_container_vm_end_change(self);
}

gboolean bh_container_vm_is_dead(BhContainerVm *self) {
  gboolean dead;

  bh_mutex_lock(&self->lock);
  dead = self->ended || (!self->on_demand && self->died);
  bh_mutex_unlock(&self->lock);
  return dead;
}
