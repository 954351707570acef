package httpapi

// qaPaths describes the way to the QA queue.
func qaPaths(paths m, with func(base, more m) m, problems func(...string) m, answer func(string) m) {
	get := func(path, what string, params ...any) {
		paths[path] = m{"get": m{"summary": what, "parameters": params, "responses": with(m{"200": answer(what)}, problems("400", "401", "403", "404", "503"))}}
	}
	post := func(path, what string, params ...any) {
		p, _ := paths[path].(m)
		if p == nil {
			p = m{}
		}
		p["post"] = m{"summary": what, "parameters": params, "requestBody": m{"content": m{"application/json": m{"schema": m{"type": "object"}}}},
			"responses": with(m{"200": answer("The task as it is then")}, problems("400", "401", "403", "404", "409", "422", "503"))}
		paths[path] = p
	}
	id := param("id", "path")
	get("/v1/qa/tasks", "Open tasks one may take (list=queue), those one holds (mine), results one may see (results)", param("list", "query"), param("agent", "query"), param("team", "query"),
		param("campaign", "query"), param("draw", "query"), param("rater", "query"), param("status", "query"), param("overdue", "query"), param("complained", "query"), param("offset", "query"), param("limit", "query"))
	get("/v1/qa/tasks/{id}", "A task that is not closed", id)
	get("/v1/qa/appeals", "Undecided appeals")
	get("/v1/qa/workload", "What each rater has to do and has done today")
	get("/v1/qa/rubrics", "What recordings are judged by")
	get("/v1/qa/calibrations/{id}", "How far the raters of one recording agree", id)
	get("/v1/qa/drift", "How far each rater lies from the others")
	post("/v1/qa/claim", "Take the next task", param("draw", "query"), param("campaign", "query"))
	post("/v1/qa/tasks/{id}/{do}", "claim, release, draft, score, publish, appeal, decide, report or assign", id, param("do", "path"))
	post("/v1/qa/recusals", "Keep a rater from an agent's calls")
	post("/v1/qa/exemptions", "Exempt agents from a period's draw")
	post("/v1/qa/calibrations", "Give one recording to several raters")
}
