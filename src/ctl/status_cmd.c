/*
 * `status`: how long the queue is, how old, what became of the last hour's deliveries, and whose
 * heart beats.  Ill is what turns /readyz red.
 */
#include "ctl/status_cmd.h"

#include <string.h>

#include "ctl/options.h"
#include "ctl/output.h"
#include "sql_queries.h"

/* The columns of sql/q/admin_queue_status.sql. */
enum {
	C_NOW = 0,
	C_WAITING,
	C_SENDING,
	C_OLDEST,
	C_DELIVERED,
	C_FAILED,
	C_ALIVE,
	C_LOCAL,
	C_HELD_AT,
	C_HELD_BY,
	C_HELD_WHY
};

/* The words of Nagios' plugins; their number is the exit status. */
enum nagios { NAGIOS_OK = 0, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS__MAX };
static const char *const nagios_words[NAGIOS__MAX] = {"OK", "WARNING", "CRITICAL"};

/** What was found. */
struct state {
	struct db_rows *queue, *couriers;
	int64_t limit_s; /* 0: none */
	enum nagios word;
	struct buf why; /* empty where all is well */
};

static int64_t
number(const struct state *s, size_t col)
{
	return (db_int(s->queue, 0, col, 0));
}

/* Ask the database. */
static enum err
ask(const struct ctl *ctl, struct state *s)
{
	enum err e;

	e = db_call(
	    ctl->db, &Q_ADMIN_QUEUE_STATUS, NULL, 0, ctl_deadline(CTL_DEADLINE_MS), &s->queue);
	if (e == ERR_OK)
		e = db_call(ctl->db, &Q_ADMIN_COURIER_LIST, NULL, 0, ctl_deadline(CTL_DEADLINE_MS),
		    &s->couriers);
	return (e == ERR_OK ? e : ctl_db_fault(ctl, ctl->db, e));
}

/* Say what is ill. */
static void
judge(struct state *s)
{
	const struct slice local = db_text(s->queue, 0, C_LOCAL);
	const struct slice held = db_text(s->queue, 0, C_HELD_AT);
	const struct slice reason = db_text(s->queue, 0, C_HELD_WHY);
	const int64_t oldest_s = number(s, C_OLDEST);
	struct buf *why = &s->why;

	if (held.ptr != NULL) {
		buf_printf(why, "the queue is held since %.*s (", (int)held.len, held.ptr);
		output_plain(reason, why);
		buf_printf(why, "): `sigsentryctl queue release` or `queue discard --before TIME` "
				"lets it go");
	}
	if (number(s, C_ALIVE) == 0)
		buf_printf(why, "%sno courier has beaten its heart within its lease",
		    why->len > 0 ? "; " : "");
	if (local.ptr != NULL)
		buf_printf(why,
		    "%sdeliveries to channels of the type %.*s fail by a fault on our side",
		    why->len > 0 ? "; " : "", (int)local.len, local.ptr);
	if (s->limit_s > 0 && oldest_s > s->limit_s && held.ptr == NULL)
		buf_printf(why, "%sthe oldest due delivery has waited for %lld s",
		    why->len > 0 ? "; " : "", (long long)oldest_s);
	if (why->len > 0 || !buf_ok(why))
		s->word = NAGIOS_CRITICAL;
	else if (s->limit_s > 0 && oldest_s > s->limit_s / 2)
		s->word = NAGIOS_WARNING;
}

/* Append the line that Nagios reads. */
static void
put_nagios(const struct state *s, struct buf *out)
{
	const long long warn_s = s->limit_s / 2, limit_s = s->limit_s;

	buf_printf(out, "%s - ", nagios_words[s->word]);
	if (s->why.len > 0)
		buf_printf(out, "%.*s; ", (int)s->why.len, buf_slice(&s->why).ptr);
	buf_printf(out,
	    "%lld waiting, %lld sending, the oldest due for %lld s, %lld delivered and %lld failed "
	    "in the last hour, %lld couriers alive | waiting=%lld;;;0 sending=%lld;;;0 ",
	    (long long)number(s, C_WAITING), (long long)number(s, C_SENDING),
	    (long long)number(s, C_OLDEST), (long long)number(s, C_DELIVERED),
	    (long long)number(s, C_FAILED), (long long)number(s, C_ALIVE),
	    (long long)number(s, C_WAITING), (long long)number(s, C_SENDING));
	if (limit_s > 0)
		buf_printf(out, "oldest_due=%llds;%lld;%lld;0 ", (long long)number(s, C_OLDEST),
		    warn_s, limit_s);
	else
		buf_printf(out, "oldest_due=%llds;;;0 ", (long long)number(s, C_OLDEST));
	buf_printf(out, "delivered=%lld;;;0 failed=%lld;;;0 couriers=%lld;;1:;0\n",
	    (long long)number(s, C_DELIVERED), (long long)number(s, C_FAILED),
	    (long long)number(s, C_ALIVE));
}

/* Append one object, the couriers in it. */
static enum err
put_json(
    const struct ctl *ctl, const struct output_table *queue, const struct output_table *couriers)
{
	struct buf one;
	enum err e = ERR_NOMEM;

	buf_init(&one, ctl->out->max);
	output_record(queue, true, &one);
	if (!buf_ok(&one))
		goto out;
	buf_add(ctl->out, slice_make(buf_str(&one), one.len - strlen("}\n")));
	buf_reset(&one);
	if ((e = output_list(couriers, true, ctl->arena, &one)) != ERR_OK)
		goto out;
	if (!buf_ok(&one)) {
		e = ERR_NOMEM;
		goto out;
	}
	buf_printf(ctl->out, ",\"couriers\":%.*s}\n", (int)(one.len - strlen("\n")), buf_str(&one));
out:
	buf_clear(&one);
	return (e);
}

/* Print both tables. */
static enum err
print(const struct ctl *ctl, const struct state *s)
{
	struct output_table queue, couriers;
	enum err e;

	if ((e = output_from_rows(s->queue, 0, ctl->arena, &queue)) != ERR_OK ||
	    (e = output_from_rows(s->couriers, 0, ctl->arena, &couriers)) != ERR_OK)
		return (e);
	if (ctl->json)
		return (put_json(ctl, &queue, &couriers));
	output_record(&queue, false, ctl->out);
	buf_addc(ctl->out, '\n');
	return (output_list(&couriers, false, ctl->arena, ctl->out));
}

/* The line of --nagios, also where there is nothing to be found out. */
static enum err
run_nagios(const struct ctl *ctl, struct state *s, enum err e)
{
	*ctl->exit_status = NAGIOS_CRITICAL;
	if (e != ERR_OK) {
		buf_printf(
		    ctl->out, "CRITICAL - %.*s\n", (int)ctl->why->len, buf_slice(ctl->why).ptr);
		return (ERR_OK);
	}
	judge(s);
	put_nagios(s, ctl->out);
	*ctl->exit_status = (int)s->word;
	return (ERR_OK);
}

enum err
status_run(const struct ctl *ctl)
{
	const bool is_nagios = options_has(ctl->options, OPTION_NAGIOS);
	struct state s = {.queue = NULL};
	enum err e = ERR_DENIED;

	if (is_nagios && ctl->json) {
		buf_printf(ctl->why, "--nagios prints a line of its own form: leave --json out");
		return (ERR_INVALID);
	}
	buf_init(&s.why, 4096);
	if (ctl->settings == NULL) {
		buf_printf(ctl->why, "%s", ctl->settings_fault);
	} else {
		s.limit_s = ctl->settings->ready_oldest_due_s;
		e = ask(ctl, &s);
	}
	if (is_nagios) {
		e = run_nagios(ctl, &s, e);
	} else if (e == ERR_OK && (e = print(ctl, &s)) == ERR_OK) {
		judge(&s);
		buf_add(ctl->why, buf_slice(&s.why));
		e = !buf_ok(&s.why) ? ERR_NOMEM : s.why.len > 0 ? ERR_DENIED : ERR_OK;
	}
	buf_clear(&s.why);
	db_rows_free(s.queue);
	db_rows_free(s.couriers);
	return (e);
}
