#ifndef API_HANDLE_H
#define API_HANDLE_H

#include "api/call.h"

/**
 * handle(api, gate, in):
 * Answer the request ${in} of ${gate} and log its one line.  Never fails: what goes wrong is the
 * answer.  ${in} is no more after it.
 */
void handle(struct api *api, struct gate *gate, const struct gate_request *in);

#endif
