#include "guest/agent/program.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

AgentProgram *agent_program_take(BhGuestMessage *message) {
  AgentProgram *program = g_new(AgentProgram, 1);

  program->path = g_steal_pointer(&message->guest_path);
  program->arguments = g_steal_pointer(&message->arguments);
  program->environment = g_steal_pointer(&message->environment);
  return program;
}

void agent_program_free(AgentProgram *program) {
  g_free(program->path);
  g_strfreev(program->arguments);
  g_strfreev(program->environment);
  g_free(program);
}

static void append(GString *bytes, const char *string) {
  g_string_append_len(bytes, string, (gssize)strlen(string) + 1);
}

static void append_all(GString *bytes, char *const *strings) {
  for (; strings != NULL && *strings != NULL; strings++) append(bytes, *strings);
}

static int bytes_to_file(const GString *bytes) {
  int file = memfd_create("bulkhead", MFD_CLOEXEC);
  gsize written = 0;
  gssize some = 0;

  while (file >= 0 && written < bytes->len && some >= 0) {
    some = write(file, bytes->str + written, bytes->len - written);
    if (some > 0) written += (gsize)some;
  }
  if (file >= 0 && (some < 0 || lseek(file, 0, SEEK_SET) < 0)) {
    close(file);
    return -1;
  }
  return file;
}

int agent_program_to_file(const AgentProgram *program) {
  g_autoptr(GString) bytes = g_string_new(NULL);

  append(bytes, program->path);
  append_all(bytes, program->arguments);
  append_all(bytes, program->environment);
  return bytes_to_file(bytes);
}

int agent_strings_to_file(char *const *strings) {
  g_autoptr(GString) bytes = g_string_new(NULL);

  append_all(bytes, strings);
  return bytes_to_file(bytes);
}
