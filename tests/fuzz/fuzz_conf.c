/* sigsentry.conf: a file is taken with every value in its bounds, or refused in words that name it;
 * and taken once, it is taken again with nothing changed. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domain/settings.h"
#include "fuzz.h"

#define WHY_MAX 65536

/* What sigsentry.conf(5) promises of a file that was taken. */
static void
check_taken(const struct settings *s)
{
	size_t i;

	MUST(s->api_workers >= 1 && s->api_backlog >= 1 && s->request_deadline_ms >= 1);
	MUST(s->seal_context_s >= 0 && s->lease_s >= 1 && s->max_flights >= 1 && s->poll_ms >= 1);
	MUST(s->log_level >= 0 && s->log_level < LOG_LEVEL__MAX);
	MUST(s->connect_timeout_s >= 1 && s->total_timeout_s >= 1);
	MUST(s->database != NULL && s->api_socket != NULL && s->mail_from != NULL);
	MUST(s->policy.negress_allow == s->egress_allow.nitems &&
	     s->egress.nallow == s->egress_allow.nitems);
	MUST(s->egress.npins == s->egress_connect_to.nitems);
	MUST(s->nretries == s->retry_schedule.nitems);
	for (i = 0; i < s->nretries; i++)
		MUST(s->retry_s[i] >= 0);
	MUST((s->smtp_url[0] != '\0') == (s->relay.port != 0));
	MUST((s->egress_proxy[0] != '\0') == (s->proxy.port != 0));
	MUST((s->smtp_user[0] != '\0') == (s->smtp_password_file[0] != '\0'));
	MUST(s->relay.port == 0 || s->mail_from[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct settings *s;
	char path[64], *line;
	const char *override;
	struct buf why;
	int fd;

	MUST((fd = memfd_create("conf", MFD_CLOEXEC)) >= 0);
	MUST(size == 0 || write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	buf_init(&why, WHY_MAX);
	s = settings_load(path, NULL, 0, &why);
	if (s != NULL)
		check_taken(s);
	else
		MUST(buf_ok(&why) && why.len > 0 && memchr(why.ptr, '\n', why.len) == NULL);
	settings_free(s);
	close(fd);

	/* the same bytes as one -o of the command line */
	MUST((line = strndup((const char *)data, size)) != NULL);
	override = line;
	buf_reset(&why);
	s = settings_load("/dev/null", &override, 1, &why);
	if (s != NULL)
		check_taken(s);
	else
		MUST(why.len > 0);
	settings_free(s);
	free(line);
	buf_clear(&why);
	return (0);
}
