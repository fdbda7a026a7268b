#ifndef ADAPTERS_DB_PEER_H
#define ADAPTERS_DB_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/** Who this process was before db_peer_begin(). */
struct db_peer {
	bool is_another; /* it is somebody else now */
	gid_t gid;
};

/**
 * db_peer_begin(peer, conninfo, role), db_peer_end(peer):
 * PostgreSQL's peer authentication looks at the user of the process that connects to a local
 * socket.  Where root runs this, all servers of ${conninfo} are reached by local sockets, and there
 * is a local user of the role's name, become that user; be root again.  The role is
 * ${conninfo}'s user, or else ${role}, which may be NULL.  Where any of this is not so nothing is
 * changed: root's own password and certificate files count.
 * ERR_DENIED: the system does not allow the change.
 */
enum err db_peer_begin(struct db_peer *peer, const char *conninfo, const char *role) MUST_CHECK;
enum err db_peer_end(const struct db_peer *peer) MUST_CHECK;

#endif
