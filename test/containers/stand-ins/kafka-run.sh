#!/bin/bash
# What the image `apache/kafka` does: its own KafkaDockerWrapper, which is in Kafka's jar, makes
# server.properties of the names KAFKA_... and formats the data directory; then the broker runs in
# place of this script.
set -e
export CLUSTER_ID="${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}"
config=/opt/kafka/config
rm -f $config/server.properties
result=$(java -Xmx256m -cp '/opt/kafka/libs/*' kafka.docker.KafkaDockerWrapper setup --default-configs-dir /etc/kafka/docker \
  --mounted-configs-dir /mnt/shared/config --final-configs-dir $config 2>&1) ||
  grep -i 'already formatted' <<< "$result" || { echo "$result"; exit 1; }
exec java ${KAFKA_HEAP_OPTS:--Xms1G -Xmx1G} -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties -cp '/opt/kafka/libs/*' kafka.Kafka $config/server.properties
