package dashboards

// dialer is for whoever sets the pace. He asks:
//   - Do agents wait, or do customers?
//   - What does the dialer believe, and who told it to slow down?
func dialer() Dashboard {
	return Dashboard{
		UID: Prefix + "dialer", Title: t("Dialer", "拨号器"), From: "now-6h",
		Question:  t("Do agents wait, or do customers?", "是坐席在等，还是客户在等？"),
		Variables: []Variable{varCampaign, varPartner},
		Rows: []Row{
			stats(t("Pace", "节奏"), "calls_made", "connect_rate", "answered_by_human", "abandonment_rate", "dials_per_seat_hour", "occupancy"),
			row(t("Now", "当前"), list(t("What the dialer was told", "拨号指令"), "signals")),
			row(t("Over time", "趋势"),
				over(t("Agents, free and busy", "空闲与忙碌坐席"), "seats_over_time", "number"),
				trend(t("Calls made and answered by a human", "外呼与人工接听"), "hour", "calls_made", "answered_by_human"),
				trend(t("Connect rate", "接通率"), "hour", "connect_rate"),
				trend(t("Abandonment", "呼损率"), "hour", "abandonment_rate"),
				trend(t("Occupancy", "占用率"), "hour", "occupancy"),
				trend(t("Permits and denials", "许可与拦截"), "hour", "permits", "cap_denials")),
			row(t("Where", "分布"),
				breakdown(t("By campaign", "按活动"), "campaign", "calls_made", "connect_rate", "abandonment_rate", "dials_per_seat_hour", "occupancy"),
				list(t("Verdicts", "指令变更"), "verdicts")),
		},
	}
}
