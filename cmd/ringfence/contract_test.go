package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stranger talks to a running ringfence as one who has read nothing but the contract.
type stranger struct {
	t   *testing.T
	url string
	n   int
}

type object = map[string]any

// id is one nobody has used.
func (s *stranger) id(what string) string {
	s.n++
	return fmt.Sprintf("%s-%d", what, s.n)
}

func (s *stranger) do(method, path, contentType, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode >= 400 && resp.Header.Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%s %s: %d is no problem+json: %s", method, path, resp.StatusCode, b)
	}
	return resp.StatusCode, string(b)
}

func (s *stranger) post(kind string, o object) (int, string) {
	s.t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do("POST", "/v1/"+kind, "application/json", string(b))
}

// tell posts what must be taken.
func (s *stranger) tell(kind string, o object) {
	s.t.Helper()
	if status, body := s.post(kind, o); status != http.StatusAccepted {
		s.t.Fatalf("%s %v: %d %s", kind, o, status, body)
	}
}

// call is a whole call of a customer, or of a number where it begins with +; more overrules.
func (s *stranger) call(who, at string, more object) object {
	began, err := time.Parse(time.RFC3339, at)
	if err != nil {
		s.t.Fatal(err)
	}
	o := object{"call_id": s.id("call"), "purpose": "sales", "started_at": at, "ended_at": began.Add(time.Minute).Format(time.RFC3339), "outcome": "no_answer"}
	return with(with(o, person(who)), more)
}

func person(who string) object {
	if strings.HasPrefix(who, "+") {
		return object{"number": who}
	}
	return object{"customer_id": who}
}

func with(o, more object) object {
	for k, v := range more {
		o[k] = v
	}
	return o
}

// permit asks, and returns the answer.
func (s *stranger) permit(who, at string, more object) object {
	s.t.Helper()
	status, body := s.post("permits", with(with(object{"request_id": s.id("request"), "purpose": "sales", "at": at, "caller_id": "10010"}, person(who)), more))
	var d object
	if err := json.Unmarshal([]byte(body), &d); err != nil || status != http.StatusOK {
		s.t.Fatalf("permit: %d %s", status, body)
	}
	return d
}

// rules that deny, in their order.
func rules(d object) (out []string) {
	list, _ := d["denied_by"].([]any)
	for _, x := range list {
		out = append(out, x.(object)["rule"].(string))
	}
	return out
}

func (s *stranger) release(permit any) int {
	s.t.Helper()
	status, _ := s.do("DELETE", "/v1/permits/"+url.PathEscape(fmt.Sprint(permit)), "", "")
	return status
}

// cmd runs a command against the system.
func (s *stranger) cmd(want int, args ...string) string {
	s.t.Helper()
	return ask(s.t, want, append(args, "--url", s.url)...)
}

// rows of a query.
func (s *stranger) rows(sql string) (out []object) {
	s.t.Helper()
	for _, line := range strings.Split(s.cmd(0, "sql", sql, "--format", "JSONEachRow"), "\n") {
		var o object
		if line != "" && json.Unmarshal([]byte(line), &o) == nil {
			out = append(out, o)
		}
	}
	return out
}

func (s *stranger) counted() { s.cmd(0, "kpi", "calls_made", "--wait", "--format", "json") }

func (s *stranger) same(what string, got, want any) {
	s.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestContract holds a running process to sentences of the outside contract that no part can promise alone.
func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("policy: mine\nextends: china-unicom\n")
	p, base := up(t, filepath.Join(dir, "data"), "--set", "api.trust_client_time=true", "--set", "policy="+file, "--set", "sampling.grace=1s", "--set", "sampling.quiet=1s")
	t.Run("refusals", func(t *testing.T) { refusals(&stranger{t: t, url: base}) })
	t.Run("versions", func(t *testing.T) { versions(&stranger{t: t, url: base}) })
	t.Run("permits", func(t *testing.T) { permitsOfOneLife(&stranger{t: t, url: base}) })
	t.Run("numbers", func(t *testing.T) { numbersMove(&stranger{t: t, url: base}) })
	t.Run("figures", func(t *testing.T) { figures(&stranger{t: t, url: base}) })
	t.Run("draw", func(t *testing.T) { drawByHand(&stranger{t: t, url: base}) })
	t.Run("policy", func(t *testing.T) {
		s := &stranger{t: t, url: base}
		inForce := func(want string) {
			t.Helper()
			for deadline := time.Now().Add(10 * time.Second); ; {
				d := s.permit(s.id("policy"), "2026-03-02T10:00:00+08:00", nil)
				if d["policy"] == want {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("in force is %v, want %s", d["policy"], want)
				}
			}
		}
		write("policy: mine\nversion: 2\nrules: [{id: A, list: blacklist}]\n")
		inForce("mine@2")
		write("policy: mine\nversion: 3\nrules: [{id: A, lisst: blacklist}]\n")
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		inForce("mine@2")
		write("policy: mine\nversion: 4\nrules: [{id: A, list: blacklist}]\n")
		inForce("mine@4")
	})
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t, 15*time.Second); code != 0 {
		t.Errorf("SIGTERM: exit %d\n%s", code, tail(p.errs.String()))
	}
}

// Sections 1 and 6: what is refused, how, and that a number is nowhere.
func refusals(s *stranger) {
	good := func() object { return s.call("refused", "2026-03-02T10:00:00+08:00", nil) }
	for _, c := range []struct {
		change  object
		status  int
		pointer string
	}{
		{object{"campain_id": "x"}, 400, "/campain_id"}, {object{"purpose": 1}, 400, "/purpose"}, {object{"products": []any{"a", 1}}, 400, "/products/1"},
		{object{"outcome": "fine"}, 422, "/outcome"}, {object{"started_at": "2026-03-02T10:00:00"}, 422, "/started_at"},
		{object{"recording": object{"size_bytes": -1}}, 422, "/recording/size_bytes"}, {object{"number": "12"}, 422, "/number"},
	} {
		status, body := s.post("calls", with(good(), c.change))
		var problem struct {
			Status int
			Errors []struct{ Pointer, Detail string }
		}
		if err := json.Unmarshal([]byte(body), &problem); err != nil || status != c.status || problem.Status != status || len(problem.Errors) != 1 || problem.Errors[0].Pointer != c.pointer {
			s.t.Errorf("%v: %d %s", c.change, status, body)
		}
	}
	a, _ := json.Marshal(good())
	status, body := s.do("POST", "/v1/calls", "application/x-ndjson", string(a)+"\n{\"number\":\"139-5550-1234\"}\n\nnot json\n"+string(a)+"\n")
	var batch struct {
		Accepted int
		Rejected []struct {
			Line    int
			Pointer string
		}
	}
	if err := json.Unmarshal([]byte(body), &batch); err != nil || status != 200 || batch.Accepted != 2 || len(batch.Rejected) != 2 || batch.Rejected[0].Line != 2 || batch.Rejected[1].Line != 4 {
		s.t.Errorf("%d %s", status, body)
	}
	s.counted()
	letters := s.rows("SELECT raw FROM dead_letter")
	if len(letters) != 2 || strings.Contains(fmt.Sprint(letters), "5550") {
		s.t.Errorf("dead letter: %v", letters)
	}
}

// Section 2: a call sent again, and field by field.
func versions(s *stranger) {
	c := s.call("versions", "2026-03-02T10:00:00+08:00", nil)
	update := func(seconds int, more object) object {
		return with(object{"call_id": c["call_id"], "customer_id": "versions", "updated_at": time.Date(2026, 3, 2, 2, 1, seconds, 0, time.UTC).Format(time.RFC3339)}, more)
	}
	s.tell("calls", update(20, object{"disposition": "agree"})) // before its call
	s.tell("calls", c)
	s.tell("calls", with(s.call("versions", "2026-03-02T10:00:00+08:00", nil), object{"call_id": c["call_id"], "outcome": "busy"})) // the same key: the first wins
	s.tell("calls", update(10, object{"disposition": "refuse", "reached": true}))
	s.tell("calls", update(20, object{"disposition": "consider", "event_id": s.id("event")})) // of equal ones the later arrival
	s.counted()
	s.same("the merged call", s.rows(fmt.Sprintf("SELECT disposition, reached, outcome, attempt_no, number, recording.uri AS uri, toTypeName(violations) AS type FROM calls_current WHERE call_id = '%s'", c["call_id"])),
		[]object{{"disposition": "consider", "reached": true, "outcome": "no_answer", "attempt_no": 1.0, "number": "", "uri": "", "type": "Array(String)"}})
}

// Section 3: reserved, denied exactly as long as it must be, the same answer, used, released.
func permitsOfOneLife(s *stranger) {
	for m := 1; m <= 5; m++ {
		s.tell("calls", s.call("six", fmt.Sprintf("2026-%02d-05T10:00:00+08:00", m), nil))
	}
	sixth := s.permit("six", "2026-06-05T10:00:00+08:00", object{"request_id": "sixth"})
	s.same("the same request", s.permit("six", "2026-06-05T10:00:09+08:00", object{"request_id": "sixth", "products": []string{"x"}}), sixth)
	denied := s.permit("six", "2026-07-01T10:00:00+08:00", object{"request_id": "seventh", "purpose": "care"})
	delete(denied["denied_by"].([]any)[0].(object), "detail")
	s.same("the seventh", denied, object{"decision": "deny", "request_id": "seventh", "customer_id": "six", "at": "2026-07-01T10:00:00+08:00", "policy": "mine@1",
		"next_allowed_at": "2027-01-05T10:00:00+08:00", "denied_by": []any{object{"rule": "CAP-01", "used": 6.0, "limit": 6.0, "next_allowed_at": "2027-01-05T10:00:00+08:00"}}})
	s.same("a millisecond before", rules(s.permit("six", "2027-01-05T09:59:59.999+08:00", object{"purpose": "care"})), []string{"CAP-01"})
	then := s.permit("six", "2027-01-05T10:00:00+08:00", nil)
	s.same("exactly then", then["decision"], "permit")
	s.same("releases", []int{s.release(then["permit_id"]), s.release(then["permit_id"]), s.release("unknown")}, []int{204, 204, 404})
	used := s.call("six", "2026-06-05T10:00:59.999+08:00", object{"permit_id": sixth["permit_id"]})
	s.tell("calls", used)
	s.same("release of a used one", s.release(sixth["permit_id"]), 409)
	late := s.permit("late", "2026-06-05T10:00:00+08:00", nil)
	dialled := s.call("late", "2026-06-05T10:01:00+08:00", object{"permit_id": late["permit_id"]})
	s.tell("calls", dialled)
	s.counted()
	s.same("violations", s.rows(fmt.Sprintf("SELECT notEmpty(violations) AS v FROM calls_current WHERE call_id IN ('%s', '%s') ORDER BY v", used["call_id"], dialled["call_id"])), []object{{"v": 0.0}, {"v": 1.0}})
	s.tell("customers", object{"customer_id": "listed", "at": "2026-03-01T00:00:00Z", "lists": object{"blacklist": true}})
	never := s.permit("listed", "2026-03-02T22:00:00+08:00", object{"caller_id": "10010", "recording": false})
	s.same("every rule that denies", rules(never), []string{"CAP-07", "BL-01", "REC-01"})
	if next, there := never["next_allowed_at"]; !there || next != nil {
		s.t.Errorf("never: %v", never)
	}
}

// Sections 1 and 3: what was sent under a number goes along with it.
func numbersMove(s *stranger) {
	const number = "+8613912340001"
	at := "2026-03-02T10:00:00+08:00"
	s.tell("calls", s.call(number, "2026-01-05T10:00:00+08:00", nil))
	p := s.permit(number, at, object{"request_id": "unknown"})
	s.tell("calls", s.call(fmt.Sprint(p["customer_id"]), "2026-01-06T10:00:00+08:00", nil))
	s.tell("customers", object{"customer_id": "owner", "at": "2026-02-01T00:00:00Z", "numbers": []string{"13912340001"}})
	used := func(customer string) float64 {
		var x struct {
			Rules []struct {
				Rule string
				Used float64
			}
		}
		_ = json.Unmarshal([]byte(s.cmd(0, "caps", "explain", "--customer", customer, "--at", "2026-03-02T12:00:00+08:00", "--format", "json")), &x)
		for _, r := range x.Rules {
			if r.Rule == "CAP-01" {
				return r.Used
			}
		}
		return -1
	}
	s.same("joined", used("owner"), 3.0)
	s.same("the same request of the number", s.permit(number, at, object{"request_id": "unknown"}), p)
	s.same("release", s.release(p["permit_id"]), 204)
	s.tell("calls", s.call(number, "2026-02-10T10:00:00+08:00", nil))
	s.tell("customers", object{"customer_id": "heir", "at": "2026-02-08T00:00:00Z", "numbers": []string{number}})
	s.same("the heir's", used("heir"), 1.0)
	s.same("by its number", s.permit(number, "2026-02-01T10:00:00+08:00", nil)["customer_id"], "owner")
}

// Section 5: figures and their errors.
func figures(s *stranger) {
	s.tell("calls", s.call("f", "2026-05-04T23:30:00+08:00", object{"partner_id": "F", "answered_at": "2026-05-04T23:30:01+08:00", "products": []string{"x", "y"}}))
	s.tell("calls", s.call("f", "2026-05-05T00:00:00+08:00", object{"partner_id": "F"}))
	var got []struct {
		Metric, ID, Unit, From, To string
		Rows                       []object
	}
	out := s.cmd(0, "kpi", "calls_made", "connect_rate", "--where", "partner=F", "--by", "day,product", "--from", "2026-05-04", "--to", "2026-05-06", "--wait", "--format", "json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got) != 2 {
		s.t.Fatalf("%v: %s", err, out)
	}
	s.same("calls", got[0].Rows, []object{{"day": "2026-05-04", "product": "x", "value": 1.0}, {"day": "2026-05-04", "product": "y", "value": 1.0}, {"day": "2026-05-05", "product": nil, "value": 1.0}})
	s.same("rate", got[1].Rows[2], object{"day": "2026-05-05", "product": nil, "value": 0.0, "numerator": 0.0, "denominator": 1.0})
	s.cmd(2, "kpi", "account_size", "--by", "agent")
	s.cmd(2, "kpi", "nothing")
}

// Section 8: the draw, redone from the revealed key with nothing but the contract.
func drawByHand(s *stranger) {
	const day, agent, n = "2026-03-03", "agent|one", 25
	for i := range n {
		at := fmt.Sprintf("%sT10:%02d:00+08:00", day, i)
		s.tell("calls", s.call("draw", at, object{"agent_id": agent, "outcome": "answered", "answered_at": at, "bridged_at": at, "recording": object{"size_bytes": 45}}))
	}
	s.tell("calls", s.call("draw", day+"T11:00:00+08:00", object{"agent_id": agent, "outcome": "answered", "answered_at": day + "T11:00:00+08:00", "bridged_at": day + "T11:00:00+08:00", "recording": object{"size_bytes": 44}}))
	var row []object
	for deadline := time.Now().Add(30 * time.Second); len(row) == 0; {
		if time.Now().After(deadline) {
			s.t.Fatalf("no key is revealed: %v", s.rows("SELECT * FROM sampling_keys"))
		}
		s.counted()
		row = s.rows("SELECT key, key_sha256 FROM sampling_keys WHERE day = '" + day + "' AND key != ''")
	}
	key, _ := hex.DecodeString(row[0]["key"].(string))
	if sum := sha256.Sum256(key); len(row) != 1 || hex.EncodeToString(sum[:]) != row[0]["key_sha256"] {
		s.t.Fatalf("%v", row)
	}
	s.counted()
	var want []float64
	for block := 0; block*10 < n; block++ {
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s|%s|%d", agent, day, block)
		v := binary.BigEndian.Uint64(mac.Sum(nil))
		at, m := 1+v%10, uint64(min(10, n-block*10))
		if at > m {
			at = 1 + v%m
		}
		want = append(want, float64(uint64(block*10)+at))
	}
	var drawn []float64
	population := s.rows("SELECT seq, drawn FROM sampling_population WHERE day = '" + day + "' ORDER BY seq")
	for _, r := range population {
		if slices.Contains(r["drawn"].([]any), any("daily")) {
			drawn = append(drawn, r["seq"].(float64))
		}
	}
	s.same("drawn", drawn, want)
	s.same("population", len(population), n)
	var verified object
	_ = json.Unmarshal([]byte(s.cmd(0, "sampling", "verify", "--day", day, "--format", "json")), &verified)
	s.same("verified", []any{verified["population"], verified["required"], verified["ok"]}, []any{float64(n), 3.0, true})
}
