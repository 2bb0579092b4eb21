/* A service that calls another one, in C: it adds one to the counter n, calls the service that the
   body names with the rest of the body, and replies the code of that and what it has answered. What
   the other one does is part of this call: kept with it or undone with it. Where it fails, what it
   did is undone alone, and this one goes on. */
#include "tsugi_program.h"

#include <stdio.h>
#include <string.h>

static const char *const ADD = "update counter set value = value + 1 where name = 'n'";

static int32_t call(const tsugi_host *host, void *state, tsugi_in body, tsugi_out *reply) {
  (void)state;
  uint8_t room[1024];
  tsugi_in add, service, rest;
  tsugi_out got;
  add.at = (const uint8_t *)ADD;
  add.len = strlen(ADD);
  if (host->sql(host->self, add, NULL, 0, NULL) != TSUGI_DONE) return TSUGI_UNDO;

  const uint8_t *space = body.len ? (const uint8_t *)memchr(body.at, ' ', body.len) : NULL;
  service.at = body.at;
  service.len = space ? (uint64_t)(space - body.at) : body.len;
  rest.at = space ? space + 1 : NULL;
  rest.len = space ? body.len - service.len - 1 : 0;
  got.at = room;
  got.cap = sizeof room;
  got.len = 0;
  uint16_t code = host->call(host->self, service, rest, &got);
  const char *last = TSUGI_HAS(host, last) ? host->last(host->self) : NULL;

  int len = code == TSUGI_DONE
                ? snprintf((char *)reply->at, reply->cap, "00 %.*s", (int)got.len, got.at)
                : snprintf((char *)reply->at, reply->cap, "%02u %s", code, last ? last : "");
  reply->len = (uint64_t)len < reply->cap ? (uint64_t)len : reply->cap;
  return TSUGI_KEEP;
}

TSUGI_EXPORT const tsugi_service *tsugi_service_at(uint32_t host_abi, uint32_t index) {
  static const tsugi_service CALLER = {
      TSUGI_ABI, sizeof(tsugi_service), "CALLER", NULL, NULL, call, NULL,
  };
  return host_abi == TSUGI_ABI && index == 0 ? &CALLER : NULL;
}
