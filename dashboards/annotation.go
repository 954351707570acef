package dashboards

// Annotation is a line on every chart with time: something happened then. Its query gives time, title, text and tags.
type Annotation struct {
	Name  string
	Title Text
	Color string // of Grafana's palette
	SQL   string
}

// Annotations of a dashboard: alerts, campaigns that were slowed or stopped, changes of the policy, deploys. Alerts and
// stops are narrowed to the chosen campaigns where the dashboard has that variable.
func (d Dashboard) Annotations() []Annotation {
	campaigns := "1=1"
	for _, v := range d.Variables {
		if v.Name == varCampaign.Name {
			campaigns = only(v.Name)
		}
	}
	change := func(kind string) string {
		return "SELECT at AS time, '" + kind + "' AS title, what AS text, kind AS tags FROM changes FINAL WHERE kind = '" + kind + "' AND " + during("at") + " ORDER BY time LIMIT 200"
	}
	return []Annotation{
		{"alerts", Text{"Alerts", "告警"}, "red", "SELECT at AS time, concat(kind, ' ', state) AS title, concat(campaign_id, if(agent_id = '', '', concat(' / ', agent_id)), ': ', detail) AS text, kind AS tags FROM alerts FINAL WHERE " +
			during("at") + " AND " + campaigns + " ORDER BY time LIMIT 200"},
		{"stops", Text{"Campaigns slowed or stopped", "活动限速或停止"}, "orange", "SELECT time, title, text, tags FROM (SELECT at AS time, verdict AS title, concat(campaign_id, ': ', reason) AS text, 'verdict' AS tags FROM campaign_signals FINAL WHERE verdict IN ('throttle', 'stop') AND " +
			during("at") + " AND " + campaigns + " UNION ALL SELECT at, status, concat(campaign_id, ' is ', status), 'campaign' FROM campaigns FINAL WHERE status IN ('paused', 'stopped') AND " + during("at") + " AND " + campaigns + ") ORDER BY time LIMIT 200"},
		{"policy", Text{"Policy changes", "策略变更"}, "blue", change("policy")},
		{"deploys", Text{"Deploys", "发布"}, "purple", change("deploy")},
	}
}
