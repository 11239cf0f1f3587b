{{/* How many pods there are, and how many may be away. */}}

{{/*
The number of pods where an autoscaler is in charge. Kubernetes makes it 1 until the autoscaler looks, where it is left out
after it was there, unless somebody else holds it, which the API knows of what is applied on the server (Helm 4). There it
is left out from then on, so that neither upgrade nor rollback disagrees with the autoscaler.
*/}}
{{- define "paredao.replicas.live" -}}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace (include "paredao.component.fullname" .) -}}
{{- $applied := false -}}
{{- $held := false -}}
{{- range dig "metadata" "managedFields" list $live -}}
{{- if eq (default "" .operation) "Apply" -}}{{- $applied = true -}}{{- end -}}
{{- if eq (default "" .subresource) "scale" -}}{{- $held = true -}}{{- end -}}
{{- end -}}
{{- if and $live (not (and $applied $held)) -}}{{ $live.spec.replicas }}{{- end -}}
{{- end -}}

{{- define "paredao.hpa" -}}
{{- $values := index .root.Values .component -}}
{{- with $values.autoscaling -}}
{{- if .enabled -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail (printf "%s.autoscaling: minReplicas (%d) is above maxReplicas (%d)" $.component (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "paredao.metadata" $ | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "paredao.component.fullname" $ }}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .targetCPUUtilizationPercentage }}
    {{- range $name, $custom := .customMetrics }}
    {{- if $custom.enabled }}
    # {{ $name }}
    - type: Pods
      pods:
        metric:
          name: {{ $custom.metric }}
        target:
          type: AverageValue
          averageValue: {{ $custom.averageValue | quote }}
    {{- end }}
    {{- end }}
    {{- with .extraMetrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  behavior:
    {{- toYaml .behavior | nindent 4 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "paredao.pdb" -}}
{{- $values := index .root.Values .component -}}
{{- with $values.podDisruptionBudget -}}
{{- if .enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "paredao.metadata" $ | nindent 2 }}
spec:
  {{- if eq (toString .minAvailable) "" }}
  maxUnavailable: {{ .maxUnavailable }}
  {{- else }}
  minAvailable: {{ .minAvailable }}
  {{- end }}
  {{- if eq $.component "ingest" }}
  # No unhealthyPodEvictionPolicy: while Redis is away no pod is ready, and what they remember may be the only copy of accepted
  # votes. So none is evicted then.
  {{- else }}
  # A pod that isn't ready serves nobody, and holds nothing: it may always be evicted.
  unhealthyPodEvictionPolicy: AlwaysAllow
  {{- end }}
  selector:
    matchLabels:
      {{- include "paredao.selectorLabels" $ | nindent 6 }}
{{- end -}}
{{- end -}}
{{- end -}}
