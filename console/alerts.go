package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringfence/ringfence/internal/identity"
)

// Alerts is what the page of alerts shows and does. Board and Decide are the process's: a decision is in the audit log
// and before the watch when Decide returns nil.
type Alerts struct {
	Board  func(ctx context.Context) (*AlertBoard, error)
	Decide func(ctx context.Context, d Decision) error
}

// AlertBoard is what goes on now.
type AlertBoard struct {
	Open      []Incident // newest first
	Ended     []Incident // of the last day
	Campaigns []CampaignState
	Everyone  *Verdict // a verdict on all campaigns at once (inbound peaks, THR-02); nil: none
	Mutes     []Mute
}

// Incident is an alert in its latest state.
type Incident struct {
	ID, Kind, State, Severity       string
	Dimension, Subject, Campaign    string
	Since, At                       time.Time
	Detail, Done, By, Note, Overdue string // Overdue: who must answer
	Also                            []string
	Calls                           []AlertCall // to be listened to first
	Muted                           bool
}

// AlertCall is a call to listen to.
type AlertCall struct {
	ID, Agent, Campaign string
	Started             time.Time // zero: it is not known here
	TalkMS              int64
}

// Verdict is what the dialer goes by.
type Verdict struct {
	What   string // run, throttle, stop
	By     string
	Reason string
	At     time.Time
}

// CampaignState is a campaign with the verdict it stands under.
type CampaignState struct {
	ID, Name, Status string
	Verdict          Verdict // What "" = none was ever given
}

// Mute keeps something from being told.
type Mute struct {
	Kind, Dimension, Subject string
	Until                    time.Time
	By, Reason               string
}

// Decision is what somebody decides about a campaign or an alert.
type Decision struct {
	By      *identity.User
	Address string
	Action  string // resume, throttle, stop; acknowledge, mute, unmute

	Campaign                 string // of the first three
	Alert                    string // acknowledge
	Kind, Dimension, Subject string // mute, unmute
	Until                    time.Time
	Reason                   string
}

// Refused is an error of Decide about what was entered.
type Refused struct{ Detail string }

func (r *Refused) Error() string { return r.Detail }

var (
	alertReaders  = []string{identity.RoleSupervisor, identity.RoleCompliance, identity.RoleQA}
	alertDeciders = []string{identity.RoleSupervisor, identity.RoleCompliance}

	// muteHours are the spans that can be chosen.
	muteHours = []int{1, 4, 24, 168}
)

func (c *console) alertRoutes(mux *http.ServeMux) {
	mux.Handle("GET /console/alerts", c.centreOnly(c.alertsPage, alertReaders...))
	mux.Handle("POST /console/alerts/{action}", c.centreOnly(c.alertDecision, alertDeciders...))
	mux.Handle("POST /console/campaigns/{action}", c.centreOnly(c.campaignDecision, alertDeciders...))
}

// centreOnly lets in who has one of the roles and is confined to no partner: alerts are the centre's (REP-04). Where nobody
// can sign in and the API is open to this machine, everybody is the administrator, as there.
func (c *console) centreOnly(h userHandler, roles ...string) http.Handler {
	guarded := c.signedIn(func(w http.ResponseWriter, r *http.Request, u *identity.User) {
		if u.PartnerID != "" {
			c.denied(w, r, u, "alerts are the centre's, and the user is confined to partner "+u.PartnerID)
			return
		}
		h(w, r, u)
	}, roles...)
	if c.opt.Sessions != nil || !c.opt.OpenFigures {
		return guarded
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		h(w, r, &identity.User{Name: "local", Roles: []string{identity.RoleAdmin}})
	})
}

// alertsData is what the page shows.
type alertsData struct {
	*AlertBoard
	Decides bool // the reader may
	Hears   bool // and finds calls in the search
	Hours   []int
	Done    string // the action just taken, "" = none
	Now     time.Time
}

func (c *console) alertsPage(w http.ResponseWriter, r *http.Request, u *identity.User) {
	b, err := c.opt.Alerts.Board(r.Context())
	if err != nil {
		c.opt.Logger.Warn("the alerts cannot be read", "error", err)
		c.fail(w, r, http.StatusServiceUnavailable, "")
		return
	}
	d := &alertsData{AlertBoard: b, Decides: u.Is(alertDeciders...), Hears: c.opt.QA != nil && c.opt.Sessions != nil, Hours: muteHours, Now: c.opt.Now()}
	if done := r.URL.Query().Get("done"); slices.Contains([]string{"acknowledge", "mute", "unmute", "resume", "throttle", "stop"}, done) {
		d.Done = done
	}
	c.show(w, r, http.StatusOK, "alerts", "nav.alerts", d)
}

func (c *console) alertDecision(w http.ResponseWriter, r *http.Request, u *identity.User) {
	d := Decision{Action: r.PathValue("action")}
	if !c.form(w, r) {
		return
	}
	switch d.Action {
	case "acknowledge":
		d.Alert = r.PostForm.Get("alert")
	case "mute", "unmute":
		d.Kind, d.Dimension, d.Subject = r.PostForm.Get("kind"), r.PostForm.Get("dimension"), r.PostForm.Get("subject")
		if d.Action == "mute" {
			hours := slices.IndexFunc(muteHours, func(h int) bool { return fmt.Sprint(h) == r.PostForm.Get("hours") })
			if hours < 0 {
				c.fail(w, r, http.StatusUnprocessableEntity, "")
				return
			}
			d.Until = c.opt.Now().Add(time.Duration(muteHours[hours]) * time.Hour)
		}
	default:
		c.fail(w, r, http.StatusNotFound, "")
		return
	}
	c.decided(w, r, u, d)
}

func (c *console) campaignDecision(w http.ResponseWriter, r *http.Request, u *identity.User) {
	if !c.form(w, r) {
		return
	}
	d := Decision{Action: r.PathValue("action"), Campaign: r.PostForm.Get("campaign")}
	if !slices.Contains([]string{"resume", "throttle", "stop"}, d.Action) {
		c.fail(w, r, http.StatusNotFound, "")
		return
	}
	if d.Campaign == "" {
		c.fail(w, r, http.StatusUnprocessableEntity, "")
		return
	}
	c.decided(w, r, u, d)
}

// form reads the form of a request; false: it could not, and that is answered.
func (c *console) form(w http.ResponseWriter, r *http.Request) bool {
	err := r.ParseForm()
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		c.fail(w, r, http.StatusRequestEntityTooLarge, "")
	default:
		c.fail(w, r, http.StatusBadRequest, "")
	}
	return false
}

func (c *console) decided(w http.ResponseWriter, r *http.Request, u *identity.User, d Decision) {
	d.By, d.Address, d.Reason = u, identity.Address(r), maskedText(strings.TrimSpace(r.PostForm.Get("reason")))
	if !c.reasoned(w, r, d.Reason) {
		return
	}
	err := c.opt.Alerts.Decide(r.Context(), d)
	var no *Refused
	switch {
	case errors.As(err, &no):
		c.fail(w, r, http.StatusUnprocessableEntity, no.Detail)
	case err != nil:
		c.opt.Logger.Error("a decision was not taken", "action", d.Action, "error", err)
		c.fail(w, r, http.StatusServiceUnavailable, "")
	case wantsJSON(r):
		writeJSON(w, http.StatusAccepted, map[string]string{"action": d.Action})
	default:
		http.Redirect(w, r, "/console/alerts?done="+url.QueryEscape(d.Action), http.StatusSeeOther)
	}
}
