/*
 * Makes a plain program of a fuzz target: it runs every file of the folders and files given, or of
 * its own corpus, $srcdir/tests/fuzz/corpus/NAME.  So `make check` replays what was ever found,
 * with any compiler.  Each input lies in memory of just its size: one byte too far is seen by ASan
 * and valgrind.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define PATH_CAP 4096

/* Run one file; false where it cannot be read. */
static bool
run_file(const char *path)
{
	bool rc = false;
	uint8_t *data = NULL;
	struct stat st;
	FILE *f;

	if ((f = fopen(path, "rb")) == NULL || fstat(fileno(f), &st) != 0)
		goto out;
	if ((data = malloc((size_t)st.st_size)) == NULL && st.st_size > 0)
		goto out;
	if (st.st_size > 0 && fread(data, (size_t)st.st_size, 1, f) != 1)
		goto out;
	(void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	rc = true;
out:
	if (!rc)
		perror(path);
	free(data);
	if (f != NULL)
		fclose(f);
	return (rc);
}

/* Run ${path}, or each file of it; the number of files, 0 where one could not be read. */
static size_t
run(const char *path)
{
	char name[PATH_CAP];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;
	int n;

	if ((dir = opendir(path)) == NULL)
		return (run_file(path) ? 1 : 0);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (n < 0 || (size_t)n >= sizeof(name))
			continue;              /* no file is there by such a name */
		fprintf(stderr, "%s\n", name); /* the last one named is the one that failed */
		if (!run_file(name)) {
			count = 0;
			break;
		}
		count++;
	}
	closedir(dir);
	return (count);
}

/* Where the corpus of the program ${self}, ".../fuzz_NAME", lies. */
static void
own_corpus(const char *self, char out[static PATH_CAP])
{
	const char *slash = strrchr(self, '/'), *name = slash == NULL ? self : slash + 1;
	const char *srcdir = getenv("srcdir");

	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	snprintf(out, PATH_CAP, "%s/tests/fuzz/corpus/%s", srcdir == NULL ? "." : srcdir, name);
}

int
main(int argc, char **argv)
{
	char own[PATH_CAP];
	size_t count = 0, n;
	int i;

	own_corpus(argv[0], own);
	for (i = 1; i < argc || i == 1; i++) {
		if ((n = run(argc > 1 ? argv[i] : own)) == 0) {
			fprintf(stderr, "%s: nothing to replay\n", argc > 1 ? argv[i] : own);
			return (1);
		}
		count += n;
	}
	printf("%zu inputs\n", count);
	return (0);
}
