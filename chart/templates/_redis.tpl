{{/* Where Redis is, and with which credentials each of its three users comes. */}}

{{- define "paredao.redis.fullname" -}}
{{- include "paredao.component.fullname" (dict "root" . "component" "redis") -}}
{{- end -}}

{{/* The address without credentials: those come from a file, or for votectl from a Secret. */}}
{{- define "paredao.redis.url" -}}
{{- if .Values.redis.embedded.enabled -}}
redis://{{ include "paredao.redis.fullname" . }}:6379
{{- else -}}
{{ .Values.redis.external.url }}
{{- end -}}
{{- end -}}

{{/* The Secret of a user's password; empty where Redis asks for none. Takes "user": ingest, results or votectl. */}}
{{- define "paredao.redis.secretName" -}}
{{- $user := index .root.Values.redis.users .user -}}
{{- if $user.existingSecret -}}
{{ $user.existingSecret }}
{{- else if .root.Values.redis.embedded.enabled -}}
{{ include "paredao.redis.fullname" .root }}-{{ .user }}
{{- end -}}
{{- end -}}

{{/* The ports of Redis as a list of numbers: those in the URL, and those that Sentinel or a cluster may name later. */}}
{{- define "paredao.redis.ports" -}}
{{- if .Values.redis.embedded.enabled -}}
[6379]
{{- else -}}
{{- $url := .Values.redis.external.url -}}
{{- $ports := list -}}
{{- range splitList "," (regexReplaceAll "/.*$" (regexReplaceAll "^[a-z+]+://" $url "") "") -}}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" -}}
{{- $ports = append $ports (default (ternary "26379" "6379" (contains "sentinel" $url)) $port | int) -}}
{{- end -}}
{{- if contains "sentinel" $url -}}{{- $ports = append $ports 6379 -}}{{- end -}}
{{- range .Values.redis.external.extraPorts -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
{{- end -}}

{{/* votectl reads one URL. Its password comes from a Secret by $(REDIS_PASSWORD), never from the manifest. */}}
{{- define "paredao.votectl.env" -}}
{{- $secret := include "paredao.redis.secretName" (dict "root" . "user" "votectl") -}}
{{- $user := .Values.redis.users.votectl -}}
{{- $url := include "paredao.redis.url" . -}}
- name: USER
  value: helm/{{ .Release.Name }}
{{- if $secret }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ $user.key }}
- name: VOTE__REDIS__URL
  value: {{ printf "%s%s:$(REDIS_PASSWORD)@%s" (regexFind "^[a-z+]+://" $url) $user.name (regexReplaceAll "^[a-z+]+://" $url "") | quote }}
{{- else }}
- name: VOTE__REDIS__URL
  value: {{ $url | quote }}
{{- end }}
{{- with .Values.votectl.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Redis' files: its configuration, who its users are and what they may do. Nothing secret. */}}
{{- define "paredao.redis.config" -}}
{{- $redis := .Values.redis.embedded -}}
redis.conf: |
  bind * -::*
  port 6379
  # Everybody comes in by a name and a password of its own, or not at all.
  protected-mode no
  aclfile /acl/rendered/users.acl
  dir /data
  appendonly yes
  appendfsync {{ $redis.appendfsync }}
  save ""
  maxmemory {{ $redis.maxmemory }}
  # A key that was thrown away to make room would be votes: a write is refused instead.
  maxmemory-policy noeviction
  {{- range $name, $value := $redis.config }}
  {{ $name }} {{ $value }}
  {{- end }}
render-acl.sh: |
  {{- .Files.Get "files/redis/render-acl.sh" | nindent 2 }}
# A line a user: the file of its rules, its name.
users: |
  {{- $users := .Values.redis.users }}
  vote-ingest {{ $users.ingest.name }}
  vote-results {{ $users.results.name }}
  votectl {{ $users.votectl.name }}
{{- range list "vote-ingest" "vote-results" "votectl" }}
{{ . }}.acl: |
  {{- $.Files.Get (printf "files/acl/%s.acl" .) | nindent 2 }}
{{- end }}
{{- end -}}
