package dashboards

// calls is where every drill-down leads: the calls behind a bar or a number.
func calls() Dashboard {
	return Dashboard{
		UID: Prefix + "calls", Title: t("Calls behind a number", "数字背后的通话"), From: "now-24h",
		Question:  t("Which calls are behind the number?", "这个数字由哪些通话构成？"),
		Variables: []Variable{varWhich, varCampaign, varTeam, varAgent, varPartner, varProduct},
		Rows: []Row{
			stats(t("All of the selection", "所选范围"), "calls_made", "connected_calls", "effective_talks", "orders", "cap_violations", "complaints"),
			row(t("The newest", "最新"), Panel{Kind: Listing, Title: t("Calls", "通话"), Rows: "calls", Width: 24, Height: 18}),
		},
	}
}
