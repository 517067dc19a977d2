package deploy

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gptpipe/pkg/observe"
)

func TestAlerts(t *testing.T) {
	dir := filepath.Join(root, "deploy/prometheus")
	must(t, dir, nil, "promtool", "check", "config", "prometheus.yml") // and the rules that it names
	must(t, dir, nil, "promtool", "test", "rules", "alerts_test.yml")
	tests := read(t, filepath.Join(dir, "alerts_test.yml"))
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, filepath.Join(dir, "alerts.yml")), -1)
	if len(alerts) == 0 {
		t.Error("there are none")
	}
	for _, a := range alerts {
		if !regexp.MustCompile(`alertname: ` + a[1] + `\n\s+exp_alerts:`).MatchString(tests) {
			t.Errorf("%s: no test sees it fire", a[1])
		}
	}
	checkNames(t, read(t, filepath.Join(dir, "alerts.yml")))
}

// Every expression of the dashboard is one that Prometheus reads, over metrics that there are.
func TestDashboard(t *testing.T) {
	type target struct{ RefID, Expr string }
	var dashboard struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []target
		}
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(root, "deploy/grafana/dashboard.json"))), &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$command", ".*", "$model", ".*")
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range dashboard.Panels {
		if p.Title == "" || ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %d, %q: no title, no target, or an id that another has", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if over := taken[[2]int{x, y}]; over != "" || x >= 24 {
					t.Fatalf("%q lies over %q, or outside", p.Title, over)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, q := range p.Targets {
			checkNames(t, q.Expr)
			expr := variables.Replace(q.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%q: an unknown variable in %s", p.Title, q.Expr)
			}
			rules = append(rules, rule{fmt.Sprintf("panel:%d:%s", p.ID, q.RefID), expr})
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml") // JSON is YAML
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": dashboard.Title, "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(text))
	if out := must(t, ".", nil, "promtool", "check", "rules", file); !strings.Contains(out, fmt.Sprintf("%d rules found", len(rules))) || len(rules) < 10 {
		t.Error(out)
	}
}

// checkNames reports metrics that the keeper does not write.
func checkNames(t *testing.T, text string) {
	t.Helper()
	var b strings.Builder
	if err := observe.Write(&b, nil); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`# TYPE (\w+) (\w+)`).FindAllStringSubmatch(b.String(), -1) {
		if m[2] == "histogram" {
			names[m[1]+"_bucket"], names[m[1]+"_sum"], names[m[1]+"_count"] = true, true, true
			continue
		}
		names[m[1]] = true
	}
	found := regexp.MustCompile(`\bgpt_\w+`).FindAllString(text, -1)
	if len(found) == 0 {
		t.Errorf("no metric in %s", text)
	}
	for _, name := range found {
		if !names[name] {
			t.Errorf("there is no metric %s", name)
		}
	}
}
