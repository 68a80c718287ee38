-- Eleven questions to an archive of `consent-stream export`, for DuckDB (1.3 or newer): docs/analytics.md.
--
--   consent-stream export --to lake --topic changes --topic sends --topic ledger
--   duckdb -init docs/analytics.sql            where `lake` is, or: SET VARIABLE lake = '/data/lake'; .read docs/analytics.sql
--   FROM optout_rate_by_program WHERE month >= '2026-10-01';
--
-- 1. Whether somebody may be mailed is asked of a gate. Here the standing that the engine wrote is counted, never decided.
-- 2. An event counts once, under however many keys it went: address, contact, base form, and two keys while keys rotate.
-- 3. These views count people exactly. What leaves the house is `consent-stream report`.

SET TimeZone = 'UTC';
SET VARIABLE lake = coalesce(getvariable('lake'), 'lake');

CREATE OR REPLACE VIEW changes AS
  FROM read_parquet(getvariable('lake') || '/topic=consent.changes/*/*.parquet', hive_partitioning = true);
CREATE OR REPLACE VIEW sends AS
  FROM read_parquet(getvariable('lake') || '/topic=consent.sends/*/*.parquet', hive_partitioning = true);
CREATE OR REPLACE VIEW ledger AS
  FROM read_parquet(getvariable('lake') || '/topic=consent.ledger/*/*.parquet', hive_partitioning = true);

-- Yours to replace: how your mailers name messages. Here: CAMPAIGN/anything.
CREATE OR REPLACE MACRO campaign_of(message_id) AS split_part(message_id, '/', 1);
CREATE OR REPLACE MACRO program_of(scope) AS split_part(scope, '/', 1);
CREATE OR REPLACE MACRO month_of(instant) AS CAST(date_trunc('month', instant) AS DATE);
CREATE OR REPLACE MACRO ratio(part, whole) AS CASE WHEN whole > 0 THEN part / whole END;
-- Types of events by which a person says no to messages or to sharing.
CREATE OR REPLACE MACRO is_personal(type) AS starts_with(type, 'unsubscribe.') OR type IN (
  'consent.withdrawn', 'consent.refused', 'consent.revoked', 'preference.set', 'sms.inbound',
  'objection.direct_marketing', 'sharing.optout', 'signal.gpc', 'signal.gpp');

-- Messages that went out, and the keys that they went to.
CREATE OR REPLACE VIEW messages AS
  SELECT *, program_of(scope) AS program, campaign_of(message_id) AS campaign, month_of(handed_over_at) AS month
  FROM sends WHERE handed_over_at IS NOT NULL;
CREATE OR REPLACE VIEW message_keys AS
  SELECT tenant, channel, unnest(keys) AS person, partition, "offset", handed_over_at, purpose, scope, program, campaign
  FROM messages;

-- Opt-outs: events by which a person says no, and after which a list denies what it did not deny before. denied: `*`, or
-- the scopes.
CREATE OR REPLACE VIEW denials AS
  WITH news AS (
    SELECT *, list_filter(after_reasons, lambda r: NOT list_contains(before_reasons, r)) AS new_reasons,
      list_filter(after_blocked_scopes, lambda s: NOT list_contains(before_blocked_scopes, s)) AS new_scopes
    FROM changes WHERE is_personal(type))
  SELECT *, CASE WHEN after_status = 'SUPPRESSED' THEN ['*'] ELSE new_scopes END AS denied
  FROM news
  WHERE CASE WHEN after_status = 'SUPPRESSED' THEN before_status <> 'SUPPRESSED' OR len(new_reasons) > 0
    ELSE before_status <> 'SUPPRESSED' AND len(new_scopes) > 0 END;
CREATE OR REPLACE VIEW optout_keys AS
  SELECT tenant, channel, event_partition, event_offset, event_id, type, received, key FROM denials WHERE NOT derived;

-- Each opt-out with the message before it: the last one handed over to one of its keys, within 14 days.
CREATE OR REPLACE VIEW attributed AS
  WITH found AS (
    SELECT o.tenant, o.channel, o.event_partition, o.event_offset, o.event_id, o.type, o.received,
      arg_max(m.program, m.handed_over_at) AS program, arg_max(m.campaign, m.handed_over_at) AS campaign,
      max(m.handed_over_at) AS handed_over_at
    FROM optout_keys o ASOF LEFT JOIN message_keys m
      ON o.tenant = m.tenant AND o.channel = m.channel AND o.key = m.person AND o.received >= m.handed_over_at
    GROUP BY ALL)
  SELECT * REPLACE (
      CASE WHEN near THEN program END AS program, CASE WHEN near THEN campaign END AS campaign,
      CASE WHEN near THEN handed_over_at END AS handed_over_at)
  FROM (SELECT *, coalesce(received - handed_over_at <= INTERVAL 14 DAY, false) AS near FROM found);

-- 1. How many say no, by program of the message before? (Opt-outs without one: program null.)
CREATE OR REPLACE VIEW optout_rate_by_program AS
  WITH o AS (SELECT month_of(coalesce(handed_over_at, received)) AS month, tenant, channel, program, count(*) AS optouts
             FROM attributed GROUP BY ALL),
    m AS (SELECT month, tenant, channel, program, count(*) AS messages FROM messages WHERE purpose = 'marketing' GROUP BY ALL)
  SELECT coalesce(o.month, m.month) AS month, coalesce(o.tenant, m.tenant) AS tenant,
    coalesce(o.channel, m.channel) AS channel, coalesce(o.program, m.program) AS program,
    coalesce(messages, 0) AS messages, coalesce(optouts, 0) AS optouts,
    ratio(coalesce(optouts, 0), coalesce(messages, 0)) AS rate
  FROM o FULL JOIN m ON (o.month, o.tenant, o.channel, o.program) = (m.month, m.tenant, m.channel, m.program)
  ORDER BY ALL;

-- 2. And by campaign?
CREATE OR REPLACE VIEW optout_rate_by_campaign AS
  WITH m AS (SELECT tenant, channel, program, campaign, min(handed_over_at) AS began, count(*) AS messages
             FROM messages WHERE purpose = 'marketing' GROUP BY ALL),
    o AS (SELECT tenant, channel, program, campaign, count(*) AS optouts
          FROM attributed WHERE campaign IS NOT NULL GROUP BY ALL)
  SELECT tenant, channel, program, campaign, began, messages, coalesce(optouts, 0) AS optouts,
    ratio(coalesce(optouts, 0), messages) AS rate
  FROM m LEFT JOIN o USING (tenant, channel, program, campaign) ORDER BY ALL;

-- 3. How long after a message?
CREATE OR REPLACE VIEW time_to_optout AS
  SELECT tenant, channel, program, count(*) AS optouts,
    quantile_disc(received - handed_over_at, 0.5) AS p50, quantile_disc(received - handed_over_at, 0.9) AS p90,
    count(*) FILTER (received - handed_over_at < INTERVAL 1 HOUR) AS within_an_hour
  FROM attributed WHERE handed_over_at IS NOT NULL GROUP BY ALL ORDER BY ALL;

-- 4. How many of them are scanners, which follow links as soon as a mail is there? People need longer than ten seconds.
--    (A guess from outside. What the edge itself marked as suspect stands in consent.events: `consent-stream edge`.)
CREATE OR REPLACE VIEW scanner_share AS
  SELECT month_of(handed_over_at) AS month, tenant, count(*) AS clicks,
    count(*) FILTER (received - handed_over_at < INTERVAL 10 SECOND) AS at_once, ratio(at_once, clicks) AS share
  FROM attributed WHERE channel = 'email' AND handed_over_at IS NOT NULL AND starts_with(type, 'unsubscribe.')
  GROUP BY ALL ORDER BY ALL;

-- 5. How many come back? Of addresses, and of what a person's no denies them: what a later yes permits again, and after
--    how long. (While keys rotate an address has two keys, and counts twice.)
CREATE OR REPLACE VIEW reconsent AS
  WITH no AS (SELECT DISTINCT ON (tenant, channel, key, denied) tenant, channel, key, partition, "offset", received, denied
              FROM (SELECT * REPLACE (unnest(denied) AS denied) FROM denials WHERE key_kind = 'address')
              ORDER BY "offset"),
    yes AS (SELECT no.tenant, no.channel, no.key, no.denied, min(c.received - no.received) AS later
            FROM no JOIN changes c ON no.tenant = c.tenant AND no.channel = c.channel AND no.key = c.key
              AND no.partition = c.partition AND c."offset" > no."offset"
            WHERE c.after_status <> 'SUPPRESSED' AND NOT list_contains(c.after_blocked_scopes, no.denied) GROUP BY ALL)
  SELECT tenant, channel, split_part(denied, '/', 1) AS program, count(*) AS optouts, count(later) AS came_back,
    ratio(count(later), count(*)) AS share, quantile_disc(later, 0.5) AS p50
  FROM no LEFT JOIN yes USING (tenant, channel, key, denied) GROUP BY ALL ORDER BY ALL;

-- Grants, one row an event and node.
CREATE OR REPLACE VIEW grants AS
  SELECT DISTINCT ON (tenant, event_partition, event_offset, event_id, g.purpose, g.channel, g.scope)
    tenant, event_partition, event_offset, event_id, source, type, received, key, g.purpose AS purpose,
    g.channel AS channel, g.scope AS scope, g.level AS level, g.lo AS lo, g.valid_until AS valid_until,
    g.notice_id AS notice_id, g.notice_version AS notice_version, g.batch AS batch
  FROM (SELECT *, unnest(list_filter(parts, lambda p: p.part = 'grant')) AS g FROM ledger WHERE NOT derived)
  ORDER BY key;

-- 6. How well is consent proven? Grants by evidence level; proven: the address's owner did it (E3, E4).
CREATE OR REPLACE VIEW evidence_quality AS
  SELECT month_of(received) AS month, tenant, purpose, source, count(*) AS given,
    count(*) FILTER (level = 0) AS e0, count(*) FILTER (level = 1) AS e1, count(*) FILTER (level = 2) AS e2,
    count(*) FILTER (level = 3) AS e3, count(*) FILTER (level = 4) AS e4, ratio(e3 + e4, given) AS proven
  FROM grants GROUP BY ALL ORDER BY ALL;

-- 7. Which notices are people's newest consents under, and until when do these last?
CREATE OR REPLACE VIEW notices_in_force AS
  WITH newest AS (SELECT DISTINCT ON (tenant, key, purpose, channel, scope) * FROM grants
                  ORDER BY lo DESC, event_id DESC)
  SELECT tenant, purpose, notice_id, notice_version, count(*) AS consents, min(lo) AS oldest,
    max(valid_until) AS last_until
  FROM newest WHERE valid_until > (SELECT max(received) FROM ledger) GROUP BY ALL ORDER BY ALL;

-- 8. To which recipients do people let us pass their data?
CREATE OR REPLACE VIEW sharing_optins AS
  SELECT month_of(received) AS month, tenant, scope AS recipient, count(*) AS optins,
    count(*) FILTER (level = 4) AS confirmed
  FROM grants WHERE purpose = 'sharing' GROUP BY ALL ORDER BY ALL;

-- 9. Complaints per thousand messages.
CREATE OR REPLACE VIEW complaints AS
  SELECT DISTINCT tenant, unnest(list_transform(list_filter(parts, lambda p: p.kind = 'complaint'),
      lambda p: p.channel)) AS channel, event_partition, event_offset, event_id, month_of(received) AS month
  FROM ledger WHERE NOT derived;
CREATE OR REPLACE VIEW complaints_per_thousand AS
  WITH m AS (SELECT month, tenant, channel, count(*) AS messages FROM messages GROUP BY ALL),
    c AS (SELECT month, tenant, channel, count(*) AS complaints FROM complaints GROUP BY ALL)
  SELECT month, tenant, channel, coalesce(messages, 0) AS messages, coalesce(complaints, 0) AS complaints,
    1000 * ratio(coalesce(complaints, 0), coalesce(messages, 0)) AS per_thousand
  FROM m FULL JOIN c USING (month, tenant, channel) ORDER BY ALL;

-- 10. How many messages went out although the list said no already? By what a plain reader of the list would do, which
--     refuses a little more than the rules; `consent-stream late-sends` decides again and is exact.
CREATE OR REPLACE VIEW standings AS
  SELECT tenant, channel, key, received, arg_max(after_status, "offset") AS after_status,
    arg_max(after_blocked_scopes, "offset") AS after_blocked_scopes
  FROM changes GROUP BY ALL;
CREATE OR REPLACE VIEW late_sends AS
  WITH judged AS (
    SELECT m.tenant, m.channel, m.partition, m."offset", m.handed_over_at, bool_or(coalesce(
      c.after_status = 'SUPPRESSED' OR len(list_filter(c.after_blocked_scopes,
        lambda s: s = m.scope OR starts_with(m.scope, s || '/'))) > 0, false)) AS late
    FROM message_keys m ASOF LEFT JOIN standings c
      ON m.tenant = c.tenant AND m.channel = c.channel AND m.person = c.key AND m.handed_over_at >= c.received
    WHERE m.purpose = 'marketing' GROUP BY ALL)
  SELECT sender, CAST(handed_over_at AS DATE) AS day, tenant, channel, count(*) AS messages,
    count(*) FILTER (late) AS late, ratio(count(*) FILTER (late), count(*)) AS share
  FROM judged JOIN messages USING (tenant, channel, partition, "offset", handed_over_at) GROUP BY ALL ORDER BY ALL;

-- 11. How do lists grow? Addresses by status at the end of each day on which something changed.
CREATE OR REPLACE VIEW standing_by_day AS
  WITH moves AS (
    SELECT tenant, channel, CAST(received AS DATE) AS day, after_status AS status, 1 AS keys
    FROM changes WHERE key_kind = 'address'
    UNION ALL
    SELECT tenant, channel, CAST(received AS DATE), before_status, -1
    FROM (SELECT *, row_number() OVER (PARTITION BY tenant, channel, key ORDER BY partition, "offset") AS nth
          FROM changes WHERE key_kind = 'address')
    WHERE nth > 1),
  days AS (SELECT DISTINCT tenant, channel, day FROM moves),
  kinds AS (SELECT DISTINCT status FROM moves)
  SELECT tenant, channel, day, status,
    CAST(sum(coalesce(sum(keys), 0)) OVER (PARTITION BY tenant, channel, status ORDER BY day) AS BIGINT) AS keys
  FROM days CROSS JOIN kinds LEFT JOIN moves USING (tenant, channel, day, status)
  GROUP BY tenant, channel, day, status ORDER BY ALL;
