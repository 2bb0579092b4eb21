/* Prints every member of the header's types with its offset and size, and every number. */
#include "tsugi_program.h"
#include "tsugi_program.h" /* twice does no harm */

#include <stddef.h>
#include <stdio.h>

#define TYPE(type) printf("%s %lu\n", #type, (unsigned long)sizeof(type))
#define MEMBER(type, member)                                                                       \
  printf("%s.%s %lu %lu\n", #type, #member, (unsigned long)offsetof(type, member),                 \
         (unsigned long)sizeof(((type *)0)->member))
#define NUMBER(name) printf("%s %lld\n", #name, (long long)(name))

int main(void) {
  TYPE(tsugi_in);
  MEMBER(tsugi_in, at);
  MEMBER(tsugi_in, len);
  TYPE(tsugi_out);
  MEMBER(tsugi_out, at);
  MEMBER(tsugi_out, cap);
  MEMBER(tsugi_out, len);
  TYPE(tsugi_value);
  MEMBER(tsugi_value, kind);
  MEMBER(tsugi_value, res);
  MEMBER(tsugi_value, v);
  MEMBER(tsugi_value, v.i);
  MEMBER(tsugi_value, v.f);
  MEMBER(tsugi_value, v.b);
  TYPE(tsugi_info);
  MEMBER(tsugi_info, size);
  MEMBER(tsugi_info, attempt);
  MEMBER(tsugi_info, epoch);
  MEMBER(tsugi_info, id);
  MEMBER(tsugi_info, parent);
  MEMBER(tsugi_info, client);
  MEMBER(tsugi_info, group);
  MEMBER(tsugi_info, node);
  MEMBER(tsugi_info, service);
  TYPE(tsugi_host);
  MEMBER(tsugi_host, abi);
  MEMBER(tsugi_host, size);
  MEMBER(tsugi_host, self);
  MEMBER(tsugi_host, sql);
  MEMBER(tsugi_host, row);
  MEMBER(tsugi_host, call);
  MEMBER(tsugi_host, log);
  MEMBER(tsugi_host, abort);
  MEMBER(tsugi_host, info);
  MEMBER(tsugi_host, left_ms);
  MEMBER(tsugi_host, last);
  MEMBER(tsugi_host, put);
  MEMBER(tsugi_host, timer_set);
  MEMBER(tsugi_host, timer_cancel);
  MEMBER(tsugi_host, next);
  MEMBER(tsugi_host, out);
  TYPE(tsugi_service);
  MEMBER(tsugi_service, abi);
  MEMBER(tsugi_service, size);
  MEMBER(tsugi_service, name);
  MEMBER(tsugi_service, interface_hash);
  MEMBER(tsugi_service, start);
  MEMBER(tsugi_service, call);
  MEMBER(tsugi_service, stop);
  NUMBER(TSUGI_ABI);
  NUMBER(TSUGI_KEEP);
  NUMBER(TSUGI_UNDO);
  NUMBER(TSUGI_BROKEN);
  NUMBER(TSUGI_DEBUG);
  NUMBER(TSUGI_INFORMATION);
  NUMBER(TSUGI_WARNING);
  NUMBER(TSUGI_ERROR);
  NUMBER(TSUGI_NULL);
  NUMBER(TSUGI_INTEGER);
  NUMBER(TSUGI_REAL);
  NUMBER(TSUGI_TEXT);
  NUMBER(TSUGI_BYTES);
  NUMBER(TSUGI_DECIMAL);
  NUMBER(TSUGI_DONE);
  NUMBER(TSUGI_NO_ROW);
  NUMBER(TSUGI_DUPLICATE);
  NUMBER(TSUGI_CONSTRAINT);
  NUMBER(TSUGI_TOO_LARGE);
  NUMBER(TSUGI_NOT_ALLOWED);
  NUMBER(TSUGI_MISTAKEN);
  NUMBER(TSUGI_CALLEE_REFUSED);
  NUMBER(TSUGI_CALLEE_FAILED);
  NUMBER(TSUGI_CYCLE);
  NUMBER(TSUGI_TOO_DEEP);
  NUMBER(TSUGI_WRITER_HELD);
  NUMBER(TSUGI_LATE);
  NUMBER(TSUGI_NOT_IN_THIS_VERSION);
  NUMBER(TSUGI_STORE);
  return 0;
}
