-- The facts. Every table replaces by a key that identifies the thing for good, so that a row delivered twice, late or
-- corrected is still one row under FINAL; the writer's deduplication tokens only keep the duplicates from being written.
--
-- calls is ordered by call_id alone, without partitions. A correction may move a call in time, to another agent or to
-- another campaign; any of these in the sort key would leave the old row standing beside the new one, and the call would
-- count twice. What a dashboard filters by has skip indexes instead: with FINAL ClickHouse reads the granules they select
-- and those of other parts with the same call_ids (use_skip_indexes_if_final_exact_mode), which is exact, and narrow when
-- ids grow with time, as those of Asterisk, FreeSWITCH (UUID v7) and our own dialer do. agent_intervals and
-- sampling_population have the time in their key and so can have it in their partition too.
CREATE TABLE IF NOT EXISTS calls (
    call_id               String CODEC(ZSTD(1)),
    direction             LowCardinality(String),
    customer_id           String CODEC(ZSTD(1)),
    customer_hash         String CODEC(ZSTD(1)),
    number_hash           String CODEC(ZSTD(1)),
    number_masked         String CODEC(ZSTD(1)),
    caller_id             LowCardinality(String),
    inbound_number        LowCardinality(String),
    permit_id             String CODEC(ZSTD(1)),
    purpose               LowCardinality(String),
    campaign_id           LowCardinality(String),
    products              Array(LowCardinality(String)),
    list_id               LowCardinality(String),
    lead_id               String CODEC(ZSTD(1)),
    agent_id              LowCardinality(String),
    team_id               LowCardinality(String),
    partner_id            LowCardinality(String),
    dialer_id             LowCardinality(String),
    started_at            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    answered_at           Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    bridged_at            Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    ended_at              Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    wrapped_up_at         Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    appointment_at        Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    prepared_ms           Nullable(Int64) CODEC(ZSTD(1)),
    updated_at            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    outcome               LowCardinality(String),
    answered_by           LowCardinality(String),
    hangup_by             LowCardinality(String),
    hangup_cause          Int32 CODEC(ZSTD(1)),
    disposition           LowCardinality(String),
    reached               Nullable(Bool) CODEC(ZSTD(1)),
    completed             Nullable(Bool) CODEC(ZSTD(1)),
    refused               Array(LowCardinality(String)),
    ordered               Array(LowCardinality(String)),
    opt_out               Nullable(Bool) CODEC(ZSTD(1)),
    useless               LowCardinality(String),
    strategy              LowCardinality(String),
    recording_uri         String CODEC(ZSTD(1)),
    recording_size_bytes  Nullable(Int64) CODEC(ZSTD(1)),
    recording_duration_ms Nullable(Int64) CODEC(ZSTD(1)),
    inbound_lead          Nullable(Bool) CODEC(ZSTD(1)),
    joint_channel         LowCardinality(String),
    attempt_no            Int64 CODEC(ZSTD(1)),
    cap_verdict           LowCardinality(String),
    violations            Array(LowCardinality(String)),
    policy                LowCardinality(String),
    source                LowCardinality(String),
    received_at           DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    revision              UInt64 CODEC(Delta, ZSTD(1)),
    INDEX started started_at TYPE minmax GRANULARITY 1,
    INDEX campaign campaign_id TYPE set(64) GRANULARITY 1,
    INDEX lead lead_id TYPE bloom_filter(0.01) GRANULARITY 4
) ENGINE = ReplacingMergeTree(revision)
ORDER BY call_id
SETTINGS non_replicated_deduplication_window = 20000;

CREATE OR REPLACE VIEW calls_current AS SELECT * FROM calls FINAL;

CREATE TABLE IF NOT EXISTS agent_intervals (
    agent_id    LowCardinality(String),
    state       LowCardinality(String),
    start_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    end_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    reason      LowCardinality(String),
    team_id     LowCardinality(String),
    partner_id  LowCardinality(String),
    campaign_id LowCardinality(String),
    call_id     String CODEC(ZSTD(1)),
    open        Bool,
    timed_out   Bool,
    revision    UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start_at)
ORDER BY (agent_id, start_at)
SETTINGS non_replicated_deduplication_window = 20000;

-- One row an event of a complaint; version is the order of arrival, and the latest row knows the most about whom the
-- complaint concerns.
CREATE TABLE IF NOT EXISTS complaints (
    complaint_id       String CODEC(ZSTD(1)),
    event_id           String CODEC(ZSTD(1)),
    event              LowCardinality(String),
    at                 DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    customer_id        String CODEC(ZSTD(1)),
    customer_hash      String CODEC(ZSTD(1)),
    number_hash        String CODEC(ZSTD(1)),
    call_id            String CODEC(ZSTD(1)),
    campaign_id        LowCardinality(String),
    agent_id           LowCardinality(String),
    team_id            LowCardinality(String),
    partner_id         LowCardinality(String),
    products           Array(LowCardinality(String)),
    channel            LowCardinality(String),
    category           LowCardinality(String),
    cause              LowCardinality(String),
    sub_cause          LowCardinality(String),
    level              LowCardinality(String),
    severity           LowCardinality(String),
    handling           LowCardinality(String),
    owner              LowCardinality(String),
    note               String CODEC(ZSTD(1)),
    attributed_by      LowCardinality(String),
    attributed_call_id String CODEC(ZSTD(1)),
    unattributed       Bool,
    received_at        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version            UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree(version)
ORDER BY (complaint_id, event_id)
SETTINGS non_replicated_deduplication_window = 20000;

-- One row a request: the decision and what became of it come as rows of their own, in any order, and add up. denied tells
-- apart the denials of a request_id that was used again after its day.
CREATE TABLE IF NOT EXISTS permits (
    request_id      String CODEC(ZSTD(1)),
    permit_id       String CODEC(ZSTD(1)),
    denied          String CODEC(ZSTD(1)),
    decision        SimpleAggregateFunction(max, LowCardinality(String)),
    status          SimpleAggregateFunction(max, Enum8('' = 0, 'orphaned' = 1, 'released' = 2, 'used' = 3)),
    customer_id     SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    number_hash     SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    at              SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))) CODEC(Delta, ZSTD(1)),
    expires_at      SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))) CODEC(Delta, ZSTD(1)),
    status_at       SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))) CODEC(Delta, ZSTD(1)),
    next_allowed_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))) CODEC(Delta, ZSTD(1)),
    never_allowed   SimpleAggregateFunction(max, UInt8),
    call_id         SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    policy          SimpleAggregateFunction(max, LowCardinality(String)),
    purpose         SimpleAggregateFunction(max, LowCardinality(String)),
    campaign_id     SimpleAggregateFunction(max, LowCardinality(String)),
    partner_id      SimpleAggregateFunction(max, LowCardinality(String)),
    dialer_id       SimpleAggregateFunction(max, LowCardinality(String)),
    products        SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    denied_by       SimpleAggregateFunction(groupUniqArrayArray, Array(String))
) ENGINE = AggregatingMergeTree
ORDER BY (request_id, permit_id, denied)
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS qa_tasks (
    task_id         String CODEC(ZSTD(1)),
    call_id         String CODEC(ZSTD(1)),
    agent_id        LowCardinality(String),
    team_id         LowCardinality(String),
    campaign_id     LowCardinality(String),
    partner_id      LowCardinality(String),
    day             Date,
    seq             Int64 CODEC(ZSTD(1)),
    draw            LowCardinality(String),
    reason          LowCardinality(String),
    drawn_at        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    recording_uri   String CODEC(ZSTD(1)),
    call_started_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    version         UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree(version)
ORDER BY task_id
SETTINGS non_replicated_deduplication_window = 20000;

-- One row a review; status is published once the agent may see it and it counts.
CREATE TABLE IF NOT EXISTS qa_reviews (
    task_id         String CODEC(ZSTD(1)),
    call_id         String CODEC(ZSTD(1)),
    agent_id        LowCardinality(String),
    team_id         LowCardinality(String),
    campaign_id     LowCardinality(String),
    partner_id      LowCardinality(String),
    call_started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    status          LowCardinality(String),
    score           Float64 CODEC(ZSTD(1)),
    fatal           Bool,
    sale            Bool,
    four_standards  Bool,
    reviewer        LowCardinality(String),
    at              DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    revision        UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree(revision)
ORDER BY task_id
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS sampling_keys (
    day          Date,
    key_sha256   String,
    published_at Nullable(DateTime64(3, 'UTC')),
    key          String,
    revealed_at  Nullable(DateTime64(3, 'UTC')),
    version      UInt64
) ENGINE = ReplacingMergeTree(version)
ORDER BY day
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS sampling_population (
    day             Date,
    agent_id        LowCardinality(String),
    seq             Int64 CODEC(ZSTD(1)),
    call_id         String CODEC(ZSTD(1)),
    late            Bool,
    drawn           Array(LowCardinality(String)),
    campaign_id     LowCardinality(String),
    team_id         LowCardinality(String),
    partner_id      LowCardinality(String),
    call_started_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    at              Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    revision        UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(day)
ORDER BY (day, agent_id, seq)
SETTINGS non_replicated_deduplication_window = 20000;

-- Of an event_id sent twice the first one holds: in the tables below `first` falls with the order of arrival.
CREATE TABLE IF NOT EXISTS surveys (
    event_id    String CODEC(ZSTD(1)),
    call_id     String CODEC(ZSTD(1)),
    at          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    score       LowCardinality(String),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    arrival     UInt64 CODEC(Delta, ZSTD(1)),
    first       UInt64 MATERIALIZED bitNot(arrival)
) ENGINE = ReplacingMergeTree(first)
ORDER BY event_id
SETTINGS non_replicated_deduplication_window = 20000;

-- Every version of a lead; the current one is the latest by (at, arrival).
CREATE TABLE IF NOT EXISTS leads (
    event_id       String CODEC(ZSTD(1)),
    lead_id        String CODEC(ZSTD(1)),
    campaign_id    LowCardinality(String),
    customer_id    String CODEC(ZSTD(1)),
    number_hashes  Array(String),
    at             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    list_id        LowCardinality(String),
    products       Array(LowCardinality(String)),
    priority       Int32 CODEC(ZSTD(1)),
    time_zone      LowCardinality(String),
    expires_at     Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    inbound_number LowCardinality(String),
    useless        LowCardinality(String),
    attributes     Map(LowCardinality(String), String),
    received_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    arrival        UInt64 CODEC(Delta, ZSTD(1)),
    first          UInt64 MATERIALIZED bitNot(arrival)
) ENGINE = ReplacingMergeTree(first)
ORDER BY event_id
SETTINGS non_replicated_deduplication_window = 20000;

CREATE OR REPLACE VIEW leads_current AS
SELECT * FROM leads FINAL ORDER BY at DESC, arrival DESC LIMIT 1 BY lead_id;

-- Every version of a span; of one (agent_id, start_at) the last to arrive holds, kind none withdraws it.
CREATE TABLE IF NOT EXISTS schedules (
    event_id    String CODEC(ZSTD(1)),
    agent_id    LowCardinality(String),
    start_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    end_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    kind        LowCardinality(String),
    team_id     LowCardinality(String),
    partner_id  LowCardinality(String),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    arrival     UInt64 CODEC(Delta, ZSTD(1)),
    first       UInt64 MATERIALIZED bitNot(arrival)
) ENGINE = ReplacingMergeTree(first)
ORDER BY event_id
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS campaigns (
    event_id       String CODEC(ZSTD(1)),
    campaign_id    LowCardinality(String),
    at             DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    name           String CODEC(ZSTD(1)),
    purpose        LowCardinality(String),
    products       Array(LowCardinality(String)),
    status         LowCardinality(String),
    script_version LowCardinality(String),
    partner_id     LowCardinality(String),
    pacing         String CODEC(ZSTD(1)),
    caller_ids     Array(String),
    hours          String CODEC(ZSTD(1)),
    received_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    arrival        UInt64 CODEC(Delta, ZSTD(1)),
    first          UInt64 MATERIALIZED bitNot(arrival)
) ENGINE = ReplacingMergeTree(first)
ORDER BY event_id
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS campaign_signals (
    campaign_id      LowCardinality(String),
    at               DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    answer_rate      Float64 CODEC(ZSTD(1)),
    handling_time_ms Float64 CODEC(ZSTD(1)),
    ring_time_ms     Float64 CODEC(ZSTD(1)),
    agents_available Int64 CODEC(ZSTD(1)),
    agents_busy      Int64 CODEC(ZSTD(1)),
    abandonment_rate Float64 CODEC(ZSTD(1)),
    live_calls       Int64 CODEC(ZSTD(1)),
    dials            Int64 CODEC(ZSTD(1)),
    verdict          LowCardinality(String),
    reason           LowCardinality(String),
    verdict_by       LowCardinality(String),
    window_ms        Int64 CODEC(ZSTD(1)),
    version          UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (campaign_id, at)
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS alerts (
    alert_id    String CODEC(ZSTD(1)),
    kind        LowCardinality(String),
    campaign_id LowCardinality(String),
    agent_id    LowCardinality(String),
    state       LowCardinality(String),
    at          DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    since       Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    value       Float64 CODEC(ZSTD(1)),
    expected    Float64 CODEC(ZSTD(1)),
    p_value     Float64 CODEC(ZSTD(1)),
    count       Int64 CODEC(ZSTD(1)),
    base        Int64 CODEC(ZSTD(1)),
    detail      String CODEC(ZSTD(1)),
    action      LowCardinality(String),
    call_ids    Array(String),
    version     UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(at)
ORDER BY (alert_id, at, state)
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS dead_letter (
    at        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    source    LowCardinality(String),
    reason    String CODEC(ZSTD(1)),
    pointer   String CODEC(ZSTD(1)),
    raw       String CODEC(ZSTD(3)),
    topic     LowCardinality(String),
    partition Int32,
    offset    Int64,
    id        String CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, id)
SETTINGS non_replicated_deduplication_window = 20000
