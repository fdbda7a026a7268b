-- sigsentry.channel_notice: tell a project's other channels that one of them fails, or was switched off (contract §5, "Nothing
-- dies silently"): once until the next success, and never more than one of each a day and channel.
-- p_tenant, p_channel  the channel
-- p_project  whose other channels are told
-- p_event    channel.failing or channel.disabled
-- p_error    why
-- Returns nothing.
-- Tables: reads channel; writes lane, event, operator_notice; those of sigsentry.event_add.
-- Role: none; courier.record and sigsentry.channel_disable call it.
-- When a thousand channels fail together, a thousand notices to each of them would bury all else.  So channels are told of the
-- project's first 20 of a clock hour (UTC), of each kind of notice by itself: that is no more than 20 events more.  The 20th
-- says that there may be others; of those the operator alone hears, and of one that still fails an hour later the channels are told then,
-- as of a new one.  The count is made under a lock, or couriers that write in the same moment would each come to 20.
CREATE OR REPLACE FUNCTION sigsentry.channel_notice(
	p_tenant uuid, p_channel uuid, p_project uuid, p_event text, p_error text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_channel sigsentry.channel;
	v_event uuid := sigsentry.uuid_v7();
	v_most CONSTANT integer := 20;
	v_hour timestamptz := date_trunc('hour', now(), 'UTC');
	v_nth integer;
	v_payload jsonb;
BEGIN
	UPDATE sigsentry.lane AS l
	   SET is_told = true,
	       told_failing_at = CASE p_event WHEN 'channel.failing' THEN now() ELSE l.told_failing_at END,
	       told_disabled_at = CASE p_event WHEN 'channel.disabled' THEN now() ELSE l.told_disabled_at END
	 WHERE l.tenant_id = p_tenant AND l.channel_id = p_channel
	   AND CASE p_event
	       WHEN 'channel.failing' THEN NOT l.is_told AND coalesce(l.told_failing_at <= now() - interval '1 day', true)
	       ELSE coalesce(l.told_disabled_at <= now() - interval '1 day', true) END;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT c.* INTO v_channel FROM sigsentry.channel c WHERE c.tenant_id = p_tenant AND c.id = p_channel;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended(p_project::text || p_event, 0));
	-- The channel's own is one of these.  Not a join: where a tenant is new, one may read all of its lanes for each channel.
	SELECT count(*) INTO v_nth
	  FROM (SELECT 1
	          FROM sigsentry.channel c
	         WHERE c.tenant_id = p_tenant AND (c.project_id = p_project OR c.project_id IS NULL)
	           AND (SELECT CASE p_event WHEN 'channel.failing' THEN l.told_failing_at ELSE l.told_disabled_at END
	                  FROM sigsentry.lane l
	                 WHERE l.tenant_id = c.tenant_id AND l.channel_id = c.id) >= v_hour
	         LIMIT v_most + 1) n;
	v_payload := jsonb_build_object('event', p_event, 'severity', 'high', 'channelId', p_channel, 'channelName', v_channel.name,
	                                'channelType', v_channel.type, 'destination', v_channel.destination,
	                                'summary', left(format(CASE p_event
	                                     WHEN 'channel.failing' THEN 'The notification channel "%s" (%s, %s) fails: %s'
	                                     ELSE 'The notification channel "%s" (%s, %s) was switched off: %s' END,
	                                     v_channel.name, v_channel.type, v_channel.destination,
	                                     coalesce(p_error, 'no reason is known')), 9000)
	                                || CASE WHEN v_nth = v_most
	                                        THEN format(' It is the %sth channel of this project since %s; of others the channels are not told one by one'
	                                                    ' until the hour is over. The list of channels shows how each of them goes.',
	                                                    v_most, sigsentry.rfc3339(v_hour))
	                                        ELSE '' END);
	IF v_nth <= v_most THEN
		PERFORM sigsentry.event_add(p_tenant, p_project, v_event, v_payload, p_channel);
	ELSE
		UPDATE sigsentry.lane AS l
		   SET is_told = false, told_failing_at = now() - interval '23 hours'
		 WHERE l.tenant_id = p_tenant AND l.channel_id = p_channel AND p_event = 'channel.failing';
		INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, deliveries)
		VALUES (p_tenant, v_event, p_project, p_event, sigsentry.severity_parse('high'), v_payload, now(), 0);
	END IF;
	-- For operator_mail, if there is one; else the minute's chores take it away after a week.
	INSERT INTO sigsentry.operator_notice (tenant_id, event_id) VALUES (p_tenant, v_event);
END
$$;
