#include "vm-source.h"

static BhResult watch(gpointer data, BhWatch what) {
  BhVm *vm = data;
  return vm->class->watch != NULL ? vm->class->watch(vm, what) : BH_E_NOTIMPL;
}

static gboolean has_process(gpointer data, guint32 process, guint32 thread) {
  BhVm *vm = data;
  return vm->class->has_process != NULL && vm->class->has_process(vm, process, thread);
}

BhActivitySource *bh_vm_source_new(BhProcessNotify *notify, guint32 session, const char *name) {
  return bh_activity_source_new(
      notify, &(BhActivityOrigin){.subsystem = BH_SUBSYSTEM_WSL, .session = session, .name = name});
}

BhResult bh_vm_source_open(BhActivitySource *source, BhVm *vm, const BhContext *context, BhError **error) {
  static const BhActivitySourceClass class = {.watch = watch, .has_process = has_process};
  BhResult result = bh_activity_source_open(source, &class, vm);

  return BH_SUCCEEDED(result)
             ? BH_OK
             : bh_error_set(error, result, context, "What runs in the virtual machine cannot be watched");
}
