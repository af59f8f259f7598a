#include "guest/agent/execs.h"

#include <glib-unix.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest/agent/trace.h"

/* Not in every system's headers yet. */
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#endif

struct AgentListener {
  int fd;
};

static void listener_clear(gpointer data) {
  close(((AgentListener *)data)->fd);
}

AgentListener *agent_listener_ref(AgentListener *listener) {
  return g_rc_box_acquire(listener);
}

void agent_listener_unref(AgentListener *listener) {
  g_rc_box_release_full(listener, listener_clear);
}

static void unref(gpointer data) {
  agent_listener_unref(data);
}

/* The kernel's structs may be larger than those we know, and must be all zero. */
static struct seccomp_notif *new_notification(void) {
  struct seccomp_notif_sizes sizes = {0};
  gsize size = sizeof(struct seccomp_notif);

  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0) size = MAX(size, sizes.seccomp_notif);
  return g_malloc0(size);
}

static gboolean on_call(gint fd, GIOCondition condition, gpointer user_data) {
  g_autofree struct seccomp_notif *call = NULL;

  if ((condition & G_IO_IN) == 0) return G_SOURCE_REMOVE; /* nobody has the filter any more */
  call = new_notification();
  /* Fails if it was killed meanwhile. */
  if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, call) < 0) return G_SOURCE_CONTINUE;
  agent_trace_exec(user_data, call);
  agent_trace_settle();
  return G_SOURCE_CONTINUE;
}

void agent_execs_listen(int fd) {
  AgentListener *listener = g_rc_box_new(AgentListener);

  listener->fd = fd;
  /* Who waits and who answers take turns: since 6.6 the kernel has them do so on one processor, which is faster. */
  ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, (unsigned long)SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  g_unix_fd_add_full(G_PRIORITY_DEFAULT, fd, G_IO_IN | G_IO_HUP, on_call, listener, unref);
}

/* Fails if it was killed meanwhile, and then nobody waits. */
static void respond(AgentListener *listener, guint64 id, gint64 value, gint32 error, guint32 flags) {
  union {
    struct seccomp_notif_resp response;
    guint8 room[256]; /* for what later kernels add */
  } answer = {.room = {0}};

  answer.response.id = id;
  answer.response.val = value;
  answer.response.error = error;
  answer.response.flags = flags;
  ioctl(listener->fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void agent_listener_go_on(AgentListener *listener, guint64 id) {
  respond(listener, id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void agent_listener_refuse(AgentListener *listener, guint64 id, gint32 result, gboolean value) {
  respond(listener, id, value ? (gint64)(guint32)result : 0, value ? 0 : result, 0);
}
