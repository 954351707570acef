package console_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/event"
)

// auditor sees every task.
var auditor = &event.QAActor{UserId: "auditor", Roles: []string{"compliance"}}

// The whole way of a review in a real browser, on the real stack: two raters take recordings at the same moment, one
// listens and scores with the keyboard alone, reloads in the middle, and publishes; the agent appeals, support staff
// and his leader decide, the next draw checks him extra. On the way every page is looked at by axe, and in the end no
// number is in clear anywhere.
func TestStory(t *testing.T) {
	if testing.Short() {
		t.Skip("heavy")
	}
	chromium(t)
	x := qualitySite(t, 6)
	// A lead with the number the calls went to, so that there is one to be revealed.
	res, err := (&client.Client{Base: x.URL()}).Send(t.Context(), "leads", map[string]any{"lead_id": "lead-1", "campaign_id": "k", "customer_id": "C1", "numbers": []string{customerNumber}, "at": client.Time(1_760_000_000_000),
		"attributes": map[string]any{"note": "call back on 139 0000 1234"}})
	if err != nil || len(res.Rejected) > 0 {
		t.Fatal(err, res)
	}
	b := openBrowser(t, x.URL())
	outside := b.window("nobody")
	outside.open("/console/sign-in")
	outside.fit("signin")

	rater, second := b.signedIn("rater"), b.signedIn("rater2")
	if s := rater.text("location.pathname"); s != "/console/queue" {
		t.Errorf("a rater begins at %s", s)
	}
	rater.fit("queue")
	second.open("/console/queue")
	id := takeAtOnce(t, rater, second)
	page := "/console/review/" + url.PathEscape(id)
	s, err := x.Desk().Task(auditor, id)
	if err != nil {
		t.Fatal(err)
	}
	agentID, team := s.Task.AgentId, strings.TrimPrefix(s.Task.TeamId, "team-")

	listen(t, rater)
	score(t, rater)
	rater.until(`document.getElementById("saved").textContent.startsWith("saved")`)
	rater.fit("review")
	rater.open(page)
	rater.until(`document.getElementById("left").textContent === "complete"`)
	if got := rater.text(`sessionStorage.length + " " + document.querySelectorAll(".check input:checked").length + " " + document.querySelectorAll("#markers li").length + " " + document.getElementById("comment").value`); !strings.HasPrefix(got, "0 15 1 <img src=x") || strings.Contains(got, "13900001234") {
		t.Errorf("after the reload: %s", got)
	}
	rater.keys("\r", input.ModifierCtrl)
	rater.until(`document.querySelector(".result .big")`)
	if got := rater.text(`document.querySelector(".result .big").textContent.trim().replace(/\s+/g, " ")`); got != "60 not passed" {
		t.Errorf("the result is %q", got)
	}
	rater.fit("published")

	agent, other, green := b.signedIn(agentID), b.signedIn(map[string]string{"agent-1": "agent-2", "agent-2": "agent-1"}[agentID]), b.signedIn("green")
	for _, w := range []*window{other, green} {
		if status := w.open(page); status != 403 {
			t.Errorf("%s opens the review: %d", w.name, status)
		}
	}
	other.fit("forbidden")
	agent.until(`document.querySelector('a[href$="#appealform"]')`)
	agent.fit("me")
	agent.pressed(`a[href$="#appealform"]`)
	agent.until(`document.getElementById("appealform")`)
	agent.fit("appeal")
	agent.typed("#appealform textarea", "<b>he</b> said yes, ask him on 13900001234")
	agent.pressed("#appealform button")
	agent.until(`location.pathname === "/console/me" && document.readyState === "complete"`)

	support, leader := b.signedIn("support"), b.signedIn("leader"+strings.TrimPrefix(team, "1"))
	decide(t, support, page, "reject")
	leader.open("/console/team")
	leader.fit("team")
	decide(t, leader, page, "void")
	until(t, "the closed review is in ClickHouse", func() bool {
		code, body := visitorOf(t, x, "support").get(page)
		return code == 200 && strings.Contains(body, "This review is closed")
	})
	agent.open(page)
	if got := agent.text(`document.querySelector("main").innerText`); !strings.Contains(got, "· stands") || !strings.Contains(got, "<b>he</b> said yes") || !strings.Contains(got, "60") || !strings.Contains(got, "Rater <i onmouseover=alert(1)>One</i>") {
		t.Errorf("the closed review says %s", got)
	}
	agent.fit("closed")
	if status := other.open(page); status != 403 {
		t.Errorf("another agent opens the closed review: %d", status)
	}

	// Split votes: the review stands, and the agent's next calls are checked.
	sendCalls(t, x.URL(), time.Now(), 6, 10)
	until(t, "the next draw has extra checks", func() bool { return x.open("extra") >= 2 })
	rater.open("/console/queue?draw=extra")
	if got := rater.text(`[...document.querySelectorAll("tbody th a")].map((a) => a.textContent).join()`); strings.ReplaceAll(got, agentID, "") != "," {
		t.Errorf("extra checks are of %q, want two of %s", got, agentID)
	}
	others(t, x, support)
	reveal(t, x, support, page)
	nowhere(t, x, b)
}

func visitorOf(t *testing.T, x *site, name string) visitor { return signIn(t, x.App, name) }

// takeAtOnce has both raters press n at the same moment and returns the first one's task.
func takeAtOnce(t *testing.T, a, b *window) string {
	t.Helper()
	var wg sync.WaitGroup
	for _, w := range []*window{a, b} {
		wg.Go(func() { _ = chromedp.Run(w.ctx, chromedp.KeyEvent("n")) })
	}
	wg.Wait()
	var ids [2]string
	for i, w := range []*window{a, b} {
		w.until(`location.pathname.startsWith("/console/review/") && document.getElementById("sheet")`)
		var err error
		if ids[i], err = url.PathUnescape(strings.TrimPrefix(w.text("location.pathname"), "/console/review/")); err != nil {
			t.Fatal(err)
		}
	}
	if ids[0] == ids[1] {
		t.Fatalf("both raters were given %s", ids[0])
	}
	return ids[0]
}

// listen plays the recording with the keyboard: time goes on, it jumps, it plays faster, it is marked.
func listen(t *testing.T, w *window) {
	t.Helper()
	w.until(`document.getElementById("wave").getAttribute("aria-valuemax") === "20"`)
	w.keys("k")
	w.until(`document.getElementById("audio").currentTime > 0.3`)
	first := w.text(`document.getElementById("audio").currentTime`)
	w.until(`document.getElementById("audio").currentTime > ` + first)
	w.keys("]")
	if got := w.text(`document.getElementById("audio").playbackRate`); got != "1.25" {
		t.Errorf("the speed is %s", got)
	}
	w.keys("k")
	w.until(`document.getElementById("audio").paused`)
	w.do("go to the beginning", chromedp.Evaluate(`document.getElementById("audio").currentTime = 1`, nil))
	w.keys("l")
	w.until(`document.getElementById("audio").currentTime === 6`)
	w.keys("j")
	w.until(`document.getElementById("audio").currentTime === 1`)
	w.keys("m")
	w.until(`document.activeElement.closest("#markers")`)
	w.typed("#markers input", "his number 13900001234 read out <svg onload=alert(1)>")
	w.do("leave the marker", chromedp.Evaluate(`document.activeElement.blur()`, nil))
}

// score answers every question with the keyboard: no to the eight of the norm, yes to the rest.
func score(t *testing.T, w *window) {
	t.Helper()
	w.keys(strings.Repeat("n", 8) + strings.Repeat("y", 7))
	w.until(`document.getElementById("left").textContent === "complete" && document.getElementById("total").textContent === "60"`)
	w.typed(`.check[data-check="norm.speed"] .note`, `"><script>alert(1)</script> on 13900001234`)
	w.typed("#comment", "<img src=x onerror=alert(1)> call 13900001234 again")
}

// decide votes on the appeal at hand.
func decide(t *testing.T, w *window, page, vote string) {
	t.Helper()
	w.open("/console/appeals")
	if vote == "reject" {
		w.fit("appeals")
	}
	w.pressed(`.cards a[href^="/console/review/"]`)
	w.until(`document.querySelector('form[action$="/decide"]')`)
	if vote == "reject" {
		w.fit("decide")
		w.open(page + "?amend=1")
		w.until(`document.getElementById("total").textContent === "60"`)
		w.fit("amend")
		w.open(page)
	}
	w.typed(`form[action$="/decide"] textarea`, "I listened to it <script>alert(1)</script>")
	w.pressed(`form[action$="/decide"] button[value="` + vote + `"]`)
	w.until(`location.pathname === "/console/appeals" && document.readyState === "complete"`)
}

// others looks at the pages that the story does not come by.
func others(t *testing.T, x *site, w *window) {
	t.Helper()
	sendCalls(t, x.URL(), time.Now().AddDate(0, 0, -2), 20, 30) // of a day that is over
	until(t, "the day is over and its key revealed", func() bool {
		var n uint64
		err := x.Conn().QueryRow(t.Context(), "SELECT count() FROM sampling_keys FINAL WHERE key != ''").Scan(&n)
		return err == nil && n > 0
	})
	until(t, "its draw is in ClickHouse", func() bool { return x.Counted(t.Context()) == nil })
	w.open("/console/sampling")
	w.pressed(`td a.button[href^="?day="]`)
	w.until(`document.querySelector("#report")`)
	if got := w.text(`document.querySelector("#report").parentElement.innerText`); !strings.Contains(got, "10 ") {
		t.Errorf("the audit says %q", got)
	}
	w.fit("verified")
	for name, path := range map[string]string{"audit": "/console/sampling", "calibration": "/console/calibration", "search": "/console/search?q=call-", "nothing": "/console/nothing"} {
		if status, want := w.open(path), map[bool]int{true: 404, false: 200}[name == "nothing"]; status != want {
			t.Errorf("%s: %d", path, status)
		}
		w.fit(name)
	}
	w.open("/console/appeals")
	w.until(`document.querySelector("table.list")`)
	w.fit("decided")
	admin := visitorOf(t, x, "rater")
	if code, _ := admin.get("/console/search?q=13900001234"); code != 200 {
		t.Errorf("search for a number: %d", code)
	}
}

// reveal shows a number to who may see it, and says so in the log of who did what.
func reveal(t *testing.T, x *site, w *window, page string) {
	t.Helper()
	w.open(page)
	w.do("open the form", chromedp.Evaluate(`document.querySelector('form[action$="/number"]').closest("details").open = true`, nil))
	w.typed(`form[action$="/number"] input[name="reason"]`, "the regulator asks, case 4711"+kb.Enter)
	w.until(`document.querySelector(".big") && location.pathname.endsWith("/number")`)
	if got := w.text(`document.querySelector(".big").textContent`); got != customerNumber {
		t.Errorf("the number shown is %q", got)
	}
	w.shown("the number") // and not kept: it stands there in clear
	until(t, "the reveal, and who listened, are in the audit log", func() bool {
		var n uint64
		err := x.Conn().QueryRow(t.Context(), `SELECT countIf(actor = 'support' AND action = 'number_revealed' AND reason = 'the regulator asks, case 4711') + countIf(actor = 'rater' AND action = 'recording_played') FROM audit_log FINAL`).Scan(&n)
		return err == nil && n == 2
	})
	form := func(v visitor, reason string) url.Values { return url.Values{"csrf": {v.token()}, "reason": {reason}} }
	if v := visitorOf(t, x, "rater"); true {
		if code, _ := v.post(page+"/number", form(v, "I want to know")); code != 403 {
			t.Errorf("an inspector sees the number: %d", code)
		}
	}
	v := visitorOf(t, x, "support")
	if code, _ := v.post(page+"/number", form(v, "x")); code != 422 {
		t.Errorf("without a reason: %d", code)
	}
	v = visitorOf(t, x, "green")
	if code, _ := v.post(page+"/number", form(v, "of another partner")); code != 403 {
		t.Errorf("another partner's supervisor sees the number: %d", code)
	}
}

// nowhere looks for the customer's number in every page that was seen, in the log, in every topic and every table.
func nowhere(t *testing.T, x *site, b *windows) {
	t.Helper()
	if err := x.Counted(t.Context()); err != nil {
		t.Fatal(err)
	}
	found := func(s string) bool {
		return strings.Contains(strings.NewReplacer(" ", "", "-", "").Replace(s), "13900001234")
	}
	if len(b.pages) < 20 {
		t.Errorf("only %d pages were looked at", len(b.pages))
	}
	for _, p := range b.pages {
		if found(p) {
			t.Errorf("a number is in clear in a page: %.2000s", p)
		}
	}
	if s := x.log.String(); found(s) || len(s) == 0 {
		t.Errorf("a number is in clear in the log, or there is none (%d bytes)", len(s))
	}
	for line := range strings.Lines(x.log.String()) {
		if strings.Contains(line, "level=ERROR") {
			t.Errorf("the log has: %s", line)
		}
	}
	topics := x.topics(t)
	if topics[event.TopicQAEvents] == "" || topics[event.TopicLeads] == "" || topics[event.TopicAuditLog] == "" {
		t.Error("the topics were not read: the test proves nothing")
	}
	for name, all := range topics {
		if found(all) && name != event.TopicCustomerEvents {
			i := strings.Index(strings.NewReplacer(" ", "", "-", "").Replace(all), "13900001234")
			t.Errorf("a number is in clear in %s, near %q", name, strings.NewReplacer(" ", "", "-", "").Replace(all)[max(0, i-80):i+20])
		}
	}
	rows := x.tables(t)
	if rows["audit_log"] == "" || rows["qa_reviews"] == "" || rows["leads"] == "" {
		t.Error("the tables were not read: the test proves nothing")
	}
	for name, all := range rows {
		if found(all) {
			t.Errorf("a number is in clear in the table %s", name)
		}
	}
	t.Logf("looked at %d pages, %d topics, %d tables", len(b.pages), len(topics), len(rows))
}
