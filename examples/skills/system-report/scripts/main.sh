#!/bin/bash
# Reports what the sandbox looks like from inside.

set -euo pipefail

sections=(kernel processors memory disks user)
report="$SANDBOX_FILES_DIR/report.txt"

# Prints a text as a JSON string.
json_string() {
  local text=$1 result='' char code i
  for ((i = 0; i < ${#text}; i++)); do
    char=${text:i:1}
    case $char in
      '"' | "\\") result+="\\$char" ;;
      [[:cntrl:]])
        printf -v code '\\u%04x' "'$char"
        result+=$code
        ;;
      *) result+=$char ;;
    esac
  done
  printf '"%s"' "$result"
}

# Adds a line to the report for people.
tell() {
  printf '%-12s %s\n' "$1" "$2" >>"$report"
}

kernel() {
  local name release machine
  name=$(uname -s) release=$(uname -r) machine=$(uname -m)
  tell kernel "$name $release $machine"
  printf '{"name":%s,"release":%s,"machine":%s}' \
    "$(json_string "$name")" "$(json_string "$release")" "$(json_string "$machine")"
}

processors() {
  local count
  count=$(nproc)
  tell processors "$count"
  printf '{"count":%d}' "$count"
}

memory() {
  local name value rest total=0 available=0
  while read -r name value rest; do
    case $name in
      MemTotal:) total=$value ;;
      MemAvailable:) available=$value ;;
    esac
  done </proc/meminfo
  tell memory "$total KiB, $available KiB available"
  printf '{"total_kib":%d,"available_kib":%d}' "$total" "$available"
}

disks() {
  local mount line size free separator=''
  printf '['
  for mount in / /tmp "$PWD"; do
    line=$(df -kP "$mount" | tail -n 1)
    read -r _ size _ free _ <<<"$line"
    tell disk "$mount: $size KiB, $free KiB free"
    printf '%s{"mount":%s,"size_kib":%d,"free_kib":%d}' \
      "$separator" "$(json_string "$mount")" "$size" "$free"
    separator=,
  done
  printf ']'
}

user() {
  local uid gid
  uid=$(id -u) gid=$(id -g)
  tell user "$uid:$gid, home $HOME"
  printf '{"uid":%d,"gid":%d,"home":%s}' "$uid" "$gid" "$(json_string "$HOME")"
}

wanted=("$@")
if ((${#wanted[@]} == 0)); then
  wanted=("${sections[@]}")
fi
for section in "${wanted[@]}"; do
  if [[ " ${sections[*]} " != *" $section "* || -z $section ]]; then
    echo "error: unknown section: $section (there are: ${sections[*]})" >&2
    exit 1
  fi
done

: >"$report"
output='' separator='{'
for section in "${wanted[@]}"; do
  echo "Looking at $section"
  output+="$separator\"$section\":$("$section")"
  separator=,
done
printf '%s}' "$output" >"$SANDBOX_OUTPUT"
echo "Wrote ${report##*/}"
