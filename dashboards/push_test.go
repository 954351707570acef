package dashboards

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// grafana answers as Grafana's HTTP API does: folders, dashboards with versions, conflicts by version.
type grafana struct {
	mu      sync.Mutex
	wrapped bool // the list of versions as Grafana 11 and later answer it
	folders map[string]string
	boards  map[string][]savedVersion
	posts   int
	busy    func() // runs before a save, once
}

type savedVersion struct {
	model           map[string]any
	message, author string
}

func (g *grafana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	say := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		say(401, map[string]string{"message": "Invalid API key"})
		return
	}
	uid, versions := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/dashboards/uid/"), "/versions")
	switch {
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/folders/"):
		if g.folders[strings.TrimPrefix(r.URL.Path, "/api/folders/")] == "" {
			say(404, map[string]string{"message": "folder not found"})
			return
		}
		say(200, map[string]string{})
	case r.Method == http.MethodPost && r.URL.Path == "/api/folders":
		var f struct{ UID, Title string }
		_ = json.NewDecoder(r.Body).Decode(&f)
		g.folders[f.UID] = f.Title
		say(200, f)
	case r.Method == http.MethodGet && versions:
		all := g.boards[uid]
		if len(all) == 0 {
			say(404, map[string]string{"message": "Dashboard not found"})
			return
		}
		last := all[len(all)-1]
		list := []map[string]any{{"version": len(all), "message": last.message, "createdBy": last.author}}
		if g.wrapped {
			say(200, map[string]any{"continueToken": "", "versions": list})
		} else {
			say(200, list)
		}
	case r.Method == http.MethodPost && r.URL.Path == "/api/dashboards/db":
		if g.busy != nil {
			g.busy()
			g.busy = nil
		}
		var b struct {
			Dashboard          map[string]any
			FolderUID, Message string
			Overwrite          bool
		}
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || g.folders[b.FolderUID] == "" {
			say(400, map[string]string{"message": "folder not found"})
			return
		}
		uid, _ := b.Dashboard["uid"].(string)
		version, _ := b.Dashboard["version"].(float64)
		if int(version) != len(g.boards[uid]) && !b.Overwrite {
			say(412, map[string]string{"status": "version-mismatch", "message": "The dashboard has been changed by someone else"})
			return
		}
		g.posts++
		g.boards[uid] = append(g.boards[uid], savedVersion{b.Dashboard, b.Message, "sa-ringfence"})
		say(200, map[string]any{"uid": uid, "version": len(g.boards[uid]), "url": "/d/" + uid})
	default:
		say(404, map[string]string{"message": "Not found: " + r.Method + " " + r.URL.Path})
	}
}

func (g *grafana) edit(uid string) {
	last := g.boards[uid][len(g.boards[uid])-1]
	g.boards[uid] = append(g.boards[uid], savedVersion{last.model, "nicer colours", "mei"})
}

func TestPush(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		g := &grafana{wrapped: wrapped, folders: map[string]string{}, boards: map[string][]savedVersion{}}
		srv := httptest.NewServer(g)
		t.Cleanup(srv.Close)
		p := Pusher{URL: srv.URL + "/", Token: "secret", Folder: "ringfence", Zone: zone, Timeout: 10 * time.Second}
		push := func(ds ...Dashboard) []string {
			t.Helper()
			done, err := p.Push(t.Context(), ds, []Lang{English})
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, d := range done {
				out = append(out, d.UID+" "+d.Result)
			}
			return out
		}
		want := func(what string, got []string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (wrapped %v):\n%s", what, wrapped, diff)
			}
		}
		p.DryRun = true
		want("dry run", push(overview()), "ringfence-overview created")
		p.DryRun = false
		if len(g.folders)+len(g.boards) != 0 {
			t.Error("a dry run made something")
		}
		want("first push", push(overview(), caps()), "ringfence-overview created", "ringfence-caps created")
		want("same again", push(overview(), caps()), "ringfence-overview unchanged", "ringfence-caps unchanged")
		if g.posts != 2 || len(g.folders) != 1 {
			t.Errorf("%d saves, %d folders", g.posts, len(g.folders))
		}
		changed := overview()
		changed.Rows = changed.Rows[:1]
		want("a new version of ours", push(changed, caps()), "ringfence-overview updated", "ringfence-caps unchanged")
		g.edit("ringfence-overview")
		want("edited by hand", push(overview(), caps()), "ringfence-overview refused", "ringfence-caps unchanged")
		want("still", push(changed), "ringfence-overview refused")
		p.Overwrite = true
		want("told to", push(overview()), "ringfence-overview updated")
		p.Overwrite = false
		want("and then the same", push(overview()), "ringfence-overview unchanged")
		g.busy = func() { g.edit("ringfence-overview") }
		want("edited in the very moment", push(changed), "ringfence-overview refused")

		p.Token = "wrong"
		if _, err := p.Push(t.Context(), []Dashboard{overview()}, []Lang{English}); err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "Invalid API key") {
			t.Errorf("a wrong token: %v", err)
		}
	}
}
