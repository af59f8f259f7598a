#include "container-session-internal.h"

/* One that starts, runs, or is being stopped. */
typedef struct {
  char *name, *id;
  guint32 number;     /* 0: the guest has not started it yet */
  gboolean announced; /* the plugins have agreed: they are told of its end */
  gboolean running;   /* … and nobody stops it yet */
  gboolean ended;     /* by itself */
} Container;

typedef struct {
  char *name, *root, *id;
  gboolean ready; /* its making has been told */
} Image;

static const BhLockClass containers_class = {"containers", BH_RANK_LEAF, FALSE};

static void container_free(gpointer data) {
  Container *container = data;

  g_free(container->name);
  g_free(container->id);
  g_free(container);
}

static void image_free(gpointer data) {
  Image *image = data;

  g_free(image->name);
  g_free(image->root);
  g_free(image->id);
  g_free(image);
}

void bh_containers_init(BhContainerSession *session) {
  session->containers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, container_free);
  session->images = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, image_free);
  session->early_ends = g_hash_table_new(NULL, NULL);
  bh_mutex_init(&session->lock, &containers_class);
}

void bh_containers_clear(BhContainerSession *session) {
  bh_mutex_clear(&session->lock);
  g_hash_table_unref(session->containers);
  g_hash_table_unref(session->images);
  g_hash_table_unref(session->early_ends);
}

/* --- Containers -------------------------------------------------------------------------------------------------- */

static const char *known_id(const char *id) {
  return id != NULL ? id : ""; /* the guest's, which may be an embedder's */
}

/* With the lock. Nobody is being started any more: whatever ended early is of no matter. */
static void forget_early_ends(BhContainerSession *session) {
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init(&iter, session->containers);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (((Container *)value)->number == 0) return;
  g_hash_table_remove_all(session->early_ends);
}

static void remove_container(BhContainerSession *session, Container *container) {
  bh_mutex_lock(&session->lock);
  g_hash_table_remove(session->containers, container->name);
  forget_early_ends(session);
  bh_mutex_unlock(&session->lock);
}

/* Whoever gets it stops it; NULL: it does not run, or another stops it. */
static Container *claim_container(BhContainerSession *session, const char *name, gboolean *exists) {
  Container *container;

  bh_mutex_lock(&session->lock);
  container = g_hash_table_lookup(session->containers, name);
  *exists = container != NULL;
  if (container != NULL && !container->running) container = NULL;
  if (container != NULL) container->running = FALSE;
  bh_mutex_unlock(&session->lock);
  return container;
}

/* C-, for one that plugins have agreed to, and the end of a claimed one. A guest that cannot end it leaves it running, and
 * C- comes again at the next try; but for a VM that is going anyway (force), or has died. */
static BhResult stop_container(BhContainerSession *session, Container *container, BhVm *vm, gboolean force) {
  BhTraceEvent span = bh_trace_begin(session->label, "stop container");
  gboolean announced = container->announced;
  BhResult result;

  if (announced)
    bh_container_session_notify(session, BH_HOOK_CONTAINER_STOPPING, known_id(container->id), NULL, NULL);
  result = vm->class->container_stop(vm, container->number);
  bh_trace_end(session->shared->trace, &span, result, "%s", container->name);
  if (BH_FAILED(result) && result != BH_E_NOT_VALID_STATE && !force) {
    bh_mutex_lock(&session->lock);
    container->running = TRUE; /* whether the plugins agreed to it or not: it can be tried again */
    bh_mutex_unlock(&session->lock);
    return result;
  }
  remove_container(session, container);
  if (announced) bh_container_vm_release(&session->vm);
  return BH_OK;
}

/* All that run, when the VM stops: no work goes on that could start another, or stop one of these. */
void bh_containers_stop_all(gpointer data, BhVm *vm) {
  BhContainerSession *session = data;
  GList *running;

  bh_mutex_lock(&session->lock);
  running = g_hash_table_get_values(session->containers);
  for (GList *i = running; i != NULL; i = i->next) ((Container *)i->data)->running = FALSE;
  bh_mutex_unlock(&session->lock);
  for (GList *i = running; i != NULL; i = i->next) stop_container(session, i->data, vm, TRUE);
  g_list_free(running);
}

void bh_containers_stop_ended(BhContainerSession *session, BhVm *vm) {
  g_autoptr(GPtrArray) ended = g_ptr_array_new();
  GHashTableIter iter;
  gpointer value;

  bh_mutex_lock(&session->lock);
  g_hash_table_iter_init(&iter, session->containers);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Container *container = value;
    if (!container->ended || !container->running) continue;
    container->running = FALSE;
    g_ptr_array_add(ended, container);
  }
  bh_mutex_unlock(&session->lock);
  for (guint i = 0; i < ended->len; i++) stop_container(session, ended->pdata[i], vm, FALSE);
}

static void after_container_end(gpointer data) {
  BhContainerSession *session = data;
  BhVm *vm;

  /* Where the VM is being stopped, that stops it too. */
  if (BH_SUCCEEDED(bh_container_vm_begin_work(&session->vm, FALSE, &vm, NULL, NULL))) {
    bh_containers_stop_ended(session, vm);
    bh_container_vm_end_work(&session->vm);
  }
  bh_container_session_unref(session);
}

/* Where no thread can be had, the session's next operation sees to it. */
void bh_containers_on_ended(gpointer data, guint32 number) {
  BhContainerSession *session = data;
  GHashTableIter iter;
  gpointer value;
  gboolean known = FALSE, starting = FALSE;

  bh_mutex_lock(&session->lock);
  g_hash_table_iter_init(&iter, session->containers);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Container *container = value;
    if (container->number == 0) starting = TRUE;
    if (container->number != number) continue;
    container->ended = known = TRUE;
  }
  if (!known && starting) g_hash_table_add(session->early_ends, GUINT_TO_POINTER(number));
  bh_mutex_unlock(&session->lock);
  if (known) bh_container_session_post(session, after_container_end);
}

/* --- Starting one ------------------------------------------------------------------------------------------------ */

/* With the lock. NULL: there is none whose making has been told. */
static const Image *find_image(BhContainerSession *session, const char *name) {
  const Image *image = name != NULL ? g_hash_table_lookup(session->images, name) : NULL;
  return image != NULL && image->ready ? image : NULL;
}

/* Takes the name, and finds the image's root. */
static BhResult reserve_container(BhContainerSession *session, const BhContainerSpec *spec, Container **container,
                                  char **root, const BhContext *context, BhError **error) {
  const Image *image;
  BhResult result = BH_OK;

  bh_mutex_lock(&session->lock);
  image = find_image(session, spec->image);
  if (spec->root == NULL && image == NULL) {
    result = BH_E_NOT_FOUND;
  } else if (g_hash_table_contains(session->containers, spec->name)) {
    result = BH_E_ALREADY_EXISTS;
  } else {
    *container = g_new0(Container, 1);
    (*container)->name = g_strdup(spec->name);
    g_hash_table_insert(session->containers, (*container)->name, *container);
    *root = g_strdup(image == NULL ? spec->root : spec->root != NULL ? spec->root : image->root);
  }
  bh_mutex_unlock(&session->lock);
  if (result == BH_E_NOT_FOUND)
    return bh_error_set(error, result, context, "There is no image '%s'", known_id(spec->image));
  if (result == BH_E_ALREADY_EXISTS)
    return bh_error_set(error, result, context, "There is a container '%s' already", spec->name);
  return BH_OK;
}

/* The guest runs it. */
static void set_number(BhContainerSession *session, Container *container, BhDescription *description) {
  bh_mutex_lock(&session->lock);
  container->number = description->number;
  container->id = g_steal_pointer(&description->id);
  container->ended = g_hash_table_remove(session->early_ends, GUINT_TO_POINTER(container->number));
  forget_early_ends(session);
  bh_mutex_unlock(&session->lock);
}

/* The plugins agreed. TRUE: it has ended by itself meanwhile, and the caller has claimed it. */
static gboolean set_running(BhContainerSession *session, Container *container) {
  gboolean ended;

  bh_container_vm_hold(&session->vm);
  bh_mutex_lock(&session->lock);
  container->announced = TRUE;
  ended = container->ended;
  container->running = !ended;
  bh_mutex_unlock(&session->lock);
  return ended;
}

/* With work going on. */
static BhResult start_container(BhContainerSession *session, BhVm *vm, const BhContainerSpec *wanted,
                                const BhContext *context, BhError **error) {
  BhTraceEvent span = bh_trace_begin(session->label, "start container");
  g_auto(BhDescription) description = {0};
  g_autofree char *root = NULL;
  Container *container = NULL;
  BhContainerSpec spec = *wanted;
  BhResult result = reserve_container(session, wanted, &container, &root, context, error);

  if (BH_FAILED(result)) return result;
  g_assert(container != NULL);
  spec.root = root;
  result = vm->class->container_start(vm, &spec, &description);
  bh_trace_end(session->shared->trace, &span, result, "%s of %s", spec.name, known_id(spec.image));
  if (BH_FAILED(result)) {
    remove_container(session, container);
    return bh_error_set(error, result, context, "The container '%s' could not be started", spec.name);
  }

  set_number(session, container, &description);
  result = bh_container_session_notify(session, BH_HOOK_CONTAINER_STARTED, known_id(description.document), context,
                                       error);
  if (BH_FAILED(result))
    stop_container(session, container, vm, FALSE);
  else if (set_running(session, container))
    stop_container(session, container, vm, FALSE);
  return result;
}

/* --- Operations -------------------------------------------------------------------------------------------------- */

/* Every operation here is between begin and bh_container_vm_end_work. */
static BhResult begin(BhContainerSession *session, gboolean start, BhVm **vm, const BhContext *context,
                      BhError **error) {
  BhResult result = bh_container_vm_begin_work(&session->vm, start, vm, context, error);

  if (BH_SUCCEEDED(result)) bh_containers_stop_ended(session, *vm);
  return result;
}

/* Likewise, for what may not be there: no VM is started for the sake of that. */
static BhResult begin_with(BhContainerSession *session, gboolean start, BhVm **vm, const char *kind,
                           const char *name, const BhContext *context, BhError **error) {
  g_autoptr(BhError) failure = NULL;
  BhResult result = begin(session, start, vm, context, &failure);

  if (result == BH_E_WSLC_VM_NOT_RUNNING)
    return bh_error_set(error, BH_E_NOT_FOUND, context, "There is no %s '%s'", kind, name);
  if (BH_FAILED(result) && error != NULL) *error = g_steal_pointer(&failure);
  return result;
}

BhResult bh_container_session_start_container(BhContainerSession *session, const BhContainerSpec *spec,
                                              BhError **error) {
  BhContext context = {&bh_service_context, "CreateContainer"};
  BhVm *vm;
  BhResult result = begin(session, TRUE, &vm, &context, error);

  if (BH_FAILED(result)) return result;
  result = start_container(session, vm, spec, &context, error);
  bh_container_vm_end_work(&session->vm);
  return result;
}

BhResult bh_container_session_stop_container(BhContainerSession *session, const char *name, BhError **error) {
  BhContext context = {&bh_service_context, "StopContainer"};
  gboolean exists;
  Container *container;
  BhVm *vm;
  BhResult result = begin_with(session, FALSE, &vm, "container", name, &context, error);

  if (BH_FAILED(result)) return result;
  container = claim_container(session, name, &exists);
  if (container != NULL) {
    result = stop_container(session, container, vm, FALSE);
    if (BH_FAILED(result)) bh_error_set(error, result, &context, "The container '%s' could not be stopped", name);
  } else if (exists) {
    result = bh_error_set(error, BH_E_BUSY, &context, "The container '%s' is just being started or stopped", name);
  } else {
    result = bh_error_set(error, BH_E_NOT_FOUND, &context, "There is no container '%s'", name);
  }
  bh_container_vm_end_work(&session->vm);
  return result;
}

/* Takes the name; nobody else uses the image before it is ready. FALSE: it is taken. */
static gboolean reserve_image(BhContainerSession *session, const char *name, const char *root,
                              BhDescription *description) {
  gboolean taken;

  bh_mutex_lock(&session->lock);
  taken = g_hash_table_contains(session->images, name);
  if (!taken) {
    Image *image = g_new(Image, 1);
    *image = (Image){g_strdup(name), g_strdup(root), g_steal_pointer(&description->id), FALSE};
    g_hash_table_insert(session->images, image->name, image);
  }
  bh_mutex_unlock(&session->lock);
  return !taken;
}

static void set_ready(BhContainerSession *session, const char *name) {
  bh_mutex_lock(&session->lock);
  ((Image *)g_hash_table_lookup(session->images, name))->ready = TRUE;
  bh_mutex_unlock(&session->lock);
}

/* With work going on. */
static BhResult create_image(BhContainerSession *session, BhVm *vm, const char *name, const char *root,
                             BhImageOrigin origin, const BhContext *context, BhError **error) {
  g_auto(BhDescription) description = {0};
  BhResult result = vm->class->image_create(vm, name, root, &description);

  if (BH_FAILED(result))
    return bh_error_set(error, result, context, "No image '%s' can be made of '%s'", name,
                        root != NULL ? root : "/");
  if (!reserve_image(session, name, root, &description))
    return bh_error_set(error, BH_E_ALREADY_EXISTS, context, "There is an image '%s' already", name);
  if (origin == BH_IMAGE_PULLED || origin == BH_IMAGE_IMPORTED)
    bh_container_session_notify(session, BH_HOOK_IMAGE_CREATED, known_id(description.document), NULL, NULL);
  set_ready(session, name);
  return BH_OK;
}

BhResult bh_container_session_create_image(BhContainerSession *session, const char *name, const char *root,
                                           BhImageOrigin origin, BhError **error) {
  BhContext context = {&bh_service_context, "CreateImage"};
  BhVm *vm;
  BhResult result = begin(session, TRUE, &vm, &context, error);

  if (BH_FAILED(result)) return result;
  result = create_image(session, vm, name, root, origin, &context, error);
  bh_container_vm_end_work(&session->vm);
  return result;
}

/* Whoever gets it is the one to delete it; the caller's. NULL: there is none. */
static Image *take_image(BhContainerSession *session, const char *name) {
  gpointer image = NULL;

  bh_mutex_lock(&session->lock);
  if (find_image(session, name) != NULL) g_hash_table_steal_extended(session->images, name, NULL, &image);
  bh_mutex_unlock(&session->lock);
  return image;
}

static gboolean has_image(BhContainerSession *session, const char *name) {
  gboolean has;

  bh_mutex_lock(&session->lock);
  has = find_image(session, name) != NULL;
  bh_mutex_unlock(&session->lock);
  return has;
}

BhResult bh_container_session_delete_image(BhContainerSession *session, const char *name, BhError **error) {
  BhContext context = {&bh_service_context, "DeleteImage"};
  Image *image;
  BhVm *vm;
  BhResult result = begin_with(session, has_image(session, name), &vm, "image", name, &context, error);

  if (BH_FAILED(result)) return result;
  image = take_image(session, name);
  if (image != NULL) {
    bh_container_session_notify(session, BH_HOOK_IMAGE_DELETED, known_id(image->id), NULL, NULL);
    image_free(image);
  } else {
    result = bh_error_set(error, BH_E_NOT_FOUND, &context, "There is no image '%s'", name);
  }
  bh_container_vm_end_work(&session->vm);
  return result;
}
