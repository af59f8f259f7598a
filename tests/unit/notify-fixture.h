/* notify-fixture.h: a process-notify of a test's own, sources that do what the test says, and routines that write down what they
 * are told.
 *
 *   open_notify();
 *   Observer *observer = add(BH_NOTIFY_PROCESSES, BH_NOTIFY_PLAIN, "plain");
 *   Source *host = open_source(BH_SUBSYSTEM_WIN32);
 *   tell(host, BH_PROCESS_CREATED, 7, 0);
 *   assert_log("plain:+7");
 *   close_notify();                               closes and frees what is left
 *
 * In the log: +7 -7 =7 for a process that is created, exits, shows its image; +7.9 -7.9 for its thread 9; a ! behind what may be
 * refused, a * behind what is a subsystem's. */
#pragma once

#include "core/lock-order.h"
#include "core/process-notify.h"
#include "tests/common/gate.h"

typedef struct {
  BhActivitySource *source;
  BhWatch watching; /* what it was asked for last */
  guint asked;      /* how often it was */
  BhResult answer;  /* to that */
  BhGate *asking;   /* opened when it is asked; may be NULL */
  BhGate *hold;     /* it answers once this is open; NULL: at once */
  gboolean open;
} Source;

typedef struct {
  guint64 id;
  const char *name;
  BhResult answer;
  void (*act)(gpointer data); /* what it does besides, after it has said so; may be NULL */
  gpointer data;
} Observer;

extern BhProcessNotify *notify;
extern BhTrace *trace;
extern guint complaints; /* nonsense that was traced; guarded by the trace */

void open_notify(void);
void close_notify(void);

Observer *add(BhNotifyKind kind, BhNotifyType type, const char *name);
BhResult try_to_add(BhNotifyKind kind, BhNotifyType type, Observer *observer);
void drop(Observer *observer); /* removes it */

Source *open_source(BhSubsystem subsystem);
void close_source(Source *source);
void free_source(Source *source);
void end_source(Source *source); /* both */
void assert_watches(Source *source, BhWatch what);
void await_watch(Source *source, BhWatch what); /* somebody else asks for it */

BhResult tell(Source *source, BhActivityType type, guint32 process, guint32 thread);
BhResult tell_refusable(Source *source, BhActivityType type, guint32 process);

/* tell, on a thread of its own. */
BhThread *begin_tell(Source *source, BhActivityType type, guint32 process);
BhResult result_of(BhThread *thread);

void say(const char *text);
void clear_log(void);
void assert_log(const char *expected); /* since the last time */
