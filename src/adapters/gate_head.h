#ifndef ADAPTERS_GATE_HEAD_H
#define ADAPTERS_GATE_HEAD_H

#include "base/err.h"

/* Bytes of the records up to the end of the parameters.  nginx takes 32 KiB of head from a client,
 * and this much stands in a socket's buffer while nobody reads it. */
#define GATE_HEAD_MAX (128 * 1024)

/**
 * gate_head_look(fd):
 * For gate.c alone: look at what begins in the stream ${fd}, without taking it out, until the
 * parameters of a FastCGI request are over (FastCGI 1.0, §3, §5.1, §5.2).  Waits as long as the
 * socket's receive time-out says.  ERR_INVALID: it is cut, holds other records, or a name or value
 * that is longer than all may be; libfcgi would end the process for want of memory.
 */
enum err gate_head_look(int fd) MUST_CHECK;

#endif
