// Package check has the files of deploy/ read by the programs that they are for: compose-go, Docker's matcher of
// patterns, Kubernetes' own types, kustomize, Helm, nats-server, Prometheus' parsers of rules and expressions. It
// has a module of its own, so that none of them is a dependency of the node.
//
//	chart_test.go       chart/: what Helm makes of it, and that it is what kubernetes/ is
//	compose_test.go     compose.yaml and nats.conf
//	image_test.go       .dockerignore: what the image is built from
//	kubernetes_test.go  kubernetes/: every manifest, strictly, and what holds between them
//	prometheus_test.go  prometheus.yml, alerts.yml, the dashboard: every expression, metric and label
package check
