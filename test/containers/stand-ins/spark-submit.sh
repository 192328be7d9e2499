#!/bin/bash
# What Spark's own scripts spark-submit and spark-class do: the launcher, which is in Spark's jars,
# prints the command, and it takes the place of this script. The first word is empty, the second
# begins with an end of line.
export SPARK_SCALA_VERSION=2.13
mapfile -d '' command < <(
  java -Xmx128m -cp "$SPARK_HOME/jars/*" org.apache.spark.launcher.Main org.apache.spark.deploy.SparkSubmit "$@"
)
exec "${command[1]#$'\n'}" "${command[@]:2}"
