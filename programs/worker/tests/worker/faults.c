/* A service that ends in every way in which a program can. The body is a word and a number. */
#include "tsugi_program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int calls;

static int32_t say(tsugi_out *reply, const char *text) {
  reply->len = strlen(text);
  memcpy(reply->at, text, reply->len);
  return TSUGI_KEEP;
}

static void log_line(const tsugi_host *host, const char *text) {
  tsugi_in in;
  in.at = (const uint8_t *)text;
  in.len = strlen(text);
  host->log(host->self, TSUGI_ERROR, in);
}

/* Another function for the compiler, so that the recursion stays one. */
static volatile int depth;
static int deeper(volatile char *above) {
  volatile char room[4096];
  room[0] = above[0];
  if (++depth == 1 << 30) return 0;
  return deeper(room) + room[0];
}

/* A process in a session of its own that keeps every stream it was born with. */
static int32_t leave_running(tsugi_out *reply) {
  char line[32];
  int told[2];
  pid_t grandchild = 0;
  if (pipe(told)) return TSUGI_BROKEN;
  pid_t child = fork();
  if (child == 0) {
    setsid();
    grandchild = fork();
    if (grandchild == 0)
      for (;;) pause();
    if (write(told[1], &grandchild, sizeof grandchild) < 0) _exit(1);
    _exit(0);
  }
  if (read(told[0], &grandchild, sizeof grandchild) < 0) return TSUGI_BROKEN;
  waitpid(child, NULL, 0);
  snprintf(line, sizeof line, "%d", (int)grandchild);
  return say(reply, line);
}

static void fill(long bytes) {
  for (long each = 1; each <= bytes; each++) putchar(each % 100 ? 'x' : '\n');
}

static int32_t where(tsugi_out *reply) {
  char name[128], zone[16], line[512];
  time_t then = 0;
  gethostname(name, sizeof name);
  strftime(zone, sizeof zone, "%H %Z", localtime(&then));
  snprintf(line, sizeof line, "%s|%s|%s|%s", name, zone, getenv("LC_ALL"), getenv("TSUGI_CODE_PAGE"));
  return say(reply, line);
}

static int32_t call(const tsugi_host *host, void *state, tsugi_in body, tsugi_out *reply) {
  char word[64], line[64];
  long number;
  int fd;
  (void)state;
  snprintf(line, sizeof line, "%.*s", (int)body.len, (const char *)body.at);
  number = 0;
  sscanf(line, "%63s %ld", word, &number);
  calls++;
  if (!strcmp(word, "exit")) {
    fprintf(stderr, "leaving\nfor good\n");
    exit((int)number);
  }
  if (!strcmp(word, "raise")) raise((int)number);
  if (!strcmp(word, "segv")) {
    log_line(host, "before the end");
    *(volatile int *)(size_t)number = 1;
  }
  if (!strcmp(word, "stack")) deeper((volatile char *)word);
  if (!strcmp(word, "loop"))
    for (;;) depth++;
  if (!strcmp(word, "flood"))
    for (;;) printf("a line of many\n"), fprintf(stderr, "and another\n");
  if (!strcmp(word, "print")) {
    printf("printed\n");
    fprintf(stderr, "and said\n");
  }
  if (!strcmp(word, "half")) printf("half a line");
  if (!strcmp(word, "fill")) fill(number);
  /* Until it is let go, then the same once more, and for ever. */
  if (!strcmp(word, "hold")) {
    fill(number);
    while (access("go", F_OK)) usleep(1000);
    fill(number);
    for (;;) pause();
  }
  if (!strcmp(word, "print-segv")) {
    printf("the last line\n");
    *(volatile int *)(size_t)number = 1;
  }
  if (!strcmp(word, "fork-return") || !strcmp(word, "fork-log")) {
    printf("once");
    pid_t forked = fork();
    if (forked) waitpid(forked, NULL, 0);
    else if (!strcmp(word, "fork-log")) log_line(host, "of the second");
  }
  if (!strcmp(word, "fork")) return leave_running(reply);
  if (!strcmp(word, "fork-exit")) {
    leave_running(reply);
    exit((int)number);
  }
  if (!strcmp(word, "close")) {
    for (fd = 3; fd < 256; fd++) close(fd);
    for (;;) pause();
  }
  if (!strcmp(word, "corrupt")) {
    for (fd = 3; fd < 256; fd++)
      if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY && write(fd, "a line\nof nonsense\n", 19) < 0) continue;
    for (;;) pause();
  }
  if (!strcmp(word, "where")) return where(reply);
  if (!strcmp(word, "read")) {
    snprintf(line, sizeof line, "%zd", read(0, word, sizeof word));
    return say(reply, line);
  }
  if (!strcmp(word, "take")) {
    char *taken = malloc((size_t)number);
    if (!taken) return say(reply, "there is no more");
    memset(taken, 1, (size_t)number);
    free(taken);
  }
  if (!strcmp(word, "keep")) {
    volatile char *kept = malloc((size_t)number);
    for (long page = 0; page < number; page += 4096) kept[page] = 1;
    for (;;) pause();
  }
  snprintf(line, sizeof line, "%d", calls);
  return say(reply, line);
}

static const tsugi_service SERVICE = {TSUGI_ABI, sizeof(tsugi_service), "FAULTS", NULL, NULL, call, NULL};

const tsugi_service *tsugi_service_at(uint32_t host_abi, uint32_t index) {
  return host_abi == TSUGI_ABI && index == 0 ? &SERVICE : NULL;
}
