{{/*
Ways in from outside. Votes and challenges go to ingest, all else to results. The poll's id is in the middle of the
path, so under one host only a regular expression tells them apart. `sharedHost: true` writes it; with
`sharedHost: false` each service has a host of its own, and nothing but plain prefixes is needed.
*/}}

{{/* Without v1: the form of a page without scripts. */}}
{{- define "paredao.ingestPath" -}}/(v1/)?polls/[^/]+/(votes|votes/batch|challenge){{- end -}}

{{/* Two services can't both own all of a host. Takes "ingest" and "results": lists of hosts; "kind". */}}
{{- define "paredao.routing.check" -}}
{{- range $host := default (list "any host") .ingest -}}
{{- if has $host (default (list "any host") $.results) -}}
{{- fail (printf "%s: %s is given to ingest and to results, and ingest would take all of it: set ingest.%s.sharedHost, or give each its own host" $.kind $host $.kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "paredao.ingress" -}}
{{- $values := index .root.Values .component -}}
{{- with $values.ingress -}}
{{- if .enabled -}}
{{- $other := $.root.Values.results.ingress -}}
{{- if and (eq $.component "ingest") (not .sharedHost) $other.enabled (eq .pathPrefix $other.pathPrefix) -}}
{{- include "paredao.routing.check" (dict "kind" "ingress" "ingest" .hosts "results" $other.hosts) -}}
{{- end -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "paredao.metadata" (dict "root" $.root "component" $.component "labels" .labels "annotations" .annotations) | nindent 2 }}
spec:
  {{- with .className }}
  ingressClassName: {{ . }}
  {{- end }}
  rules:
    {{- range $host := default (list "") .hosts }}
    - {{ with $host }}host: {{ . | quote }}
      {{ end }}http:
        paths:
          {{- if $values.ingress.sharedHost }}
          - path: {{ trimSuffix "/" $values.ingress.pathPrefix }}{{ include "paredao.ingestPath" $ }}
            pathType: ImplementationSpecific
          {{- else }}
          - path: {{ $values.ingress.pathPrefix }}
            pathType: Prefix
          {{- end }}
            backend:
              service:
                name: {{ include "paredao.component.fullname" $ }}
                port: { name: http }
    {{- end }}
  {{- with .tls }}
  tls:
    {{- range . }}
    - secretName: {{ .secretName }}
      hosts:
        {{- toYaml .hosts | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "paredao.httpRoute" -}}
{{- $values := index .root.Values .component -}}
{{- with $values.httpRoute -}}
{{- if .enabled -}}
{{- $other := $.root.Values.results.httpRoute -}}
{{- if and (eq $.component "ingest") (not .sharedHost) $other.enabled -}}
{{- include "paredao.routing.check" (dict "kind" "httpRoute" "ingest" .hostnames "results" $other.hostnames) -}}
{{- end -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "paredao.metadata" (dict "root" $.root "component" $.component "labels" .labels "annotations" .annotations) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml .parentRefs | nindent 4 }}
  {{- with .hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - matches:
        - path:
            {{- if .sharedHost }}
            type: RegularExpression
            value: {{ include "paredao.ingestPath" $ }}
            {{- else }}
            type: PathPrefix
            value: /
            {{- end }}
      backendRefs:
        - name: {{ include "paredao.component.fullname" $ }}
          port: {{ $values.service.port }}
      {{- with .filters }}
      filters:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if or .requestTimeout .backendRequestTimeout }}
      timeouts:
        {{- with .requestTimeout }}
        request: {{ . }}
        {{- end }}
        {{- with .backendRequestTimeout }}
        backendRequest: {{ . }}
        {{- end }}
      {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
