package dashboards

// pipeline is for whoever is woken when numbers stop. He asks:
//   - Is everything that arrived counted, and how far behind are we?
//   - Are permits decided in time?
//   - Which source fell silent, and what was refused?
//
// The panels and the rules in deploy/prometheus read the same metrics; each rule has an entry in docs/runbook.md.
func pipeline() Dashboard {
	return Dashboard{
		UID: Prefix + "pipeline", Title: t("Data quality and pipeline health", "数据质量与管道健康"), From: "now-6h",
		Question:  t("Is everything that arrived counted, and in time?", "数据是否全部、及时入账？"),
		Variables: []Variable{varCampaign, varPartner},
		Rows: []Row{
			row(t("Now", "当前"),
				gauge(t("Processors ready", "就绪处理器"), "ratio", `avg(ringfence_stream_ready)`, "Share of processors that work on all their partitions."),
				gauge(t("Records behind", "积压记录"), "number", `sum(ringfence_stream_lag)`, "Input records not yet processed, over all processors."),
				gauge(t("Permit latency p99", "许可时延 p99"), "seconds", `histogram_quantile(0.99, sum by (le) (rate(ringfence_permit_seconds_bucket[5m])))`, "From a request to its committed decision, over the last 5 minutes."),
				gauge(t("Refused records", "拒收记录"), "number", `(sum(increase(ringfence_stream_rejected_total[1h])) or vector(0)) + (sum(increase(ringfence_ingest_rejected_total[1h])) or vector(0)) + (sum(increase(ringfence_sink_refused_rows_total[1h])) or vector(0))`, "Sent to the dead letter or refused at the door in the last hour."),
				gauge(t("Aborted transactions", "中止事务"), "ratio", `sum(rate(ringfence_stream_transactions_total{result!="committed"}[5m])) / sum(rate(ringfence_stream_transactions_total[5m]))`, "Share of Kafka transactions that did not commit; their records are processed again."),
				gauge(t("Rows a second", "每秒写入行数"), "number", `sum(rate(ringfence_sink_rows_total[5m]))`, "Written into ClickHouse.")),
			row(t("Flow", "流量"),
				watch(t("Events in, rows out", "事件流入与写入"), "number", "A second.", Prom{`sum(rate(ringfence_ingest_accepted_total[5m]))`, "events accepted"}, Prom{`sum(rate(ringfence_sink_rows_total[5m]))`, "rows in ClickHouse"}),
				watch(t("Lag by processor", "各处理器积压"), "number", "Input records not yet processed.", Prom{`sum by (processor) (ringfence_stream_lag)`, "{{processor}}"}),
				watch(t("Permit latency", "许可时延"), "seconds", "From a request to its committed decision.", Prom{`histogram_quantile(0.5, sum by (le) (rate(ringfence_permit_seconds_bucket[5m])))`, "p50"}, Prom{`histogram_quantile(0.99, sum by (le) (rate(ringfence_permit_seconds_bucket[5m])))`, "p99"}),
				watch(t("Transactions by result", "事务结果"), "number", "A second.", Prom{`sum by (result) (rate(ringfence_stream_transactions_total[5m]))`, "{{result}}"}),
				watch(t("State to recover", "待恢复状态"), "number", "Changelog offsets still to replay; nothing is decided on a partition until it is 0.", Prom{`sum by (processor) (ringfence_stream_recovery_remaining)`, "{{processor}}"}),
				watch(t("Way into ClickHouse", "写入 ClickHouse"), "seconds", "Time until ClickHouse has a batch's rows; a step that fails is tried again.", Prom{`histogram_quantile(0.5, sum by (le) (rate(ringfence_sink_insert_seconds_bucket[5m])))`, "insert p50"}, Prom{`histogram_quantile(0.99, sum by (le) (rate(ringfence_sink_insert_seconds_bucket[5m])))`, "insert p99"}),
				watch(t("Retries", "重试"), "number", "Steps on the way into ClickHouse that failed and were tried again, a second.", Prom{`sum by (step) (rate(ringfence_sink_retries_total[5m]))`, "{{step}}"}),
				watch(t("Refused", "拒收"), "number", "Records a second sent to the dead letter, and objects refused at the door.", Prom{`sum by (processor) (rate(ringfence_stream_rejected_total[5m]))`, "{{processor}}"}, Prom{`sum(rate(ringfence_ingest_rejected_total[5m]))`, "ingest"})),
			row(t("Data", "数据"),
				half(list(t("Freshness", "新鲜度"), "freshness")), half(list(t("Gaps in calls", "通话字段缺失"), "gaps")),
				half(list(t("Dead letters", "死信"), "dead_letters")), half(list(t("Changes", "变更"), "changes"))),
		},
	}
}
