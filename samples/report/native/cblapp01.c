/*
 * CBLAPP01 of the report as a shared library: what ../CBLAPP01.cbl answers, answered by a program
 * without COBOL. Its record is the four parameters one behind the other, as ../CBLAPP01.toml has
 * them, and its number lies in the table of cblapp01.sql.
 *
 *   cc -shared -fPIC -I .../programs/program/include -o libCBLAPP01.so cblapp01.c
 *   tsugi service import libCBLAPP01.so --interface ../CBLAPP01.toml --tables cblapp01.sql
 */
#define _POSIX_C_SOURCE 200809L

#include "tsugi_program.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The parameters of the COBOL program: all of them are characters. */
typedef struct {
  char datetime[20];
  char pgmname[10];
  char hostname[20];
  char counter[10];
} record;

/* PIC 9(10) holds no more, and ADD begins anew. */
static const char *const COUNT =
    "update appfile01 set counter = (counter + 1) % 10000000000 where rkey = '      '"
    " returning (counter + 9999999999) % 10000000000";

static tsugi_in text(const char *at) {
  tsugi_in in;
  in.at = (const uint8_t *)at;
  in.len = strlen(at);
  return in;
}

/* Undoes the call with what the host says about a code. */
static int32_t undo(const tsugi_host *host, uint16_t code) {
  char why[256];
  const char *last = TSUGI_HAS(host, last) ? host->last(host->self) : NULL;
  snprintf(why, sizeof why, "%u %s", (unsigned)code, last ? last : "");
  host->abort(host->self, text(why));
  return TSUGI_UNDO;
}

/* STRING ... INTO: what stands behind the text stays as it is. */
static void string_into(char *to, size_t room, const char *from, size_t length) {
  memcpy(to, from, length < room ? length : room);
}

static int32_t date_and_time(char *to, size_t room) {
  char line[32];
  struct timespec now;
  struct tm local;
  size_t length;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0 || !localtime_r(&now.tv_sec, &local)) {
    return TSUGI_BROKEN;
  }
  length = strftime(line, sizeof line, "%y/%m/%d %H:%M:%S", &local);
  snprintf(line + length, sizeof line - length, ".%02d", (int)(now.tv_nsec / 10000000));
  string_into(to, room, line, strlen(line));
  return TSUGI_KEEP;
}

static int32_t call(const tsugi_host *host, void *state, tsugi_in body, tsugi_out *reply) {
  char number[16];
  record out;
  tsugi_info info;
  tsugi_value row;
  uint16_t code;
  (void)state;
  if (body.len != sizeof out || reply->cap < sizeof out) {
    host->abort(host->self, text("it is called with a record of another length"));
    return TSUGI_UNDO;
  }
  memcpy(&out, body.at, sizeof out);
  if (date_and_time(out.datetime, sizeof out.datetime) != TSUGI_KEEP) return TSUGI_BROKEN;
  memcpy(out.pgmname, "CBLAPP01  ", sizeof out.pgmname);
  info.size = sizeof info;
  code = host->info(host->self, &info);
  if (code) return undo(host, code);
  /* As gethostname does: a zero behind the name, where there is room. */
  string_into(out.hostname, sizeof out.hostname, (const char *)info.node.at, info.node.len);
  if (info.node.len < sizeof out.hostname) out.hostname[info.node.len] = 0;
  code = host->sql(host->self, text(COUNT), NULL, 0, NULL);
  if (!code) code = host->row(host->self, &row, 1);
  if (code == TSUGI_NO_ROW) {
    host->abort(host->self, text("APPFILE01 has no record"));
    return TSUGI_UNDO;
  }
  if (code) return undo(host, code);
  snprintf(number, sizeof number, "%010lld", (long long)row.v.i);
  memcpy(out.counter, number, sizeof out.counter);
  memcpy(reply->at, &out, sizeof out);
  reply->len = sizeof out;
  return TSUGI_KEEP;
}

static const tsugi_service CBLAPP01 = {
    TSUGI_ABI, sizeof(tsugi_service), "CBLAPP01", NULL, NULL, call, NULL};

TSUGI_EXPORT const tsugi_service *tsugi_service_at(uint32_t host_abi, uint32_t index) {
  return host_abi == TSUGI_ABI && index == 0 ? &CBLAPP01 : NULL;
}
