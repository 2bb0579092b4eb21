/* Loaded before a program's libraries in the hosts of a rehearsal: the clock on the wall is as far
   off as the file says. Every other clock is left as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int clock_function(clockid_t, struct timespec *);

static clock_function *real;
static const volatile int64_t *seconds_off;

__attribute__((constructor)) static void begin(void) {
    real = (clock_function *)dlsym(RTLD_NEXT, "clock_gettime");
    int file = open("/run/clock-offset", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) seconds_off = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!real) real = (clock_function *)dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(clock, time);
    if (answer == 0 && clock == CLOCK_REALTIME && seconds_off) time->tv_sec += *seconds_off;
    return answer;
}
