{{- define "parlor.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}
{{- define "parlor.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/component: media-node
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "parlor.labels" -}}
{{ include "parlor.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}
{{- /* The port of turn.listen; nothing without one. */ -}}
{{- define "parlor.turn" -}}
{{- with dig "turn" "listen" "" .Values.config }}{{ splitList ":" . | last }}{{ end }}
{{- end }}
