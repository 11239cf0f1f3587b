{{/*
Names, labels, images and addresses. What both services have is written once in the other `_*.tpl` files and takes
(dict "root" $ "component" "ingest"); the files in templates/ingest and templates/results name their component.
*/}}

{{/* The release's name, short enough for every suffix within the 63 characters of a label. */}}
{{- define "paredao.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of a component's objects. */}}
{{- define "paredao.component.fullname" -}}
{{- printf "%s-%s" (include "paredao.fullname" .root) .component -}}
{{- end -}}

{{/* The labels that select a component's pods. Never changed: a Deployment's selector can't be. */}}
{{- define "paredao.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The labels of every object. */}}
{{- define "paredao.labels" -}}
{{ include "paredao.selectorLabels" . }}
app.kubernetes.io/part-of: paredao
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of a pod: without versions, so that another chart or tag alone doesn't replace pods (or restart Redis). */}}
{{- define "paredao.podLabels" -}}
{{ include "paredao.selectorLabels" . }}
app.kubernetes.io/part-of: paredao
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* name, namespace and labels of an object. Takes "suffix" for a second object of the same kind. */}}
{{- define "paredao.metadata" -}}
name: {{ include "paredao.component.fullname" . }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "paredao.labels" . | nindent 2 }}
{{- end -}}

{{/* An image by digest, else by tag, else by the chart's appVersion. Takes "image". */}}
{{- define "paredao.image" -}}
{{- $image := .image -}}
{{- $repository := $image.repository -}}
{{- with .root.Values.image.registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" .) $image.repository -}}{{- end -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* An image that isn't ours: image.registry is not put before it. */}}
{{- define "paredao.foreignImage" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}

{{- define "paredao.imagePullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Takes "values" where a component's values are not at its name. */}}
{{- define "paredao.serviceAccountName" -}}
{{- $account := (default (index .root.Values .component) .values).serviceAccount -}}
{{- if $account.create -}}
{{ default (include "paredao.component.fullname" .) $account.name }}
{{- else -}}
{{ default "default" $account.name }}
{{- end -}}
{{- end -}}

{{- define "paredao.serviceAccount" -}}
{{- $account := (default (index .root.Values .component) .values).serviceAccount -}}
{{- if $account.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "paredao.serviceAccountName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "paredao.labels" . | nindent 4 }}
  {{- with $account.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{/* PodSecurity `restricted`. Our binaries and redis-server run as any user, and so does sh. */}}
{{- define "paredao.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "paredao.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Ports by component: they differ, as in every other way to run the services, so that none is mistaken. */}}
{{- define "paredao.httpPort" -}}{{ ternary 8080 8081 (eq .component "ingest") }}{{- end -}}
{{- define "paredao.adminPort" -}}{{ ternary 9080 9081 (eq .component "ingest") }}{{- end -}}

{{- define "paredao.listen" -}}
{{- if contains ":" .address -}}[{{ .address }}]:{{ .port }}{{- else -}}{{ .address }}:{{ .port }}{{- end -}}
{{- end -}}

{{/* Where pods of a component are placed. Takes "values" with the usual fields. */}}
{{- define "paredao.placement" -}}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
