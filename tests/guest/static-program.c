/* A Linux program that needs no library: what runs in a root folder of a test's own. Says its process number, its
 * arguments, and what comes on stdin; or, told to pause, stays. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char line[100];

  if (argc > 1 && strcmp(argv[1], "pause") == 0) return pause();
  printf("parent %d:", (int)getppid());
  for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
  while (fgets(line, sizeof line, stdin) != NULL) printf(" %s", line);
  return 0;
}
