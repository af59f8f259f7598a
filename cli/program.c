#include "program.h"

#include "guest/event.h"
#include "guest/socket.h"

#define OUTPUT_MAX (64u * 1024u)

typedef struct {
  gintptr socket;
  GString *text;
} Reading;

typedef struct {
  GString *texts[BH_STREAM_COUNT];
  BhResult result; /* of watching it to its end */
  gint32 status;
} Watch;

static const BhContext run_context = {NULL, "Scenario"};

/* To the end: what is too much is read all the same, so that the program can print it. */
static gpointer read_stream(gpointer data) {
  const Reading *reading = data;
  char some[4096];
  gssize got;

  while ((got = bh_socket_read(reading->socket, some, sizeof some)) > 0)
    g_string_append_len(reading->text, some, MIN(got, (gssize)(OUTPUT_MAX - reading->text->len)));
  return NULL;
}

static BhResult await_end(BhProcess *process, gint32 *status) {
  BhResource event = {0};
  BhResult result = process->class->process_event(process, &event);

  if (BH_SUCCEEDED(result) && !bh_event_wait(event.value, -1)) result = BH_E_FAIL;
  bh_resource_clear(&event);
  return BH_SUCCEEDED(result) ? process->class->process_exit_code(process, status) : result;
}

/* stdout on this thread and stderr on another: whoever reads one after the other may wait for a program that waits for
 * him. */
static void watch(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  Watch *self = data;
  Reading out = {streams[BH_STDOUT].value, self->texts[BH_STDOUT]};
  Reading err = {streams[BH_STDERR].value, self->texts[BH_STDERR]};
  BhThread *thread = bh_thread_new("program-stderr", BH_RANK_LEAF, read_stream, &err);

  bh_resource_clear(&streams[BH_STDIN]);
  if (thread == NULL) bh_resource_clear(&streams[BH_STDERR]); /* it must not wait for a reader */
  read_stream(&out);
  if (thread != NULL) bh_thread_join(thread);
  self->result = await_end(process, &self->status);
}

static char *output_of(const Watch *watch) {
  char *text = g_strconcat(watch->texts[BH_STDOUT]->str, watch->texts[BH_STDERR]->str, NULL);
  char *valid = g_utf8_make_valid(text, -1);

  g_free(text);
  return g_strchomp(valid);
}

BhResult bh_program_run(BhContainerSession *session, char *const *argv, char **output, BhError **error) {
  BhProgram program = {.path = argv[0], .arguments = (const char *const *)argv};
  Watch self = {.texts = {[BH_STDOUT] = g_string_new(NULL), [BH_STDERR] = g_string_new(NULL)}};
  gint32 linux_error = 0;
  BhResult result = bh_container_session_run(session, &program, watch, &self, &linux_error, error);

  if (BH_FAILED(result) && linux_error != 0) {
    g_clear_pointer(error, bh_error_free); /* it does not say why */
    bh_error_set(error, result, &run_context, "'%s' could not be executed: errno %d", argv[0], linux_error);
  } else if (BH_SUCCEEDED(result) && BH_FAILED(self.result)) {
    result = bh_error_set(error, self.result, &run_context, "'%s' was lost sight of", argv[0]);
  } else if (BH_SUCCEEDED(result) && self.status != 0) {
    result = bh_error_set(error, BH_E_FAIL, &run_context, "'%s' ended with exit status %d", argv[0], self.status);
  }
  *output = output_of(&self);
  g_string_free(self.texts[BH_STDOUT], TRUE);
  g_string_free(self.texts[BH_STDERR], TRUE);
  return result;
}
