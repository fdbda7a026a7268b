#ifndef BASE_ERR_H
#define BASE_ERR_H

/* A result that must be looked at. */
#define MUST_CHECK __attribute__((warn_unused_result))

/**
 * The result of anything that can fail.  0 is success, so that `if (e)` reads as "if it failed".
 * What went wrong in detail is logged by the room that saw it first; these words only steer.
 */
enum err {
	ERR_OK = 0,
	ERR_NOMEM,    /* no memory, or no locked memory */
	ERR_SPACE,    /* the caller's buffer, or a limit, is too small */
	ERR_INVALID,  /* input that breaks a rule */
	ERR_DAMAGED,  /* sealed or stored bytes that do not verify */
	ERR_NOKEY,    /* a key that is not in the keyring */
	ERR_NOTFOUND, /* no such thing */
	ERR_EXISTS,   /* it is there already */
	ERR_DENIED,   /* not allowed */
	ERR_IO,       /* a file or socket failed; errno told the log */
	ERR_TIMEOUT,  /* the deadline passed */
	ERR_DOWN,     /* the other side is away for now; try again later */
	ERR_INTERNAL, /* a bug or a broken installation */
	ERR__MAX
};

/**
 * err_word(e):
 * Return the lower-case word for ${e}, as it stands in logs.  Never NULL; a static string.
 */
const char *err_word(enum err e);

#endif
