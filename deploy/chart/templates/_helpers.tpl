{{- define "dormouse.fullname" -}}
{{- if contains "dormouse" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-dormouse" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* Names of objects that stand outside every namespace. */}}
{{- define "dormouse.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "dormouse.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "dormouse.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: dormouse
{{ include "dormouse.selector" . }}
{{- end -}}

{{- define "dormouse.selector" -}}
app.kubernetes.io/name: dormouse
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* As JSON, since a template answers only text: fromJsonArray. */}}
{{- define "dormouse.workloadNamespaces" -}}
{{ prepend .Values.workloads.moreNamespaces .Values.workloads.namespace | uniq | toJson }}
{{- end -}}

{{/* Labels of every pod that is a compute of this installation; activities/adapters/kubernetes/labels.ts. */}}
{{- define "dormouse.computeLabels" -}}
app.kubernetes.io/managed-by: dormouse
app.kubernetes.io/component: compute
dormouse.dev/installation: {{ .Values.workloads.installation }}
{{- end -}}

{{- define "dormouse.sidekickPort" -}}7070{{- end -}}
