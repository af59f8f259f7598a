#include "session-internal.h"

typedef struct {
  BhSession *session;
  const BhCall *call;
  BhCallReply *reply;
} Request;

/* Where the session's state may be used: see callbacks.h. */
static void serve(gpointer data) {
  Request *request = data;
  BhSession *session = request->session;
  const BhCall *call = request->call;
  BhCallReply *reply = request->reply;
  const char *const *arguments = (const char *const *)call->arguments;
  const Running *running;

  if (session->vm == NULL) {
    reply->result = BH_E_NOT_FOUND; /* the id resolves from the VM's creation until OnVMStopping has returned */
    return;
  }
  if (g_atomic_int_get(&session->died)) {
    reply->result = BH_E_NOT_VALID_STATE;
    return;
  }
  switch (call->api) {
    case BH_API_MOUNT_FOLDER:
      reply->result =
          session->vm->class->mount(session->vm, call->host_path, call->linux_path, call->read_only, call->name);
      break;
    case BH_API_EXECUTE_BINARY:
      reply->result =
          session->vm->class->execute(session->vm, BH_ROOT_NAMESPACE, call->path, arguments, &reply->resource);
      break;
    case BH_API_EXECUTE_BINARY_IN_DISTRIBUTION:
      running = bh_session_find_running(session, &call->distribution);
      if (running == NULL)
        reply->result = BH_E_DISTRO_NOT_RUNNING;
      else if (running->distribution->wsl1)
        reply->result = BH_E_WSL2_NEEDED;
      else
        reply->result = session->vm->class->execute(session->vm, running->instance.number, call->path, arguments,
                                                    &reply->resource);
      break;
    default: reply->result = BH_E_NOTIMPL; break; /* a WSLC session's call */
  }
}

void bh_session_call(BhSession *session, const BhCall *call, BhCallReply *reply) {
  Request request = {session, call, reply};
  bh_plugin_manager_callbacks(session->shared->manager)->call(&session->gate, serve, &request);
}
