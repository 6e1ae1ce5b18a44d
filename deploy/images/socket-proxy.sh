#!/bin/sh
# Renders the proxy for the settings that it shares with its Executors, then serves.
set -eu
folder=/tmp/socket-proxy

set -- --to "$folder" --listen ":2375" --owner "$SKILLBOX_EXECUTOR_ID"
[ -z "${SKILLBOX_IMAGE_ALLOWLIST:-}" ] || set -- "$@" --images "$SKILLBOX_IMAGE_ALLOWLIST"
[ -z "${SKILLBOX_MAX_MEMORY:-}" ] || set -- "$@" --max-memory "$SKILLBOX_MAX_MEMORY"
[ -z "${SKILLBOX_MAX_CPU:-}" ] || set -- "$@" --max-cpus "$SKILLBOX_MAX_CPU"
[ -z "${SKILLBOX_MAX_TIMEOUT:-}" ] || set -- "$@" --max-timeout "$SKILLBOX_MAX_TIMEOUT"
[ -z "${SKILLBOX_BUILDER_MEMORY:-}" ] || set -- "$@" --builder-memory "$SKILLBOX_BUILDER_MEMORY"
# Boxes with a network are made at this listener, or not at all.
[ "${SKILLBOX_DEPENDENCIES:-}" != on ] || set -- "$@" --builder-listen ":2376"
set -- "$@" --runtimes "${SKILLBOX_OCI_RUNTIME:-runc}${SKILLBOX_OCI_RUNTIMES:+,$SKILLBOX_OCI_RUNTIMES}"

python -m skillbox_executor.sandbox.proxy render "$@"
exec haproxy -W -db -f "$folder/haproxy.cfg"
