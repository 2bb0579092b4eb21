/* The counter of examples/counter.rs, word for word the same service: C99, and C++11 as well. */
#include "tsugi_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the service keeps from start to stop. */
typedef struct {
  uint8_t *reply;
} counter_state;

static const char *const ADD =
    "update counter set value = value + ?1 where name = ?2 returning value";

static tsugi_in text(const char *at) {
  tsugi_in in;
  in.at = (const uint8_t *)at;
  in.len = strlen(at);
  return in;
}

static tsugi_value value_of(uint8_t kind) {
  tsugi_value value;
  memset(&value, 0, sizeof value);
  value.kind = kind;
  return value;
}

static int is_word(tsugi_in body, const char *word, tsugi_in *rest) {
  uint64_t len = strlen(word);
  if (body.len < len || memcmp(body.at, word, len) != 0) return 0;
  if (body.len > len && body.at[len] != ' ') return 0;
  rest->len = body.len > len ? body.len - len - 1 : 0;
  rest->at = rest->len ? body.at + len + 1 : NULL;
  return 1;
}

static int32_t answer(counter_state *state, tsugi_out *reply, const void *from, uint64_t len) {
  if (len > reply->cap) {
    free(state->reply);
    state->reply = (uint8_t *)malloc(len);
    if (!state->reply) return TSUGI_BROKEN;
    reply->at = state->reply;
  }
  if (len) memcpy(reply->at, from, len);
  reply->len = len;
  return TSUGI_KEEP;
}

static int32_t say(counter_state *state, tsugi_out *reply, const char *line) {
  return answer(state, reply, line, strlen(line));
}

/* Undoes the call with what the host says about a code. */
static int32_t undo(const tsugi_host *host, uint16_t code) {
  char why[256];
  const char *last = TSUGI_HAS(host, last) ? host->last(host->self) : NULL;
  if (last && *last) snprintf(why, sizeof why, "%u %s", (unsigned)code, last);
  else snprintf(why, sizeof why, "%u", (unsigned)code);
  host->abort(host->self, text(why));
  return TSUGI_UNDO;
}

static int32_t add(const tsugi_host *host, counter_state *state, tsugi_in name, tsugi_out *reply) {
  char line[256];
  uint64_t changed = 0;
  tsugi_value p[2], row;
  p[0] = value_of(TSUGI_INTEGER);
  p[0].v.i = 1;
  p[1] = value_of(TSUGI_TEXT);
  p[1].v.b = name;
  uint16_t code = host->sql(host->self, text(ADD), p, 2, &changed);
  if (code) return undo(host, code);
  code = host->row(host->self, &row, 1);
  if (code == TSUGI_NO_ROW) {
    host->abort(host->self, text("there is no such counter"));
    return TSUGI_UNDO;
  }
  if (code) return undo(host, code);
  snprintf(line, sizeof line, "%.*s is %lld, %llu changed", (int)name.len, (const char *)name.at,
           (long long)row.v.i, (unsigned long long)changed);
  host->log(host->self, TSUGI_INFORMATION, text(line));
  snprintf(line, sizeof line, "%lld", (long long)row.v.i);
  return say(state, reply, line);
}

static int32_t kinds(const tsugi_host *host, counter_state *state, tsugi_out *reply) {
  static const uint8_t BYTES[2] = {0, 255};
  tsugi_value p[6], r[6];
  int i, same;
  for (i = 0; i < 6; i++) p[i] = value_of((uint8_t)i);
  p[1].v.i = -7;
  p[2].v.f = 0.5;
  p[3].v.b = text("\xe7\xb6\x99\xe3\x81\x8e");
  p[4].v.b.at = BYTES;
  p[4].v.b.len = 2;
  p[5].v.b = text("-12.30");
  uint16_t code = host->sql(host->self, text("values"), p, 6, NULL);
  if (code) return undo(host, code);
  code = host->row(host->self, r, 6);
  if (code) return undo(host, code);
  same = r[0].kind == TSUGI_NULL && r[1].v.i == -7 && r[2].v.f == 0.5;
  for (i = 0; i < 6; i++) same = same && r[i].kind == p[i].kind;
  for (i = 3; i < 6; i++)
    same = same && r[i].v.b.len == p[i].v.b.len &&
           memcmp(r[i].v.b.at, p[i].v.b.at, (size_t)p[i].v.b.len) == 0;
  same = same && host->row(host->self, r, 6) == TSUGI_NO_ROW;
  return say(state, reply, same ? "same" : "other");
}

static int32_t rows(const tsugi_host *host, counter_state *state, tsugi_out *reply) {
  char line[64];
  long long sum = 0;
  tsugi_value row[2];
  uint16_t code = host->sql(host->self, text("three"), NULL, 0, NULL);
  if (code) return undo(host, code);
  while ((code = host->row(host->self, row, 1)) == TSUGI_DONE) sum += row[0].v.i;
  if (code != TSUGI_NO_ROW) return undo(host, code);
  code = host->sql(host->self, text("three"), NULL, 0, NULL);
  if (code) return undo(host, code);
  code = host->row(host->self, row, 2);
  snprintf(line, sizeof line, "%lld %u", sum, (unsigned)code);
  return say(state, reply, line);
}

static int32_t who(const tsugi_host *host, counter_state *state, tsugi_out *reply) {
  char line[512];
  tsugi_info i;
  if (!TSUGI_HAS(host, info)) return undo(host, TSUGI_NOT_IN_THIS_VERSION);
  memset(&i, 0, sizeof i);
  i.size = sizeof i;
  uint16_t code = host->info(host->self, &i);
  if (code) return undo(host, code);
  snprintf(line, sizeof line, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%llu|%u", (int)i.id.len,
           (const char *)i.id.at, (int)i.parent.len, (const char *)i.parent.at, (int)i.client.len,
           (const char *)i.client.at, (int)i.group.len, (const char *)i.group.at, (int)i.node.len,
           (const char *)i.node.at, (int)i.service.len, (const char *)i.service.at,
           (unsigned long long)i.epoch, (unsigned)i.attempt);
  return say(state, reply, line);
}

static int32_t passed_on(const tsugi_host *host, counter_state *state, tsugi_in service,
                         tsugi_out *reply) {
  uint8_t small[8];
  tsugi_out got;
  got.at = small;
  got.cap = sizeof small;
  got.len = 0;
  uint16_t code = host->call(host->self, service, text("hello"), &got);
  if (code) return undo(host, code);
  return answer(state, reply, got.at, got.len);
}

/* Every reserved operation: only this spelling reaches them. */
static int32_t reserved(const tsugi_host *host, counter_state *state, tsugi_out *reply) {
  char line[64];
  tsugi_in in = text("x");
  tsugi_out out;
  out.at = NULL;
  out.cap = out.len = 0;
  if (!TSUGI_HAS(host, out)) return say(state, reply, "older");
  snprintf(line, sizeof line, "%u %u %u %u %u", (unsigned)host->put(host->self, in, in, in),
           (unsigned)host->timer_set(host->self, in, 0, in, in),
           (unsigned)host->timer_cancel(host->self, in), (unsigned)host->next(host->self, &out),
           (unsigned)host->out(host->self, in));
  return say(state, reply, line);
}

static int32_t lengthy(counter_state *state, tsugi_in rest, tsugi_out *reply) {
  char digits[24];
  size_t len;
  uint8_t *made;
  int32_t end;
  snprintf(digits, sizeof digits, "%.*s", (int)rest.len, (const char *)rest.at);
  len = (size_t)strtoull(digits, NULL, 10);
  made = (uint8_t *)malloc(len + 1);
  if (!made) return TSUGI_BROKEN;
  memset(made, 'x', len);
  end = answer(state, reply, made, len);
  free(made);
  return end;
}

static int32_t start(const tsugi_host *host, void **state) {
  (void)host;
  *state = calloc(1, sizeof(counter_state));
  return *state ? TSUGI_KEEP : TSUGI_BROKEN;
}

static int32_t call(const tsugi_host *host, void *kept, tsugi_in body, tsugi_out *reply) {
  counter_state *state = (counter_state *)kept;
  tsugi_in rest;
  char line[32];
  if (is_word(body, "add", &rest)) return add(host, state, rest, reply);
  if (is_word(body, "kinds", &rest)) return kinds(host, state, reply);
  if (is_word(body, "rows", &rest)) return rows(host, state, reply);
  if (is_word(body, "call", &rest)) return passed_on(host, state, rest, reply);
  if (is_word(body, "who", &rest)) return who(host, state, reply);
  if (is_word(body, "reserved", &rest)) return reserved(host, state, reply);
  if (is_word(body, "long", &rest)) return lengthy(state, rest, reply);
  if (is_word(body, "break", &rest)) return TSUGI_BROKEN;
  if (is_word(body, "mistaken", &rest))
    return undo(host, host->sql(host->self, text("selekt"), NULL, 0, NULL));
  if (is_word(body, "left", &rest)) {
    if (!TSUGI_HAS(host, left_ms)) return undo(host, TSUGI_NOT_IN_THIS_VERSION);
    snprintf(line, sizeof line, "%llu", (unsigned long long)host->left_ms(host->self));
    return say(state, reply, line);
  }
  /* It says that it has more than fits and puts it nowhere: a mistake that a host must notice. */
  if (is_word(body, "lost", &rest)) {
    reply->len = reply->cap + 1;
    return TSUGI_KEEP;
  }
  if (is_word(body, "abort", &rest)) host->abort(host->self, rest);
  else host->abort(host->self, text("no such word"));
  return TSUGI_UNDO;
}

static void stop(void *kept) {
  counter_state *state = (counter_state *)kept;
  free(state->reply);
  free(state);
}

static int32_t echo(const tsugi_host *host, void *state, tsugi_in body, tsugi_out *reply) {
  (void)host;
  (void)state;
  if (body.len > reply->cap) return TSUGI_BROKEN;
  if (body.len) memcpy(reply->at, body.at, (size_t)body.len);
  reply->len = body.len;
  return TSUGI_KEEP;
}

static const tsugi_service SERVICES[] = {
    {TSUGI_ABI, sizeof(tsugi_service), "COUNTER", "0123456789abcdef", start, call, stop},
    {TSUGI_ABI, sizeof(tsugi_service), "ECHO", NULL, NULL, echo, NULL},
};

const tsugi_service *tsugi_service_at(uint32_t host_abi, uint32_t index) {
  if (host_abi != TSUGI_ABI || index >= sizeof SERVICES / sizeof SERVICES[0]) return NULL;
  return &SERVICES[index];
}
