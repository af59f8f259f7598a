/* All schedules up to a bound, depth first. What is kept is the way to the present one: a node for each of its choices. */
#include "explorer-internal.h"

#include "explorer-reduction.h"

#include <string.h>

typedef struct {
  GArray *nodes;     /* BhNode: the choices of the present schedule */
  guint position;    /* in the execution that runs: the next choice */
  guint preemptions; /* in it, so far */
  guint bound;
  gboolean was_bounded; /* it kept a choice from being made */
  gboolean reduce;
  BhReduction *reduction;
} Search;

static guint64 bits_below(guint count) {
  return count >= 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT(1) << count) - 1;
}

/* At the bound, no choice but to let the running thread go on. */
static guint64 allowed_options(Search *search, const BhChoice *choice) {
  if (choice->kind == BH_CHOICE_PREEMPTION && search->preemptions >= search->bound) {
    search->was_bounded = TRUE;
    return 1;
  }
  return bits_below(choice->count);
}

static void add_node(Search *search, const BhChoice *choice) {
  BhNode node = {.kind = choice->kind, .count = (guint8)choice->count, .allowed = allowed_options(search, choice)};

  bh_scheduler_steps(&node.step);
  node.done = 1;
  if (!search->reduce || choice->kind == BH_CHOICE_IS_SIGNALLED) node.todo = node.allowed & ~node.done;
  for (guint i = 0; i < choice->count; i++) node.thread[i] = choice->thread[i];
  g_array_append_val(search->nodes, node);
}

/* A protocol that depends on more than the choices. */
static const char different[] = "not the same again";

static gboolean is_same(const BhNode *node, const BhChoice *choice) {
  return node->kind == choice->kind && node->count == choice->count &&
         memcmp(node->thread, choice->thread, choice->count) == 0;
}

static guint choose(const BhChoice *choice, gpointer data) {
  Search *search = data;
  const BhNode *node;

  if (search->position == search->nodes->len) add_node(search, choice);
  node = &g_array_index(search->nodes, BhNode, search->position++);
  if (!is_same(node, choice))
    bh_scheduler_fail(different, "choice %u had %u options before, and has %u now or other ones", search->position,
                      node->count, choice->count);
  if (choice->kind == BH_CHOICE_PREEMPTION && node->chosen != 0) search->preemptions++;
  return node->chosen;
}

/* To the next schedule: another option at the last choice that has one left. FALSE: there is none. */
static gboolean advance(Search *search) {
  while (search->nodes->len > 0) {
    BhNode *node = &g_array_index(search->nodes, BhNode, search->nodes->len - 1);
    if (node->todo != 0) {
      node->chosen = (guint8)__builtin_ctzll(node->todo);
      node->todo &= node->todo - 1;
      node->done |= G_GUINT64_CONSTANT(1) << node->chosen;
      return TRUE;
    }
    g_array_set_size(search->nodes, search->nodes->len - 1);
  }
  return FALSE;
}

void bh_explore_bounded(const BhProtocol *protocol, const BhExploreOptions *options, BhExploreReport *report) {
  Search search = {.nodes = g_array_new(FALSE, FALSE, sizeof(BhNode)),
                   .bound = options->bound,
                   .reduce = !options->whole && !options->after_release && options->spurious == 0,
                   .reduction = bh_reduction_new(options->bound != BH_EXPLORE_NO_BOUND)};
  gboolean more = TRUE;

  bh_explore_begin(report);
  while (more && !bh_explore_is_over(options, report)) {
    search.position = search.preemptions = 0;
    if (!bh_explore_one(protocol, options, choose, &search, report)) break;
    if (search.position < search.nodes->len) {
      bh_explore_keep_finding(report, &(BhFinding){different, "it ended earlier than before"});
      break;
    }
    if (search.reduce) bh_reduction_look(search.reduction, search.nodes);
    more = advance(&search);
  }
  report->complete = !more;
  report->bounded = search.was_bounded;
  bh_explore_end();
  bh_reduction_free(search.reduction);
  g_array_unref(search.nodes);
}
