package dashboards

// quality is for the head of QA. She asks:
//   - Is the sample complete, and is anything left lying?
//   - How good are the calls, and whose are not?
//   - Do sales meet the four standards?
func quality() Dashboard {
	return Dashboard{
		UID: Prefix + "quality", Title: t("QA", "质检"), From: "now-30d",
		Question:  t("Is the sample complete, and how good are the calls?", "抽样是否完整，通话质量如何？"),
		Variables: []Variable{varTeam, varAgent, varCampaign, varPartner},
		Rows: []Row{
			stats(t("Quality", "质量"), "qa_score", "qa_pass_rate", "sales_effective_rate", "qa_sample_rate", "recording_coverage", "justified_complaints"),
			row(t("Over time", "趋势"),
				trend(t("Score", "质检平均分"), "day", "qa_score"),
				trend(t("Pass rate and valid sales", "合格率与营销有效率"), "day", "qa_pass_rate", "sales_effective_rate"),
				trend(t("Sample", "抽样率"), "day", "qa_sample_rate"),
				trend(t("Recording coverage", "录音覆盖率"), "day", "recording_coverage")),
			row(t("The queue", "待检队列"), half(list(t("Drawn and reviewed", "抽取与质检"), "qa_queue")), half(list(t("Newest reviews", "最新质检"), "reviews"))),
			row(t("Who", "人员"),
				half(breakdown(t("By agent", "按坐席"), "agent", "qa_score", "qa_pass_rate", "sales_effective_rate")),
				half(breakdown(t("Sample by agent", "坐席抽样"), "agent", "successful_visits", "qa_sample_rate", "recording_coverage")),
				half(breakdown(t("By team", "按班组"), "team", "qa_score", "qa_pass_rate", "qa_sample_rate")),
				half(breakdown(t("By campaign", "按活动"), "campaign", "qa_score", "qa_pass_rate", "sales_effective_rate"))),
		},
	}
}
