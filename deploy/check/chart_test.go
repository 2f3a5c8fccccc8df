package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// chart renders deploy/chart as `helm install parlor` does, and decodes it strictly. Values are a part of
// values.yaml, in YAML. The second result is what NOTES.txt tells the person who installs it.
func chart(t *testing.T, values string) (manifests, string) {
	t.Helper()
	c, err := loader.Load("../chart")
	require.NoError(t, err)
	var given map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(values), &given))
	all, err := commonutil.ToRenderValues(c, given, common.ReleaseOptions{Name: "parlor", Namespace: "parlor", IsInstall: true}, common.DefaultCapabilities)
	require.NoError(t, err)
	e := engine.Engine{Strict: true} // a value that is not there fails
	files, err := e.Render(c, all)
	require.NoError(t, err)
	m, notes := manifests{}, ""
	for name, text := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			notes = text
			continue
		}
		for doc := range strings.SplitSeq(text, "\n---\n") {
			var head metav1.PartialObjectMetadata
			require.NoError(t, yaml.Unmarshal([]byte(doc), &head), "%s: %s", name, doc)
			if head.Kind == "" {
				continue
			}
			kind := head.APIVersion + "/" + head.Kind
			require.Contains(t, kinds, kind)
			o := kinds[kind]()
			require.NoError(t, yaml.UnmarshalStrict([]byte(doc), o), "%s: %s", name, doc)
			m[head.Kind+" "+head.Name] = o
		}
	}
	return m, notes
}

// TestChartSaysWhatTheManifestsSay: Helm and kustomize install the same nodes. They differ in labels, and in
// how a changed configuration restarts the nodes.
func TestChartSaysWhatTheManifestsSay(t *testing.T) {
	ours, _ := chart(t, "image: { tag: latest }")
	theirs := build(t)
	delete(theirs, "Namespace parlor") // `helm install --create-namespace` makes it
	for _, m := range []manifests{ours, theirs} {
		set := m["StatefulSet parlor"].(*apps.StatefulSet)
		delete(set.Spec.Template.Annotations, "checksum/config")
		set.Spec.Template.Spec.Containers[0].ImagePullPolicy = ""
		for name, o := range m {
			if c, ok := o.(*core.ConfigMap); ok {
				require.True(t, strings.HasPrefix(c.Name, "parlor"))
				var settings map[string]any
				require.NoError(t, yaml.UnmarshalStrict([]byte(c.Data["sfu.yaml"]), &settings))
				text, err := yaml.Marshal(settings)
				require.NoError(t, err)
				delete(m, name)
				m["ConfigMap parlor"] = string(text)
			}
		}
		for _, v := range set.Spec.Template.Spec.Volumes {
			if v.ConfigMap != nil {
				v.ConfigMap.Name = "parlor"
			}
		}
	}
	for name := range ours {
		require.Contains(t, theirs, name, "only in the chart")
	}
	for name, o := range theirs {
		require.Equal(t, unlabelled(t, o), unlabelled(t, ours[name]), name)
	}
}

// unlabelled is an object as YAML, without the namespace and the labels that each tool adds.
func unlabelled(t *testing.T, o any) string {
	t.Helper()
	text, err := yaml.Marshal(o)
	require.NoError(t, err)
	var lines []string
	for line := range strings.SplitSeq(string(text), "\n") {
		word := strings.TrimSpace(line)
		if strings.HasPrefix(word, "app.kubernetes.io/") || strings.HasPrefix(word, "helm.sh/") || word == "labels:" || word == "namespace: parlor" {
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestChartSelectsItsOwnPods: whoever selects pods means those of this release, and of no other.
func TestChartSelectsItsOwnPods(t *testing.T) {
	m, _ := chart(t, "")
	set := m["StatefulSet parlor"].(*apps.StatefulSet)
	require.Equal(t, set.Spec.Selector.MatchLabels, set.Spec.Template.Labels)
	require.Equal(t, "parlor", set.Spec.Template.Labels["app.kubernetes.io/instance"])
	for _, name := range []string{"Service parlor", "Service parlor-nodes"} {
		require.Equal(t, set.Spec.Template.Labels, m[name].(*core.Service).Spec.Selector, name)
	}
}

// TestChartObeysItsValues: ports, configuration, number of nodes and what is left out.
func TestChartObeysItsValues(t *testing.T) {
	m, notes := chart(t, `
domain: calls.example.org
replicas: 5
autoscaling: { enabled: false }
networkPolicy: false
config:
  http: { listen: ":443" }
  room: { loudest: 5 }
env: [{ name: SFU_MEDIA_EXTERNAL_IPS, value: 203.0.113.7 }]
tolerations: [{ key: media, operator: Exists }]
nodeSelector: { role: media }
image: { pullSecrets: [{ name: registry }] }
`)
	require.NotContains(t, m, "HorizontalPodAutoscaler parlor")
	require.NotContains(t, m, "NetworkPolicy parlor")
	set := m["StatefulSet parlor"].(*apps.StatefulSet)
	require.EqualValues(t, 5, *set.Spec.Replicas)
	pod := set.Spec.Template.Spec
	require.EqualValues(t, 443, pod.Containers[0].Ports[0].ContainerPort)
	require.Contains(t, pod.Containers[0].Env, core.EnvVar{Name: "SFU_HTTP_LISTEN", Value: ":443"})
	require.Contains(t, pod.Containers[0].Env, core.EnvVar{Name: "SFU_NODE_URL", Value: "https://$(MACHINE).calls.example.org:443"})
	require.Contains(t, pod.Containers[0].Env, core.EnvVar{Name: "SFU_MEDIA_EXTERNAL_IPS", Value: "203.0.113.7"})
	require.Equal(t, "registry.example.org/parlor:devel", pod.Containers[0].Image, "the version of the chart")
	require.Equal(t, "media", pod.Tolerations[0].Key)
	require.Equal(t, map[string]string{"role": "media"}, pod.NodeSelector)
	require.Equal(t, "registry", pod.ImagePullSecrets[0].Name)
	settings := m["ConfigMap parlor"].(*core.ConfigMap).Data["sfu.yaml"]
	require.Contains(t, settings, "loudest: 5")
	require.Contains(t, settings, "keys_file: /keys/sfu.keys", "what was not given stays")
	require.Contains(t, notes, "calls.example.org")

	before, _ := chart(t, "")
	require.NotEqual(t, before["StatefulSet parlor"].(*apps.StatefulSet).Spec.Template.Annotations["checksum/config"],
		set.Spec.Template.Annotations["checksum/config"], "a changed configuration restarts the nodes")
}

// TestChartOpensThePortOfTURN: what is configured is also let in.
func TestChartOpensThePortOfTURN(t *testing.T) {
	ports := func(values string) (open []string) {
		m, _ := chart(t, values)
		for _, p := range m["StatefulSet parlor"].(*apps.StatefulSet).Spec.Template.Spec.Containers[0].Ports {
			require.Equal(t, p.ContainerPort, p.HostPort)
			open = append(open, fmt.Sprint(p.Protocol, " ", p.HostPort))
		}
		var passes []string
		for _, p := range m["NetworkPolicy parlor"].(*networking.NetworkPolicy).Spec.Ingress[0].Ports {
			passes = append(passes, fmt.Sprint(*p.Protocol, " ", p.Port.IntVal))
		}
		require.ElementsMatch(t, open, passes)
		return open
	}
	require.ElementsMatch(t, []string{"TCP 8443", "UDP 7882", "TCP 7882"}, ports(""))
	require.ElementsMatch(t, []string{"TCP 8443", "UDP 7882", "TCP 7882"}, ports("config: { turn: { tls: false } }"))
	require.ElementsMatch(t, []string{"TCP 8443", "UDP 7882", "TCP 7882", "UDP 3478", "TCP 3478"},
		ports(`config: { turn: { listen: ":3478" } }`))
}
