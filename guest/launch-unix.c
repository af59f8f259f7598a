#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "guest/launch.h"

BhResult bh_launch_agent(const char *agent_path, gintptr control, BhLaunched *launched, char **why) {
  const char *argv[] = {agent_path, NULL};
  g_autoptr(GError) error = NULL;
  GPid pid;

  /* GLib closes all other descriptors in the child. */
  if (!g_spawn_async_with_fds(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL,
                              NULL, NULL, &pid, (gint)control, -1, -1, &error)) {
    *why = g_strdup(error->message);
    return g_error_matches(error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? BH_E_FILE_NOT_FOUND : BH_E_FAIL;
  }
  launched->process = pid;
  return BH_OK;
}

void bh_launch_forget(BhLaunched *launched, gboolean end) {
  pid_t pid = (pid_t)launched->process;

  if (pid == 0) return;
  if (end) kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  launched->process = 0;
}

BhResult bh_launch_host_folder(const char *host_path, char **linux_path) {
  if (!g_file_test(host_path, G_FILE_TEST_IS_DIR)) return BH_E_FILE_NOT_FOUND;
  *linux_path = g_canonicalize_filename(host_path, NULL);
  return BH_OK;
}

BhResult bh_launch_host_file(const char *host_path, char **linux_path) {
  g_autofree char *folder = g_path_get_dirname(host_path);

  if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) return BH_E_PATH_NOT_FOUND;
  *linux_path = g_canonicalize_filename(host_path, NULL);
  return BH_OK;
}
