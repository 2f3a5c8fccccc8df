package check

import (
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

var promql = parser.NewParser(parser.Options{})

// known are the metrics that there are, each with its labels. They are the node's, as docs/operations.md has
// them, and those of Prometheus and of the client library that are used. A test of the node keeps the list in
// docs/operations.md true.
func known(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	m := map[string][]string{"parlor_load_cpu_ratio": {"namespace", "pod"}, "up": nil, "process_resident_memory_bytes": nil, "process_cpu_seconds_total": nil, "go_goroutines": nil}
	for _, x := range regexp.MustCompile("`(parlor_[a-z0-9_]+)(?:{([a-z_,]+)})?`").FindAllStringSubmatch(string(text), -1) {
		m[x[1]] = append(m[x[1]], strings.Split(x[2], ",")...)
	}
	require.Greater(t, len(m), 40)
	return m
}

// problem says what is wrong with an expression; empty: nothing.
func problem(expr string, metrics map[string][]string) string {
	e, err := promql.ParseExpr(expr)
	if err != nil {
		return err.Error()
	}
	labels := []string{"job", "instance"}
	found := ""
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		name := v.Name
		own, ok := metrics[name]
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(name, part); cut && !ok {
				own, ok = metrics[base]
			}
		}
		if !ok {
			found = "there is no metric " + name
		}
		labels = append(labels, own...)
		if strings.HasSuffix(name, "_bucket") {
			labels = append(labels, "le")
		}
		for _, m := range v.LabelMatchers {
			if m.Name != model.MetricNameLabel && !slices.Contains(labels, m.Name) {
				found = name + " has no label " + m.Name
			}
		}
		return nil
	})
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok {
			for _, by := range a.Grouping {
				if !slices.Contains(labels, by) {
					found = "nothing in it has the label " + by
				}
			}
		}
		return nil
	})
	return found
}

func TestProblem(t *testing.T) {
	m := map[string][]string{"a": {"reason"}, "h": nil}
	for expr, want := range map[string]string{
		`sum by (reason) (rate(a{job="x"}[1m]))`: "", `histogram_quantile(0.9, sum by (le) (rate(h_bucket[1m])))`: "", `h_sum / h_count`: "",
		`rate(a[1m]`: "unclosed", `b`: "no metric b", `a{by="x"}`: "no label by", `sum by (by) (a)`: "label by", `sum by (le) (a)`: "label le",
	} {
		if got := problem(expr, m); want == "" {
			require.Empty(t, got, expr)
		} else {
			require.Contains(t, got, want, expr)
		}
	}
}

func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("../alerts.yml")
	require.NoError(t, err)
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, promql, slog.Default()) // templates of annotations included
	require.Empty(t, errs)
	metrics, names := known(t), map[string]bool{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			require.Empty(t, problem(r.Expr, metrics), r.Alert)
			require.False(t, names[r.Alert], "%s comes twice", r.Alert)
			names[r.Alert] = true
			require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
		}
	}
	require.GreaterOrEqual(t, len(names), 8)
}

// TestPrometheus reads what is used of its configuration, strictly. It looks that the nodes of compose.yaml are
// scraped.
func TestPrometheus(t *testing.T) {
	var c struct {
		Global struct {
			ScrapeInterval     model.Duration `json:"scrape_interval"`
			EvaluationInterval model.Duration `json:"evaluation_interval"`
		} `json:"global"`
		RuleFiles     []string `json:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `json:"job_name"`
			StaticConfigs []struct {
				Targets []string `json:"targets"`
			} `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	text, err := os.ReadFile("../prometheus.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(text, &c))
	require.Equal(t, []string{"alerts.yml"}, c.RuleFiles)
	require.Equal(t, "parlor", c.ScrapeConfigs[0].JobName)
	p, err := compose(t, "PARLOR_KEYS=a:secret")
	require.NoError(t, err)
	var nodes []string
	for name := range p.Services {
		if strings.HasPrefix(name, "node-") {
			nodes = append(nodes, name+":8080")
		}
	}
	require.ElementsMatch(t, nodes, c.ScrapeConfigs[0].StaticConfigs[0].Targets)
}

// TestAdapter: what the autoscaler goes by.
func TestAdapter(t *testing.T) {
	r := readAdapter(t).Rules.Custom[0]
	require.Empty(t, problem(r.SeriesQuery, known(t)))
	query := strings.NewReplacer("<<.Series>>", "parlor_load_cpu_ratio", "<<.GroupBy>>", "pod", "<<.LabelMatchers>>", `namespace="parlor"`).Replace(r.MetricsQuery)
	require.Empty(t, problem(query, known(t)))
}

// panel is what is looked at of a panel of the dashboard.
type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Datasource  struct{ UID string }
	Targets     []struct{ RefID, Expr, LegendFormat string }
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../grafana/parlor.json")
	require.NoError(t, err)
	var d struct {
		UID, Title string
		Panels     []panel
		Templating struct{ List []struct{ Name string } }
	}
	require.NoError(t, json.Unmarshal(text, &d))
	require.Equal(t, "parlor", d.UID)
	metrics, ids := known(t), map[int]bool{}
	taken := map[[2]int]string{} // the grid
	shown := 0
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], "two panels have the id %d", p.ID)
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			require.Less(t, x, 24, p.Title)
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies on another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		shown++
		require.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, q := range p.Targets {
			require.Empty(t, problem(q.Expr, metrics), "%s: %s", p.Title, q.Expr)
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(q.Expr, -1) {
				require.Contains(t, []string{d.Templating.List[0].Name, d.Templating.List[1].Name}, v[1], "%s: unknown variable", p.Title)
			}
		}
	}
	require.GreaterOrEqual(t, shown, 15)
}

// TestProvisioning: Grafana is told where Prometheus and the dashboard are.
func TestProvisioning(t *testing.T) {
	p, err := compose(t, "PARLOR_KEYS=a:secret")
	require.NoError(t, err)
	read := func(file string) (m map[string]any) {
		text, err := os.ReadFile("../grafana/" + file)
		require.NoError(t, err)
		require.NoError(t, yaml.UnmarshalStrict(text, &m))
		require.EqualValues(t, 1, m["apiVersion"])
		return m
	}
	source := read("datasource.yml")["datasources"].([]any)[0].(map[string]any)
	host := strings.TrimSuffix(strings.TrimPrefix(source["url"].(string), "http://"), ":9090")
	require.Contains(t, p.Services, host)
	folder := read("dashboards.yml")["providers"].([]any)[0].(map[string]any)["options"].(map[string]any)["path"].(string)
	mounted := false
	for _, c := range p.Services["grafana"].Configs {
		mounted = mounted || strings.HasPrefix(c.Target, folder+"/")
	}
	require.True(t, mounted, "no dashboard in %s", folder)
}
