package httpapi

// alertPaths describes what is served about alerts and campaigns.
func alertPaths(paths m, problems func(...string) m, with func(base, more m) m) {
	answer := func(what string) m {
		return m{"description": what, "content": m{"application/json": m{"schema": m{"type": "object"}}}}
	}
	body := func(required []string, props m) m {
		return m{"required": true, "content": m{"application/json": m{"schema": m{"type": "object", "required": required, "properties": props, "additionalProperties": false}}}}
	}
	taken := with(m{"202": answer("Taken, and written down")}, problems("400", "401", "403", "413", "422", "503"))
	for action, what := range map[string]string{"resume": "Let a campaign run again", "throttle": "Slow a campaign down", "stop": "Stop a campaign"} {
		paths["/v1/campaigns/{id}/"+action] = m{"post": m{"summary": what, "parameters": []any{param("id", "path")}, "requestBody": body([]string{"reason"}, m{"reason": str()}), "responses": taken}}
	}
	paths["/v1/alerts/acknowledge"] = m{"post": m{"summary": "Say that somebody sees to an incident", "requestBody": body([]string{"alert_id", "reason"}, m{"alert_id": str(), "reason": str()}), "responses": taken}}
	about := m{"kind": str(), "dimension": str(), "subject": str(), "until": instant(), "reason": str()}
	paths["/v1/alerts/mute"] = m{"post": m{"summary": "Tell nobody of a kind, a subject or both for a while; what is decided is decided and done all the same", "requestBody": body([]string{"until", "reason"}, about), "responses": taken}}
	paths["/v1/alerts/unmute"] = m{"post": m{"summary": "Take a mute back", "requestBody": body([]string{"reason"}, about), "responses": taken}}
	paths["/v1/alerts"] = m{"get": m{"summary": "Incidents in their latest state, newest first; the last seven days unless asked otherwise", "parameters": []any{param("open", "query"), param("from", "query"), param("to", "query"), param("limit", "query")},
		"responses": with(m{"200": answer("The incidents")}, problems("401", "403", "422", "503"))}}
	paths["/v1/alerts/replay"] = m{"post": m{"summary": "What would have been told over past data, under the configuration that is posted or the one in force", "parameters": []any{param("from", "query"), param("to", "query")},
		"requestBody": m{"content": m{"application/yaml": m{"schema": str()}}}, "responses": with(m{"200": m{"description": `Lines of {"progress":0.5}, at the end one of {"report":...} or {"error":"..."}`, "content": m{"application/x-ndjson": m{"schema": m{"type": "object"}}}}}, problems("401", "403", "413", "422", "503"))}}
}
