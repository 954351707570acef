package dashboards

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/ringfence/ringfence/internal/config"
)

const deploy = "../deploy"

func readFile(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func fromYAML(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// names is every text in quotes in the code: the names of metrics are among them.
func names(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	quoted := regexp.MustCompile(`"([a-z_0-9]+)"`)
	for _, dir := range []string{"../internal/stream", "../sinks", "../ingest", "../processors"} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, m := range quoted.FindAllStringSubmatch(readFile(t, path), -1) {
				out[m[1]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Every expression is PromQL and reads metrics that exist.
func checkExpr(t *testing.T, where, expr string, known map[string]bool) {
	t.Helper()
	e, err := parser.ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok || v.Name == "up" || strings.HasPrefix(v.Name, "ringfence:") {
			return nil
		}
		base := v.Name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, suffix)
		}
		if !known[base] && !known[strings.TrimPrefix(base, "ringfence_stream_")] {
			t.Errorf("%s: no part of ringfence has the metric %s", where, v.Name)
		}
		return nil
	})
}

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert, Record, Expr string
			Labels, Annotations map[string]string
		}
	}
}

func TestRulesAndPanelsAskWhatExists(t *testing.T) {
	known := names(t)
	var rules ruleFile
	fromYAML(t, readFile(t, deploy, "prometheus", "rules.yml"), &rules)
	tests, runbook := readFile(t, deploy, "prometheus", "rules_test.yml"), readFile(t, "../docs/runbook.md")
	var alerts []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			checkExpr(t, r.Alert+r.Record, r.Expr, known)
			if r.Alert == "" {
				continue
			}
			alerts = append(alerts, r.Alert)
			if !strings.Contains(runbook, "\n## "+r.Alert+"\n") || r.Annotations["runbook"] != "docs/runbook.md#"+strings.ToLower(r.Alert) {
				t.Errorf("%s has no entry in docs/runbook.md, or does not name it", r.Alert)
			}
			if r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: %v %v", r.Alert, r.Labels, r.Annotations)
			}
			if n := strings.Count(tests, r.Alert+"\n        exp_alerts:\n"); n == 0 {
				t.Errorf("%s: no test has it fire", r.Alert)
			}
			if n := strings.Count(tests, r.Alert+", exp_alerts: []"); n == 0 {
				t.Errorf("%s: no test has it silent", r.Alert)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (Ringfence\w+)$`).FindAllStringSubmatch(runbook, -1) {
		if !slices.Contains(alerts, m[1]) {
			t.Errorf("the runbook has %s, which no rule raises", m[1])
		}
	}
	for _, d := range All() {
		for _, p := range d.Panels() {
			for _, q := range p.Prom {
				checkExpr(t, d.UID+" "+p.Title.EN, q.Expr, known)
			}
		}
	}
}

// Prometheus's own tool tests the rules: each fires when it should, and is silent before.
func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: tools/need-promtool.sh installs it")
	}
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}, {"check", "config", "--syntax-only", "prometheus.yml"}} {
		cmd := exec.CommandContext(t.Context(), tool, args...)
		cmd.Dir = filepath.Join(deploy, "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// configuration loads one of the configurations in deploy, with its secrets in a directory of the test's.
func configuration(t *testing.T, text, secrets string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for _, m := range regexp.MustCompile(regexp.QuoteMeta(secrets)+`([a-z_]+)`).FindAllStringSubmatch(text, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte("0123456789abcdef0123456789abcdef "+m[1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "ringfence.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, secrets, dir+"/")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, nil, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestCompose(t *testing.T) {
	dir := filepath.Join(deploy, "compose")
	cfg := configuration(t, readFile(t, dir, "ringfence.yaml"), "/run/secrets/")
	if len(cfg.Kafka.Brokers) == 0 || len(cfg.ClickHouse.Addr) == 0 || len(cfg.API.Tokens) == 0 {
		t.Errorf("%+v", cfg)
	}
	var c struct {
		Services map[string]struct {
			Image   string
			Build   struct{ Context, Dockerfile string }
			Volumes []string
			Secrets []string
		}
		Secrets, Volumes map[string]any
	}
	fromYAML(t, readFile(t, dir, "compose.yaml"), &c)
	made := readFile(t, dir, "secrets.sh")
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(from, ".") {
				if _, ok := c.Volumes[from]; !ok {
					t.Errorf("%s: volume %s is not declared", name, from)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, from)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, x := range s.Secrets {
			if _, ok := c.Secrets[x]; !ok || !strings.Contains(made, x) {
				t.Errorf("%s: secret %s is not declared, or secrets.sh does not make it", name, x)
			}
		}
		if s.Image == "" && s.Build.Context == "" {
			t.Errorf("%s has no image", name)
		}
		if s.Build.Dockerfile != "" {
			readFile(t, dir, s.Build.Context, s.Build.Dockerfile)
		}
	}
}

func TestKubernetes(t *testing.T) {
	dir := filepath.Join(deploy, "kubernetes")
	configuration(t, readFile(t, dir, "config.yaml"), "/secrets/")
	var k struct {
		Resources          []string
		ConfigMapGenerator []struct {
			Name  string
			Files []string
		} `yaml:"configMapGenerator"`
	}
	fromYAML(t, readFile(t, dir, "kustomization.yaml"), &k)
	maps := map[string]bool{}
	inMaps := map[string]bool{}
	for _, m := range k.ConfigMapGenerator {
		maps[m.Name] = true
		size := 0
		for _, f := range m.Files {
			_, file, renamed := strings.Cut(f, "=")
			if !renamed {
				file = f
			}
			inMaps[filepath.Base(file)] = true
			size += len(readFile(t, dir, file))
		}
		if size > 1<<20 {
			t.Errorf("config map %s has %d bytes, Kubernetes takes %d", m.Name, size, 1<<20)
		}
	}
	for _, d := range All() {
		for _, l := range Langs() {
			if !inMaps[d.GrafanaUID(l)+".json"] {
				t.Errorf("kustomization.yaml lacks dashboard %s", d.GrafanaUID(l))
			}
		}
	}
	roles := map[string]bool{}
	for _, file := range k.Resources {
		dec := yaml.NewDecoder(strings.NewReader(readFile(t, dir, file)))
		for n := 0; ; n++ {
			var o struct {
				Kind     string
				Metadata struct{ Name string }
				Spec     struct {
					Template struct {
						Spec struct {
							Containers []struct {
								Args         []string
								VolumeMounts []struct{ Name string } `yaml:"volumeMounts"`
							}
							Volumes []struct {
								Name      string
								ConfigMap struct{ Name string } `yaml:"configMap"`
							}
						}
					}
					VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
				}
			}
			err := dec.Decode(&o)
			if err == io.EOF {
				break
			}
			if err != nil || o.Kind == "" || o.Metadata.Name == "" {
				t.Fatalf("%s, document %d: %v %+v", file, n, err, o)
			}
			there := map[string]bool{}
			for _, v := range o.Spec.VolumeClaimTemplates {
				there[v.Metadata.Name] = true
			}
			for _, v := range o.Spec.Template.Spec.Volumes {
				there[v.Name] = true
				if c := v.ConfigMap.Name; c != "" && !maps[c] {
					t.Errorf("%s: there is no config map %s", o.Metadata.Name, c)
				}
			}
			for _, c := range o.Spec.Template.Spec.Containers {
				for _, m := range c.VolumeMounts {
					if !there[m.Name] {
						t.Errorf("%s mounts %s, which it has not", o.Metadata.Name, m.Name)
					}
				}
				for i, a := range c.Args {
					if a == "--role" {
						roles[c.Args[i+1]] = true
					}
				}
			}
		}
	}
	for _, r := range config.Roles() {
		if !roles[r] && r != "dialer" { // a dialer is the centre's own decision
			t.Errorf("no pod plays the role %s", r)
		}
	}
	for r := range roles {
		if !slices.Contains(config.Roles(), r) {
			t.Error(fmt.Sprint("there is no role ", r))
		}
	}
}
