/* script-internal.h: a script between its parser and its interpreter.
 *
 * script-parse.c turns text into nodes, script-actions.c and script-actions-wslc.c have the actions, script-run.c
 * runs them, script-document.c reads what hooks bring along. */
#pragma once

#include "script.h"

#include "core/sync.h"

G_BEGIN_DECLS

#define BH_SCRIPT_MAX_SIZE     (64u * 1024u)
#define BH_SCRIPT_MAX_DEPTH    8u
#define BH_SCRIPT_MAX_PARALLEL 64u
#define BH_SCRIPT_MAX_OUTPUT   (64u * 1024u)

typedef struct BhScriptAction BhScriptAction;
typedef struct BhScriptContext BhScriptContext;

typedef struct {
  char *text; /* with its %VARIABLES% */
  gboolean quoted;
  guint column; /* from 1, in characters */
} BhScriptWord;

typedef struct {
  const BhScriptAction *action;
  guint line, column;
  GArray *words;   /* BhScriptWord, after the action's name; the last may be a TEXT */
  GPtrArray *body; /* BhScriptNode of a block, else NULL */
} BhScriptNode;

/* Handlers: the hooks, by number, and two more. */
enum { BH_HANDLER_LOAD = BH_HOOK_COUNT, BH_HANDLER_ATTACH, BH_HANDLER_COUNT };

struct BhScript {
  GPtrArray *handlers[BH_HANDLER_COUNT]; /* of BhScriptNode; NULL: there is none */
};

/* Where a line stands. */
typedef enum {
  BH_PLACE_ATTACH = 1 << 0,
  BH_PLACE_LOAD = 1 << 1,
  BH_PLACE_HOOK = 1 << 2,
  BH_PLACE_THREAD = 1 << 3,
  BH_PLACE_PARALLEL = 1 << 4,
  BH_PLACE_LOOP = 1 << 5,
} BhPlace;

typedef enum {
  BH_FLOW_NEXT,
  BH_FLOW_RETURN, /* the handler's result is in its context */
  BH_FLOW_GONE,   /* the host is */
} BhFlow;

/* What a word must be. */
typedef enum {
  BH_WORD_ANY,
  BH_WORD_NAME,         /* letters, digits, - and _ */
  BH_WORD_NUMBER,       /* below 2^32 */
  BH_WORD_COUNT,        /* 1 to BH_SCRIPT_MAX_PARALLEL */
  BH_WORD_RESULT,       /* a name or number of a result */
  BH_WORD_DISTRIBUTION, /* %DISTRIBUTION%, a GUID, unknown */
  BH_WORD_SESSION,      /* a number, or `hook` */
  BH_WORD_MODE,         /* ro, rw */
  BH_WORD_ASSIGNMENT,   /* NAME=VALUE */
  BH_WORD_STREAM,       /* stdout, stderr */
  BH_WORD_APARTMENT,    /* none, mta, sta */
  BH_WORD_CRASH,        /* a kind of crash */
  BH_WORD_TEXT,         /* the rest of the line, at least a character */
} BhWordKind;

/* One row of the table of actions. */
struct BhScriptAction {
  const char *name;
  const char *usage;   /* its words, for people */
  guint min, max;      /* number of words */
  BhWordKind words[4]; /* the further ones are BH_WORD_ANY */
  guint forbidden;     /* BhPlace bits */
  BhPlace block;       /* what its lines stand in; 0: it has none */
  BhFlow (*run)(BhScriptContext *context, const BhScriptNode *node);
};

extern const BhScriptAction bh_script_actions[];
extern const guint bh_script_action_count;

extern const char *const bh_script_apartments[]; /* by BhApartment, NULL-terminated */
extern const char *const bh_script_crashes[];    /* by BhCrash, NULL-terminated */
extern const char *const bh_script_handles[];    /* null and bogus: no process is named so; NULL-terminated */

/* Its index in a NULL-terminated list, or -1. */
gint bh_script_index(const char *const *list, const char *text);

/* A handler's run: what the actions and threads that come of it share. Freed with its last reference. */
typedef struct {
  guint references; /* guarded by the run's lock, as is the next */
  gboolean returning;
  BhNotification notification; /* of its own; zero in attach and load */
} BhScriptFrame;

/* One thread's way through a handler or block. */
struct BhScriptContext {
  BhScriptRun *run;
  BhScriptFrame *frame;
  guint32 session;    /* that calls name */
  char **environment; /* that processes are given; owned; NULL: none */
  gboolean quiet;     /* in a parallel or loop: nothing but `log` is logged */
  guint failures;
  BhResult first_failure;
  BhResult result; /* with BH_FLOW_RETURN */
};

struct BhScriptRun {
  const BhScript *script;
  const BhScriptPort *port;
  gpointer host;
  char *folder;
  BhVersion version; /* set before any thread but the one that loads runs in here */

  BhMutex lock;   /* guards what follows, and the frames */
  BhCond changed; /* any of it */
  gboolean gone;
  GHashTable *signals;   /* name: the set of those given */
  GHashTable *meetings;  /* name to BhScriptMeeting */
  GHashTable *threads;   /* name to the port's thread, not yet joined; nodes own the names */
  GHashTable *processes; /* "session name" to the handle (guint64); both owned */
  GHashTable *children;  /* name to the port's child, not yet killed; nodes own the names */
  GHashTable *names;     /* "session id" of a container or image to its name; both owned */
};

typedef struct {
  guint arrived, round;
} BhScriptMeeting;

/* The names of variables, in the order of enum BhScriptVariable in script-run.c; NULL-terminated. */
extern const char *const bh_script_variables[];

/* script-run.c, for the actions. */
BhFlow bh_script_run_block(BhScriptContext *context, const GPtrArray *body);
char *bh_script_expand(const BhScriptContext *context, const BhScriptWord *word);
char *bh_script_expand_or_null(const BhScriptContext *context, const BhScriptWord *word);
void bh_script_log(const BhScriptContext *context, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Logs "what RESULT" and, right behind it, more (may be NULL), where it is to be logged, and counts a failure. */
void bh_script_report(BhScriptContext *context, BhResult result, const char *more, const char *what, ...)
    G_GNUC_PRINTF(4, 5);
/* The context of a block within context's; and its end, which bh_script_run_block sees to. */
BhScriptContext bh_script_inner(const BhScriptContext *context, BhScriptFrame *frame, gboolean quiet);
void bh_script_context_end(BhScriptContext *context);
BhScriptFrame *bh_script_frame_ref(BhScriptRun *run, BhScriptFrame *frame);
void bh_script_frame_unref(BhScriptRun *run, BhScriptFrame *frame);

/* script-actions.c: words as numbers, and as an argv: the word `first` and the rest; NULL: it stands alone. */
guint32 bh_script_number(const BhScriptWord *word);
char **bh_script_arguments(const BhScriptContext *context, const BhScriptNode *node, guint first);

/* script-actions-wslc.c: rows of the table. */
BhFlow bh_script_wslc_mount(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_wslc_unmount(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_env(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_process(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_process_write(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_process_read(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_process_fd(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_process_wait(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_process_code(BhScriptContext *context, const BhScriptNode *node);
BhFlow bh_script_process_release(BhScriptContext *context, const BhScriptNode *node);

/* script-document.c: the string that a JSON object has under key, or the first one of an array there. The caller's.
 * NULL: it has none, or json is no object. */
char *bh_script_document_text(const char *json, const char *key);

static inline const BhScriptWord *bh_script_word(const BhScriptNode *node, guint index) {
  return &g_array_index(node->words, BhScriptWord, index);
}

G_END_DECLS
