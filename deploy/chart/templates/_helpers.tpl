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

{{- define "dormouse.admissionPolicy" -}}
{{ include "dormouse.clusterName" . }}-computes
{{- end -}}

{{- define "dormouse.nodeWall" -}}
{{ include "dormouse.fullname" . }}-node-wall
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

{{- define "dormouse.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* An image beside the platform's: (list . "base" given) */}}
{{- define "dormouse.sibling" -}}
{{- $root := index . 0 -}}
{{ index . 2 | default (printf "%s/%s:%s" (dir $root.Values.image.repository) (index . 1) ($root.Values.image.tag | default $root.Chart.AppVersion)) }}
{{- end -}}

{{- define "dormouse.apiOrigin" -}}
{{ .Values.api.origin | default "http://localhost:8080" }}
{{- end -}}
{{- define "dormouse.gatewayOrigin" -}}
{{ .Values.gateway.origin | default "http://localhost:8081" }}
{{- end -}}
{{- define "dormouse.portDomain" -}}
{{ .Values.gateway.portDomain | default "localhost" }}
{{- end -}}

{{- define "dormouse.keysSecret" -}}
{{ .Values.keys.existingSecret | default (printf "%s-keys" (include "dormouse.fullname" .)) }}
{{- end -}}

{{- define "dormouse.tryoutSecret" -}}
{{ include "dormouse.fullname" . }}-tryout
{{- end -}}

{{/* One variable from a Secret: (list "NAME" secret key) */}}
{{- define "dormouse.secretEnv" -}}
- name: {{ index . 0 }}
  valueFrom: { secretKeyRef: { name: {{ index . 1 }}, key: {{ index . 2 }} } }
{{- end -}}

{{- define "dormouse.databaseEnv" -}}
{{- if .Values.database.existingSecret }}
{{ include "dormouse.secretEnv" (list "DATABASE_URL" .Values.database.existingSecret .Values.database.key) }}
{{- else }}
{{ include "dormouse.secretEnv" (list "DATABASE_URL" (include "dormouse.tryoutSecret" .) "DATABASE_URL") }}
{{- end }}
{{- end -}}

{{- define "dormouse.storeEnv" -}}
- { name: S3_ENDPOINT, value: {{ .Values.store.endpoint | default (printf "http://%s-seaweedfs:8333" (include "dormouse.fullname" .)) | quote }} }
- { name: S3_REGION, value: {{ .Values.store.region | quote }} }
- { name: S3_BUCKET, value: {{ .Values.store.bucket | quote }} }
{{- if .Values.store.ownIdentity }}
- { name: S3_CREDENTIALS, value: identity }
{{- else }}
{{- $secret := .Values.store.existingSecret | default (include "dormouse.tryoutSecret" .) }}
{{ include "dormouse.secretEnv" (list "S3_ACCESS_KEY_ID" $secret .Values.store.accessKeyIdKey) }}
{{ include "dormouse.secretEnv" (list "S3_SECRET_ACCESS_KEY" $secret .Values.store.secretAccessKeyKey) }}
{{- end }}
{{- end -}}

{{- define "dormouse.temporalEnv" -}}
- { name: TEMPORAL_ADDRESS, value: {{ .Values.temporal.address | default (printf "%s-temporal:7233" (include "dormouse.fullname" .)) | quote }} }
- { name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }} }
{{- if .Values.temporal.tls }}
- { name: TEMPORAL_TLS, value: 'true' }
{{- end }}
{{- with .Values.temporal.existingSecret }}
{{- $secret := . }}
{{- range list "TEMPORAL_API_KEY" "TEMPORAL_TLS_CLIENT_CERT_DATA" "TEMPORAL_TLS_CLIENT_KEY_DATA" "TEMPORAL_TLS_SERVER_CA_CERT_DATA" }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ . }}, optional: true } }
{{- end }}
{{- end }}
{{- end -}}

{{- define "dormouse.kubernetesEnv" -}}
- { name: DORMOUSE_KUBERNETES_NAMESPACE, value: {{ .Values.workloads.namespace | quote }} }
{{- with .Values.workloads.moreNamespaces }}
- { name: DORMOUSE_KUBERNETES_MORE_NAMESPACES, value: {{ join "," . | quote }} }
{{- end }}
- { name: DORMOUSE_KUBERNETES_SYSTEM_NAMESPACE, value: {{ .Release.Namespace | quote }} }
- { name: DORMOUSE_KUBERNETES_INSTALLATION, value: {{ .Values.workloads.installation | quote }} }
- { name: DORMOUSE_KUBERNETES_RUNTIME_CLASS, value: {{ .Values.workloads.runtimeClass.name | quote }} }
- { name: DORMOUSE_KUBERNETES_BASE_IMAGE, value: {{ include "dormouse.sibling" (list . "base" .Values.computeImages.base) | quote }} }
- { name: DORMOUSE_KUBERNETES_SIDEKICK_IMAGE, value: {{ include "dormouse.sibling" (list . "sidekick" .Values.computeImages.sidekick) | quote }} }
- { name: DORMOUSE_KUBERNETES_SIDEKICK_MOUNT, value: {{ .Values.computeImages.sidekickMount | quote }} }
- { name: DORMOUSE_KUBERNETES_IMAGE_PULL_POLICY, value: {{ .Values.computeImages.pullPolicy | quote }} }
- { name: DORMOUSE_KUBERNETES_IMAGE_PULL_SECRETS, value: {{ join "," .Values.image.pullSecrets | quote }} }
- { name: DORMOUSE_KUBERNETES_REQUEST_PERCENT, value: {{ .Values.workloads.requestPercent | quote }} }
- { name: DORMOUSE_KUBERNETES_TREE_STORAGE_CLASS, value: {{ (.Values.workloads.trees).storageClass | default "" | quote }} }
- { name: DORMOUSE_KUBERNETES_SCRATCH_MIB, value: {{ (.Values.workloads.trees).scratchMib | default 0 | quote }} }
{{- with .Values.workloads.canaries }}
- { name: DORMOUSE_KUBERNETES_CANARIES, value: {{ join "," . | quote }} }
{{- end }}
{{- end -}}

{{/* Authorities of yours that servers' certificates are signed by. */}}
{{- define "dormouse.trustedCaEnv" -}}
{{- if (.Values.trustedCa).existingConfigMap }}
- { name: NODE_EXTRA_CA_CERTS, value: {{ printf "/etc/dormouse/ca/%s" .Values.trustedCa.key | quote }} }
{{- end }}
{{- end -}}
{{- define "dormouse.trustedCaMount" -}}
{{- if (.Values.trustedCa).existingConfigMap }}
- { name: trusted-ca, mountPath: /etc/dormouse/ca, readOnly: true }
{{- end }}
{{- end -}}
{{- define "dormouse.trustedCaVolume" -}}
{{- with .Values.trustedCa }}
{{- if .existingConfigMap }}
- name: trusted-ca
  configMap: { name: {{ .existingConfigMap }}, items: [{ key: {{ .key }}, path: {{ .key }} }] }
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables given as a map. */}}
{{- define "dormouse.givenEnv" -}}
{{- range $name, $value := . }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end -}}

{{/* As Pod Security "restricted" wants it. */}}
{{- define "dormouse.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end -}}
{{- define "dormouse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "dormouse.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "dormouse.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
