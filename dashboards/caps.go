package dashboards

// caps is for the compliance officer. She asks:
//   - Was anybody called who might not be?
//   - Which rules deny, whom, and how often?
//   - Was everything recorded, and did we drop customers?
func caps() Dashboard {
	return Dashboard{
		UID: Prefix + "caps", Title: t("Contact caps and compliance", "接触上限与合规"), From: "now-7d",
		Question:  t("Was anybody called who might not be called?", "是否呼叫了不该呼叫的客户？"),
		Variables: []Variable{varCampaign, varPartner, varProduct},
		Rows: []Row{
			stats(t("Permits", "许可"), "permits", "cap_denials", "cap_violations", "recording_coverage", "abandonment_rate", "complaint_rate"),
			row(t("Over time", "趋势"),
				trend(t("Permits and denials", "许可与拦截"), "hour", "permits", "cap_denials"),
				trend(t("Violations", "超限外呼"), "hour", "cap_violations"),
				trend(t("Abandonment", "呼损率"), "hour", "abandonment_rate"),
				trend(t("Recording coverage", "录音覆盖率"), "hour", "recording_coverage")),
			row(t("Which rules", "规则"),
				half(list(t("Denials by rule", "各规则拦截"), "denials")), half(list(t("What became of permits", "许可去向"), "permit_fates"))),
			row(t("Where", "分布"),
				breakdown(t("Compliance by campaign", "各活动合规"), "campaign", "calls_made", "cap_violations", "abandonment_rate", "recording_coverage"),
				half(breakdown(t("Permits by campaign", "各活动许可"), "campaign", "permits", "cap_denials")),
				half(breakdown(t("Permits by purpose", "各目的许可"), "purpose", "permits", "cap_denials")),
				list(t("Calls that broke a cap", "超限通话"), "violations")),
		},
	}
}
