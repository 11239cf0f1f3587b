{{/* The poll that `helm test` votes in: the one named, else the first rehearsal among the polls. Never a live one. */}}
{{- define "paredao.tests.poll" -}}
{{- $name := .Values.tests.poll -}}
{{- range .Values.polls -}}
{{- if and $name (eq .id $name) (ne .kind "rehearsal") -}}
{{- fail (printf "tests.poll: %s is a live poll, and a test's vote would count in it: name one of kind rehearsal" $name) -}}
{{- end -}}
{{- if and (not $name) (eq .kind "rehearsal") -}}{{- $name = .id -}}{{- end -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* A container that reads the results by wget. Takes "poll", "results" and "script". */}}
{{- define "paredao.tests.reader" -}}
image: {{ include "paredao.foreignImage" .root.Values.tests.image | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [sh, -c]
args:
  - |
    {{- .root.Files.Get (printf "files/tests/%s.sh" .script) | nindent 4 }}
env:
  - name: RESULTS
    value: {{ .results | quote }}
  - name: POLL
    value: {{ .poll | quote }}
resources:
  requests: { cpu: 10m, memory: 16Mi }
  limits: { cpu: 100m, memory: 32Mi }
securityContext:
  {{- include "paredao.containerSecurityContext" .root | nindent 2 }}
volumeMounts:
  - { name: work, mountPath: /work }
{{- end -}}
