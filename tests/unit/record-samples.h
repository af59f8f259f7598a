/* record-samples.h: structs to encode, made from the contract's tables, one for each thing that travels.
 *
 *   for (guint i = 0; i < samples_count(); i++) {
 *     Sample *sample = sample_new(i, SAMPLE_FULL);
 *     g_autoptr(GBytes) bytes = sample_encode(sample, &why);
 *     …
 *     sample_free(sample);
 *   }
 *
 * The kinds are the hooks, then the calls that travel, then the three replies. */
#pragma once

#include "core/record.h"

typedef enum {
  SAMPLE_EMPTY, /* all zero: to decode into */
  SAMPLE_NULLS, /* zero, and NULL wherever it may be */
  SAMPLE_FULL,  /* every field has a value of its own */
} SampleFill;

typedef struct {
  guint kind;
  union {
    BhNotification notification;
    BhCall call;
    BhNotifyReply notify_reply;
    BhCallReply call_reply;
    BhLoadReply load_reply;
  } data;
} Sample;

guint samples_count(void);
const char *sample_name(guint kind); /* "OnVMStarted", "MountFolder", "CallReply" */

Sample *sample_new(guint kind, SampleFill fill);
void sample_free(Sample *sample);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sample, sample_free)

GBytes *sample_encode(const Sample *sample, const char **why);
gboolean sample_decode(Sample *sample, gconstpointer bytes, gsize size, const char **why);
void sample_clear(Sample *sample);

/* Every field of the one is in the other. */
void assert_samples_equal(const Sample *sample, const Sample *expected);

/* Nothing is in it: as it was made by SAMPLE_EMPTY, hook or api aside. */
void assert_sample_is_empty(const Sample *sample);

/* Whatever the bytes are: they are refused, with a reason and nothing left behind, or they are exactly what
 * their content is encoded to. TRUE: accepted. */
gboolean assert_refused_or_normal(guint kind, gconstpointer bytes, gsize size);

/* For each kind a test of this path with the kind's name after it; func gets the kind by GPOINTER_TO_UINT. */
void samples_add_test(const char *path, GTestDataFunc func);

/* As samples_add_test, but of kinds with the same fields for the first only: for what takes long
 * and looks at bytes alone. */
void samples_add_long_test(const char *path, GTestDataFunc func);
