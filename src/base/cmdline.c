/* The command line that the daemons have in common (getopt_long(3)). */
#include "base/cmdline.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct option longs[] = {
    {"config", required_argument, NULL, 'c'},
    {"option", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

void
cmdline_read(int argc, char **argv, const char *program, const char *usage, const char *config,
    struct cmdline *out)
{
	int opt;

	out->config = config;
	out->noverrides = 0;
	while ((opt = getopt_long(argc, argv, "c:o:hV", longs, NULL)) != -1) {
		if (opt == 'c') {
			out->config = optarg;
		} else if (opt == 'o' && out->noverrides < CMDLINE_OVERRIDES_MAX) {
			out->overrides[out->noverrides++] = optarg;
		} else if (opt == 'o') {
			fprintf(stderr,
			    "%s: more than %d times -o: put settings into the config file\n",
			    program, CMDLINE_OVERRIDES_MAX);
			exit(2);
		} else if (opt == 'h') {
			fputs(usage, stdout);
			exit(0);
		} else if (opt == 'V') {
			printf("%s %s\n", program, PACKAGE_VERSION);
			exit(0);
		} else {
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: \"%s\" is not an option\n%s", program, argv[optind], usage);
		exit(2);
	}
}
