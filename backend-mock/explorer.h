/* explorer.h: every interleaving of a few threads, up to a bound.
 *
 * A *protocol* is a function in which threads meet. It uses objects of core as any program would, expects things of them,
 * and joins its threads:
 *
 *   static void two_calls(gconstpointer data) {
 *     …
 *     BhThread *thread = bh_thread_new("caller", BH_RANK_SESSION_TABLE, call, &work);
 *     bh_instance_lock_call(&lock, …);
 *     bh_thread_join(thread);
 *     bh_explore_expect(work.runs == 1, "the work ran %u times", work.runs);
 *     …
 *   }
 *   static const BhProtocol protocols[] = {{"two-calls", "two calls on a free lock", two_calls}};
 *
 * The explorer runs it again and again, each time under another *schedule*: the answers to "who goes on?" at each choice
 * point (scheduler.h). A *preemption* is to go on with another thread although the one that runs could; that a thread blocks
 * or ends costs nothing. Few preemptions show most mistakes: schedules with at most 0, then 1, then 2 … of them are tried,
 * all of them up to the bound, depth first, and nothing is remembered but the way to the present one.
 *
 * Bounded partial-order reduction (Coons, Musuvathi, McKinley, 2013) leaves out schedules that only differ in the order of
 * steps that do not touch the same lock or condition. It is sound under the bound: where it reverses two steps it also tries
 * the earlier thread switch at which that costs no preemption. It takes for granted that threads share only what locks guard.
 *
 * Beyond the bound: random schedules with priorities that change a few times (PCT; Burckhardt and others, 2010).
 *
 * A finding comes with its *seed*: the protocol's name and the choices. The same program shows it again under that seed. */
#pragma once

#include "scheduler.h"

G_BEGIN_DECLS

/* ---- In a protocol ------------------------------------------------------------------------------------------- */

/* A finding, if the condition does not hold. The rest says, as printf does, what was found instead. */
#define bh_explore_expect(condition, ...) \
  G_STMT_START { \
    if (!(condition)) bh_explore_unfulfilled(G_STRLOC, #condition, __VA_ARGS__); \
  } \
  G_STMT_END
void bh_explore_unfulfilled(const char *site, const char *condition, const char *format, ...)
    G_GNUC_PRINTF(3, 4) G_GNUC_NORETURN;

/* Called by what may run once only. runs: 0 at first. A finding, the second time. */
void bh_explore_once(guint *runs, const char *what);

/* The state in which this execution ends, at most once in it: the reports of a search hold the set of them all. */
void bh_explore_outcome(const char *format, ...) G_GNUC_PRINTF(1, 2);

typedef struct {
  const char *name;
  const char *about;               /* what it shows, in a line */
  void (*run)(gconstpointer data); /* the first thread */
  gconstpointer data;
  const char *expects; /* the finding that must come: a pattern for "KIND: TEXT". NULL: none may come */
  guint bound;         /* as far as a full search goes; 0: BH_EXPLORE_BOUND */
  gboolean alike;      /* threads of one name do the same, so which of them begins first makes no difference */
} BhProtocol;

#define BH_EXPLORE_BOUND    3
#define BH_EXPLORE_NO_BOUND G_MAXUINT

/* ---- A search ------------------------------------------------------------------------------------------------ */

typedef struct {
  guint bound;            /* preemptions in a schedule */
  gboolean whole;         /* without reduction */
  gboolean after_release; /* see scheduler.h */
  guint spurious;         /* waits of a schedule that end for no reason */
  gint64 until;           /* g_get_monotonic_time() at which it gives up; 0: never */
} BhExploreOptions;

typedef struct {
  guint64 schedules;    /* that were run */
  guint choice_points;  /* of the schedule that had most */
  gboolean complete;    /* all there are; FALSE: time was over, or there is a finding */
  gboolean bounded;     /* there are more with more preemptions */
  GHashTable *outcomes; /* the set of them: char * */
  char *finding;        /* "KIND: TEXT", NULL: none */
  char *seed;           /* of the finding */
  char *trace;          /* the finding's threads, a column each */
} BhExploreReport;

void bh_explore_report_clear(BhExploreReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhExploreReport, bh_explore_report_clear)

/* All schedules with at most options->bound preemptions, until there is a finding. report: zeroed. */
void bh_explore_bounded(const BhProtocol *protocol, const BhExploreOptions *options, BhExploreReport *report);

/* count random schedules, until there is a finding. The same random_seed makes the same ones. Ignores bound and whole. */
void bh_explore_random(const BhProtocol *protocol, const BhExploreOptions *options, guint64 count,
                       guint64 random_seed, BhExploreReport *report);

/* The one schedule of that seed. FALSE: it is no seed, or not one of this protocol. */
gboolean bh_explore_replay(const BhProtocol *protocol, const char *seed, BhExploreReport *report);

/* ---- The command --------------------------------------------------------------------------------------------- */

/* `bulkhead explore`: all of it but the protocols. 0: no finding but those that were expected; 1: another; 2: usage. */
int bh_explore_main(int argc, char **argv, const BhProtocol *protocols, guint count);

G_END_DECLS
