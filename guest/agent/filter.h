/* filter.h: the system call filter of programs that are started while somebody watches (filter.c, part of bulkhead-init).
 *
 *     execve, execveat     wait until the agent, which has the listener, says that they may go on, or what they return
 *     clone3               ENOSYS, upon which every C library uses clone: a filter cannot look at its flags
 *     clone, as a sibling  likewise (CLONE_PARENT), but always may: the agent then knows whose child it is without looking
 *     clone, untraced      EPERM: no tracer would ever be told of such a child (CLONE_UNTRACED)
 *     all else             as ever
 *
 * It stays with the program and all that comes from it. When nobody watches any more, the agent just lets them go on. That is
 * why it is not SECCOMP_RET_TRACE: under that execve fails where there is no tracer, and who was ever watched would have to be
 * traced, and pay for it, until its end. */
#pragma once

/* Filters the calling program from here on; nothing in the sandbox gains privileges by execve, so none is needed. Returns the
 * listener; -1: errno says why there is no filter. */
int bh_filter_install(void);
