{{/* What every pod runs as. */}}
{{- define "heron.user" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
{{- end }}

{{- define "heron.container" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}

{{- define "heron.claim" -}}
{{ .Values.storage.existingClaim | default (printf "%s-state" .Release.Name) }}
{{- end }}

{{- define "heron.database" -}}
- name: HERON_DATABASE
  valueFrom: {secretKeyRef: {name: {{ .Values.database.secret }}, key: {{ .Values.database.key }}}}
{{- end }}
