#!/bin/bash
# Counts slowly.

set -euo pipefail

last=${1:-3}
if [[ ! $last =~ ^[0-9]{1,4}$ ]]; then
  echo "error: expected a number from 0 to 9999, got: $last" >&2
  exit 1
fi
for ((number = 1; number <= 10#$last; number++)); do
  echo "$number"
  sleep 0.2
done
printf '{"counted":%d}' "$((10#$last))" >"$SANDBOX_OUTPUT"
