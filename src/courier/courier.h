#ifndef COURIER_COURIER_H
#define COURIER_COURIER_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db_loop.h"
#include "adapters/post.h"
#include "adapters/store_queue.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "courier/loop.h"
#include "courier/message.h"
#include "domain/epoch.h"
#include "domain/keyring.h"
#include "domain/seal.h"
#include "domain/settings.h"

struct flight;
struct gear;
struct outbox;

#define COURIER_NAME_SIZE 128
#define COURIER_NAMES_LOST \
	20 /* different hosts that do not resolve in a row: the resolver is ill */

/** A courier at work; each field is one room's, named beside it. */
struct courier {
	const struct settings *settings;
	struct clock clock;
	struct loop *loop;
	struct db_loop *db;
	struct keyring *ring;
	struct seal_ring *seals;
	struct post *post;
	struct gear *gears; /* work.c: `post` and those that it has replaced */
	int db_fd;          /* what the loop watches for `db`; -1: nothing */
	short db_events;

	struct flight *flights; /* flight.c: those under way */
	size_t nflights, nfailing;
	uint64_t names_lost[COURIER_NAMES_LOST]; /* hashes of hosts */
	size_t nnames_lost;

	struct outbox *outbox; /* outbox.c: outcomes to be written down */

	bool is_claiming; /* claim.c */
	int64_t claim_at_ms;
	struct uuid claim_id;
	int64_t claim_asked;               /* how many were asked for */
	struct store_claimed *claimed;     /* those whose flights have not begun yet, in order */
	struct store_claimed **claimed_at; /* where the next one goes */
	struct message_event claim_event;  /* one goes to many channels; kept while they are read */

	struct uuid id; /* beat.c */
	char name[COURIER_NAME_SIZE];
	bool is_beating, is_leaving, has_left;
	int64_t beat_at_ms;

	struct epoch epoch; /* epoch.c: what it remembers of the database */
	bool has_epoch, is_unsaved;
	bool is_checking, is_held;
	int64_t epoch_at_ms;
	unsigned epoch_session; /* the one that it has looked in last */

	bool is_housekeeping; /* house.c */
	int64_t house_at_ms;
	int64_t house_batches; /* of these chores */

	bool is_noticing; /* notice.c */
	int64_t notice_at_ms;
	size_t nnotices; /* under way */

	bool is_stopping;    /* SIGTERM: no more claims */
	bool is_reloading;   /* SIGHUP: no more claims until the database has been told all */
	int64_t drain_at_ms; /* what is then still under way is handed back */
};

#endif
