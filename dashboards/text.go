package dashboards

import "github.com/ringfence/ringfence/processors/kpi"

// metricTitle is a metric's name for people, in every language. A test names the metrics that have none in Chinese.
func metricTitle(name string) Text {
	out := Text{ZH: metricZH()[name]}
	if m, ok := kpi.Find(name); ok {
		out.EN = m.Title()
	}
	return out
}

func metricZH() map[string]string {
	return map[string]string{
		"account_size": "客户资料总量", "useless_accounts": "无效资料", "corruption_rate": "资料无效率", "effective_accounts": "有效资料",
		"accounts_called": "已拨打客户", "calls_made": "外呼量", "average_calling_attempts": "平均拨打次数", "reachable_accounts": "接触成功客户",
		"unreachable_accounts": "未接触客户", "reachable_rate": "接触率", "completed_accounts": "完成客户", "completed_rate": "完成率",
		"successful_accounts": "成功客户", "success_rate": "成功率", "paid_hours": "计薪工时", "productivity_hours": "有效工时",
		"non_productivity_hours": "非外呼工时", "completed_per_hour": "每小时完成数", "successful_per_hour": "每小时成功数", "average_handling_time": "平均处理时长",
		"utilization_rate": "工时利用率", "attendance_rate": "出勤率", "seats": "坐席数", "dials_per_seat_hour": "席均每小时拨打量",
		"connect_rate": "接通率", "connected_calls": "接通量", "answered_by_human": "人工接听量", "effective_talk_rate": "有效通话率",
		"effective_talks": "有效通话量", "order_rate": "成交率", "orders": "成交量", "telemarketing_successes": "电话营销成功量",
		"online_successes": "在线营销成功量", "outbound_successes": "外呼营销成功量", "complaints": "投诉量", "complaint_rate": "投诉率",
		"complaints_per_order": "单均投诉", "complaints_unattributed": "未归属投诉", "justified_complaints": "有理由投诉", "sales_effective_rate": "营销有效率",
		"successful_visits": "成功访问量", "successful_orders": "成功订单量", "recording_coverage": "录音覆盖率", "abandonment_rate": "呼损率",
		"occupancy": "占用率", "permits": "外呼许可", "cap_denials": "拦截次数", "cap_violations": "超限外呼",
		"qa_sample_rate": "质检抽样率", "qa_score": "质检平均分", "qa_pass_rate": "质检合格率",
	}
}
