{{/*
The settings file of a service: what the values say, and above it what only the chart can know (addresses, paths of
mounted Secrets). The schema refuses those names in the values, so nothing is silently overruled.
*/}}
{{- define "paredao.settings" -}}
{{- $values := index .root.Values .component -}}
{{- $owned := dict
  "http" (dict "bind" (include "paredao.listen" (dict "address" .root.Values.listenAddress "port" (include "paredao.httpPort" .))))
  "admin" (dict "bind" (include "paredao.listen" (dict "address" .root.Values.listenAddress "port" (include "paredao.adminPort" .))))
  "redis" (include "paredao.redis.settings" (dict "root" .root "user" .component) | fromYaml)
-}}
{{- if .root.Values.receipts.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "receipts" (dict "key_file" "/etc/paredao/receipts/key")) -}}
{{- end -}}
{{- if eq .component "results" -}}
{{- with .root.Values.results.access -}}
{{- if .production.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "access" (dict "production_token_file" "/etc/paredao/production/token")) -}}
{{- end -}}
{{- if .broadcast.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "access" (dict "broadcast_token_file" "/etc/paredao/broadcast/token")) -}}
{{- end -}}
{{- if .feeds.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "access" (dict "feed_tokens_file" "/etc/paredao/feeds/token")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq .component "ingest" -}}
{{- with .root.Values.ingest.voters -}}
{{- if .keys.existingSecret -}}
{{- if dig "voters" "jwks_url" "" $values.settings -}}
{{- fail "ingest.voters.keys: the keys come from settings.voters.jwks_url or from this Secret: leave one of them out" -}}
{{- end -}}
{{- $owned = mergeOverwrite $owned (dict "voters" (dict "jwks_file" "/etc/paredao/voter-keys/jwks.json")) -}}
{{- end -}}
{{- if .ca.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "voters" (dict "jwks_ca_file" "/etc/paredao/voter-ca/ca.crt")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq .component "ingest" -}}
{{- with .root.Values.ingest.judge -}}
{{- if .secret.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "judge" (dict "secret_file" "/etc/paredao/judge-secret/secret")) -}}
{{- end -}}
{{- if .ca.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "judge" (dict "ca_file" "/etc/paredao/judge-ca/ca.crt")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq .component "ingest") .root.Values.ingest.gateways.existingSecret -}}
{{- $owned = mergeOverwrite $owned (dict "gateways" (dict "file" "/etc/paredao/gateways/gateways.toml")) -}}
{{- end -}}
{{- if and (eq .component "ingest") .root.Values.ingest.spill.enabled -}}
{{- with .root.Values.ingest.spill -}}
{{- $spill := dict "dir" "/var/lib/paredao/spill" -}}
{{- if not (or .existingClaim .volume (hasKey (dig "spill" dict $values.settings) "to_log")) -}}
{{- /* The volume goes with the pod: the log may be collected. */ -}}
{{- $_ := set $spill "to_log" true -}}
{{- end -}}
{{- $owned = mergeOverwrite $owned (dict "spill" $spill) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .component "ingest") .root.Values.ingest.carriers -}}
{{- if dig "limits" "carriers_file" "" $values.settings -}}
{{- fail "ingest.carriers and ingest.settings.limits.carriers_file are two files of the same: leave one of them out" -}}
{{- end -}}
{{- $owned = mergeOverwrite $owned (dict "limits" (dict "carriers_file" "/etc/paredao/carriers/carriers.toml")) -}}
{{- end -}}
{{- if and (eq .component "ingest") .root.Values.ingest.denyList -}}
{{- if dig "suspicion" "deny_list_file" "" $values.settings -}}
{{- fail "ingest.denyList and ingest.settings.suspicion.deny_list_file are two files of the same: leave one of them out" -}}
{{- end -}}
{{- $owned = mergeOverwrite $owned (dict "suspicion" (dict "deny_list_file" "/etc/paredao/deny-list/denied.txt")) -}}
{{- end -}}
{{- if and .root.Values.redis.embedded.enabled (hasPrefix "replicas" (dig "commit" "durability" "" $values.settings)) -}}
{{- fail (printf "%s.settings.commit.durability: the embedded Redis has no replica that could have the votes: use memory or fsync, or an external Redis" .component) -}}
{{- end -}}
{{- mergeOverwrite (deepCopy $values.settings) $owned | toYaml -}}
{{- end -}}

{{- define "paredao.settings.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "paredao.metadata" . | nindent 2 }}
data:
  settings.yaml: |
    {{- include "paredao.settings" . | nindent 4 }}
{{- end -}}

{{/* Seconds that a pod gets to stop: what the service needs by its own settings, rounded up, after a preStop. */}}
{{- define "paredao.terminationGracePeriodSeconds" -}}
{{- $shutdown := .values.settings.shutdown -}}
{{- $quarters := add (mul 4 (int64 $shutdown.grace_ms)) (mul 5 (int64 $shutdown.drain_timeout_ms)) 20000 3999 -}}
{{- add (div $quarters 4000) (int64 .values.preStopSleepSeconds) -}}
{{- end -}}

{{/* Where traces go; nothing where they go nowhere. */}}
{{- define "paredao.tracing.env" -}}
{{- with .root.Values.tracing }}
{{- if .endpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .protocol }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .sampleRatio | toString | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: "k8s.namespace.name={{ $.root.Release.Namespace }},k8s.pod.name=$(POD_NAME)"
{{- end }}
{{- end }}
{{- end -}}
