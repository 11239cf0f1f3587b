{{/* Where Redis is, and with which credentials each of its users comes. */}}

{{- define "paredao.redis.fullname" -}}
{{- include "paredao.component.fullname" (dict "root" . "component" "redis") -}}
{{- end -}}

{{/* The StatefulSet of the embedded Redis as it is now; empty at an install, and where no cluster is asked. */}}
{{- define "paredao.redis.live" -}}
{{- lookup "apps/v1" "StatefulSet" .Release.Namespace (include "paredao.redis.fullname" .) | toYaml -}}
{{- end -}}

{{/* What the values say of the volume. */}}
{{- define "paredao.redis.claims" -}}
{{- $persistence := .Values.redis.embedded.persistence -}}
{{- if and $persistence.enabled (not $persistence.existingClaim) -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: data
    labels:
      {{- merge (include "paredao.selectorLabels" (dict "root" . "component" "redis") | fromYaml) $persistence.labels | toYaml | nindent 6 }}
    {{- with $persistence.annotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with $persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ $persistence.size }}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{/*
Fields of a StatefulSet that can't be changed. Kubernetes would refuse another value when Deployments have changed
already, so those that are there are kept; the notes say where the values ask for others.
*/}}
{{- define "paredao.redis.kept" -}}
{{- $wanted := include "paredao.redis.claims" . | fromYamlArray -}}
{{- with include "paredao.redis.live" . | fromYaml -}}
{{- $claims := list -}}
{{- range dig "spec" "volumeClaimTemplates" list . -}}
{{- $metadata := omit .metadata "creationTimestamp" -}}
{{- $claims = append $claims (merge (dict "metadata" $metadata) (omit . "status" "metadata")) -}}
{{- end -}}
{{- dict "podManagementPolicy" (dig "spec" "podManagementPolicy" "Parallel" .) "volumeClaimTemplates" $claims | toYaml -}}
{{- else -}}
{{- dict "podManagementPolicy" "Parallel" "volumeClaimTemplates" $wanted | toYaml -}}
{{- end -}}
{{- end -}}

{{/* What is wanted of a volume, in a few words that can be compared. */}}
{{- define "paredao.redis.volume" -}}
{{- with first . -}}
{{- $size := dig "spec" "resources" "requests" "storage" "" . -}}
{{- printf "a volume of %s%s" $size (dig "spec" "storageClassName" "" . | printf " %s" | trimSuffix " ") -}}
{{- else -}}
no volume
{{- end -}}
{{- end -}}

{{/* Another name would make a new and empty Redis beside the one that has the votes. */}}
{{- define "paredao.redis.check" -}}
{{- $name := include "paredao.redis.fullname" . -}}
{{- with include "paredao.redis.live" . | fromYaml -}}
{{- $before := dig "spec" "selector" "matchLabels" "app.kubernetes.io/name" "" . -}}
{{- $now := index (include "paredao.selectorLabels" (dict "root" $ "component" "redis") | fromYaml) "app.kubernetes.io/name" -}}
{{- if and $before (ne $before $now) -}}
{{- fail (printf "nameOverride: selectors can't be changed, and those of this release say %s, not %s: leave it as it was" $before $now) -}}
{{- end -}}
{{- else -}}
{{- if .Release.IsUpgrade -}}
{{- range (lookup "apps/v1" "StatefulSet" .Release.Namespace "").items -}}
{{- $labels := default dict .metadata.labels -}}
{{- $is := dict "instance" $.Release.Name "component" "redis" "part-of" "paredao" -}}
{{- $ours := true -}}
{{- range $key, $value := $is -}}
{{- if ne $value (index $labels (printf "app.kubernetes.io/%s" $key) | default "") -}}{{- $ours = false -}}{{- end -}}
{{- end -}}
{{- if $ours -}}
{{- fail (printf "nameOverride, fullnameOverride: the votes of this release are in StatefulSet/%s, and with these names a new, empty StatefulSet/%s would take its place: set fullnameOverride to %s" .metadata.name $name (trimSuffix "-redis" .metadata.name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The address without credentials: those come from a file, or for votectl from a Secret. */}}
{{- define "paredao.redis.url" -}}
{{- $external := .Values.redis.external -}}
{{- if and (not .Values.redis.embedded.enabled) (not (or $external.url $external.existingSecret $external.urlFile)) -}}
{{- fail "redis.external: the embedded Redis is off, and there is no other: give its url, or the Secret (existingSecret) or the file (urlFile) that has it" -}}
{{- end -}}
{{- if .Values.redis.embedded.enabled -}}
redis://{{ include "paredao.redis.fullname" . }}:6379
{{- else -}}
{{ .Values.redis.external.url }}
{{- end -}}
{{- end -}}

{{/*
The users of the embedded Redis: of each the file of its rules. The first three are the clients of this chart, with an
external Redis too. `admin` and `exporter` are for people and for metrics; no pod of the chart comes as one of them.
*/}}
{{- define "paredao.redis.users" -}}
ingest: vote-ingest
results: vote-results
votectl: votectl
admin: admin
exporter: exporter
{{- end -}}

{{/* The Secret of a user's password; empty where Redis asks for none. Takes "user". */}}
{{- define "paredao.redis.secretName" -}}
{{- $user := index .root.Values.redis.users .user -}}
{{- if $user.existingSecret -}}
{{ $user.existingSecret }}
{{- else if .root.Values.redis.embedded.enabled -}}
{{ include "paredao.redis.fullname" .root }}-{{ .user }}
{{- end -}}
{{- end -}}

{{/* What of the way to Redis comes from Secrets by variables: the URL, and the user's name. Takes "user". */}}
{{- define "paredao.redis.env" -}}
{{- $env := list -}}
{{- $external := .root.Values.redis.external -}}
{{- with $external.existingSecret -}}
{{- $from := dict "secretKeyRef" (dict "name" . "key" $external.urlKey) -}}
{{- $env = append $env (dict "name" "VOTE__REDIS__URL" "valueFrom" $from) -}}
{{- end -}}
{{- $user := index .root.Values.redis.users .user -}}
{{- with $user.nameKey -}}
{{- $from := dict "secretKeyRef" (dict "name" $user.existingSecret "key" .) -}}
{{- $env = append $env (dict "name" "VOTE__REDIS__USERNAME" "valueFrom" $from) -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{/* Of Redis' users what a schema can't say. */}}
{{- define "paredao.redis.users.check" -}}
{{- range $name, $user := .Values.redis.users -}}
{{- if and $.Values.redis.embedded.enabled (or $user.passwordFile $user.nameKey $user.nameFile) -}}
{{- fail (printf "redis.users.%s: passwordFile, nameKey and nameFile are for an external Redis: the embedded one reads its users' Secrets" $name) -}}
{{- end -}}
{{- if and $user.passwordFile $user.existingSecret -}}
{{- fail (printf "redis.users.%s: its password is in passwordFile or in existingSecret, not in both" $name) -}}
{{- end -}}
{{- if and $user.nameKey (not $user.existingSecret) -}}
{{- fail (printf "redis.users.%s.nameKey: name the Secret in existingSecret" $name) -}}
{{- end -}}
{{- if and $user.nameFile $user.nameKey -}}
{{- fail (printf "redis.users.%s: its name is in nameFile or in the Secret (nameKey), not in both" $name) -}}
{{- end -}}
{{- if and $user.nameFile (not $user.passwordFile) (not $user.existingSecret) -}}
{{- fail (printf "redis.users.%s.nameFile: it has no password: say passwordFile or existingSecret too" $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.redis.external -}}
{{- if and (or .existingSecret .urlFile) (not .extraPorts) $.Values.networkPolicy.enabled -}}
{{- fail "redis.external.extraPorts: the URL is in a Secret or a file, where the NetworkPolicies can't read its ports: name them" -}}
{{- end -}}
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
{{- if $url -}}
{{- $ports = append $ports (default (ternary "26379" "6379" (contains "sentinel" $url)) $port | int) -}}
{{- end -}}
{{- end -}}
{{- if contains "sentinel" $url -}}{{- $ports = append $ports 6379 -}}{{- end -}}
{{- range .Values.redis.external.extraPorts -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
{{- end -}}

{{/* How a client comes to Redis, as settings of the section `redis`; credentials by file. Takes "user". */}}
{{- define "paredao.redis.settings" -}}
{{- include "paredao.redis.users.check" .root -}}
{{- $settings := dict -}}
{{- with include "paredao.redis.url" .root -}}{{- $settings = dict "url" . -}}{{- end -}}
{{- with .root.Values.redis.external.urlFile -}}{{- $settings = dict "url_file" . -}}{{- end -}}
{{- $user := index .root.Values.redis.users .user -}}
{{- $file := $user.passwordFile -}}
{{- if include "paredao.redis.secretName" . -}}{{- $file = "/etc/paredao/redis/password" -}}{{- end -}}
{{- if $file -}}
{{- $settings = merge $settings (dict "password_file" $file) -}}
{{- if $user.nameFile -}}
{{- $_ := set $settings "username_file" $user.nameFile -}}
{{- else if not $user.nameKey -}}
{{- $_ := set $settings "username" $user.name -}}
{{- end -}}
{{- end -}}
{{- with .root.Values.redis.external.tls -}}
{{- if .existingSecret -}}
{{- if not (hasPrefix "rediss" (default "rediss" $.root.Values.redis.external.url)) -}}
{{- fail "redis.external.tls: the URL does not ask for TLS: it has to begin with rediss" -}}
{{- end -}}
{{- range $name, $file := dict "tls_ca_file" (list .caKey "ca.crt") "tls_cert_file" (list .certKey "tls.crt") "tls_key_file" (list .keyKey "tls.key") -}}
{{- if first $file -}}{{- $_ := set $settings $name (printf "/etc/paredao/redis-tls/%s" (last $file)) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .root.Values.redis.external.sentinel -}}
{{- if .existingSecret -}}
{{- if and (not (contains "+sentinel://" $.root.Values.redis.external.url)) (not (or $.root.Values.redis.external.existingSecret $.root.Values.redis.external.urlFile)) -}}
{{- fail "redis.external.sentinel: the URL names no Sentinels: it has to begin with redis+sentinel or rediss+sentinel" -}}
{{- end -}}
{{- $_ := set $settings "sentinel_password_file" "/etc/paredao/redis-sentinel/password" -}}
{{- with .username -}}{{- $_ := set $settings "sentinel_username" . -}}{{- end -}}
{{- else if .username -}}
{{- fail (printf "redis.external.sentinel: %s has no password: name its Secret in existingSecret" .username) -}}
{{- end -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* Seconds that the hook waits for Redis: all that it has, but for half a minute to be scheduled and to apply. */}}
{{- define "paredao.votectl.patience" -}}
{{- sub (int64 .Values.votectl.activeDeadlineSeconds) 30 -}}
{{- end -}}

{{/* votectl takes the same by its environment. */}}
{{- define "paredao.votectl.env" -}}
{{- $own := list (dict "name" "USER" "value" (printf "helm/%s" .Release.Name)) -}}
{{- range $name, $value := include "paredao.redis.settings" (dict "root" . "user" "votectl") | fromYaml -}}
{{- $own = append $own (dict "name" (printf "VOTE__REDIS__%s" (upper $name)) "value" (toString $value)) -}}
{{- end -}}
{{- $own = concat $own (include "paredao.redis.env" (dict "root" . "user" "votectl") | fromYamlArray) -}}
{{- include "paredao.env" (dict "own" $own "extra" .Values.votectl.extraEnv "where" "votectl") -}}
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
{{- $names := list "default" "probe" }}
{{- range $user, $_ := include "paredao.redis.users" . | fromYaml }}
{{- $name := (index $.Values.redis.users $user).name }}
{{- if has $name $names }}{{ fail (printf "redis.users.%s: another user has the name %s" $user $name) }}{{ end }}
{{- $names = append $names $name }}
{{- end }}
# A line a user: the file of its rules, its name.
users: |
  {{- range $user, $file := include "paredao.redis.users" . | fromYaml }}
  {{ $file }} {{ (index $.Values.redis.users $user).name }}
  {{- end }}
{{- range $user, $file := include "paredao.redis.users" . | fromYaml }}
{{- $rules := $.Files.Get (printf "files/acl/%s.acl" $file) }}
{{- /* With that durability ingest asks the server whether it means it. */}}
{{- if and (eq $user "ingest") (eq (trim (dig "commit" "durability" "" $.Values.ingest.settings)) "fsync") }}
{{- $rules = printf "%s +config|get\n" (trimSuffix "\n" $rules) }}
{{- end }}
{{ $file }}.acl: |
  {{- $rules | nindent 2 }}
{{- end }}
{{- end -}}
