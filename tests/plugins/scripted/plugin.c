#include "plugin.h"

const struct WSLPluginAPIV1 *plugin_api;
BhScriptRun *plugin_run;
BhScriptLog *plugin_log;

static BhScript *script;
static BhResult read_result = BH_E_UNEXPECTED;

/* The DLL's own path, however it is loaded; NULL: Windows does not say. */
static char *own_path(HINSTANCE instance) {
  static wchar_t path[32768];
  DWORD length = GetModuleFileNameW(instance, path, G_N_ELEMENTS(path));

  return length > 0 && length < G_N_ELEMENTS(path)
             ? g_utf16_to_utf8((const gunichar2 *)path, length, NULL, NULL, NULL)
             : NULL;
}

static void read_script(HINSTANCE instance) {
  g_autofree char *path = own_path(instance);
  g_autofree char *script_path = path != NULL ? bh_script_sibling(path, ".script") : NULL;
  g_autofree char *folder = path != NULL ? g_path_get_dirname(path) : NULL;
  g_autofree char *cause = NULL;

  if (path == NULL) return;
  plugin_log = bh_script_log_open(path);
  read_result = bh_script_read(script_path, &script, &cause);
  if (BH_SUCCEEDED(read_result))
    plugin_run = bh_script_run_new(script, &plugin_port, NULL, folder);
  else if (plugin_log != NULL)
    bh_script_log_append(plugin_log, cause);
}

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  BhVersion version = {Api->Version.Major, Api->Version.Minor, Api->Version.Revision};

  if (plugin_run == NULL) return read_result;
  plugin_api = Api;
  plugin_fill_hooks(Hooks, bh_script_hooks(script));
  return bh_script_load(plugin_run, version);
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved) {
  (void)reserved;
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  read_script(instance);
  if (plugin_run != NULL) bh_script_attach(plugin_run);
  return TRUE;
}
