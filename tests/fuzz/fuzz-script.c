/* A plugin's script: it is one, or is refused with a place and a reason. */
#include "fuzz.h"

#include "backend-mock/script.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  g_autofree char *error = NULL;
  g_autoptr(BhScript) script = bh_script_parse((const char *)data, size, &error);

  g_assert_true((script == NULL) == (error != NULL));
  if (script != NULL) g_assert_cmpuint(bh_script_hooks(script) >> BH_HOOK_COUNT, ==, 0);
  return 0;
}
