# syntax=docker/dockerfile:1
# Two images, used by compose.yaml. Target `tallyroom` is the program. Target `spark` is Spark with
# its Connect server and the connector to Kafka.

# The Node that package.json pins, and the Spark of stack/pom.xml.
ARG NODE_VERSION=24.21.0
ARG SPARK_VERSION=4.2.0

# The page, built with all packages for development.
FROM node:${NODE_VERSION}-bookworm-slim AS page
WORKDIR /app
COPY package.json package-lock.json ./
# Install scripts are left out. They fetch a second Node and PostgreSQL's libraries, and the image
# needs neither.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src/domain src/domain
COPY web web
RUN node node_modules/vite/bin/vite.js build --config web/vite.config.ts

# The packages of the program, without PostgreSQL's binaries: this image works with a server
# (DATABASE_URL).
FROM node:${NODE_VERSION}-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:${NODE_VERSION}-bookworm-slim AS tallyroom
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=page /app/dist/web dist/web
COPY package.json LICENSE ./
COPY src src
USER node
EXPOSE 8080
# The options of `npm start`: memory stays the same for any number of votes.
ENTRYPOINT ["node", "--max-semi-space-size=8", "--expose-gc", "/app/src/main.ts"]
CMD ["--help"]

# Spark's own image lacks the connector to Kafka. These jars are the connector, in the same version.
FROM maven:3.9.11-eclipse-temurin-17 AS connector
WORKDIR /connector
COPY stack/pom.xml ./
RUN mvn -q -B -P spark dependency:copy-dependencies -DoutputDirectory=/connector/jars -DincludeScope=runtime \
  -DincludeArtifactIds=spark-sql-kafka-0-10_2.13,spark-token-provider-kafka-0-10_2.13,kafka-clients,commons-pool2

FROM apache/spark:${SPARK_VERSION} AS spark
USER root
COPY --from=connector /connector/jars/ /opt/spark/jars/
RUN mkdir /checkpoints && chown spark /checkpoints
USER spark
VOLUME /checkpoints
EXPOSE 15002
# The program that start-connect-server.sh starts, without the shell around it. That shell would be
# the container's first process and would pass on no signal: every stop would wait ten seconds and
# then kill.
# The checkpoint file manager uses the file system's own rename: see docs/operations.md. The counter
# sets the number of tasks of a batch itself.
CMD ["/opt/spark/bin/spark-submit", \
  "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", \
  "--name", "Spark Connect server", \
  "--master", "local[*]", \
  "--driver-memory", "1g", \
  "--conf", "spark.connect.grpc.binding.port=15002", \
  "--conf", "spark.connect.session.manager.defaultSessionTimeout=-1", \
  "--conf", "spark.sql.shuffle.partitions=1", \
  "--conf", "spark.sql.streaming.checkpointFileManagerClass=org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager", \
  "--conf", "spark.sql.streaming.checkpointLocation=file:///checkpoints", \
  "--conf", "spark.buffer.pageSize=1m", \
  "--conf", "spark.broadcast.compress=false", \
  "--conf", "spark.shuffle.compress=false", \
  "--conf", "spark.ui.enabled=false"]
