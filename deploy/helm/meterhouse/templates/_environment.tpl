{{/* A variable from a secret: takes (dict "name" variable "secret" name). */}}
{{- define "meterhouse.secretVariable" -}}
- name: {{ .name }}
  valueFrom: { secretKeyRef: { name: {{ .secret }}, key: {{ .name }} } }
{{- end -}}

{{/* Every variable of a service: takes (dict "root" . "service" name). */}}
{{- define "meterhouse.environment" -}}
{{- $values := .root.Values -}}
{{- $service := .service -}}
{{- $own := index $values.services $service -}}
{{- $secret := default $values.existingSecret $own.existingSecret -}}
{{- $kafka := $values.kafka -}}
{{- $plain := dict
  "KAFKA_BROKERS" (join "," $kafka.brokers)
  "LOG_LEVEL" $values.logLevel
  "METRICS_PORT" "9464"
  "METRICS_HOST" "0.0.0.0"
  "DRAIN_TIMEOUT_MS" (printf "%d" (mul 1000 (int $values.drainTimeoutSeconds)))
  "START_TIMEOUT_MS" (printf "%d" (mul 1000 (int $values.startTimeoutSeconds)))
-}}
{{- $secrets := list "DATABASE_URL" "SCHEMA_REGISTRY_URL" -}}
{{- if $kafka.tls.enabled -}}
{{- $_ := set $plain "KAFKA_TLS" "true" -}}
{{- if $kafka.tls.caSecret -}}
{{- $_ := set $plain "KAFKA_CA_FILE" (printf "/etc/meterhouse/kafka-ca/%s" $kafka.tls.caKey) -}}
{{- end -}}
{{- if $kafka.tls.clientCertSecret -}}
{{- $_ := set $plain "KAFKA_CERT_FILE" "/etc/meterhouse/kafka-client/tls.crt" -}}
{{- $_ := set $plain "KAFKA_KEY_FILE" "/etc/meterhouse/kafka-client/tls.key" -}}
{{- end -}}
{{- end -}}
{{- if $kafka.sasl.mechanism -}}
{{- $_ := set $plain "KAFKA_SASL_MECHANISM" $kafka.sasl.mechanism -}}
{{- $secrets = concat $secrets (list "KAFKA_USERNAME" "KAFKA_PASSWORD") -}}
{{- end -}}
{{- if $values.trust.configMap -}}
{{- $_ := set $plain "NODE_EXTRA_CA_CERTS" (printf "/etc/meterhouse/trust/%s" $values.trust.key) -}}
{{- end -}}
{{- if has $service (list "aggregator" "quota-snapshot" "relay" "api") -}}
{{- $_ := set $plain "USAGE_EVENTS_TOPIC" $values.topics.usageEvents.name -}}
{{- end -}}
{{- if has $service (list "aggregator" "quota-snapshot" "webhooks" "api") -}}
{{- $_ := set $plain "USAGE_SNAPSHOTS_TOPIC" $values.topics.usageSnapshots.name -}}
{{- end -}}
{{- if has $service (list "decision-log" "webhooks" "api") -}}
{{- $_ := set $plain "QUOTA_DECISIONS_TOPIC" $values.topics.quotaDecisions.name -}}
{{- end -}}
{{- if eq $service "aggregator" -}}
{{- $_ := set $plain "CLICKHOUSE_DATABASE" $values.clickhouse.database -}}
{{- if $values.clickhouse.cluster -}}
{{- $_ := set $plain "CLICKHOUSE_CLUSTER" $values.clickhouse.cluster -}}
{{- end -}}
{{- $secrets = append $secrets "CLICKHOUSE_URL" -}}
{{- end -}}
{{- if has $service (list "webhooks" "api") -}}
{{- $secrets = append $secrets "WEBHOOK_SECRET_KEY" -}}
{{- end -}}
{{- if eq $service "relay" -}}
{{- $_ := set $plain "RELAY_TO" $values.relay.to -}}
{{- end -}}
{{- if eq $service "api" -}}
{{- $_ := set $plain "API_HOST" "0.0.0.0" -}}
{{- $_ := set $plain "API_PORT" "8080" -}}
{{- if $values.api.tlsSecret -}}
{{- $_ := set $plain "TLS_CERT_FILE" "/etc/meterhouse/api-tls/tls.crt" -}}
{{- $_ := set $plain "TLS_KEY_FILE" "/etc/meterhouse/api-tls/tls.key" -}}
{{- end -}}
{{- if $values.api.redis -}}
{{- $secrets = append $secrets "REDIS_URL" -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := merge (dict) $own.env $plain }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name := $secrets }}
{{ include "meterhouse.secretVariable" (dict "name" $name "secret" $secret) }}
{{- end }}
{{- end -}}

{{/* Files that the variables name, and a place for temporary ones: takes (dict "root" . "service" name). */}}
{{- define "meterhouse.volumes" -}}
{{- $values := .root.Values -}}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- if $values.kafka.tls.caSecret }}
- name: kafka-ca
  secret: { secretName: {{ $values.kafka.tls.caSecret }} }
{{- end }}
{{- if $values.kafka.tls.clientCertSecret }}
- name: kafka-client
  secret: { secretName: {{ $values.kafka.tls.clientCertSecret }} }
{{- end }}
{{- if $values.trust.configMap }}
- name: trust
  configMap: { name: {{ $values.trust.configMap }} }
{{- end }}
{{- if and (eq .service "api") $values.api.tlsSecret }}
- name: api-tls
  secret: { secretName: {{ $values.api.tlsSecret }} }
{{- end }}
{{- end -}}

{{- define "meterhouse.mounts" -}}
{{- $values := .root.Values -}}
- { name: tmp, mountPath: /tmp }
{{- if $values.kafka.tls.caSecret }}
- { name: kafka-ca, mountPath: /etc/meterhouse/kafka-ca, readOnly: true }
{{- end }}
{{- if $values.kafka.tls.clientCertSecret }}
- { name: kafka-client, mountPath: /etc/meterhouse/kafka-client, readOnly: true }
{{- end }}
{{- if $values.trust.configMap }}
- { name: trust, mountPath: /etc/meterhouse/trust, readOnly: true }
{{- end }}
{{- if and (eq .service "api") $values.api.tlsSecret }}
- { name: api-tls, mountPath: /etc/meterhouse/api-tls, readOnly: true }
{{- end }}
{{- end -}}
