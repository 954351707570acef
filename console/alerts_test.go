package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ringfence/ringfence/client"
	"github.com/ringfence/ringfence/internal/app"
)

// complained makes a spike of complaints about a campaign and waits until it is on the page of alerts.
func complained(t *testing.T, a *app.App, campaign string, v visitor) {
	t.Helper()
	var objects []any
	now := time.Now()
	for i := range 8 {
		objects = append(objects, map[string]any{"complaint_id": fmt.Sprint("k", i), "event": "opened", "at": client.Time(now.Add(time.Duration(i-10) * time.Second).UnixMilli()), "call_id": fmt.Sprint("call-", i%6),
			"customer_id": fmt.Sprint("K", i), "campaign_id": campaign, "agent_id": fmt.Sprint("agent-", 1+i%2)})
	}
	res, err := (&client.Client{Base: a.URL(), Retry: 30 * time.Second}).Send(t.Context(), "complaints", objects...)
	if err != nil || len(res.Rejected) > 0 {
		t.Fatalf("send the complaints: %v %+v", err, res)
	}
	until(t, "the spike is on the page of alerts", func() bool {
		_, body := v.get("/console/alerts")
		return strings.Contains(body, "Complaint spike: campaign") && strings.Contains(body, "throttled")
	})
}

var incidentID = regexp.MustCompile(`data-incident="(complaint_spike[^"]+)"`)

// What a manager does about an incident in the console holds, is written down with his name and reason, and is nobody's
// who may not: not a rater's, an agent's, a partner's, nor another site's.
func TestDecideAboutAlerts(t *testing.T) {
	a := quality(t, 6)
	const hot = "hot & <b>cold</b>"
	leader := signIn(t, a, "leader")
	complained(t, a, hot, leader)
	_, body := leader.get("/console/alerts")
	id := incidentID.FindStringSubmatch(body)
	if id == nil || strings.Contains(body, "<b>cold") {
		t.Fatalf("the incident is not listed, or markup of others runs: %s", body)
	}
	alert := strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(id[1])
	for _, want := range []string{"Listen to these calls first", "/console/search?q=call-1", "Done by itself", "half pace", "/console/campaigns/stop", "agent-1"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if n := strings.Count(body, `<li><a href="/console/search?q=call-`); n != 5 {
		t.Errorf("%d calls to listen to, want 5", n)
	}
	form := func(v visitor, more url.Values) url.Values {
		more.Set("csrf", v.token())
		return more
	}
	const reason = "listening to the calls"
	ack := func() url.Values { return url.Values{"alert": {alert}, "reason": {reason}} }
	stop := func() url.Values { return url.Values{"campaign": {hot}, "reason": {reason}} }

	t.Run("who may not", func(t *testing.T) {
		rater, agent, green := signIn(t, a, "rater"), signIn(t, a, "agent-1"), signIn(t, a, "green")
		if code, body := rater.get("/console/alerts"); code != http.StatusOK || strings.Contains(body, "/console/campaigns/stop") || !strings.Contains(body, "Listen to these") {
			t.Errorf("a rater reads and does not decide: %d", code)
		}
		for name, v := range map[string]visitor{"a rater": rater, "an agent": agent, "a partner's supervisor": green} {
			for path, f := range map[string]url.Values{"/console/alerts/acknowledge": ack(), "/console/campaigns/stop": stop()} {
				if code, _ := v.post(path, form(v, f)); code != http.StatusForbidden {
					t.Errorf("%s at %s: %d", name, path, code)
				}
			}
			if code, _ := v.do("POST", "/v1/campaigns/hot/stop", strings.NewReader(`{"reason":"because I can"}`), map[string]string{"Content-Type": "application/json"}); code != http.StatusForbidden {
				t.Errorf("%s stops a campaign over the API: %d", name, code)
			}
		}
		for name, v := range map[string]visitor{"an agent": agent, "a partner's supervisor": green} {
			if code, _ := v.get("/console/alerts"); code != http.StatusForbidden {
				t.Errorf("%s reads the alerts: %d", name, code)
			}
		}
		if code, body := anybody(t, a).get("/console/alerts"); code != http.StatusOK || !strings.Contains(body, `type="password"`) {
			t.Errorf("who is not signed in is not asked to: %d", code)
		}
		if code, _ := leader.post("/console/campaigns/stop", stop()); code != http.StatusForbidden {
			t.Errorf("without the token of a page: %d", code)
		}
		h := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}
		if code, _ := leader.do("POST", "/console/campaigns/stop", strings.NewReader(form(leader, stop()).Encode()), h); code != http.StatusForbidden {
			t.Errorf("from another site's page: %d", code)
		}
	})
	t.Run("what cannot be", func(t *testing.T) {
		for name, c := range map[string]struct {
			path string
			form url.Values
			want int
		}{
			"no reason": {"/console/campaigns/stop", url.Values{"campaign": {hot}}, 422}, "a short one": {"/console/campaigns/stop", url.Values{"campaign": {hot}, "reason": {"no"}}, 422},
			"one that says nothing": {"/console/alerts/acknowledge", url.Values{"alert": {alert}, "reason": {"......"}}, 422}, "no campaign": {"/console/campaigns/stop", url.Values{"reason": {reason}}, 422},
			"no alert": {"/console/alerts/acknowledge", url.Values{"reason": {reason}}, 422}, "another action": {"/console/campaigns/delete", stop(), 404}, "another of alerts": {"/console/alerts/delete", ack(), 404},
			"a mute for ever": {"/console/alerts/mute", url.Values{"kind": {"dial_volume"}, "hours": {"100000"}, "reason": {reason}}, 422}, "a mute of everything": {"/console/alerts/mute", url.Values{"hours": {"4"}, "reason": {reason}}, 422},
			"an unknown kind": {"/console/alerts/mute", url.Values{"kind": {"weather"}, "hours": {"4"}, "reason": {reason}}, 422},
		} {
			if code, _ := leader.post(c.path, form(leader, c.form)); code != c.want {
				t.Errorf("%s: %d, want %d", name, code, c.want)
			}
		}
		if code, _ := leader.post("/console/campaigns/stop", form(leader, url.Values{"campaign": {hot}, "reason": {strings.Repeat("long ", 1<<20)}})); code != http.StatusForbidden && code != http.StatusRequestEntityTooLarge {
			t.Errorf("a body of 5 MB: %d", code)
		}
	})

	shows := func(what string, f func(body string) bool) {
		t.Helper()
		until(t, what, func() bool { _, body := leader.get("/console/alerts"); return f(body) })
	}
	do := func(path string, f url.Values, notice string) {
		t.Helper()
		if code, body := leader.post(path, form(leader, f)); code != http.StatusOK || !strings.Contains(body, notice) {
			t.Fatalf("%s: %d, no %q", path, code, notice)
		}
	}
	do("/console/alerts/acknowledge", ack(), "You see to the incident")
	shows("it is acknowledged", func(b string) bool { return strings.Contains(b, "seen to by leader: "+reason) })
	do("/console/alerts/mute", url.Values{"kind": {"dial_volume"}, "dimension": {"campaign"}, "subject": {hot}, "hours": {"4"}, "reason": {"public holiday, call 13900001234"}}, "Muted")
	shows("the mute is listed, without the number", func(b string) bool {
		return strings.Contains(b, "Dial volume: campaign hot &amp; ") && strings.Contains(b, "leader: public holiday") && !strings.Contains(b, "13900001234")
	})
	do("/console/alerts/unmute", url.Values{"kind": {"dial_volume"}, "dimension": {"campaign"}, "subject": {hot}, "reason": {"holiday is over"}}, "Told again")
	shows("the mute is gone", func(b string) bool { return !strings.Contains(b, "public holiday") })
	do("/console/campaigns/stop", stop(), "The campaign is stopped")
	shows("the campaign is stopped by a person", func(b string) bool {
		return strings.Contains(b, `<span class="tag bad">stopped</span>`) && strings.Contains(b, "· leader</td>")
	})
	do("/console/campaigns/resume", url.Values{"campaign": {hot}, "reason": {"the script was corrected"}}, "runs again")
	shows("the incident has ended", func(b string) bool {
		return strings.Contains(b, "0 open incidents") && strings.Contains(b, "· leader: the script was corrected")
	})
	until(t, "every decision is in the audit log", func() bool {
		var n uint64
		err := a.Conn().QueryRow(t.Context(), `SELECT uniqExact(action) FROM audit_log FINAL WHERE actor = 'leader' AND source = 'console' AND outcome = 'ok' AND reason != '' AND address != ''
			AND action IN ('alert_acknowledged', 'alert_muted', 'alert_unmuted', 'campaign_stopped', 'campaign_resumed')`).Scan(&n)
		return err == nil && n == 5
	})
}

// Where nobody can sign in the page is the machine's own: its buttons work, another site's page does not press them. In a
// browser: pressed as a manager would, wide and narrow, and axe finds nothing to mend.
func TestAlertsPage(t *testing.T) {
	a := centre(t)
	v := anybody(t, a)
	complained(t, a, "campaign-1", v)
	if code, _ := v.do("POST", "/console/campaigns/stop", strings.NewReader("campaign=campaign-1&reason=because+of+them"), map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}); code != http.StatusForbidden {
		t.Errorf("another site's page: %d", code)
	}
	t.Run("browser", func(t *testing.T) {
		axe, err := os.ReadFile("assets/node_modules/axe-core/axe.min.js")
		if err != nil {
			t.Fatalf("axe-core is not there: run make console-assets (%v)", err)
		}
		for i, width := range []int64{1440, 390} {
			p := newTab(t, newBrowser(t, chromedp.Flag("blink-settings", fmt.Sprint("preferredColorScheme=", i)), chromedp.Flag("accept-lang", "en-US")))
			var sideways bool
			p.run(t, chromedp.EmulateViewport(width, 1200), chromedp.Navigate(a.URL()+"/console/alerts"), chromedp.WaitVisible(".incident h3", chromedp.ByQuery),
				chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &sideways))
			if sideways {
				t.Errorf("at %d the page scrolls sideways", width)
			}
			p.axe(t, string(axe))
			p.run(t, chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
			p.axe(t, string(axe))
		}
		p := newTab(t, newBrowser(t, chromedp.Flag("accept-lang", "en-US")))
		const row = `tr[data-campaign="campaign-1"] `
		p.run(t, chromedp.EmulateViewport(1440, 1200), chromedp.Navigate(a.URL()+"/console/alerts"),
			chromedp.Click(row+`details:last-of-type summary.danger`, chromedp.ByQuery),
			chromedp.SendKeys(row+`form[action="/console/campaigns/stop"] input[name=reason]`, "wrong price in the script", chromedp.ByQuery),
			chromedp.Click(row+`form[action="/console/campaigns/stop"] button`, chromedp.ByQuery), chromedp.WaitVisible(".notice", chromedp.ByQuery),
			// The page comes up to date by itself.
			chromedp.Poll(`document.querySelector('`+row+`.tag.bad')?.textContent === "stopped"`, nil, chromedp.WithPollingTimeout(time.Minute)))
	})
}
