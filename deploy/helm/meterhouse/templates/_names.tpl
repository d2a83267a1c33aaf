{{- define "meterhouse.fullname" -}}
{{- if contains "meterhouse" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-meterhouse" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of one service: takes (dict "root" . "service" name). */}}
{{- define "meterhouse.name" -}}
{{- printf "%s-%s" (include "meterhouse.fullname" .root) .service -}}
{{- end -}}

{{/* Names of the services that are installed, as JSON. */}}
{{- define "meterhouse.services" -}}
{{- $services := list "aggregator" "quota-snapshot" "decision-log" "webhooks" "api" -}}
{{- if .Values.relay.enabled -}}
{{- $services = append $services "relay" -}}
{{- end -}}
{{- toJson $services -}}
{{- end -}}

{{- define "meterhouse.selector" -}}
app.kubernetes.io/name: meterhouse
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "meterhouse.labels" -}}
{{ include "meterhouse.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "meterhouse.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What a schema cannot say. */}}
{{- define "meterhouse.check" -}}
{{- $aggregator := .Values.services.aggregator -}}
{{- $partitions := int .Values.topics.usageEvents.partitions -}}
{{- if gt (int $aggregator.replicas) $partitions -}}
{{- fail (printf "services.aggregator.replicas is %d, and %s has %d partitions: more workers than partitions stand idle" (int $aggregator.replicas) .Values.topics.usageEvents.name $partitions) -}}
{{- end -}}
{{- if and $aggregator.autoscaling.enabled (gt (int $aggregator.autoscaling.maxReplicas) $partitions) -}}
{{- fail (printf "services.aggregator.autoscaling.maxReplicas is %d, and %s has %d partitions: more workers than partitions stand idle" (int $aggregator.autoscaling.maxReplicas) .Values.topics.usageEvents.name $partitions) -}}
{{- end -}}
{{- $keepers := int (index .Values.services "decision-log").replicas -}}
{{- $decisions := int .Values.topics.quotaDecisions.partitions -}}
{{- if gt $keepers $decisions -}}
{{- fail (printf "services.decision-log.replicas is %d, and %s has %d partitions: more than that stand idle" $keepers .Values.topics.quotaDecisions.name $decisions) -}}
{{- end -}}
{{- range $name := list "aggregator" "api" -}}
{{- $scaling := (index $.Values.services $name).autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- fail (printf "services.%s.autoscaling: minReplicas is above maxReplicas" $name) -}}
{{- end -}}
{{- end -}}
{{- $kafka := .Values.kafka -}}
{{- if and (not $kafka.tls.enabled) (or $kafka.tls.caSecret $kafka.tls.clientCertSecret) -}}
{{- fail "kafka.tls has certificates, and enabled is false: nothing would be encrypted" -}}
{{- end -}}
{{- if and (eq $kafka.sasl.mechanism "PLAIN") (not $kafka.tls.enabled) -}}
{{- fail "kafka.sasl.mechanism PLAIN sends the password as it is: enable kafka.tls" -}}
{{- end -}}
{{- if and .Values.api.ingress.enabled (not .Values.api.ingress.host) -}}
{{- fail "api.ingress.host: the name under which the API is reached" -}}
{{- end -}}
{{- end -}}
