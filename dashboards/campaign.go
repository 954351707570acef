package dashboards

// campaign is for whoever runs one campaign. He asks:
//   - How far through the list are we, and how good is the list?
//   - What do customers answer, and what do they say?
//   - Where does one product or team fall behind?
func campaign() Dashboard {
	return Dashboard{
		UID: Prefix + "campaign", Title: t("Campaign", "营销活动"), From: "now-7d",
		Question:  t("How far is the campaign, and what do customers say?", "活动进展如何，客户反馈怎样？"),
		Variables: []Variable{varCampaign, varTeam, varPartner, varProduct},
		Rows: []Row{
			stats(t("Results", "成果"), "calls_made", "connect_rate", "effective_talk_rate", "orders", "order_rate", "complaints_per_order"),
			stats(t("The list", "名单"), "account_size", "useless_accounts", "corruption_rate", "effective_accounts", "accounts_called", "reachable_rate"),
			stats(t("Accounts", "客户"), "reachable_accounts", "unreachable_accounts", "average_calling_attempts", "completed_accounts", "completed_rate", "success_rate"),
			row(t("Over time", "趋势"),
				trend(t("Calls, connected, effective talks", "外呼、接通、有效通话"), "day", "calls_made", "connected_calls", "effective_talks"),
				trend(t("Orders", "成交量"), "day", "orders"),
				trend(t("Connect, effective talk and order rate", "接通率、有效通话率、成交率"), "day", "connect_rate", "effective_talk_rate", "order_rate"),
				trend(t("Abandonment", "呼损率"), "day", "abandonment_rate")),
			row(t("What became of the calls", "通话结果"),
				half(list(t("Outcomes", "外呼结果"), "outcomes")), half(list(t("Dispositions", "客户意向"), "dispositions"))),
			row(t("Where", "分布"),
				breakdown(t("By campaign", "按活动"), "campaign", "calls_made", "connect_rate", "effective_talks", "orders", "order_rate", "success_rate", "complaints_per_order"),
				half(breakdown(t("By product", "按业务"), "product", "calls_made", "connect_rate", "orders", "order_rate")),
				half(breakdown(t("By list", "按名单"), "list", "calls_made", "connect_rate", "orders", "order_rate"))),
		},
	}
}
