{{- define "mysetlist.name" -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- define "mysetlist.selector" -}}
app.kubernetes.io/name: mysetlist
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "mysetlist.labels" -}}
{{ include "mysetlist.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{/* Not the name of the nodes: the service sends clients to every pod with that one. */}}
{{- define "mysetlist.backupLabels" -}}
app.kubernetes.io/name: mysetlist-backup
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "mysetlist.secret" -}}
{{ .Values.existingSecret | default (include "mysetlist.name" .) }}
{{- end }}
