// A disk that is slower than the one at hand: loaded by LD_PRELOAD, it makes every fdatasync and fsync of a program, and of
// those that it starts, take SLOWSYNC_US microseconds more. See `make bench-slow-disk`.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slower(const char *name, int fd) {
  const char *us = getenv("SLOWSYNC_US");
  long ns = us ? atol(us) * 1000 : 0;
  struct timespec more = {ns / 1000000000, ns % 1000000000};
  nanosleep(&more, NULL);
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}

int fdatasync(int fd) { return slower("fdatasync", fd); }
int fsync(int fd) { return slower("fsync", fd); }
