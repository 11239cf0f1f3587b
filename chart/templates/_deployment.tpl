{{- define "paredao.deployment" -}}
{{- $values := index .root.Values .component -}}
{{- $fullname := include "paredao.component.fullname" . -}}
{{- $redisSecret := include "paredao.redis.secretName" (dict "root" .root "user" .component) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "paredao.metadata" (dict "root" .root "component" .component "labels" $values.labels "annotations" $values.annotations) | nindent 2 }}
spec:
  {{- if not $values.autoscaling.enabled }}
  replicas: {{ $values.replicas }}
  {{- else }}
  {{- with include "paredao.replicas.live" . }}
  # As many as there are, until the autoscaler holds the number.
  replicas: {{ . }}
  {{- end }}
  {{- end }}
  revisionHistoryLimit: {{ $values.revisionHistoryLimit }}
  selector:
    matchLabels:
      {{- include "paredao.selectorLabels" . | nindent 6 }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: {{ $values.rollingUpdate.maxUnavailable }}
      maxSurge: {{ $values.rollingUpdate.maxSurge }}
  template:
    metadata:
      labels:
        {{- include "paredao.podLabels" (dict "root" .root "component" .component "labels" $values.podLabels) | nindent 8 }}
      {{- /* A pod reads its settings at start: other settings, other pods. */}}
      {{- $annotations := merge (dict "checksum/settings" (include "paredao.settings" . | sha256sum)) $values.podAnnotations }}
      {{- if eq .root.Values.metrics.scrape "annotations" }}
      {{- $scrape := dict "scrape" "true" "port" (include "paredao.adminPort" .) "path" "/metrics" }}
      {{- range $key, $value := $scrape }}{{ $annotations = merge $annotations (dict (printf "prometheus.io/%s" $key) $value) }}{{ end }}
      {{- end }}
      annotations:
        {{- toYaml $annotations | nindent 8 }}
    spec:
      serviceAccountName: {{ include "paredao.serviceAccountName" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with include "paredao.imagePullSecrets" .root }}{{ . | trim | nindent 6 }}{{ end }}
      {{- with include "paredao.placement" (dict "values" $values) }}{{ . | trim | nindent 6 }}{{ end }}
      {{- with $values.topologySpread }}
      topologySpreadConstraints:
        {{- range . }}
        {{- $spread := deepCopy . }}
        {{- /* By revision, so that the pods of a rollout are spread without regard to those they replace. */}}
        {{- if not (hasKey $spread "matchLabelKeys") }}{{ $_ := set $spread "matchLabelKeys" (list "pod-template-hash") }}{{ end }}
        {{- if not $spread.matchLabelKeys }}{{ $_ := unset $spread "matchLabelKeys" }}{{ end }}
        {{- if not $spread.labelSelector }}
        {{- $_ := set $spread "labelSelector" (dict "matchLabels" (include "paredao.selectorLabels" $ | fromYaml)) }}
        {{- end }}
        - {{ toYaml $spread | nindent 10 | trim }}
        {{- end }}
      {{- end }}
      securityContext:
        {{- include "paredao.podSecurityContext" (dict "root" .root "values" $values) | nindent 8 }}
      # shutdown.grace_ms + 1.25 * shutdown.drain_timeout_ms + 5 s, and preStopSleepSeconds before it.
      terminationGracePeriodSeconds: {{ include "paredao.terminationGracePeriodSeconds" (dict "values" $values) }}
      {{- with $values.extraInitContainers }}
      initContainers:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "paredao.image" (dict "root" .root "image" $values.image) | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          env:
            {{- $own := list (dict "name" "VOTE__CONFIG_FILE" "value" "/etc/paredao/settings/settings.yaml") }}
            {{- $own = concat $own (include "paredao.redis.env" (dict "root" .root "user" .component) | fromYamlArray) }}
            {{- $own = concat $own (include "paredao.tracing.env" . | fromYamlArray) }}
            {{- include "paredao.env" (dict "own" $own "extra" $values.extraEnv "where" .component) | nindent 12 }}
          {{- with $values.extraEnvFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - name: http
              containerPort: {{ include "paredao.httpPort" . }}
            - name: admin
              containerPort: {{ include "paredao.adminPort" . }}
          # Asked on the admin port, which a flood of requests on the public one doesn't reach.
          startupProbe:
            httpGet: { path: /healthz, port: admin }
            {{- toYaml $values.probes.startup | nindent 12 }}
          readinessProbe:
            httpGet: { path: /readyz, port: admin }
            {{- toYaml $values.probes.readiness | nindent 12 }}
          livenessProbe:
            httpGet: { path: /healthz, port: admin }
            {{- toYaml $values.probes.liveness | nindent 12 }}
          {{- if $values.preStopSleepSeconds }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $values.preStopSleepSeconds }}
          {{- end }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            {{- include "paredao.containerSecurityContext" (dict "root" .root "values" $values) | nindent 12 }}
          volumeMounts:
            - name: settings
              mountPath: /etc/paredao/settings
              readOnly: true
            {{- with include "paredao.secretMounts" . }}{{ . | trim | nindent 12 }}{{ end }}
            {{- if and (eq .component "ingest") $values.spill.enabled }}
            - name: spill
              mountPath: /var/lib/paredao/spill
            {{- end }}
            {{- if and (eq .component "ingest") $values.carriers }}
            {{- /* Whole, without subPath: so it changes in the pod. */}}
            - name: carriers
              mountPath: /etc/paredao/carriers
              readOnly: true
            {{- end }}
            {{- if and (eq .component "ingest") $values.denyList }}
            - name: deny-list
              mountPath: /etc/paredao/deny-list
              readOnly: true
            {{- end }}
            {{- with $values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
        {{- with $values.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
        - name: settings
          configMap:
            name: {{ $fullname }}
        {{- with include "paredao.secretVolumes" . }}{{ . | trim | nindent 8 }}{{ end }}
        {{- if and (eq .component "ingest") $values.spill.enabled }}
        - name: spill
          {{- include "paredao.spillVolume" $values.spill | nindent 10 }}
        {{- end }}
        {{- if and (eq .component "ingest") $values.carriers }}
        - name: carriers
          configMap:
            name: {{ $fullname }}-carriers
        {{- end }}
        {{- if and (eq .component "ingest") $values.denyList }}
        - name: deny-list
          configMap:
            name: {{ $fullname }}-deny-list
        {{- end }}
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}

{{/* What accepted votes are left on that Redis may not have. */}}
{{- define "paredao.spillVolume" -}}
{{- if and .existingClaim .volume -}}
{{- fail "ingest.spill: existingClaim and volume are two places for the same files: leave one of them out" -}}
{{- else if .existingClaim -}}
persistentVolumeClaim:
  claimName: {{ .existingClaim }}
{{- else if .volume -}}
{{- toYaml .volume -}}
{{- else -}}
emptyDir:
  sizeLimit: 512Mi
{{- end -}}
{{- end -}}

{{/* Mounts and volumes of the Secrets that a component reads by file. */}}
{{- define "paredao.secretMounts" -}}
{{- range include "paredao.secrets" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: /etc/paredao/{{ .name }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "paredao.secretVolumes" -}}
{{- range include "paredao.secrets" . | fromYamlArray }}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    items:
      {{- range $path, $key := .items }}
      - { key: {{ $key | quote }}, path: {{ $path }} }
      {{- end }}
{{- end }}
{{- end -}}

{{/* Which these are: the name of the volume, of the Secret, and which key of it becomes which file. */}}
{{- define "paredao.secrets" -}}
{{- $secrets := list -}}
{{- with include "paredao.redis.secretName" (dict "root" .root "user" .component) -}}
{{- $key := (index $.root.Values.redis.users $.component).key -}}
{{- $secrets = append $secrets (dict "name" "redis" "secret" . "items" (dict "password" $key)) -}}
{{- end -}}
{{- with .root.Values.redis.external.tls -}}
{{- if .existingSecret -}}
{{- $items := dict -}}
{{- range $path, $key := dict "ca.crt" .caKey "tls.crt" .certKey "tls.key" .keyKey -}}
{{- if $key -}}{{- $_ := set $items $path $key -}}{{- end -}}
{{- end -}}
{{- $secrets = append $secrets (dict "name" "redis-tls" "secret" .existingSecret "items" $items) -}}
{{- end -}}
{{- end -}}
{{- with .root.Values.redis.external.sentinel -}}
{{- if .existingSecret -}}
{{- $secrets = append $secrets (dict "name" "redis-sentinel" "secret" .existingSecret "items" (dict "password" .key)) -}}
{{- end -}}
{{- end -}}
{{- if and .root.Values.receipts.existingSecret (ne .component "votectl") -}}
{{- $receipts := .root.Values.receipts -}}
{{- $secrets = append $secrets (dict "name" "receipts" "secret" $receipts.existingSecret "items" (dict "key" $receipts.key)) -}}
{{- end -}}
{{- if eq .component "results" -}}
{{- range $role := list "production" "broadcast" "feeds" -}}
{{- $token := index $.root.Values.results.access $role -}}
{{- with $token.existingSecret -}}
{{- $secrets = append $secrets (dict "name" $role "secret" . "items" (dict "token" $token.key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq .component "ingest" -}}
{{- range $name, $file := dict "keys" "jwks.json" "ca" "ca.crt" -}}
{{- $source := index $.root.Values.ingest.voters $name -}}
{{- with $source.existingSecret -}}
{{- $secrets = append $secrets (dict "name" (printf "voter-%s" $name) "secret" . "items" (dict $file $source.key)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $file := dict "secret" "secret" "ca" "ca.crt" -}}
{{- $source := index $.root.Values.ingest.judge $name -}}
{{- with $source.existingSecret -}}
{{- $secrets = append $secrets (dict "name" (printf "judge-%s" $name) "secret" . "items" (dict $file $source.key)) -}}
{{- end -}}
{{- end -}}
{{- with $.root.Values.ingest.gateways.existingSecret -}}
{{- $secrets = append $secrets (dict "name" "gateways" "secret" . "items" (dict "gateways.toml" $.root.Values.ingest.gateways.key)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $secrets -}}
{{- end -}}
