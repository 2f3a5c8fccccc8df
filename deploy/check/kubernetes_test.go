package check

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// manifests are what `kubectl apply -k deploy/kubernetes` would send, by kind and name.
type manifests map[string]any

// kinds are the kinds that occur, each with its type.
var kinds = map[string]func() any{
	"v1/Namespace": func() any { return new(core.Namespace) }, "v1/Service": func() any { return new(core.Service) },
	"v1/ConfigMap": func() any { return new(core.ConfigMap) }, "apps/v1/StatefulSet": func() any { return new(apps.StatefulSet) },
	"policy/v1/PodDisruptionBudget":          func() any { return new(policy.PodDisruptionBudget) },
	"autoscaling/v2/HorizontalPodAutoscaler": func() any { return new(autoscaling.HorizontalPodAutoscaler) },
	"networking.k8s.io/v1/NetworkPolicy":     func() any { return new(networking.NetworkPolicy) },
}

// build runs kustomize and decodes strictly: an unknown or doubled field, or a wrong type, fails.
func build(t *testing.T) manifests {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../kubernetes")
	require.NoError(t, err)
	m := manifests{}
	for _, r := range all.Resources() {
		var head metav1.TypeMeta
		text, err := r.AsYAML()
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(text, &head))
		kind := head.APIVersion + "/" + head.Kind
		require.Contains(t, kinds, kind)
		o := kinds[kind]()
		require.NoError(t, yaml.UnmarshalStrict(text, o), "%s %s", kind, r.GetName())
		m[head.Kind+" "+r.GetName()] = o
		if head.Kind != "Namespace" {
			require.Equal(t, "parlor", r.GetNamespace(), "%s %s", kind, r.GetName())
		}
	}
	return m
}

func TestKubernetes(t *testing.T) {
	m := build(t)
	set := m["StatefulSet parlor"].(*apps.StatefulSet)
	pod := set.Spec.Template
	spec, labels := pod.Spec, pod.Labels
	require.Len(t, spec.Containers, 1)
	sfu := spec.Containers[0]

	// Whoever selects pods means these.
	pdb := m["PodDisruptionBudget parlor"].(*policy.PodDisruptionBudget)
	net := m["NetworkPolicy parlor"].(*networking.NetworkPolicy)
	for name, selector := range map[string]map[string]string{
		"StatefulSet": set.Spec.Selector.MatchLabels, "PodDisruptionBudget": pdb.Spec.Selector.MatchLabels,
		"NetworkPolicy": net.Spec.PodSelector.MatchLabels, "Service": m["Service parlor"].(*core.Service).Spec.Selector,
		"headless Service": m["Service "+set.Spec.ServiceName].(*core.Service).Spec.Selector,
		"anti-affinity":    spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector.MatchLabels,
		"spread":           spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		require.Equal(t, labels, selector, name)
	}

	// Every port that is named is there, and the network's policy lets in what the container listens on.
	ports := map[string]core.ContainerPort{}
	for _, p := range sfu.Ports {
		ports[p.Name] = p
		require.Equal(t, p.ContainerPort, p.HostPort, "on the host's network they are the same")
		open := false
		for _, in := range net.Spec.Ingress[0].Ports {
			open = open || in.Port.IntVal == p.ContainerPort && *in.Protocol == p.Protocol
		}
		require.True(t, open, "NetworkPolicy does not let in %s", p.Name)
	}
	settings := ""
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil {
			settings = m["ConfigMap "+v.ConfigMap.Name].(*core.ConfigMap).Data["sfu.yaml"]
		}
	}
	for name, p := range map[string]*core.Probe{"readiness": sfu.ReadinessProbe, "liveness": sfu.LivenessProbe, "startup": sfu.StartupProbe} {
		at := fmt.Sprintf("%s:%d", p.HTTPGet.Host, p.HTTPGet.Port.IntVal)
		require.Contains(t, settings, `monitor: { listen: "`+at+`" }`, "%s: strangers can fill any other listener", name)
		require.Empty(t, p.HTTPGet.Scheme, name)
	}
	require.True(t, spec.HostNetwork, "else 127.0.0.1 of the machine, which the probes ask, is not the pod's")
	require.Equal(t, "/readyz", sfu.ReadinessProbe.HTTPGet.Path, "which says no while a node drains")
	require.Equal(t, "/healthz", sfu.LivenessProbe.HTTPGet.Path, "which does not: a draining node must not be killed")
	for _, name := range []string{"Service parlor", "Service parlor-nodes"} {
		for _, p := range m[name].(*core.Service).Spec.Ports {
			require.Contains(t, ports, p.TargetPort.StrVal, name)
		}
	}

	// No more rights than are needed.
	require.True(t, *spec.SecurityContext.RunAsNonRoot)
	require.True(t, *sfu.SecurityContext.ReadOnlyRootFilesystem)
	require.False(t, *sfu.SecurityContext.AllowPrivilegeEscalation)
	require.Equal(t, []core.Capability{"ALL"}, sfu.SecurityContext.Capabilities.Drop)
	require.False(t, *spec.AutomountServiceAccountToken)

	// What is mounted exists; secrets are made by hand, and no secret is in the manifests.
	volumes := map[string]core.Volume{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = v
		if v.ConfigMap != nil {
			c, ok := m["ConfigMap "+v.ConfigMap.Name].(*core.ConfigMap)
			require.True(t, ok, v.ConfigMap.Name)
			require.Contains(t, c.Data, "sfu.yaml")
		}
	}
	for _, v := range sfu.VolumeMounts {
		require.Contains(t, volumes, v.Name)
		require.True(t, v.ReadOnly, v.Name)
	}

	hpa := m["HorizontalPodAutoscaler parlor"].(*autoscaling.HorizontalPodAutoscaler)
	require.Equal(t, autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name}, hpa.Spec.ScaleTargetRef)
	require.Nil(t, set.Spec.Replicas, "they are the autoscaler's to say")
	require.Equal(t, adapterMetric(t), hpa.Spec.Metrics[0].Pods.Metric.Name, "prometheus-adapter makes another metric")
	require.GreaterOrEqual(t, *hpa.Spec.MinReplicas, int32(2), "users of a node that goes need another")
}

// adapter is the part of prometheus-adapter's values that is used.
type adapter struct {
	Rules struct {
		Default bool `json:"default"`
		Custom  []struct {
			SeriesQuery  string         `json:"seriesQuery"`
			Resources    map[string]any `json:"resources"`
			Name         struct{ As string }
			MetricsQuery string `json:"metricsQuery"`
		} `json:"custom"`
	} `json:"rules"`
}

func readAdapter(t *testing.T) adapter {
	t.Helper()
	text, err := os.ReadFile("../kubernetes/prometheus-adapter.yaml")
	require.NoError(t, err)
	var a adapter
	require.NoError(t, yaml.UnmarshalStrict(text, &a))
	require.Len(t, a.Rules.Custom, 1)
	return a
}

func adapterMetric(t *testing.T) string { return readAdapter(t).Rules.Custom[0].Name.As }
