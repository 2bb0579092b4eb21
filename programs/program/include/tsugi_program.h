/*
 * tsugi_program.h: what a shared library includes to be a service of tsugi. C99 and C++11.
 *
 * A library exports one symbol, tsugi_service_at(). What it may ask for while it answers a call
 * stands in the table tsugi_host that it is given. All that it does through the table belongs to
 * one unit of work: it is kept together with the reply, or undone together with it.
 *
 *   - The table is valid while start or call runs, on the thread that runs it.
 *   - New functions are added at its end and never moved. Before a program calls one that its host
 *     may not have yet it asks TSUGI_HAS(host, name).
 *   - Texts are UTF-8, with a length and without a zero at the end, except where char * is said.
 *   - No exception and no longjmp may leave a function of the library.
 */
#ifndef TSUGI_PROGRAM_H
#define TSUGI_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of everything here. A library and a host with different ones do not work together. */
#define TSUGI_ABI 1

#if defined(__GNUC__) || defined(__clang__)
#define TSUGI_EXPORT __attribute__((visibility("default")))
#else
#define TSUGI_EXPORT
#endif

/* Whether a table, a service or an info is long enough to have a member. */
#define TSUGI_HAS(table, member)                                                                   \
  ((size_t)(table)->size >=                                                                        \
   (size_t)((const char *)&(table)->member - (const char *)(table)) + sizeof((table)->member))

/* How an operation ended. After each but LATE and STORE the program may go on. */
#define TSUGI_DONE 0
#define TSUGI_NO_ROW 10
#define TSUGI_DUPLICATE 22           /* a key is there already; the statement alone was undone */
#define TSUGI_CONSTRAINT 23          /* the tables do not allow it; the statement alone was undone */
#define TSUGI_TOO_LARGE 34           /* a limit was passed, last() says which one */
#define TSUGI_NOT_ALLOWED 37         /* COMMIT, DDL, a table of tsugi; a write in a read-only service;
                                        anything but log, left_ms and last during start */
#define TSUGI_MISTAKEN 42            /* syntax, unknown table, wrong number of parameters or columns */
#define TSUGI_CALLEE_REFUSED 60      /* the called service is unknown, blocked or full */
#define TSUGI_CALLEE_FAILED 61       /* it ended abnormally; what it did is undone */
#define TSUGI_CYCLE 62               /* it waits for this call */
#define TSUGI_TOO_DEEP 63            /* calls are nested more than 8 deep */
#define TSUGI_WRITER_HELD 64         /* a service of another store, while this call holds the writer */
#define TSUGI_LATE 65                /* the deadline has passed; the worker is about to be killed */
#define TSUGI_NOT_IN_THIS_VERSION 74 /* a reserved operation */
#define TSUGI_STORE 99               /* never returned: the worker is killed */

/* What tsugi_service.start and .call return. Any other value counts as TSUGI_UNDO. */
#define TSUGI_KEEP 0                   /* keep what was done, and the reply */
#define TSUGI_UNDO 1                   /* undo it; abort() said why */
#define TSUGI_BROKEN (-2147483647 - 1) /* undo it: the program cannot go on; an abnormal end */

/* Levels of log(). */
#define TSUGI_DEBUG 0
#define TSUGI_INFORMATION 1
#define TSUGI_WARNING 2
#define TSUGI_ERROR 3

/* Kinds of values. */
#define TSUGI_NULL 0
#define TSUGI_INTEGER 1 /* v.i */
#define TSUGI_REAL 2    /* v.f */
#define TSUGI_TEXT 3    /* v.b, UTF-8 */
#define TSUGI_BYTES 4   /* v.b */
#define TSUGI_DECIMAL 5 /* v.b, an exact number in digits: -12.30 */

/* Bytes to be read; at may be null where len is 0. */
typedef struct {
  const uint8_t *at;
  uint64_t len;
} tsugi_in;

/*
 * Where bytes are to be written: cap of them at `at`. len is how many there are.
 * Who writes more than cap points `at` at memory of its own instead; nothing is run twice
 * for a buffer that was too small. A null `at` with a cap of 0 is a buffer.
 */
typedef struct {
  uint8_t *at;
  uint64_t cap;
  uint64_t len;
} tsugi_out;

typedef struct {
  uint8_t kind;
  uint8_t res[7]; /* zeros */
  union {
    int64_t i;
    double f;
    tsugi_in b;
  } v;
} tsugi_value;

/* What call this is. The texts live until the call returns. */
typedef struct tsugi_info {
  uint32_t size;    /* the program sets it to sizeof(tsugi_info); the host to how much it has set */
  uint32_t attempt; /* 1; more where the call was undone, not by its own fault, and runs again */
  uint64_t epoch;   /* of the group: it only rises, from owner to owner */
  tsugi_in id;      /* the same in every attempt */
  tsugi_in parent;  /* the call that made this one; empty for a client's */
  tsugi_in client;
  tsugi_in group;
  tsugi_in node;
  tsugi_in service;
} tsugi_info;

/* What a program may ask for. */
typedef struct tsugi_host tsugi_host;
struct tsugi_host {
  uint32_t abi;  /* TSUGI_ABI */
  uint32_t size; /* of the table, in bytes */
  void *self;    /* the first argument of every function */
  /* Runs a statement of 64 KiB and 256 parameters at most: ?1 is p[0].
     rows (may be null): how many rows it changed. */
  uint16_t (*sql)(void *self, tsugi_in text, const tsugi_value *p, uint32_t np, uint64_t *rows);
  /* The next row of the last statement: all its n columns. They live until the next row or sql. */
  uint16_t (*row)(void *self, tsugi_value *out, uint32_t n);
  /* Calls another service in the same unit of work, with its one parameter. Where it fails, what it
     did is undone alone, and last() says how it ended; the call may go on. A service of another
     group, GROUP/SERVICE, stands in no unit of work of this one: what it did stays done. A reply
     that is larger than reply->cap lies in memory of the host, until the program's next call of
     another service. */
  uint16_t (*call)(void *self, tsugi_in service, tsugi_in body, tsugi_out *reply);
  /* A line for the log, kept whatever becomes of the call. 4 KiB a line, 200 lines a call. */
  void (*log)(void *self, uint8_t level, tsugi_in text);
  /* Marks the call as to be undone, whatever it returns. The program then returns. */
  void (*abort)(void *self, tsugi_in why);
  /* What call this is. out->size is set before; a size smaller than the first version's is 42. */
  uint16_t (*info)(void *self, tsugi_info *out);
  /* Milliseconds until the deadline; then the worker is killed. */
  uint64_t (*left_ms)(void *self);
  /* What there is to say about the last code, UTF-8 with a zero at its end; may be null.
     It lives until the next operation. */
  const char *(*last)(void *self);
  /* Reserved: TSUGI_NOT_IN_THIS_VERSION. */
  uint16_t (*put)(void *self, tsugi_in queue, tsugi_in body, tsugi_in key);
  uint16_t (*timer_set)(void *self, tsugi_in name, int64_t at_ms, tsugi_in service, tsugi_in body);
  uint16_t (*timer_cancel)(void *self, tsugi_in name);
  uint16_t (*next)(void *self, tsugi_out *datum);
  uint16_t (*out)(void *self, tsugi_in datum);
};

/* One service of a library; constant while the library is loaded. */
typedef struct {
  uint32_t abi;               /* TSUGI_ABI */
  uint32_t size;              /* sizeof(tsugi_service) */
  const char *name;           /* UTF-8 with a zero at its end, unique in the library */
  const char *interface_hash; /* of the interface that it was written for; null: none is compared */
  /* Once a worker, before the first call; may be null. What it puts into state the others get. */
  int32_t (*start)(const tsugi_host *host, void **state);
  /* Answers one call. The buffer of reply has 64 KiB at least; a larger reply lies in memory of the
     program, which stays as it is until its next call or stop. */
  int32_t (*call)(const tsugi_host *host, void *state, tsugi_in body, tsugi_out *reply);
  /* Before an orderly end of the worker; may be null. A worker that is killed does not stop first. */
  void (*stop)(void *state);
} tsugi_service;

/* The one exported symbol. index counts from 0; null ends the list. Null for 0 says that the
   library does not work with a host of this ABI. */
TSUGI_EXPORT const tsugi_service *tsugi_service_at(uint32_t host_abi, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
