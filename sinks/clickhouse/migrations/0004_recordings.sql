-- How long recordings must be kept. What a customer has is told by customer events: a product cancelled or active, and
-- the network ('' for a product) left or not.
CREATE TABLE IF NOT EXISTS subscriptions (
  customer_id String CODEC(ZSTD(1)), product LowCardinality(String), at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), active Bool, event_id String CODEC(ZSTD(1)),
  arrival UInt64, first_wins UInt64 MATERIALIZED bitNot(arrival)
) ENGINE = ReplacingMergeTree(first_wins) ORDER BY (customer_id, product, at, event_id) SETTINGS non_replicated_deduplication_window = 10000;
-- Every recording with what the decision needs: whether it is of a sale, the products sold, for each of them what happened
-- after the call (0 cancelled, 1 sold, 2 active), and the complaints that are open. A complaint is its customer's, and
-- the call's that it leads to.
DROP VIEW IF EXISTS recordings_evidence;
CREATE VIEW recordings_evidence AS
WITH
  facts AS (SELECT *, notEmpty(ordered) OR disposition = 'agree' AS won, arrayMap(x -> toString(x), if(notEmpty(ordered), ordered, if(notEmpty(products), products, ['']))) AS bought FROM calls FINAL),
  history AS (SELECT customer_id, groupArray((product, at, kind)) AS events FROM (
      SELECT customer_id, toString(product) AS product, at, if(active, 2, 0)::UInt8 AS kind FROM subscriptions FINAL
      UNION ALL SELECT customer_id, arrayJoin(bought) AS product, started_at AS at, 1::UInt8 AS kind FROM facts WHERE won)
    GROUP BY customer_id),
  open AS (SELECT complaint_id, anyLast(customer_id) AS customer_id, argMax(if(attributed_call_id != '', attributed_call_id, call_id), (at, revision)) AS call FROM complaints FINAL
    GROUP BY complaint_id HAVING argMax(event, (at, revision)) NOT IN ('resolved', 'upheld', 'rejected'))
SELECT f.call_id AS call_id, f.customer_id AS customer_id, f.campaign_id AS campaign_id, f.agent_id AS agent_id, f.team_id AS team_id, f.partner_id AS partner_id, f.started_at AS started_at,
  f.recording_uri AS recording_uri, f.recording_size_bytes AS recording_size_bytes, f.recording_duration_ms AS recording_duration_ms, f.won AS sale, if(f.won, f.bought, []) AS sold,
  arrayMap(p -> arraySort(arrayMap(e -> (e.2, e.3), arrayFilter(e -> e.2 > f.started_at AND (e.1 = p OR e.1 = '' AND e.3 != 1), h.events))), sold) AS after,
  arraySort(arrayDistinct(arrayConcat(c.complaints, k.complaints))) AS complaints
FROM (SELECT * FROM facts WHERE recording_uri != '' OR recording_size_bytes > 0) AS f
LEFT JOIN history AS h ON h.customer_id = f.customer_id
LEFT JOIN (SELECT customer_id, groupArray(complaint_id) AS complaints FROM open WHERE customer_id != '' GROUP BY customer_id) AS c ON c.customer_id = f.customer_id
LEFT JOIN (SELECT call, groupArray(complaint_id) AS complaints FROM open WHERE call != '' GROUP BY call) AS k ON k.call = f.call_id;
