{{/*
Names, labels, images and addresses. What both services have is written once in the other `_*.tpl` files and takes
(dict "root" $ "component" "ingest"); the files in templates/ingest and templates/results name their component.
*/}}

{{/* The release's name, as a Service's may be, and short enough for every suffix within the 63 characters of a label. */}}
{{- define "paredao.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full = default $full .Values.fullnameOverride | replace "." "-" | trunc 40 | regexFind "^.*[a-z0-9]" -}}
{{- if not (regexMatch "^[a-z]" $full) -}}
{{- fail (printf "names of Services begin with a letter, and those of the release %s would begin with %s: set fullnameOverride" .Release.Name $full) -}}
{{- end -}}
{{- $full -}}
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

{{/* The labels of every object. Takes "labels" for more: a label that is named in two places is there once. */}}
{{- define "paredao.labels" -}}
{{- $own := dict
  "app.kubernetes.io/part-of" "paredao"
  "app.kubernetes.io/managed-by" .root.Release.Service
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
-}}
{{- merge (include "paredao.selectorLabels" . | fromYaml) $own (default dict .labels) .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* The labels of a pod: without versions, so that another chart or tag alone doesn't replace pods (or restart Redis). */}}
{{- define "paredao.podLabels" -}}
{{- $own := dict "app.kubernetes.io/part-of" "paredao" -}}
{{- merge (include "paredao.selectorLabels" . | fromYaml) $own (default dict .labels) .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Name, namespace, labels and annotations of an object. Takes "suffix" for a second object of the same kind. */}}
{{- define "paredao.metadata" -}}
name: {{ include "paredao.component.fullname" . }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "paredao.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Variables of a container: those of the chart, and extraEnv, which goes before them. A name that is there twice would be
found out by Helm 4 in the middle of an upgrade. Takes "own", "extra", "where".
*/}}
{{- define "paredao.env" -}}
{{- $names := list -}}
{{- range .extra -}}
{{- if has .name $names -}}{{- fail (printf "%s.extraEnv: %s is there twice" $.where .name) -}}{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $all := list -}}
{{- range .own -}}{{- if not (has .name $names) -}}{{- $all = append $all . -}}{{- end -}}{{- end -}}
{{- concat $all .extra | toYaml -}}
{{- end -}}

{{/* An image by digest, else by tag, else by the chart's appVersion. Takes "image". */}}
{{- define "paredao.image" -}}
{{- $image := .image -}}
{{- $registry := default .root.Values.image.registry .root.Values.image.registryOfAll -}}
{{- $repository := $image.repository -}}
{{- with $registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" .) $image.repository -}}{{- end -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* An image that isn't ours: only image.registryOfAll takes the place of its registry. Takes "image". */}}
{{- define "paredao.foreignImage" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.image.registryOfAll -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{ $repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag }}{{ end }}
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
    {{- include "paredao.labels" (dict "root" .root "component" .component "labels" $account.labels) | nindent 4 }}
  {{- with $account.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{/*
PodSecurity `restricted`, and what the values add: those of the component ("values") over those of the release. A field
that both have is the component's as a whole. Our binaries and redis-server run as any user, and so does sh.
*/}}
{{- define "paredao.podSecurityContext" -}}
{{- $context := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- with .root.Values.runAsUser -}}
{{- $context = merge $context (dict "runAsUser" (int64 .) "runAsGroup" (int64 .)) -}}
{{- end -}}
{{- include "paredao.overlaid" (list $context .root.Values.podSecurityContext .values.podSecurityContext) -}}
{{- end -}}

{{- define "paredao.containerSecurityContext" -}}
{{- $context := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- include "paredao.overlaid" (list $context .root.Values.containerSecurityContext .values.containerSecurityContext) -}}
{{- end -}}

{{/* Maps over one another: of each key the last one's value, whole. */}}
{{- define "paredao.overlaid" -}}
{{- $all := dict -}}
{{- range . -}}{{- range $key, $value := . -}}{{- $_ := set $all $key $value -}}{{- end -}}{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* Of every Service. */}}
{{- define "paredao.ipFamilies" -}}
{{- $v6 := or (has "IPv6" .Values.ipFamilies) (eq .Values.ipFamilyPolicy "RequireDualStack") -}}
{{- if and $v6 (ne .Values.listenAddress "::") -}}
{{- fail "ipFamilies, ipFamilyPolicy: the services listen on IPv4 alone: set listenAddress to \"::\", which is both" -}}
{{- end -}}
{{- with .Values.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
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
{{- with .values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
