/* spare-hosts.h: hosts that are there before they are activated, so that tests under Wine do not wait.
 *
 * Wine 8 starts a server, and looks a whole second later whether it has come; one that is there already it takes at once.
 * So a test program has a few that wait for their activation, and most of its time would else be such seconds. All else
 * about them is as ever: whoever says Hello is looked at and contained. That activation starts hosts by itself is for the
 * tests that do without this (win32/churn, the installer's, the command's).
 *
 *   spare_hosts_fill("…\\wslpluginhost.exe");      before each activation
 *
 * On Windows it does nothing: there COM takes no server that it has not started. They end with this program, or by
 * their own startup timeout.
 *
 * Threading: any. */
#pragma once

/* Has as many there, or on their way, as a scenario may need. */
void spare_hosts_fill(const char *host_path);
