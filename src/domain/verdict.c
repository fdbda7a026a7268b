/* The words with which the database's functions answer. */
#include "domain/verdict.h"

const char *const verdict_words[VERDICT__MAX] = {
    [VERDICT_OK] = "ok",
    [VERDICT_UNAUTHORIZED] = "unauthorized",
    [VERDICT_KEY_REVOKED] = "key_revoked",
    [VERDICT_KEY_EXPIRED] = "key_expired",
    [VERDICT_SECRET_KEY_REQUIRED] = "secret_key_required",
    [VERDICT_TENANT_SUSPENDED] = "tenant_suspended",
    [VERDICT_MISSING_PROJECT] = "missing_project",
    [VERDICT_BAD_PROJECT] = "bad_project",
    [VERDICT_WRONG_PROJECT] = "wrong_project",
    [VERDICT_FORBIDDEN] = "forbidden",
    [VERDICT_RATE_LIMITED] = "rate_limited",
    [VERDICT_NOT_FOUND] = "not_found",
    [VERDICT_NO_DELIVERY] = "no_delivery",
    [VERDICT_TENANT_WIDE] = "tenant_wide",
    [VERDICT_REPLAYED] = "replayed",
    [VERDICT_KEY_CONFLICT] = "key_conflict",
    [VERDICT_INVALID] = "invalid",
    [VERDICT_NOT_FINISHED] = "not_finished",
    [VERDICT_CHANNEL_INACTIVE] = "channel_inactive",
    [VERDICT_QUOTA] = "quota",
    [VERDICT_CONFLICT] = "conflict",
};

enum err
verdict_parse(struct slice s, enum verdict *out)
{
	unsigned int i;

	for (i = 0; i < VERDICT__MAX; i++) {
		if (slice_eq(s, slice_of(verdict_words[i]))) {
			*out = (enum verdict)i;
			return (ERR_OK);
		}
	}
	return (ERR_INVALID);
}
