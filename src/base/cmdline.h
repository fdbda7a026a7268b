#ifndef BASE_CMDLINE_H
#define BASE_CMDLINE_H

#include <stddef.h>

#define CMDLINE_OVERRIDES_MAX 64

/** What the command line of a daemon says: where its settings come from.  Borrows argv. */
struct cmdline {
	const char *config;
	const char *overrides[CMDLINE_OVERRIDES_MAX]; /* "key=value" */
	size_t noverrides;
};

/**
 * cmdline_read(argc, argv, program, usage, config, out):
 * Read -c FILE (else ${config}) and -o KEY=VALUE, by their long names too.  --help and --version
 * answer and end the process with 0; what is not understood ends it with 2, and ${usage}.
 */
void cmdline_read(int argc, char **argv, const char *program, const char *usage, const char *config,
    struct cmdline *out);

#endif
