/* Result codes and their words, for every room of the house. */
#include "base/err.h"

static const char *const words[ERR__MAX] = {
    [ERR_OK] = "ok",
    [ERR_NOMEM] = "nomem",
    [ERR_SPACE] = "space",
    [ERR_INVALID] = "invalid",
    [ERR_DAMAGED] = "damaged",
    [ERR_NOKEY] = "nokey",
    [ERR_NOTFOUND] = "notfound",
    [ERR_EXISTS] = "exists",
    [ERR_DENIED] = "denied",
    [ERR_IO] = "io",
    [ERR_TIMEOUT] = "timeout",
    [ERR_DOWN] = "down",
    [ERR_INTERNAL] = "internal",
};

const char *
err_word(enum err e)
{
	if ((unsigned int)e >= ERR__MAX)
		return ("unknown");
	return (words[e]);
}
