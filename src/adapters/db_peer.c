/* Whom root connects as to a local server.  Serves sigsentryctl, which has nobody edit
 * pg_ident.conf for it. */
#include "adapters/db_peer.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Are all of ${hosts}, a list of libpq's, folders of local sockets?  An empty one is libpq's
 * default folder. */
static bool
are_sockets(const char *hosts)
{
	for (;; hosts++) {
		if (strchr("/@,", hosts[0]) == NULL) /* finds the NUL, too */
			return (false);
		hosts += strcspn(hosts, ",");
		if (hosts[0] == '\0')
			return (true);
	}
}

/* The value of ${keyword}, or the environment's, as libpq takes it.  NULL: neither. */
static const char *
value_of(const PQconninfoOption *all, const char *keyword)
{
	const PQconninfoOption *o;
	const char *value = NULL;

	for (o = all; o != NULL && o->keyword != NULL; o++) {
		if (strcmp(o->keyword, keyword) == 0)
			value = o->val != NULL || o->envvar == NULL ? o->val : getenv(o->envvar);
	}
	return (value == NULL || value[0] == '\0' ? NULL : value);
}

/* The local user to be for a connection by ${all}.  NULL: it is not local, or there is no such
 * user. What a service file says is not looked at. */
static const struct passwd *
local_user(const PQconninfoOption *all, const char *role)
{
	const char *host = value_of(all, "host"), *user = value_of(all, "user");

	if (all == NULL || value_of(all, "hostaddr") != NULL || value_of(all, "service") != NULL ||
	    (host != NULL && !are_sockets(host)))
		return (NULL);
	user = user == NULL ? role : user;
	return (user == NULL ? NULL : getpwnam(user));
}

enum err
db_peer_begin(struct db_peer *peer, const char *conninfo, const char *role)
{
	const struct passwd *pw = NULL;
	PQconninfoOption *all;

	*peer = (struct db_peer){.gid = getegid()};
	if (geteuid() != 0)
		return (ERR_OK);
	all = PQconninfoParse(conninfo, NULL);
	pw = local_user(all, role);
	PQconninfoFree(all);
	if (pw == NULL || pw->pw_uid == 0)
		return (ERR_OK);
	if (setegid(pw->pw_gid) != 0)
		return (ERR_DENIED);
	peer->is_another = true;
	if (seteuid(pw->pw_uid) == 0)
		return (ERR_OK);
	(void)!setegid(peer->gid);
	return (ERR_DENIED);
}

enum err
db_peer_end(const struct db_peer *peer)
{
	if (!peer->is_another)
		return (ERR_OK);
	return (seteuid(0) == 0 && setegid(peer->gid) == 0 ? ERR_OK : ERR_DENIED);
}
