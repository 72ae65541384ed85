/* Preloaded into an engine or a node: its wall clock is ahead by the nanoseconds that the first eight bytes of a file say. The file is
   $CLOCK_SHIFT_FILE, else $CLOCK_SHIFT_DIR/<name of the program>; without it nothing is changed. Built and used by tests/history/service.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *shift;
static int is_tried;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

/* Again and again until there is a variable: a node gets its variables after it was forked. */
static void open_shift(void) {
    const char *name = getenv("CLOCK_SHIFT_FILE"), *folder = getenv("CLOCK_SHIFT_DIR");
    char path[4096];
    int file;
    if (!name && !folder) return;
    is_tried = 1;
    if (!name) {
        snprintf(path, sizeof path, "%s/%s", folder, program_invocation_short_name);
        name = path;
    }
    if ((file = open(name, O_RDONLY | O_CLOEXEC)) < 0) return;
    void *mapped = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) shift = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real_clock_gettime) real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real_clock_gettime(clock, now);
    if (failed || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return failed;
    if (!is_tried) open_shift();
    if (shift) {
        int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + *shift;
        now->tv_sec = ns / 1000000000LL;
        now->tv_nsec = ns % 1000000000LL;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec fine;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &fine)) return -1;
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (out) *out = fine.tv_sec;
    return fine.tv_sec;
}
