#!/bin/bash
# What is no part of Spark on Kubernetes the image `apache/spark` runs as it is.
exec "$@"
