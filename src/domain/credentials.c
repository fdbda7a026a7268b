/*
 * The credentials of a channel: what contract §3 asks of each field, whatever the type's table says
 * that there is.  Values go straight from the JSON tree into buffers that are wiped; no message
 * quotes one.
 */
#include "domain/credentials.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/url.h"
#include "domain/channel.h"

#define AUTH_HEADER_MAX 2048 /* characters */
#define HMAC_SECRET_MAX 512  /* bytes */
#define ADDRESS_MAX     254  /* bytes of an e-mail address, RFC 5321 §4.5.3.1.3 less "<>" */
#define LOCAL_MAX       64   /* bytes before the '@', RFC 5321 §4.5.3.1.1 */
#define LABEL_MAX       63   /* bytes of a label, RFC 1035 §2.3.4 */
#define PATH_CAP        64 /* bytes of an issue's path, "credentials.recipients[65535]" at the most */
#define HOSTS_CAP       512 /* bytes of a platform's list of hosts in a message */

/** A walk through the fields of one object. */
struct walk {
	enum channel_type type;
	const struct credentials_policy *policy;
	struct issues *issues;
	struct credentials *out;
	bool seen[CREDENTIALS_FIELDS_MAX]; /* by row of the type's fields */
	bool is_part;                      /* null removes an optional field */
};

/** URLs of a platform that look right and take other messages. */
struct lookalike {
	enum channel_type type;
	const char *path;
	const char *message;
};

/* The recipients found so far; the addresses borrow the JSON tree. */
struct recipients {
	struct slice list[CREDENTIALS_RECIPIENTS_MAX];
	size_t count;
	bool overflow; /* there was one more that is none of these */
};

/** Why a text is no address that mail can go to. */
enum mail_fault {
	MAIL_FINE = 0,
	MAIL_EMPTY,
	MAIL_LONG,
	MAIL_AT,
	MAIL_LOCAL,
	MAIL_LOCAL_LONG,
	MAIL_DOTLESS,
	MAIL_DOMAIN,
	MAIL__MAX
};

/* clang-format off */
#define WORKFLOW_MESSAGE "is a URL of Slack's Workflow Builder, which takes other messages: add \"Incoming " \
    "Webhooks\" to a Slack app and use the URL that it shows, with /services/ behind the host"

static const struct lookalike lookalikes[] = {
	{CHANNEL_SLACK, "/workflows/", WORKFLOW_MESSAGE},
	{CHANNEL_SLACK, "/triggers/", WORKFLOW_MESSAGE},
};

/* They go on from "the address …". */
static const char *const mail_fault_words[MAIL__MAX] = {
	[MAIL_FINE] = "is fine",
	[MAIL_EMPTY] = "is empty: remove it, and a comma too many",
	[MAIL_LONG] = "is longer than 254 bytes",
	[MAIL_AT] = "must be of the form name@example.com, with one @",
	[MAIL_LOCAL] = "may have before the @ only ASCII letters, digits and !#$%&'*+-/=?^_`{|}~, and single dots "
	    "between them: write the bare address, without a display name, quotes or < >",
	[MAIL_LOCAL_LONG] = "is longer than 64 bytes before the @",
	[MAIL_DOTLESS] = "needs a whole domain behind the @, with a dot, as in example.com",
	[MAIL_DOMAIN] = "has no valid domain behind the @: labels of 1 to 63 ASCII letters, digits and "
	    "inner hyphens, dots between them (write an international domain in its xn-- form)",
};
/* clang-format on */

/* Is ${value} a string?  If not, say so. */
static bool
is_string(const struct credentials_check *c, const struct json *value)
{
	if (json_type(value) == JSON_STRING)
		return (true);
	issue_add_type(c->issues, c->path, "a string", value);
	return (false);
}

/* Is ${value} a string with an acceptable URL?  If not, say so. */
static bool
is_url(const struct credentials_check *c, const struct json *value, struct url *url)
{
	enum url_fault fault = URL_FINE;
	enum err e;

	if (!is_string(c, value))
		return (false);
	if ((e = url_parse(json_string(value), url, &fault)) == ERR_OK)
		return (true);
	if (e == ERR_INVALID)
		issue_add(c->issues, c->path, fault == URL_LENGTH ? ISSUE_LENGTH : ISSUE_FORMAT,
		    "%s", url_fault_words[fault]);
	else
		c->issues->failed = true;
	return (false);
}

/* Is ${host} what ${pattern} says: that host, or with a dot in front every host below it? */
static bool
host_fits(struct slice pattern, struct slice host)
{
	if (pattern.len > 0 && pattern.ptr[0] == '.')
		return (slice_ends_nocase(host, pattern)); /* no host begins with a dot */
	return (slice_eq_nocase(host, pattern));
}

/* Does ${path} begin with ${pattern}, in which '*' is a version, as v10? */
static bool
path_fits(const char *pattern, struct slice path)
{
	size_t digits;

	for (; pattern != NULL && *pattern != '\0'; pattern++) {
		if (path.len == 0 || path.ptr[0] != (*pattern == '*' ? 'v' : *pattern))
			return (false);
		path = slice_skip(path, 1);
		if (*pattern != '*')
			continue;
		for (digits = 0; digits < path.len; digits++) {
			if (path.ptr[digits] < '0' || path.ptr[digits] > '9')
				break;
		}
		if (digits == 0)
			return (false);
		path = slice_skip(path, digits);
	}
	return (true);
}

/* Could ${host} be reached by the egress policy, as far as the name alone tells?  If not, say so.
 */
static void
judge_host(const struct credentials_check *c, struct slice host)
{
	const struct credentials_policy *p = c->policy;
	struct address a;

	if (address_parse(host, &a) == ERR_OK) {
		if (!address_is_allowed(&a, p->egress_allow, p->negress_allow))
			issue_add(c->issues, c->path, ISSUE_HOST,
			    "must name a public host: this address is of a private, local or "
			    "reserved network, to which nothing is sent");
	} else if (address_name_is_refused(host)) {
		issue_add(c->issues, c->path, ISSUE_HOST,
		    "must name a public host with its full domain: localhost, names without a dot "
		    "and names under .localhost, .local and .internal are never sent to");
	}
}

/* Has the config added ${host} for this type? */
static bool
host_is_added(const struct credentials_check *c, struct slice host)
{
	const struct slice *added = c->policy->hosts[c->type];
	size_t i;

	for (i = 0; i < c->policy->nhosts[c->type]; i++) {
		if (host_fits(added[i], host))
			return (true);
	}
	return (false);
}

/* The first row of ${hosts} that ${host} fits, or NULL. */
static const struct credentials_host *
host_find(const struct credentials_host *hosts, struct slice host)
{
	for (; hosts->suffix != NULL; hosts++) {
		if (host_fits(slice_of(hosts->suffix), host))
			return (hosts);
	}
	return (NULL);
}

/* Write the hosts as "a, *.b or c" to ${out}; one that has several rows has them together. */
static const char *
hosts_list(const struct credentials_host *hosts, char out[static HOSTS_CAP])
{
	const struct credentials_host *h, *next;
	size_t used = 0;
	int n;

	out[0] = '\0';
	for (h = hosts; h->suffix != NULL && used < HOSTS_CAP; h = next) {
		for (next = h + 1; next->suffix != NULL && strcmp(next->suffix, h->suffix) == 0;)
			next++;
		n = snprintf(out + used, HOSTS_CAP - used, "%s%s%s",
		    h == hosts ? "" : (next->suffix == NULL ? " or " : ", "),
		    h->suffix[0] == '.' ? "*" : "", h->suffix);
		used += n < 0 ? 0 : (size_t)n;
	}
	return (out);
}

/* Does one of ${own}'s rows take ${path}?  If not, say what is wrong with it. */
static void
judge_path(const struct credentials_check *c, const struct credentials_host *own, struct slice path)
{
	const struct credentials_host *h;
	size_t i;

	for (h = own; h->suffix != NULL; h++) {
		if (strcmp(h->suffix, own->suffix) == 0 && path_fits(h->path, path))
			return;
	}
	for (i = 0; i < sizeof(lookalikes) / sizeof(lookalikes[0]); i++) {
		if (lookalikes[i].type == c->type && path_fits(lookalikes[i].path, path)) {
			issue_add(c->issues, c->path, ISSUE_FORMAT, "%s", lookalikes[i].message);
			return;
		}
	}
	issue_add(c->issues, c->path, ISSUE_FORMAT,
	    "is not a webhook URL of %s: those have %s behind the host; copy the whole URL",
	    channel_types[c->type].title, own->path);
}

/* Is ${url} one of the platform's, or on a host that the config added? */
static void
judge_platform_url(const struct credentials_check *c, const struct url *url)
{
	const struct channel_type_row *row = &channel_types[c->type];
	struct slice host = slice_of(url->host);
	const struct credentials_host *own;
	char list[HOSTS_CAP];

	if (host_is_added(c, host)) {
		judge_host(c, host);
		return;
	}
	if ((own = host_find(row->hosts, host)) == NULL) {
		issue_add(c->issues, c->path, ISSUE_HOST,
		    "is not a webhook URL of %s: the host must be %s", row->title,
		    hosts_list(row->hosts, list));
		return;
	}
	if (url->port != 443)
		issue_add(c->issues, c->path, ISSUE_FORMAT,
		    "must name no port but 443, the one that %s has", row->title);
	judge_path(c, own, url->path);
}

void
credentials_check_platform_url(
    const struct credentials_check *c, const struct json *value, struct buf *text)
{
	struct url url;

	if (!is_url(c, value, &url))
		return;
	judge_platform_url(c, &url);
	snprintf(c->out->destination, sizeof(c->out->destination), "%s", url.host);
	buf_add(text, json_string(value));
}

void
credentials_check_url(const struct credentials_check *c, const struct json *value, struct buf *text)
{
	struct url url;

	if (!is_url(c, value, &url))
		return;
	judge_host(c, slice_of(url.host));
	snprintf(c->out->destination, sizeof(c->out->destination), "%s", url.host);
	buf_add(text, json_string(value));
}

/* Is every byte of ${s} one that a header's value may hold? */
static bool
is_printable(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
			return (false);
	}
	return (true);
}

void
credentials_check_auth_header(
    const struct credentials_check *c, const struct json *value, struct buf *text)
{
	struct slice s;
	size_t count;

	if (!is_string(c, value))
		return;
	s = json_string(value);
	count = text_utf8_count(s);
	if (count == 0 || count > AUTH_HEADER_MAX)
		issue_add(c->issues, c->path, ISSUE_LENGTH, "must be 1 to 2,048 characters long%s",
		    count == 0 ? "; leave it out where no Authorization header is needed" : "");
	if (!is_printable(s))
		issue_add(c->issues, c->path, ISSUE_FORMAT,
		    "may hold only printable ASCII characters and spaces, no line breaks or tabs");
	if (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[s.len - 1] == ' '))
		issue_add(c->issues, c->path, ISSUE_FORMAT, "must not begin or end with a space");
	buf_add(text, s);
}

void
credentials_check_hmac_secret(
    const struct credentials_check *c, const struct json *value, struct buf *text)
{
	struct slice s;

	if (!is_string(c, value))
		return;
	s = json_string(value);
	if (s.len == 0 || s.len > HMAC_SECRET_MAX)
		issue_add(c->issues, c->path, ISSUE_LENGTH, "must be 1 to 512 bytes long%s",
		    s.len == 0 ? "; leave it out where deliveries shall not be signed" : "");
	buf_add(text, s);
}

static bool
is_alnum(char ch)
{
	return ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9'));
}

/* Is ${s} a dot-atom (RFC 5322 §3.2.3): atoms of ASCII atext, single dots between them? */
static bool
is_dot_atom(struct slice s)
{
	struct slice atom;
	size_t i;

	while (slice_split(&s, '.', &atom)) {
		if (atom.len == 0)
			return (false);
		for (i = 0; i < atom.len; i++) {
			if (atom.ptr[i] == '\0')
				return (false);
			if (!is_alnum(atom.ptr[i]) &&
			    strchr("!#$%&'*+-/=?^_`{|}~", atom.ptr[i]) == NULL)
				return (false);
		}
	}
	return (true);
}

/* Is ${s} a label of letters, digits and inner hyphens (RFC 1123 §2.1)? */
static bool
is_ldh_label(struct slice s)
{
	size_t i;

	if (s.len == 0 || s.len > LABEL_MAX || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-')
		return (false);
	for (i = 0; i < s.len; i++) {
		if (!is_alnum(s.ptr[i]) && s.ptr[i] != '-')
			return (false);
	}
	return (true);
}

/* Judge what stands behind the '@'; the whole's limit keeps it under the 253 bytes of RFC 1035. */
static enum mail_fault
judge_domain(struct slice domain)
{
	struct slice label;

	if (memchr(domain.ptr, '.', domain.len) == NULL)
		return (MAIL_DOTLESS);
	while (slice_split(&domain, '.', &label)) {
		if (!is_ldh_label(label))
			return (MAIL_DOMAIN);
	}
	return (MAIL_FINE);
}

/* Take ${address} apart at its '@'; false where it has none. */
static bool
split_address(struct slice address, struct slice *local, struct slice *domain)
{
	return (slice_split(&address, '@', local) && (*domain = address).ptr != NULL);
}

static enum mail_fault
judge_address(struct slice address)
{
	struct slice local, domain;

	if (address.len == 0)
		return (MAIL_EMPTY);
	if (!split_address(address, &local, &domain) || local.len == 0 || domain.len == 0 ||
	    memchr(domain.ptr, '@', domain.len) != NULL)
		return (MAIL_AT);
	if (!is_dot_atom(local))
		return (MAIL_LOCAL);
	if (local.len > LOCAL_MAX)
		return (MAIL_LOCAL_LONG);
	if (address.len > ADDRESS_MAX)
		return (MAIL_LONG);
	return (judge_domain(domain));
}

bool
credentials_is_address(struct slice s)
{
	return (judge_address(s) == MAIL_FINE);
}

/* Do two good addresses reach the same box: the domain in any case, the local part to the letter?
 */
static bool
same_address(struct slice a, struct slice b)
{
	struct slice alocal, adomain, blocal, bdomain;

	return (split_address(a, &alocal, &adomain) && split_address(b, &blocal, &bdomain) &&
		slice_eq(alocal, blocal) && slice_eq_nocase(adomain, bdomain));
}

/* Keep ${address}, unless it is there already. */
static void
recipients_add(struct recipients *r, struct slice address)
{
	size_t i;

	for (i = 0; i < r->count; i++) {
		if (same_address(r->list[i], address))
			return;
	}
	if (r->count == CREDENTIALS_RECIPIENTS_MAX)
		r->overflow = true;
	else
		r->list[r->count++] = address;
}

/* Read "a@example.com, b@example.com"; a faulty one is told by its place, from 1. */
static void
read_list(const struct credentials_check *c, struct slice list, struct recipients *r)
{
	enum mail_fault fault;
	struct slice piece;
	size_t place;

	if (slice_trim(list).len == 0)
		return;
	for (place = 1; slice_split(&list, ',', &piece); place++) {
		piece = slice_trim(piece);
		if ((fault = judge_address(piece)) == MAIL_FINE)
			recipients_add(r, piece);
		else
			issue_add(c->issues, c->path, ISSUE_FORMAT, "address %zu of the list %s",
			    place, mail_fault_words[fault]);
	}
}

/* Read ["a@example.com", "b@example.com"]; a faulty one is told by its path. */
static void
read_array(const struct credentials_check *c, const struct json *array, struct recipients *r)
{
	const struct json *element;
	enum mail_fault fault;
	char path[PATH_CAP];
	struct slice piece;
	size_t i;

	for (i = 0; (element = json_at(array, i)) != NULL; i++) {
		snprintf(path, sizeof(path), "%s[%zu]", c->path, i);
		if (json_type(element) != JSON_STRING) {
			issue_add_type(c->issues, path, "a string with one address", element);
			continue;
		}
		piece = slice_trim(json_string(element));
		if ((fault = judge_address(piece)) == MAIL_FINE)
			recipients_add(r, piece);
		else
			issue_add(c->issues, path, ISSUE_FORMAT, "the address %s",
			    mail_fault_words[fault]);
	}
}

void
credentials_check_recipients(
    const struct credentials_check *c, const struct json *value, struct buf *text)
{
	size_t i, before = c->issues->count;
	struct recipients r = {.count = 0, .overflow = false};

	if (json_type(value) == JSON_STRING) {
		read_list(c, json_string(value), &r);
	} else if (json_type(value) == JSON_ARRAY) {
		read_array(c, value, &r);
	} else {
		issue_add_type(c->issues, c->path,
		    "a string of addresses with commas between them, or an array of addresses",
		    value);
		return;
	}
	if (r.overflow || (r.count == 0 && c->issues->count == before))
		issue_add(c->issues, c->path, ISSUE_LENGTH,
		    "must hold 1 to %d different addresses%s", CREDENTIALS_RECIPIENTS_MAX,
		    r.overflow ? "; for more, use a mailing list or a second channel" : "");
	for (i = 0; i < r.count; i++) {
		if (i > 0)
			buf_addc(text, ',');
		buf_add(text, r.list[i]);
	}
	snprintf(c->out->destination, sizeof(c->out->destination), "%zu recipient%s", r.count,
	    r.count == 1 ? "" : "s");
}

/* Add the issue for a field that the type does not have. */
static void
refuse_unknown(const struct walk *w, const struct credentials_field *fields, struct slice name)
{
	const char *known[CREDENTIALS_FIELDS_MAX];
	size_t n;

	for (n = 0; n < CREDENTIALS_FIELDS_MAX && fields[n].name != NULL; n++)
		known[n] = fields[n].name;
	issue_add_unknown(w->issues, "credentials", name, known, n);
}

/* Judge one member of the object by its row (json_each). */
static bool
visit(void *ctx, struct slice name, struct json *value)
{
	struct walk *w = ctx;
	const struct credentials_field *fields = channel_types[w->type].fields;
	struct credentials_check check = {w->type, w->policy, w->issues, NULL, w->out};
	struct credentials_value *v;
	char path[PATH_CAP];
	size_t i;

	for (i = 0; fields[i].name != NULL && !slice_eq(slice_of(fields[i].name), name);)
		i++;
	if (fields[i].name == NULL) {
		refuse_unknown(w, fields, name);
		return (true);
	}
	if (w->seen[i]) /* base/json refuses a repeated key before */
		return (true);
	w->seen[i] = true;
	snprintf(path, sizeof(path), "credentials.%s", fields[i].name);
	check.path = path;
	v = &w->out->values[w->out->nvalues++];
	v->name = fields[i].name;
	buf_init(&v->text, CREDENTIALS_VALUE_MAX);
	v->removed = w->is_part && !fields[i].required && json_type(value) == JSON_NULL;
	if (!v->removed)
		fields[i].check(&check, value, &v->text);
	if (!buf_ok(&v->text))
		w->issues->failed = true;
	return (true);
}

/* Judge each member of ${object}; false where it is no object. */
static bool
walk_object(struct walk *w, const struct json *object)
{
	memset(w->out, 0, sizeof(*w->out));
	if (json_type(object) != JSON_OBJECT) {
		issue_add_type(w->issues, "credentials", "an object", object);
		return (false);
	}
	json_each(object, visit, w);
	return (true);
}

void
credentials_parse(enum channel_type type, const struct json *object,
    const struct credentials_policy *policy, struct issues *issues, struct credentials *out)
{
	const struct channel_type_row *row = &channel_types[type];
	struct walk w = {type, policy, issues, out, {false}, false};
	char path[PATH_CAP];
	size_t i;

	if (!walk_object(&w, object))
		return;
	for (i = 0; row->fields[i].name != NULL; i++) {
		if (!row->fields[i].required || w.seen[i])
			continue;
		snprintf(path, sizeof(path), "credentials.%s", row->fields[i].name);
		issue_add(issues, path, ISSUE_REQUIRED, "is missing: a channel of type %s needs it",
		    row->word);
	}
}

void
credentials_parse_part(enum channel_type type, const struct json *object,
    const struct credentials_present *present, const struct credentials_policy *policy,
    struct issues *issues, struct credentials *out)
{
	const struct credentials_field *fields = channel_types[type].fields;
	struct walk w = {type, policy, issues, out, {false}, true};
	char path[PATH_CAP];
	size_t i;

	if (!walk_object(&w, object))
		return;
	if (json_len(object) == 0)
		issue_add(issues, "credentials", ISSUE_REQUIRED,
		    "names no field to change: give one, or leave credentials out");
	for (i = 1; w.seen[0] && fields[i].name != NULL; i++) {
		if (!present->has[i] || w.seen[i])
			continue;
		snprintf(path, sizeof(path), "credentials.%s", fields[i].name);
		issue_add(issues, path, ISSUE_REQUIRED,
		    "must be given again, or be null, when %s changes: a kept secret is never "
		    "sent to another place",
		    fields[0].name);
	}
}

bool
credentials_names(const struct credentials *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nvalues; i++) {
		if (strcmp(c->values[i].name, name) == 0)
			return (!c->values[i].removed);
	}
	return (false);
}

void
credentials_clear(struct credentials *c)
{
	size_t i;

	for (i = 0; i < c->nvalues; i++)
		buf_clear(&c->values[i].text);
	mem_wipe(c, sizeof(*c));
}
