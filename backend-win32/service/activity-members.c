#include "backend-win32/service/activity-members.h"

#include "backend-win32/service/process-facts.h"

/* More than a host can have, and less than hurts. */
#define MEMBERS_MAX 65536u

/* Of what was only heard of. */
#define EXIT_UNKNOWN  0
#define EXIT_ABNORMAL ((gint32)0xC0000001) /* STATUS_UNSUCCESSFUL */

gboolean bh_activity_post(const BhActivityLink *link, DWORD kind, gsize value) {
  return PostQueuedCompletionStatus(link->port->port, kind, link->key, (OVERLAPPED *)value);
}

/* Whether the feed is watched, and all that was posted before has been seen. On the thread. */
gboolean bh_activity_is_current(BhActivityLink *self, BhActivityKind kind) {
  const BhActivityFeed *feed = &self->feeds[kind];
  gboolean is_current;

  bh_mutex_lock(&self->port->lock);
  is_current = !self->is_closed && feed->is_on && feed->serial == feed->reached;
  bh_mutex_unlock(&self->port->lock);
  return is_current;
}

static void tell(BhActivityLink *self, BhActivityKind kind, const BhActivity *activity) {
  if (bh_activity_is_current(self, kind)) self->events->activity(self->data, activity);
}

/* --- Members -------------------------------------------------------------------------------------------- */

static gboolean has_ended(HANDLE handle) {
  return WaitForSingleObject(handle, 0) == WAIT_OBJECT_0;
}

static BhActivityMember *member_new(BhActivityLink *link, BhActivityKind kind, DWORD number, HANDLE handle) {
  BhActivityMember *member = g_new0(BhActivityMember, 1);

  *member = (BhActivityMember){.link = link, .kind = kind, .number = number, .handle = handle};
  return member;
}

/* On a thread of the thread pool, which has others to wait for. */
static void CALLBACK signalled(void *data, G_GNUC_UNUSED BOOLEAN timed_out) {
  const BhActivityMember *member = data;
  bh_activity_post(member->link, BH_PACKET_ENDED + member->kind, member->number);
}

static void stop_waiting(BhActivityMember *member) {
  if (member->wait != NULL) UnregisterWaitEx(member->wait, INVALID_HANDLE_VALUE);
  member->wait = NULL;
}

static void member_free(gpointer data) {
  BhActivityMember *member = data;

  stop_waiting(member);
  if (member->handle != NULL) CloseHandle(member->handle);
  g_free(member);
}

/* (Again.) Where there can be no wait, its end is only heard of. */
static void wait_for_end(BhActivityMember *member) {
  stop_waiting(member);
  if (!RegisterWaitForSingleObject(&member->wait, member->handle, signalled, member, INFINITE,
                                   WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD))
    member->wait = NULL;
}

/* A process of the job's. NULL: there is none of that number (any more), or we may not. It may have ended: Windows still
 * knows that it was in the job, Wine 8 does not. */
static HANDLE open_process(HANDLE job, DWORD pid) {
  /* The second is enough on Windows, and given more often; Wine 8 then refuses IsProcessInJob. */
  static const DWORD rights[] = {PROCESS_QUERY_INFORMATION, PROCESS_QUERY_LIMITED_INFORMATION};
  HANDLE process = NULL;
  BOOL is_in_it;

  for (guint i = 0; i < G_N_ELEMENTS(rights) && process == NULL; i++)
    process = OpenProcess(rights[i] | SYNCHRONIZE, FALSE, pid);
  if (process == NULL) return NULL;
  if (has_ended(process) || (IsProcessInJob(process, job, &is_in_it) && is_in_it)) return process;
  CloseHandle(process); /* a stranger, who has the number now */
  return NULL;
}

static void tell_began(const BhActivityMember *member) {
  BhActivityFeed *feed = &member->link->feeds[member->kind];
  BhActivity activity = {.type = feed->began, .process = member->number};
  g_autofree char *image = NULL, *command_line = NULL;

  if (member->kind == BH_ACTIVITY_THREADS) {
    activity.process = member->link->host;
    activity.thread = member->number;
  } else if (member->handle != NULL) {
    activity.parent = bh_process_parent(member->handle);
    activity.image = image = bh_process_image(member->handle);
    activity.command_line = command_line = bh_process_command_line(member->handle);
  }
  tell(member->link, member->kind, &activity);
}

static void tell_ended(const BhActivityMember *member, gint32 exit_status) {
  const BhActivityFeed *feed = &member->link->feeds[member->kind];
  BhActivity activity = {.type = feed->ended, .process = member->number};

  if (member->kind == BH_ACTIVITY_THREADS) {
    activity.process = member->link->host;
    activity.thread = member->number;
  } else {
    activity.exit_status = exit_status;
  }
  tell(member->link, member->kind, &activity);
}

/* The table's size is looked at by who frees the link. */
static void table_changes(BhActivityFeed *feed, BhActivityPort *port, BhActivityMember *adds,
                          const BhActivityMember *removes) {
  bh_mutex_lock(&port->lock);
  if (adds != NULL) g_hash_table_insert(feed->members, GUINT_TO_POINTER(adds->number), adds);
  if (removes != NULL) g_hash_table_steal(feed->members, GUINT_TO_POINTER(removes->number));
  bh_cond_broadcast(&port->changed);
  bh_mutex_unlock(&port->lock);
}

/* Takes member. */
static void begin(BhActivityMember *member) {
  table_changes(&member->link->feeds[member->kind], member->link->port, member, NULL);
  tell_began(member);
  if (member->handle != NULL) wait_for_end(member);
}

static void finish_threads(BhActivityLink *self);

/* Frees member. exit_status: if its handle does not say. */
static void end(BhActivityMember *member, gint32 exit_status) {
  DWORD code;

  if (member->kind == BH_ACTIVITY_PROCESSES && member->handle != NULL &&
      GetExitCodeProcess(member->handle, &code) && code != STILL_ACTIVE)
    exit_status = (gint32)code;
  if (member->kind == BH_ACTIVITY_PROCESSES && member->number == member->link->host) finish_threads(member->link);
  tell_ended(member, exit_status);
  table_changes(&member->link->feeds[member->kind], member->link->port, NULL, member);
  member_free(member);
}

static BhActivityMember *find(BhActivityLink *self, BhActivityKind kind, DWORD number) {
  return g_hash_table_lookup(self->feeds[kind].members, GUINT_TO_POINTER(number));
}

/* Ends those that the predicate (NULL: all) holds for. */
static void end_those(BhActivityLink *self, BhActivityKind kind,
                      gboolean (*is_one)(const BhActivityMember *member)) {
  g_autoptr(GList) members = g_hash_table_get_values(self->feeds[kind].members);

  for (GList *at = members; at != NULL; at = at->next)
    if (is_one == NULL || is_one(at->data)) end(at->data, EXIT_UNKNOWN);
}

static gboolean is_only_heard_of(const BhActivityMember *member) {
  return member->wait == NULL;
}

/* --- What is heard -------------------------------------------------------------------------------------- */

void bh_activity_began(BhActivityLink *self, BhActivityKind kind, DWORD number) {
  BhActivityMember *known = find(self, kind, number);
  gboolean foreign = FALSE;
  HANDLE handle;

  if (known != NULL && !known->has_left) return; /* it was there when we counted */
  /* It was gone before we opened it: what we have open is the number's next bearer, of whom we hear now. */
  if (known != NULL) end(known, EXIT_UNKNOWN);
  if (g_hash_table_size(self->feeds[kind].members) >= MEMBERS_MAX) return;
  handle = kind == BH_ACTIVITY_PROCESSES ? open_process(self->job, number)
                                         : bh_host_threads_open(self->host, number, &foreign);
  if (!foreign) begin(member_new(self, kind, number, handle));
}

void bh_activity_left(BhActivityLink *self, BhActivityKind kind, DWORD number, gboolean abnormal) {
  BhActivityMember *member = find(self, kind, number);

  if (member == NULL) return; /* its handle was faster, or it was gone when we counted */
  if (is_only_heard_of(member))
    end(member, abnormal ? EXIT_ABNORMAL : EXIT_UNKNOWN);
  else
    member->has_left = TRUE;
}

/* --- Threads of the host -------------------------------------------------------------------------------- */

static void ring_told(gpointer data, DWORD thread, gboolean is_end) {
  if (is_end)
    bh_activity_left(data, BH_ACTIVITY_THREADS, thread, FALSE);
  else
    bh_activity_began(data, BH_ACTIVITY_THREADS, thread);
}

/* Those that run. The caller's. */
static GPtrArray *count_threads(BhActivityLink *self) {
  g_autoptr(GArray) numbers = bh_host_threads_list(self->host);
  GPtrArray *members = g_ptr_array_new();

  for (guint i = 0; i < MIN(numbers->len, MEMBERS_MAX); i++) {
    const DWORD number = g_array_index(numbers, DWORD, i);
    gboolean foreign;
    HANDLE handle = bh_host_threads_open(self->host, number, &foreign);

    if (handle != NULL && !has_ended(handle))
      g_ptr_array_add(members, member_new(self, BH_ACTIVITY_THREADS, number, handle));
    else if (handle != NULL)
      CloseHandle(handle);
  }
  return members;
}

/* Takes members: tells of those that are not known. */
void bh_activity_adopt(BhActivityLink *self, GPtrArray *members) {
  for (guint i = 0; i < members->len; i++) {
    BhActivityMember *member = g_ptr_array_index(members, i);

    if (find(self, member->kind, member->number) == NULL)
      begin(member);
    else
      member_free(member);
  }
  g_ptr_array_free(members, TRUE);
}

/* Of a host whose beginning was told, and its end was not. */
void bh_activity_read_ring(BhActivityLink *self) {
  g_atomic_int_set(&self->ring_pending, FALSE); /* what is written from here on makes a new packet */
  if (!bh_activity_is_current(self, BH_ACTIVITY_THREADS) || find(self, BH_ACTIVITY_PROCESSES, self->host) == NULL)
    return;
  if (bh_host_threads_read(self->threads, ring_told, self)) return;
  end_those(self, BH_ACTIVITY_THREADS, is_only_heard_of);
  bh_activity_adopt(self, count_threads(self));
}

static void finish_threads(BhActivityLink *self) {
  bh_activity_read_ring(self);
  end_those(self, BH_ACTIVITY_THREADS, NULL);
}

/* --- Processes of the job ------------------------------------------------------------------------------- */

/* The numbers (DWORD) of all that is in the job, in the order in which it came. The caller's. */
static GArray *list_job(HANDLE job) {
  GArray *numbers = g_array_new(FALSE, FALSE, sizeof(DWORD));

  for (DWORD room = 64; room <= MEMBERS_MAX; room *= 4) {
    /* The record ends in an array of one; what does not fit is left out, with or without ERROR_MORE_DATA. */
    const DWORD size =
        G_STRUCT_OFFSET(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList) + room * (DWORD)sizeof(ULONG_PTR);
    g_autofree JOBOBJECT_BASIC_PROCESS_ID_LIST *list = g_malloc0(size);

    if (!QueryInformationJobObject(job, JobObjectBasicProcessIdList, list, size, NULL)) {
      if (GetLastError() == ERROR_MORE_DATA) continue;
      break;
    }
    if (list->NumberOfAssignedProcesses > list->NumberOfProcessIdsInList) continue;
    for (DWORD i = 0; i < list->NumberOfProcessIdsInList; i++) {
      const DWORD number = (DWORD)list->ProcessIdList[i];
      g_array_append_val(numbers, number);
    }
    break;
  }
  return numbers;
}

static GPtrArray *count_processes(BhActivityLink *self) {
  g_autoptr(GArray) numbers = list_job(self->job);
  GPtrArray *members = g_ptr_array_new();

  for (guint i = 0; i < numbers->len; i++) {
    const DWORD number = g_array_index(numbers, DWORD, i);
    g_ptr_array_add(members, member_new(self, BH_ACTIVITY_PROCESSES, number, open_process(self->job, number)));
  }
  return members;
}

/* Who is listed and not known: their message is on its way, or was lost. It is on its way no more when a packet that is sent
 * now has come. */
static void suspect(BhActivityLink *self) {
  g_autoptr(GArray) numbers = NULL;

  if (self->suspects != NULL) { /* one packet at a time */
    self->suspect_again = TRUE;
    return;
  }
  self->suspect_again = FALSE;
  numbers = list_job(self->job);
  for (guint i = numbers->len; i > 0; i--)
    if (find(self, BH_ACTIVITY_PROCESSES, g_array_index(numbers, DWORD, i - 1)) != NULL)
      g_array_remove_index(numbers, i - 1);
  if (numbers->len > 0 && bh_activity_post(self, BH_PACKET_SUSPECTS, 0))
    self->suspects = g_steal_pointer(&numbers);
}

void bh_activity_look_at_suspects(BhActivityLink *self) {
  g_autoptr(GArray) numbers = g_steal_pointer(&self->suspects);

  for (guint i = 0; numbers != NULL && i < numbers->len; i++) {
    const DWORD number = g_array_index(numbers, DWORD, i);
    HANDLE handle = find(self, BH_ACTIVITY_PROCESSES, number) == NULL ? open_process(self->job, number) : NULL;

    /* What has ended may have been told meanwhile. */
    if (handle != NULL && !has_ended(handle))
      begin(member_new(self, BH_ACTIVITY_PROCESSES, number, handle));
    else if (handle != NULL)
      CloseHandle(handle);
  }
  if (self->suspect_again) suspect(self);
}

/* --- Their ends ------------------------------------------------------------------------------------------ */

/* Wine 8 signals a process's handle also before it has its first thread, which is where its creation is told. */
static gboolean has_not_begun(const BhActivityMember *member) {
  DWORD code;
  return member->kind == BH_ACTIVITY_PROCESSES && !member->has_left && GetExitCodeProcess(member->handle, &code) &&
         code == STILL_ACTIVE;
}

void bh_activity_ended(BhActivityLink *self, BhActivityKind kind, DWORD number) {
  BhActivityMember *member = find(self, kind, number);

  if (member == NULL || member->handle == NULL) return; /* an earlier bearer's */
  if (!has_ended(member->handle)) {
    wait_for_end(member); /* likewise, or it has begun meanwhile */
  } else if (has_not_begun(member)) {
    stop_waiting(member); /* or this would go round and round: its end will be heard of */
  } else {
    end(member, EXIT_UNKNOWN);
    if (kind == BH_ACTIVITY_PROCESSES) suspect(self);
  }
}

void bh_activity_empty(BhActivityLink *self) {
  end_those(self, BH_ACTIVITY_PROCESSES, is_only_heard_of);
}

GPtrArray *bh_activity_count(BhActivityLink *self, BhActivityKind kind) {
  return kind == BH_ACTIVITY_PROCESSES ? count_processes(self) : count_threads(self);
}

gboolean bh_activity_knows_host(BhActivityLink *self) {
  return find(self, BH_ACTIVITY_PROCESSES, self->host) != NULL;
}

void bh_activity_members_free(GPtrArray *members) {
  if (members == NULL) return;
  g_ptr_array_set_free_func(members, member_free);
  g_ptr_array_free(members, TRUE);
}

void bh_activity_clear(BhActivityLink *self, BhActivityFeed *feed) {
  g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func(member_free);
  GHashTableIter at;
  gpointer member;

  bh_mutex_lock(&self->port->lock);
  g_hash_table_iter_init(&at, feed->members);
  while (g_hash_table_iter_next(&at, NULL, &member)) g_ptr_array_add(members, member);
  g_hash_table_remove_all(feed->members);
  bh_mutex_unlock(&self->port->lock);
}
