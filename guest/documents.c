#include "guest/documents.h"

#include "guest/json.h"

#include <string.h>

#define ID_WORDS 8                      /* of 32 bits: 64 hexadecimal digits */
#define NEVER    "0001-01-01T00:00:00Z" /* Docker's time of what has not happened */

/* What images are made for, as Docker calls it. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "unknown"
#endif

static char *now(void) {
  g_autoptr(GDateTime) time = g_date_time_new_now_utc();

  return g_date_time_format_iso8601(time);
}

static json_t *texts(const char *const *list) {
  json_t *array = json_array();

  for (; list != NULL && *list != NULL; list++) json_array_append_new(array, bh_json_string(*list));
  return array;
}

static char *random_id(void) {
  g_autoptr(GString) id = g_string_new(NULL);

  for (int i = 0; i < ID_WORDS; i++) g_string_append_printf(id, "%08x", g_random_int());
  return g_string_free(g_steal_pointer(&id), FALSE);
}

void bh_describe_container(const BhContainerSpec *spec, guint32 number, BhDescription *container) {
  const char *const only_path[] = {spec->program.path, NULL};
  const char *const *arguments = spec->program.arguments;
  g_autofree char *time = now();
  char *id = random_id();
  json_t *state, *config, *document;

  if (arguments == NULL || arguments[0] == NULL) arguments = only_path;
  state = json_pack("{s:s, s:b, s:i, s:s, s:s}", "Status", "running", "Running", 1, "ExitCode", 0, "StartedAt",
                    time, "FinishedAt", NEVER);
  config = json_pack("{s:o, s:o, s:o}", "Image", bh_json_string(spec->image), "Cmd", texts(arguments), "Env",
                     texts(spec->program.environment));
  document =
      json_pack("{s:s, s:o, s:s, s:o, s:o, s:{}, s:o, s:{}, s:[], s:{}, s:{s:{}}}", "Id", id, "Name",
                bh_json_string(spec->name), "Created", time, "Image", bh_json_string(spec->image), "State", state,
                "HostConfig", "Config", config, "Labels", "Mounts", "Ports", "NetworkSettings", "Networks");
  *container = (BhDescription){number, id, bh_json_take_text(document)};
}

/* Name and root with the NUL between them, which neither holds. The machine's own is no folder's name. */
static char *image_id(const char *name, const char *root) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

  g_checksum_update(checksum, (const guchar *)name, (gssize)strlen(name) + 1);
  if (root != NULL) g_checksum_update(checksum, (const guchar *)root, (gssize)strlen(root) + 1);
  return g_strconcat("sha256:", g_checksum_get_string(checksum), NULL);
}

void bh_describe_image(const char *name, const char *root, BhDescription *image) {
  g_autofree char *time = now();
  char *id = image_id(name, root);
  json_t *document =
      json_pack("{s:s, s:[o], s:s, s:s, s:s, s:i, s:{}}", "Id", id, "RepoTags", bh_json_string(name), "Created",
                time, "Architecture", ARCHITECTURE, "Os", "linux", "Size", 0, "Config");

  *image = (BhDescription){0, id, bh_json_take_text(document)};
}
