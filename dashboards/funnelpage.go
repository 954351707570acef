package dashboards

// funnelPage is for whoever plans volume (K-32). He asks:
//   - Where on the way from dial to order do we lose customers?
//   - Is it seats, pace, or persuasion that is short? dials = seats x dials a seat and hour x hours; connected = dials x
//     connect rate; effective = connected x effective rate; orders = effective x order rate.
func funnelPage() Dashboard {
	return Dashboard{
		UID: Prefix + "funnel", Title: t("Funnel", "营销漏斗"), From: "now-7d",
		Question:  t("Where between dial and order do we lose customers?", "从拨打到成交，客户流失在哪一步？"),
		Variables: []Variable{varCampaign, varTeam, varAgent, varPartner, varProduct},
		Rows: []Row{
			row(t("From dial to order", "从拨打到成交"),
				funnel(t("Calls (K-32)", "通话漏斗 (K-32)"), "calls_made", "connected_calls", "answered_by_human", "effective_talks", "orders"),
				funnel(t("Accounts", "客户漏斗"), "accounts_called", "reachable_accounts", "completed_accounts", "successful_accounts")),
			stats(t("The factors", "因子"), "seats", "dials_per_seat_hour", "connect_rate", "effective_talk_rate", "order_rate", "success_rate"),
			stats(t("Successes (K-33)", "成功量 (K-33)"), "telemarketing_successes", "online_successes", "outbound_successes"),
			row(t("Over time", "趋势"),
				trend(t("Factors", "因子"), "day", "connect_rate", "effective_talk_rate", "order_rate"),
				trend(t("Successes", "成功量"), "day", "online_successes", "outbound_successes")),
			row(t("Where", "分布"),
				breakdown(t("By campaign", "按活动"), "campaign", "calls_made", "connected_calls", "connect_rate", "effective_talks", "effective_talk_rate", "orders", "order_rate"),
				half(breakdown(t("By product", "按业务"), "product", "calls_made", "effective_talks", "orders", "order_rate")),
				half(breakdown(t("By purpose", "按目的"), "purpose", "calls_made", "connect_rate", "effective_talk_rate", "order_rate"))),
		},
	}
}
