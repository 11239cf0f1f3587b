{{/* The public Service, and a second one of the admin port that nothing outside the cluster ever gets. */}}

{{- define "paredao.service" -}}
{{- $values := index .root.Values .component -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "paredao.metadata" (dict "root" .root "component" .component "labels" $values.service.labels "annotations" $values.service.annotations) | nindent 2 }}
spec:
  type: {{ $values.service.type }}
  {{- with include "paredao.ipFamilies" .root }}{{ . | trim | nindent 2 }}{{ end }}
  {{- if eq $values.service.type "LoadBalancer" }}
  {{- with $values.service.loadBalancerClass }}
  loadBalancerClass: {{ . }}
  {{- end }}
  {{- with $values.service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if ne $values.service.type "ClusterIP" }}
  externalTrafficPolicy: {{ $values.service.externalTrafficPolicy }}
  {{- end }}
  {{- with $values.service.sessionAffinity }}
  sessionAffinity: {{ . }}
  {{- if eq . "ClientIP" }}
  sessionAffinityConfig:
    clientIP:
      timeoutSeconds: {{ $values.service.sessionAffinityTimeoutSeconds }}
  {{- end }}
  {{- end }}
  selector:
    {{- include "paredao.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ $values.service.port }}
      targetPort: http
      protocol: TCP
      appProtocol: http
      {{- if and $values.service.nodePort (ne $values.service.type "ClusterIP") }}
      nodePort: {{ $values.service.nodePort }}
      {{- end }}
{{- end -}}

{{- define "paredao.service.admin" -}}
{{- if eq .root.Values.metrics.scrape "serviceMonitor" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "paredao.metadata" (dict "root" .root "component" .component "suffix" "admin" "labels" (dict "paredao/service" "admin")) | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  {{- with include "paredao.ipFamilies" .root }}{{ . | trim | nindent 2 }}{{ end }}
  # Scraped until its end: the last votes of a pod are in its metrics while it drains.
  publishNotReadyAddresses: true
  selector:
    {{- include "paredao.selectorLabels" . | nindent 4 }}
  ports:
    - name: admin
      port: {{ include "paredao.adminPort" . }}
      targetPort: admin
      protocol: TCP
      appProtocol: http
{{- end -}}
{{- end -}}

{{/* The Operator refuses a scrape that may take longer than its interval, long after the install. */}}
{{- define "paredao.metrics.check" -}}
{{- with .Values.metrics -}}
{{- if gt (trimSuffix "s" .scrapeTimeout | int) (trimSuffix "s" .interval | int) -}}
{{- fail (printf "metrics: scrapeTimeout (%s) is above the interval (%s)" .scrapeTimeout .interval) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "paredao.serviceMonitor" -}}
{{- if eq .root.Values.metrics.scrape "serviceMonitor" -}}
{{- include "paredao.metrics.check" .root -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "paredao.metadata" (dict "root" .root "component" .component "labels" .root.Values.metrics.labels) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "paredao.selectorLabels" . | nindent 6 }}
      paredao/service: admin
  endpoints:
    - port: admin
      path: /metrics
      interval: {{ .root.Values.metrics.interval }}
      scrapeTimeout: {{ .root.Values.metrics.scrapeTimeout }}
      # The job that rules and dashboards ask for, whatever the release is called.
      relabelings:
        - targetLabel: job
          replacement: vote-{{ .component }}
        {{- with .root.Values.metrics.relabelings }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .root.Values.metrics.metricRelabelings }}
      metricRelabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
{{- end -}}

{{- define "paredao.podMonitor" -}}
{{- if eq .root.Values.metrics.scrape "podMonitor" -}}
{{- include "paredao.metrics.check" .root -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  {{- include "paredao.metadata" (dict "root" .root "component" .component "labels" .root.Values.metrics.labels) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "paredao.selectorLabels" . | nindent 6 }}
  podMetricsEndpoints:
    - port: admin
      path: /metrics
      interval: {{ .root.Values.metrics.interval }}
      scrapeTimeout: {{ .root.Values.metrics.scrapeTimeout }}
      # The job that rules and dashboards ask for, whatever the release is called.
      relabelings:
        - targetLabel: job
          replacement: vote-{{ .component }}
        {{- with .root.Values.metrics.relabelings }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .root.Values.metrics.metricRelabelings }}
      metricRelabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
{{- end -}}
