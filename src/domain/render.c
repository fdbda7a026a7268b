/* Which type of channel gets what, and where: the renderers' table, for the courier. */
#include "domain/render.h"

#define JSON      "application/json"
#define JSON_UTF8 "application/json; charset=UTF-8"

const struct render_post render_posts[CHANNEL__MAX] = {
    [CHANNEL_SLACK] = {render_slack, render_stored_url, JSON},
    [CHANNEL_TEAMS] = {render_teams, render_stored_url, JSON},
    [CHANNEL_DISCORD] = {render_discord, render_discord_url, JSON},
    [CHANNEL_GOOGLE_CHAT] = {render_google_chat, render_google_chat_url, JSON_UTF8},
    [CHANNEL_WEBHOOK] = {render_webhook, render_stored_url, JSON},
    [CHANNEL_EMAIL] = {NULL, NULL, NULL},
};

enum err
render_stored_url(struct slice stored, struct slice delivery_id, struct buf *out)
{
	(void)delivery_id;
	buf_add(out, stored);
	return (buf_ok(out) ? ERR_OK : ERR_NOMEM);
}
