#!/bin/sh
# Serves /data over S3 with the keys from two files.
set -eu
# A variable, not a flag, which everybody who may list processes would read.
RCLONE_AUTH_KEY="$(cat "$SKILLBOX_S3_ACCESS_KEY_FILE"),$(cat "$SKILLBOX_S3_SECRET_KEY_FILE")"
export RCLONE_AUTH_KEY
# Not a list of two keys: the value is a line of CSV.
RCLONE_AUTH_KEY="\"$RCLONE_AUTH_KEY\""
exec rclone serve s3 --addr :9000 --config= --cache-dir /tmp --log-level NOTICE /data
