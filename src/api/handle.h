#ifndef API_HANDLE_H
#define API_HANDLE_H

#include "api/call.h"

/**
 * handle(api, in, out):
 * Answer the request ${in} into ${out} and log its one line.  Never fails: what goes wrong is the
 * answer.
 */
void handle(struct api *api, const struct gate_request *in, struct reply *out);

#endif
