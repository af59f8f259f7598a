/* allow-list.c: a security product's agent in small: no WSL process runs that is not on its list.
 *
 *   allow-list memory /bin/echo -- /bin/echo hello          hello
 *   allow-list memory /bin/echo -- /bin/cat /etc/passwd     refused: /bin/cat …
 *
 * README.md says how to build and run it. An embedder has a backend and a guest already, and needs of this only_listed, and the
 * two calls that register and remove it. */
#include "backend-mock/mock.h"
#include "core/service.h"
#include "guest/client.h"
#include "guest/memory.h"
#include "guest/socket.h"

#include <stdio.h>
#include <string.h>

/* A process is about to begin, or to become another program, and waits for the answer; whoever wanted it gets a failure. What is
 * told afterwards (exits; what a plugin's host starts, which is Win32's) cannot be refused. */
static BhResult only_listed(gpointer data, const BhProcessNotice *notice) {
  const BhActivity *activity = &notice->activity;
  const char *const *list = data;

  if (!notice->is_subsystem_process || !activity->may_refuse) return BH_OK;
  if (activity->image != NULL && g_strv_contains(list, activity->image)) return BH_OK;
  fprintf(stderr, "refused: %s (process %u of session '%s', command line: %s)\n",
          activity->image != NULL ? activity->image : "an image nobody knows", activity->process,
          notice->origin.name, activity->command_line != NULL ? activity->command_line : "unknown");
  return BH_E_ACCESSDENIED;
}

static void print_output(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  char bytes[4096];
  gssize got;

  (void)process, (void)data;
  bh_resource_clear(&streams[BH_STDIN]);
  while ((got = bh_socket_read(streams[BH_STDOUT].value, bytes, sizeof bytes)) > 0)
    fwrite(bytes, 1, (gsize)got, stdout);
}

/* Runs a program in a session of its own, with only_listed watching. */
static BhResult run(BhService *service, const char *const *list, const char *const *program, BhError **error) {
  const BhContainerSettings settings = {.name = "example", .user = &(BhUser){0}};
  BhProcessNotify *notify = bh_service_process_notify(service);
  BhContainerSession *session;
  gint32 linux_error;
  BhResult result;
  guint64 id;

  result =
      bh_process_notify_add(notify, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, only_listed, (gpointer)list, &id);
  if (BH_FAILED(result)) return result;
  result = bh_service_create_container_session(service, &settings, &session, error);
  if (BH_SUCCEEDED(result)) {
    result = bh_container_session_run(session, &(BhProgram){program[0], program, NULL}, print_output, NULL,
                                      &linux_error, error);
    bh_service_release_container_session(service, session);
  }
  bh_process_notify_remove(notify, id);
  return result;
}

int main(int argc, char **argv) {
  gboolean memory = argc > 1 && strcmp(argv[1], "memory") == 0;
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;
  BhBackend *backend;
  BhService *service;
  BhGuest *guest;
  BhResult result;
  int end = 2;

  while (end < argc && strcmp(argv[end], "--") != 0) end++;
  if (end + 1 >= argc) {
    fprintf(stderr, "usage: allow-list memory|AGENT IMAGE... -- PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  argv[end] = NULL; /* the list ends here */
  guest = memory ? bh_guest_memory_new() : bh_guest_agent_new(argv[1]);
  backend = bh_backend_mock_new(NULL, 0); /* there are no plugins here */
  service = bh_service_new(&(BhServiceSettings){.backend = backend, .guest = guest});
  result = run(service, (const char *const *)argv + 2, (const char *const *)argv + end + 1, &error);
  bh_service_free(service);
  bh_backend_mock_free(backend);
  (memory ? bh_guest_memory_free : bh_guest_agent_free)(guest);
  text = error != NULL ? bh_error_text(error) : bh_result_to_string(result);
  if (BH_FAILED(result)) fprintf(stderr, "%s\n", text);
  return BH_FAILED(result);
}
