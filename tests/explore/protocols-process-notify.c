/* Routines that are told of processes: slow ones, ones that hold a lock, that remove themselves and each other; sources that come
 * and go meanwhile. */
#include "protocols.h"

#include "core/process-notify.h"
#include "world.h"

static const BhLockClass test_class = {"test", BH_RANK_LEAF, FALSE};
static const BhLockClass held_class = {"held", BH_RANK_CALLBACK, FALSE};

typedef struct Scene Scene;

/* A routine. Of a process whose number is `acts_for` it does what it is here for; of others it is only told. */
typedef struct {
  Scene *scene;
  guint64 id;
  guint32 acts_for;
  void (*act)(Scene *scene, gpointer data);
  gpointer data;
  BhResult answer;
  guint calls; /* guarded by the scene's lock, as are all below */
  guint inside;
  gboolean removed; /* whoever removed it has been told that it is */
} Routine;

typedef struct {
  Scene *scene;
  BhActivitySource *source;
  BhWatch watching; /* guarded by the scene's lock, as is the next */
  gboolean asking;  /* one call at a time */
  gboolean closed;
} Source;

struct Scene {
  BhTrace *trace;
  BhWorkers *workers;
  BhProcessNotify *notify;
  BhMutex lock; /* a leaf */
  BhCond changed;
  BhMutex held; /* that a routine takes, and should not */
  gboolean flag;
  Routine routines[3];
  Source sources[3];
};

static void open_scene(Scene *scene) {
  *scene = (Scene){.trace = bh_trace_new(), .workers = bh_workers_new("worker")};
  scene->notify = bh_process_notify_new(scene->trace, scene->workers);
  bh_mutex_init(&scene->lock, &test_class);
  bh_mutex_init(&scene->held, &held_class);
  bh_cond_init(&scene->changed);
}

/* Everything has been removed and closed; who was asked to watch last must have been left alone. */
static void close_scene(Scene *scene) {
  bh_workers_free(scene->workers);
  bh_process_notify_free(scene->notify);
  for (guint i = 0; i < G_N_ELEMENTS(scene->sources); i++)
    bh_explore_expect(scene->sources[i].closed || scene->sources[i].watching == BH_WATCH_NOTHING,
                      "source %u is still watched", i);
  bh_trace_free(scene->trace);
  bh_cond_clear(&scene->changed);
  bh_mutex_clear(&scene->held);
  bh_mutex_clear(&scene->lock);
}

/* --- Routines ---------------------------------------------------------------------------------------------------- */

static BhResult on_notice(gpointer data, const BhProcessNotice *notice) {
  Routine *routine = data;
  Scene *scene = routine->scene;

  bh_mutex_lock(&scene->lock);
  bh_explore_expect(!routine->removed, "a call began after its removal had returned");
  routine->calls++;
  routine->inside++;
  bh_mutex_unlock(&scene->lock);
  if (routine->act != NULL && notice->activity.process == routine->acts_for) routine->act(scene, routine->data);
  bh_mutex_lock(&scene->lock);
  routine->inside--;
  bh_mutex_unlock(&scene->lock);
  return routine->answer;
}

static BhResult add(Scene *scene, guint index) {
  Routine *routine = &scene->routines[index];

  routine->scene = scene;
  return bh_process_notify_add(scene->notify, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, on_notice, routine,
                               &routine->id);
}

/* outside: not in a routine, so that no call is left when it returns. */
static void drop(Scene *scene, guint index, gboolean outside) {
  Routine *routine = &scene->routines[index];
  BhResult result = bh_process_notify_remove(scene->notify, routine->id);

  bh_explore_expect(result == BH_OK || result == BH_E_NOT_FOUND, "0x%08x", (guint)result);
  if (BH_FAILED(result)) return; /* another removes it, and may wait yet */
  bh_mutex_lock(&scene->lock);
  routine->removed = TRUE;
  bh_explore_expect(!outside || routine->inside == 0, "%u calls run after its removal", routine->inside);
  bh_mutex_unlock(&scene->lock);
}

static void drop_in_routine(Scene *scene, gpointer index) {
  drop(scene, GPOINTER_TO_UINT(index), FALSE);
}

/* --- Sources ----------------------------------------------------------------------------------------------------- */

static BhResult watch(gpointer data, BhWatch what) {
  Source *source = data;
  Scene *scene = source->scene;

  bh_mutex_lock(&scene->lock);
  bh_explore_expect(!source->asking, "it is asked twice at once");
  bh_explore_expect(!source->closed, "it is asked after it was closed");
  source->asking = TRUE;
  bh_mutex_unlock(&scene->lock);
  bh_mutex_lock(&scene->lock);
  source->asking = FALSE;
  source->watching = what;
  bh_mutex_unlock(&scene->lock);
  return BH_OK;
}

static const BhActivitySourceClass source_class = {.watch = watch};

static void open_source(Scene *scene, guint index) {
  static const BhActivityOrigin origin = {.subsystem = BH_SUBSYSTEM_WSL, .session = 1};
  Source *source = &scene->sources[index];

  *source = (Source){.scene = scene, .source = bh_activity_source_new(scene->notify, &origin)};
  bh_activity_source_open(source->source, &source_class, source);
}

static void end_source(Scene *scene, guint index) {
  Source *source = &scene->sources[index];

  bh_activity_source_close(source->source);
  bh_mutex_lock(&scene->lock);
  source->closed = TRUE;
  bh_mutex_unlock(&scene->lock);
  bh_activity_source_free(source->source);
}

/* The process index + 1 begins and ends. */
static BhResult run_process(Scene *scene, guint index) {
  BhActivitySource *source = scene->sources[index].source;
  BhResult result = bh_activity_source_tell(
      source, &(BhActivity){.type = BH_PROCESS_CREATED, .process = index + 1, .may_refuse = TRUE});

  bh_activity_source_tell(source, &(BhActivity){.type = BH_PROCESS_EXITED, .process = index + 1});
  return result;
}

/* --- Threads ----------------------------------------------------------------------------------------------------- */

typedef struct {
  Scene *scene;
  guint index;
  void (*func)(Scene *scene, guint index);
} Actor;

static gpointer run_actor(gpointer data) {
  Actor *actor = data;
  actor->func(actor->scene, actor->index);
  return NULL;
}

static BhThread *begin(const char *name, Actor *actor) {
  return bh_thread_new(name, BH_RANK_CALLBACK, run_actor, actor);
}

static void tell(Scene *scene, guint index) {
  run_process(scene, index);
}

static void tell_once(Scene *scene, guint index) {
  bh_activity_source_tell(scene->sources[index].source,
                          &(BhActivity){.type = BH_PROCESS_CREATED, .process = index + 1});
}

static void remove_outside(Scene *scene, guint index) {
  drop(scene, index, TRUE);
}

static void add_and_remove(Scene *scene, guint index) {
  bh_explore_expect(add(scene, index) == BH_OK, "it was not added");
  drop(scene, index, TRUE);
}

/* --- Protocols --------------------------------------------------------------------------------------------------- */

/* Removal, from outside, against a call: it waits for it. */
static void removed_while_told(gconstpointer data) {
  Scene scene;
  Actor teller = {&scene, 0, tell};
  BhThread *thread;

  (void)data;
  open_scene(&scene);
  open_source(&scene, 0);
  add(&scene, 0);
  thread = begin("teller", &teller);
  drop(&scene, 0, TRUE);
  bh_thread_join(thread);
  end_source(&scene, 0);
  close_scene(&scene);
}

static void wait_for_flag(Scene *scene, gpointer data) {
  (void)data;
  bh_mutex_lock(&scene->lock);
  while (!scene->flag) bh_cond_wait(&scene->changed, &scene->lock);
  bh_mutex_unlock(&scene->lock);
}

/* A slow one: whoever removes it waits until the flag is set; another source's processes begin meanwhile, and another routine
 * goes. */
static void slow_routine(gconstpointer data) {
  Scene scene;
  Actor teller = {&scene, 0, tell_once}, remover = {&scene, 0, remove_outside};
  BhThread *threads[2];

  (void)data;
  open_scene(&scene);
  for (guint i = 0; i < 2; i++) open_source(&scene, i);
  scene.routines[0] = (Routine){.acts_for = 1, .act = wait_for_flag};
  for (guint i = 0; i < 2; i++) add(&scene, i);
  threads[0] = begin("teller", &teller);
  threads[1] = begin("remover", &remover);
  tell_once(&scene, 1);
  drop(&scene, 1, FALSE); /* its own call may be behind the slow one, but has not begun */
  bh_mutex_lock(&scene.lock);
  scene.flag = TRUE;
  bh_cond_broadcast(&scene.changed);
  bh_mutex_unlock(&scene.lock);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  for (guint i = 0; i < 2; i++) end_source(&scene, i);
  close_scene(&scene);
}

/* In a circle over so many sources' threads, each removes the next. */
static void remove_each_other(gconstpointer data) {
  guint count = GPOINTER_TO_UINT(data);
  Actor tellers[3];
  BhThread *threads[3];
  Scene scene;

  open_scene(&scene);
  for (guint i = 0; i < count; i++) {
    open_source(&scene, i);
    scene.routines[i] =
        (Routine){.acts_for = i + 1, .act = drop_in_routine, .data = GUINT_TO_POINTER((i + 1) % count)};
    add(&scene, i);
    tellers[i] = (Actor){&scene, i, tell_once};
  }
  for (guint i = 1; i < count; i++) threads[i] = begin("teller", &tellers[i]);
  tell_once(&scene, 0);
  for (guint i = 1; i < count; i++) bh_thread_join(threads[i]);
  for (guint i = 0; i < count; i++) drop(&scene, i, TRUE);
  for (guint i = 0; i < count; i++) end_source(&scene, i);
  close_scene(&scene);
}

/* Itself, which waits for nothing; while another removes it too, which waits for it. */
static void removes_itself(gconstpointer data) {
  Scene scene;
  Actor teller = {&scene, 0, tell}, remover = {&scene, 0, remove_outside};
  BhThread *threads[2];

  (void)data;
  open_scene(&scene);
  open_source(&scene, 0);
  scene.routines[0] = (Routine){.acts_for = 1, .act = drop_in_routine, .answer = BH_E_ACCESSDENIED};
  add(&scene, 0);
  threads[0] = begin("teller", &teller);
  threads[1] = begin("remover", &remover);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  end_source(&scene, 0);
  close_scene(&scene);
}

static void add_in_routine(Scene *scene, gpointer index) {
  add(scene, GPOINTER_TO_UINT(index));
}

/* Two that come and go while a source tells: it is asked once at a time, and in the end left alone. */
static void come_and_go(gconstpointer data) {
  Scene scene;
  Actor teller = {&scene, 0, tell}, other = {&scene, 1, add_and_remove};
  BhThread *threads[2];

  (void)data;
  open_scene(&scene);
  open_source(&scene, 0);
  threads[0] = begin("teller", &teller);
  threads[1] = begin("other", &other);
  add_and_remove(&scene, 0);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  end_source(&scene, 0);
  close_scene(&scene);
}

/* A routine adds another; the source is asked by somebody else, and goes meanwhile. */
static void added_in_a_routine(gconstpointer data) {
  Scene scene;

  (void)data;
  open_scene(&scene);
  open_source(&scene, 0);
  scene.routines[0] = (Routine){.acts_for = 1, .act = add_in_routine, .data = GUINT_TO_POINTER(1)};
  add(&scene, 0);
  tell_once(&scene, 0);
  drop(&scene, 0, TRUE);
  drop(&scene, 1, TRUE);
  end_source(&scene, 0);
  close_scene(&scene);
}

/* The end of a source, with a process that ran, against removal and a newcomer: nobody asks it any more. */
static void source_ends(gconstpointer data) {
  Scene scene;
  Actor remover = {&scene, 0, remove_outside}, other = {&scene, 1, add_and_remove};
  BhThread *threads[2];

  (void)data;
  open_scene(&scene);
  open_source(&scene, 0);
  add(&scene, 0);
  tell_once(&scene, 0);
  threads[0] = begin("remover", &remover);
  threads[1] = begin("other", &other);
  end_source(&scene, 0);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  close_scene(&scene);
}

static void take_held(Scene *scene, gpointer data) {
  (void)data;
  bh_mutex_lock(&scene->held);
  bh_mutex_unlock(&scene->held);
}

static void remove_holding(Scene *scene, guint index) {
  bh_mutex_lock(&scene->held);
  drop(scene, index, TRUE);
  bh_mutex_unlock(&scene->held);
}

/* It takes a lock under which it is removed. */
static void lock_order_of_a_routine(gconstpointer data) {
  Scene scene;
  Actor teller = {&scene, 0, tell_once}, remover = {&scene, 0, remove_holding};
  BhThread *threads[2];

  (void)data;
  open_scene(&scene);
  open_source(&scene, 0);
  scene.routines[0] = (Routine){.acts_for = 1, .act = take_held};
  add(&scene, 0);
  threads[0] = begin("teller", &teller);
  threads[1] = begin("remover", &remover);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  end_source(&scene, 0);
  close_scene(&scene);
}

static void keep_lock(Scene *scene, gpointer data) {
  (void)data;
  bh_mutex_lock(&scene->lock);
  bh_mutex_lock(&scene->held); /* of a lower rank */
  bh_mutex_unlock(&scene->held);
  bh_mutex_unlock(&scene->lock);
}

/* It breaks the order of its own thread's locks. */
static void lock_order_in_a_routine(gconstpointer data) {
  Scene scene;

  (void)data;
  open_scene(&scene);
  open_source(&scene, 0);
  scene.routines[0] = (Routine){.acts_for = 1, .act = keep_lock};
  add(&scene, 0);
  tell_once(&scene, 0);
  drop(&scene, 0, TRUE);
  end_source(&scene, 0);
  close_scene(&scene);
}

static BhResult ignore(gpointer data, const BhProcessNotice *notice) {
  (void)data, (void)notice;
  return BH_OK;
}

static gpointer be_told_for_a_while(gpointer data) {
  BhProcessNotify *notify = bh_service_process_notify(((World *)data)->service);
  BhResult result;
  guint64 id;

  result = bh_process_notify_add(notify, BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, ignore, NULL, &id);
  bh_explore_expect(result == BH_OK, "0x%08x", (guint)result);
  bh_explore_expect(bh_process_notify_remove(notify, id) == BH_OK, "it was not there");
  return NULL;
}

/* A session's VM comes and goes, the latter under its lock, while somebody is told. That no VM is asked after its end the guest
 * asserts. */
static void vm_comes_and_goes(gconstpointer containers) {
  BhContainerSession *session;
  BhThread *thread;
  World world;

  world_open(&world, NULL);
  world_load(&world);
  thread = world_thread("observer", be_told_for_a_while, &world);
  if (containers == NULL) {
    world_load(&world); /* another session's */
  } else {
    bh_explore_expect(BH_SUCCEEDED(world_create(&world, "dev", FALSE, &session)), "no session");
    bh_service_release_container_session(world.service, session);
  }
  bh_thread_join(thread);
  world_close(&world);
}

static const BhProtocol protocols[] = {
    {"notify-removed-while-told", "a routine is removed while it is told: none runs, none begins",
     .run = removed_while_told},
    {"notify-slow-routine", "one that is slow, while others are told and go", .run = slow_routine},
    {"notify-two-remove-each-other", "two routines that remove each other", .run = remove_each_other,
     .data = GUINT_TO_POINTER(2)},
    {"notify-three-in-a-circle", "three that remove the next", .run = remove_each_other,
     .data = GUINT_TO_POINTER(3), .bound = 2, .alike = TRUE},
    {"notify-removes-itself", "one that removes itself, while another removes it", .run = removes_itself},
    {"notify-come-and-go", "two that come and go while a source tells", .run = come_and_go},
    {"notify-added-in-a-routine", "a routine adds one", .run = added_in_a_routine},
    {"notify-source-ends", "a source's end against removal and a newcomer", .run = source_ends},
    {"notify-vm-comes-and-goes", "a session's VM comes and goes while somebody is told", .run = vm_comes_and_goes,
     .bound = 1},
    {"notify-wslc-vm-comes-and-goes", "likewise a WSLC session's", .run = vm_comes_and_goes,
     .data = GINT_TO_POINTER(TRUE), .bound = 2},
    {"notify-removed-under-its-lock", "one is removed under a lock that it takes", .run = lock_order_of_a_routine,
     .expects = "lock order: *holds held*"},
    {"notify-breaks-the-order", "one takes locks in the wrong order", .run = lock_order_in_a_routine,
     .expects = "lock order: *takes held*"},
};

const BhProtocolTable bh_protocols_process_notify = {protocols, G_N_ELEMENTS(protocols)};
