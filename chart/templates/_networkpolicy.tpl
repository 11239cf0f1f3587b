{{/* Who may talk to whom. What is not said here is refused by a network plugin that knows NetworkPolicies. */}}

{{/* Egress to the cluster's DNS and to Redis, which is all that every client of Redis needs. */}}
{{- define "paredao.networkPolicy.egress" -}}
- to:
    {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - { port: {{ . }}, protocol: UDP }
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
- ports:
    {{- range include "paredao.redis.ports" . | fromJsonArray }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- if .Values.redis.embedded.enabled }}
  to:
    - podSelector:
        matchLabels:
          {{- include "paredao.selectorLabels" (dict "root" . "component" "redis") | nindent 10 }}
  {{- else if .Values.redis.external.networkPolicyTo }}
  to:
    {{- toYaml .Values.redis.external.networkPolicyTo | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "paredao.networkPolicy" -}}
{{- $values := index .root.Values .component -}}
{{- if .root.Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "paredao.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "paredao.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - { port: http, protocol: TCP }
      {{- with $values.networkPolicy.httpFrom }}
      from:
        {{- toYaml . | nindent 8 }}
        {{- if $.root.Values.tests.enabled }}
        # The pod of `helm test`.
        - podSelector:
            matchLabels:
              {{- include "paredao.selectorLabels" (dict "root" $.root "component" "votectl") | nindent 14 }}
        {{- end }}
      {{- end }}
    {{- with .root.Values.metrics.networkPolicyFrom }}
    - ports:
        - { port: admin, protocol: TCP }
      from:
        {{- toYaml . | nindent 8 }}
    {{- else }}
    {{- if ne .root.Values.metrics.scrape "none" }}
    {{- fail "metrics.networkPolicyFrom: nobody may reach the admin ports, and metrics.scrape wants them read: name the pods of Prometheus" }}
    {{- end }}
    {{- end }}
  egress:
    {{- include "paredao.networkPolicy.egress" .root | nindent 4 }}
    {{- with .root.Values.tracing }}
    {{- if .endpoint }}
    - ports:
        - { port: {{ regexFind "[0-9]+$" (trimSuffix "/" .endpoint) }}, protocol: TCP }
      {{- with .networkPolicyTo }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- end }}
    {{- with dig "voters" "jwks_url" "" $values.settings }}
    {{- if eq $.component "ingest" }}
    # The keys of voter tokens.
    - ports:
        - { port: {{ regexFind ":[0-9]+(/|$)" (trimPrefix "https:" (trimPrefix "http:" .)) | trimAll ":/" | default (hasPrefix "https:" . | ternary "443" "80") }}, protocol: TCP }
      {{- with $.root.Values.ingest.voters.networkPolicyTo }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- end }}
    {{- with dig "judge" "url" "" $values.settings }}
    {{- if eq $.component "ingest" }}
    # Who is asked about suspect votes.
    - ports:
        - { port: {{ regexFind ":[0-9]+(/|$)" (trimPrefix "https:" (trimPrefix "http:" .)) | trimAll ":/" | default (hasPrefix "https:" . | ternary "443" "80") }}, protocol: TCP }
      {{- with $.root.Values.ingest.judge.networkPolicyTo }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- end }}
    {{- with $values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
{{- end -}}
