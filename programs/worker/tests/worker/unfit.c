/* A service that cannot be used; the compiler is told why. */
#include "tsugi_program.h"

#include <stdio.h>

#ifndef ABI
#define ABI TSUGI_ABI
#endif
#ifndef HASH
#define HASH NULL
#endif
#ifndef STARTS
#define STARTS TSUGI_KEEP
#endif

static int32_t start(const tsugi_host *host, void **state) {
  tsugi_in text = {(const uint8_t *)"select 1", 8};
  *state = NULL;
  /* While a service starts nothing is asked for. */
  if (host->sql(host->self, text, NULL, 0, NULL) != TSUGI_NOT_ALLOWED) return 17;
  if (host->left_ms(host->self) != UINT64_MAX) return 18;
  text.at = (const uint8_t *)"starting";
  host->log(host->self, TSUGI_INFORMATION, text);
  return STARTS;
}

static int32_t call(const tsugi_host *host, void *state, tsugi_in body, tsugi_out *reply) {
  (void)host, (void)state, (void)body;
  reply->len = 0;
  return TSUGI_KEEP;
}

static const tsugi_service SERVICE = {ABI, sizeof(tsugi_service), "UNFIT", HASH, start, call, NULL};

const tsugi_service *tsugi_service_at(uint32_t host_abi, uint32_t index) {
  return host_abi == ABI && index == 0 ? &SERVICE : NULL;
}
