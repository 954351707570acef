package httpapi

import (
	"net/http"

	"github.com/ringfence/ringfence/ingest/decode"
)

type m = map[string]any

// openAPI describes the API from the decoder's own field tables.
func (a *API) openAPI(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, Document(a.deps.Version))
}

// Document is the OpenAPI 3.1 description.
func Document(version string) map[string]any {
	schemas := m{}
	paths := m{}
	problems := func(status ...string) m {
		out := m{}
		for _, s := range status {
			out[s] = m{"description": http.StatusText(atoi(s)), "content": m{"application/problem+json": m{"schema": m{"$ref": "#/components/schemas/Problem"}}}}
		}
		return out
	}
	with := func(base, more m) m {
		for k, v := range more {
			base[k] = v
		}
		return base
	}
	for _, k := range decode.Kinds() {
		schemas[string(k)] = schema(decode.Describe(k))
		paths["/v1/"+string(k)] = m{"post": m{
			"summary":     "Send " + string(k),
			"requestBody": m{"required": true, "content": m{"application/json": ref(string(k)), "application/x-ndjson": ref(string(k))}},
			"responses": with(m{
				"202": m{"description": "One object was taken", "content": m{"application/json": m{"schema": object(m{"event_id": str()})}}},
				"200": m{"description": "A batch was taken", "content": m{"application/json": m{"schema": object(m{"accepted": m{"type": "integer"},
					"rejected": m{"type": "array", "items": object(m{"line": m{"type": "integer"}, "pointer": str(), "detail": str()})}})}}},
			}, problems("400", "401", "403", "413", "415", "422", "503")),
		}}
	}
	schemas["permits"] = schema(decode.Describe(decode.Permits))
	schemas["Problem"] = object(m{"type": str(), "title": str(), "status": m{"type": "integer"}, "detail": str(),
		"errors": m{"type": "array", "items": object(m{"pointer": str(), "detail": str()})}})
	nullTime := m{"type": []string{"string", "null"}, "format": "date-time"}
	schemas["Decision"] = object(m{"decision": m{"type": "string", "enum": []string{"permit", "deny"}}, "permit_id": str(), "request_id": str(), "customer_id": str(),
		"at": instant(), "expires_at": instant(), "policy": str(), "next_allowed_at": nullTime,
		"denied_by": m{"type": "array", "items": object(m{"rule": str(), "used": m{"type": "integer"}, "limit": m{"type": "integer"}, "next_allowed_at": nullTime, "detail": str()})}})
	paths["/v1/permits"] = m{"post": m{"summary": "Ask whether a customer may be dialled now", "requestBody": m{"required": true, "content": m{"application/json": ref("permits")}},
		"responses": with(m{"200": m{"description": "The committed decision", "content": m{"application/json": ref("Decision")}}}, problems("400", "401", "403", "422", "429", "503"))}}
	paths["/v1/permits/{id}"] = m{"delete": m{"summary": "Give back a permit that was not dialled", "parameters": []any{param("id", "path")},
		"responses": with(m{"204": m{"description": "Given back"}}, problems("401", "403", "404", "409", "503"))}}
	paths["/v1/customers/{id}/caps"] = m{"get": m{"summary": "Every rule for one customer and its state",
		"parameters": []any{param("id", "path"), param("product", "query"), param("purpose", "query"), param("campaign", "query"), param("at", "query"), param("caller_id", "query")},
		"responses":  with(m{"200": m{"description": "The explanation", "content": m{"application/json": m{"schema": m{"type": "object"}}}}}, problems("400", "401", "403", "422", "503"))}}
	paths["/v1/kpi"] = m{"get": m{"summary": "Metrics of the catalogue",
		"parameters": []any{param("metric", "query"), param("from", "query"), param("to", "query"), param("by", "query"), param("where", "query"), param("wait", "query")},
		"responses":  with(m{"200": m{"description": "One result a metric", "content": m{"application/json": m{"schema": m{"type": "array", "items": m{"type": "object"}}}}}}, problems("400", "401", "422", "503"))}}
	paths["/v1/freeswitch/cdr"] = m{"post": m{"summary": "A CDR as FreeSWITCH's mod_json_cdr posts it", "responses": with(m{"202": m{"description": "Taken"}}, problems("400", "401", "422", "503"))}}
	answer := func(what string) m {
		return m{"description": what, "content": m{"application/json": m{"schema": m{"type": "object"}}}}
	}
	told := func(what string) m {
		return m{"description": what + `: lines of {"progress":0.5}, at the end one of {"report":...} or {"error":"..."}`, "content": m{"application/x-ndjson": m{"schema": m{"type": "object"}}}}
	}
	paths["/v1/kpi/catalogue"] = m{"get": m{"summary": "Every metric and its definition", "responses": with(m{"200": answer("The catalogue")}, problems("401"))}}
	paths["/v1/kpi/verify"] = m{"post": m{"summary": "Figures recomputed from the Kafka log and compared", "parameters": []any{param("metric", "query"), param("from", "query"), param("to", "query")},
		"responses": with(m{"200": told("The comparison")}, problems("401", "403", "422", "503"))}}
	paths["/v1/kpi/complaint-table"] = m{"get": m{"summary": "Complaints by two of their sides", "parameters": []any{param("from", "query"), param("to", "query"), param("rows", "query"), param("columns", "query"), param("wait", "query")},
		"responses": with(m{"200": answer("The cells and their total")}, problems("401", "403", "422", "503"))}}
	paths["/v1/dashboards/{name}/panels"] = m{"get": m{"summary": "What a dashboard's panels show", "parameters": []any{param("name", "path"), param("from", "query"), param("to", "query"), param("campaign", "query"), param("team", "query"), param("agent", "query"), param("partner", "query"), param("product", "query"), param("which", "query")},
		"responses": with(m{"200": m{"description": "A line for each panel as soon as it is known, and one with the annotations", "content": m{"application/x-ndjson": m{"schema": m{"type": "object"}}}}}, problems("401", "403", "422"))}}
	paths["/v1/dashboards/{name}/values"] = m{"get": m{"summary": "The values a dashboard's variables can take", "parameters": []any{param("name", "path"), param("from", "query"), param("to", "query")},
		"responses": with(m{"200": answer("Lists of values by variable")}, problems("401", "403", "422", "503"))}}
	paths["/v1/sampling/verify"] = m{"get": m{"summary": "A day's draw redone from its revealed key", "parameters": []any{param("day", "query")},
		"responses": with(m{"200": answer("The comparison")}, problems("401", "403", "409", "422", "503"))}}
	paths["/v1/recordings/due"] = m{"get": m{"summary": "Which recordings may be deleted", "parameters": []any{param("at", "query"), param("limit", "query")},
		"responses": with(m{"200": answer("How many, and the oldest of them")}, problems("401", "403", "422", "503"))}}
	paths["/v1/recordings/{call_id}"] = m{"get": m{"summary": "How long a call's recording is kept, and why", "parameters": []any{param("call_id", "path")},
		"responses": with(m{"200": answer("The decision")}, problems("401", "403", "404", "503"))}}
	paths["/v1/caps/audit"] = m{"post": m{"summary": "Every decision of the past decided again and compared", "parameters": []any{param("from", "query"), param("to", "query")},
		"responses": with(m{"200": told("The audit")}, problems("401", "403", "422", "503"))}}
	paths["/v1/caps/replay"] = m{"post": m{"summary": "The same history under the policy that is posted", "parameters": []any{param("from", "query"), param("to", "query")},
		"requestBody": m{"required": true, "content": m{"application/yaml": m{"schema": str()}}}, "responses": with(m{"200": told("What that policy denies")}, problems("401", "403", "413", "422", "503"))}}
	paths["/v1/caps/simulate"] = m{"post": m{"summary": "Which leads of a campaign would be skipped, and why", "parameters": []any{param("campaign", "query"), param("purpose", "query"),
		param("product", "query"), param("caller_id", "query"), param("at", "query")}, "responses": with(m{"200": told("The leads by rule and day")}, problems("401", "403", "422", "503"))}}
	paths["/v1/dead-letter"] = m{"get": m{"summary": "What was rejected, numbers masked, and why", "responses": with(m{"200": answer("The letters")}, problems("401", "403", "503"))}}
	paths["/v1/dead-letter/replay"] = m{"post": m{"summary": "Send rejected input again", "responses": with(m{"200": answer("What became of it")}, problems("401", "403", "503"))}}
	qaPaths(paths, with, problems, answer)
	alertPaths(paths, problems, with)
	for path, what := range map[string]string{"/healthz": "Does the process live?", "/readyz": "Does it do its work?", "/metrics": "Prometheus metrics", "/openapi.json": "This document"} {
		paths[path] = m{"get": m{"summary": what, "security": []any{}, "responses": m{"200": m{"description": "OK"}}}}
	}
	return m{"openapi": "3.1.0", "info": m{"title": "ringfence", "version": version}, "paths": paths, "security": []any{m{"token": []any{}}},
		"components": m{"schemas": schemas, "securitySchemes": m{"token": m{"type": "http", "scheme": "bearer"}}}}
}

func atoi(s string) int {
	n := 0
	for _, r := range s {
		n = n*10 + int(r-'0')
	}
	return n
}

func str() m               { return m{"type": "string"} }
func instant() m           { return m{"type": "string", "format": "date-time"} }
func ref(name string) m    { return m{"schema": m{"$ref": "#/components/schemas/" + name}} }
func object(props m) m     { return m{"type": "object", "properties": props} }
func param(n, in string) m { return m{"name": n, "in": in, "required": in == "path", "schema": str()} }

func schema(fields []decode.Field) m {
	props, required := m{}, []string{}
	for _, f := range fields {
		var s m
		switch f.Type {
		case "date-time":
			s = instant()
		case "integer":
			s = m{"type": "integer"}
		case "boolean":
			s = m{"type": "boolean"}
		case "enum":
			s = m{"type": "string", "enum": f.Enum}
		case "telephone":
			s = m{"type": "string", "description": "E.164, or national to the default region"}
		case "strings", "telephones":
			s = m{"type": "array", "items": str()}
		case "booleans":
			s = m{"type": "object", "additionalProperties": m{"type": "boolean"}}
		case "object":
			s = m{"type": "object"}
			if len(f.Fields) > 0 {
				s = schema(f.Fields)
			}
		default:
			s = str()
		}
		props[f.Name] = s
		if f.Required {
			required = append(required, f.Name)
		}
	}
	out := m{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}
