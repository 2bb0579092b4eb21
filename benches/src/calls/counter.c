/* Counts up the number of the key that the body names, and replies it. */
#include "tsugi_program.h"

#include <stdio.h>
#include <string.h>

static const char COUNT[] = "update counter set value = value + 1 where key = ?1 returning value";

static tsugi_in text(const char *at) {
  tsugi_in in;
  in.at = (const uint8_t *)at;
  in.len = strlen(at);
  return in;
}

static int32_t undo(const tsugi_host *host, const char *why) {
  host->abort(host->self, text(why));
  return TSUGI_UNDO;
}

static int32_t call(const tsugi_host *host, void *state, tsugi_in body, tsugi_out *reply) {
  tsugi_value key, row;
  uint64_t changed = 0;
  int length;
  (void)state;
  memset(&key, 0, sizeof key);
  key.kind = TSUGI_TEXT;
  key.v.b = body;
  if (host->sql(host->self, text(COUNT), &key, 1, &changed) != TSUGI_DONE)
    return undo(host, "it cannot be counted");
  if (host->row(host->self, &row, 1) != TSUGI_DONE || row.kind != TSUGI_INTEGER)
    return undo(host, "there is no such key");
  length = snprintf((char *)reply->at, reply->cap, "%lld", (long long)row.v.i);
  if (length < 0 || (uint64_t)length >= reply->cap) return undo(host, "no room for a number");
  reply->len = (uint64_t)length;
  return TSUGI_KEEP;
}

static const tsugi_service COUNTER = {TSUGI_ABI, sizeof(tsugi_service), "counter",
                                      NULL,      NULL,                  call,
                                      NULL};

const tsugi_service *tsugi_service_at(uint32_t host_abi, uint32_t index) {
  return host_abi == TSUGI_ABI && index == 0 ? &COUNTER : NULL;
}
