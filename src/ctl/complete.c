/*
 * What can be typed next, for the shell's completion: told from the tables of commands and options
 * alone, so that it is never behind them.  Asks no database: a key pressed by mistake must not
 * wait.
 */
#include "ctl/complete.h"

#include <stdbool.h>

#include "ctl/command.h"
#include "ctl/options.h"

#define BARE_MAX 8 /* words without a dash that are looked at; no command has more */

/** A command line that is being typed. */
struct typed {
	struct slice current; /* the word that is to be completed; may be empty */
	struct slice bare[BARE_MAX];
	size_t nbare;
	bool given[OPTION__MAX];
	enum option wants; /* the option whose value ${current} is; OPTION__MAX: none */
	bool ended;        /* by "--": no options behind it */
	bool helped;       /* "help" stands in front */
	struct slice last; /* what was offered last */
	struct buf *out;
};

/* Offer ${word}, behind ${head}, if it goes on from ${start}. */
static void
offer(struct typed *t, struct slice head, struct slice word, struct slice start)
{
	if (!slice_starts(word, start) || slice_eq(word, t->last))
		return;
	t->last = word;
	buf_add(t->out, head);
	buf_add(t->out, word);
	buf_addc(t->out, '\n');
}

/* Offer what the value of ${option} may be. */
static void
offer_values(struct typed *t, enum option option, struct slice head, struct slice start)
{
	const struct option_row *row = &option_rows[option];
	size_t i;

	if (row->value != NULL && slice_eq(slice_of(row->value), slice_of("FILE")))
		buf_add(t->out, slice_of(COMPLETE_FILE "\n"));
	for (i = 0; i < row->nwords; i++)
		offer(t, head, slice_of(row->words[i]), start);
}

/* Do the bare words begin the command ${words}?  ${next} is the word of it that follows them;
 * absent where they are all of it. */
static bool
begins(const struct typed *t, const char *words, struct slice *next)
{
	struct slice rest = slice_of(words);
	size_t n;

	for (n = 0; slice_split(&rest, ' ', next); n++) {
		if (n == t->nbare)
			return (true);
		if (!slice_eq(*next, t->bare[n]))
			return (false);
	}
	*next = slice_make(NULL, 0);
	return (true);
}

/* Does the command that stands there take ${option}? */
static bool
is_taken(const struct typed *t, enum option option)
{
	const struct command *c;
	struct slice next;
	size_t i, k;

	for (i = 0; (c = command_at(i)) != NULL; i++) {
		if (!begins(t, c->words, &next) || next.ptr != NULL)
			continue;
		for (k = 0; k < COMMAND_OPTIONS_MAX && c->options[k].need != NEED_END; k++) {
			if (c->options[k].option == option)
				return (true);
		}
	}
	return (false);
}

/* Note that ${option} is there, with or without its value. */
static void
take_option(struct typed *t, enum option option, bool has_value)
{
	const enum option twin = options_twin(option);

	if (twin != OPTION__MAX && is_taken(t, twin))
		option = twin;
	t->given[option] = true;
	if (option_rows[option].value != NULL && !has_value)
		t->wants = option;
}

/* Take a word that stands before the current one. */
static void
take(struct typed *t, struct slice word)
{
	struct slice value;
	enum option option;
	struct buf ignored;

	if (t->wants != OPTION__MAX) {
		t->wants = OPTION__MAX;
	} else if (!t->ended && slice_eq(word, slice_of("--"))) {
		t->ended = true;
	} else if (t->ended || word.len < 2 || word.ptr[0] != '-') {
		/* "help tenant" goes on as "tenant" does. */
		if (t->nbare == 0 && !t->helped && slice_eq(word, slice_of("help")))
			t->helped = true;
		else if (t->nbare < BARE_MAX)
			t->bare[t->nbare++] = word;
	} else {
		buf_init(&ignored, 1024);
		if (options_find(word, &option, &value, &ignored) == ERR_OK)
			take_option(t, option, value.ptr != NULL);
		buf_clear(&ignored);
	}
}

/* Offer --${option}, unless it is there already. */
static void
offer_option(struct typed *t, enum option option)
{
	const struct option_row *row = &option_rows[option];

	if (!t->given[option] || row->repeats)
		offer(t, slice_of("--"), slice_of(row->name), slice_skip(t->current, 2));
}

/* Offer the options of ${c} (NULL: no command yet), and where a dash was typed, those of all. */
static void
offer_options(struct typed *t, const struct command *c)
{
	bool dash = t->current.len > 0;
	size_t i;

	for (i = 0; c != NULL && i < COMMAND_OPTIONS_MAX && c->options[i].need != NEED_END; i++) {
		/* One that a bare word stands for is seldom written out. */
		if ((c->options[i].need != NEED_WORD && c->options[i].need != NEED_WORDS) || dash)
			offer_option(t, c->options[i].option);
	}
	for (i = 0; dash && i < OPTION__GLOBALS; i++)
		offer_option(t, (enum option)i);
}

/* Is the word behind ${c} the name of a file, and not there yet? */
static bool
takes_file(const struct typed *t, const struct command *c)
{
	struct slice rest = slice_of(c->words), word;
	size_t n = 0;

	while (slice_split(&rest, ' ', &word))
		n++;
	return (t->nbare == n && c->options[0].need == NEED_WORD &&
		!t->given[c->options[0].option] &&
		slice_eq(slice_of(option_rows[c->options[0].option].value), slice_of("FILE")));
}

/* Complete a word that is no option's value. */
static void
complete_word(struct typed *t)
{
	bool dash = t->current.len > 0 && t->current.ptr[0] == '-';
	const struct command *c, *at_hand = NULL;
	struct slice next;
	size_t i;

	for (i = 0; (c = command_at(i)) != NULL; i++) {
		if (!begins(t, c->words, &next))
			continue;
		if (next.ptr == NULL)
			at_hand = c;
		else if (!dash)
			offer(t, slice_of(""), next, t->current);
	}
	if (t->nbare == 0 && !t->helped && !dash)
		offer(t, slice_of(""), slice_of("help"), t->current);
	if (at_hand != NULL && !dash && t->current.len > 0 && takes_file(t, at_hand))
		buf_add(t->out, slice_of(COMPLETE_FILE "\n"));
	if (!t->ended && (dash || (at_hand != NULL && t->current.len == 0)))
		offer_options(t, at_hand);
}

/* Complete "--kind=se"; false where the current word is not of that form. */
static bool
complete_attached(struct typed *t)
{
	struct slice value;
	enum option option;
	struct buf ignored;
	bool is_one;

	if (t->ended || !slice_starts(t->current, slice_of("--")) || t->current.len == 2)
		return (false);
	buf_init(&ignored, 1024);
	is_one = options_find(t->current, &option, &value, &ignored) == ERR_OK && value.ptr != NULL;
	buf_clear(&ignored);
	if (is_one)
		offer_values(t, option,
		    slice_make(t->current.ptr, (size_t)(value.ptr - t->current.ptr)), value);
	return (is_one);
}

void
complete(int nwords, char *const words[], struct buf *out)
{
	struct typed t = {.wants = OPTION__MAX, .out = out};
	int i;

	for (i = 0; i + 1 < nwords; i++)
		take(&t, slice_of(words[i]));
	t.current = slice_of(nwords > 0 ? words[nwords - 1] : "");
	if (t.wants != OPTION__MAX)
		offer_values(&t, t.wants, slice_of(""), t.current);
	else if (!complete_attached(&t))
		complete_word(&t);
}
