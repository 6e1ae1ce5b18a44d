# PID 1 of a Bash box: runs one skill as a child process.
#
# Protocol: skillbox_executor/sandbox/frames.py. POSIX sh with the usual tools; GNU and busybox
# both do. A shell cannot tell exit status 128+N from death by signal N, so it always reports
# an exit code. Its relays are processes of the skill's user: a skill that kills them loses
# its output, and one that fills the process limit may.

fault() {
  echo "runner: $1" >&2
  exit 70
}

# Reads a length of ten digits from stdin into $number.
take_number() {
  number=$(dd bs=1 count=10 2>/dev/null)
  case $number in
    *[!0-9]*) fault "a length is not ten digits" ;;
    ??????????) ;;
    *) fault "stdin ended in the middle of a payload" ;;
  esac
  number=${number#"${number%%[!0]*}"}
  number=${number:-0}
}

# Relays stdin as frames of type $1, each under the lock on descriptor $2, until it ends.
# A frame begins with its length, so each piece lies in an unlinked file for a moment.
relay() {
  chunk=/root/.skillbox-$1 # for the skill has other places to fill
  exec 3<>"$chunk"
  rm "$chunk"
  while :; do
    case $(LC_ALL=C dd bs=65536 count=1 of=/proc/self/fd/3 2>&1) in
      "0+0 records in"*) exit ;;
    esac
    size=$(wc -c </proc/self/fd/3)
    flock "$2"
    # In one process, so that there is no half of a frame when there is no room for another.
    (printf '%s%010d' "$1" "$size" && exec head -c "$size" /proc/self/fd/3)
    flock -u "$2"
  done
}

# Sends signal $1 to everything but this shell, its relays and their children, and to nothing
# whose state is one of $2. Fails when there is nothing more to do. Uses builtins only: there may
# be no room for another process.
sweep() {
  found=1
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/} parent='' state=''
    while read -r key value _; do
      case $key in
        State:) state=$value ;;
        PPid:) parent=$value && break ;;
      esac
    done 2>/dev/null <"$folder/status"
    case " 1 $relays " in *" $pid "*) continue ;; esac
    case " $relays " in *" ${parent:-gone} "*) continue ;; esac
    case $2 in *"${state:-Z}"*) continue ;; esac
    kill -s "$1" "$pid" || continue
    # What waits in the kernel is stopped when it comes back from there. It may never do so, if it
    # has begun a vfork and the new process is stopped by now.
    case $1$state in STOPD) ;; *) found=0 ;; esac
  done
  return $found
}

# Sends a tar of out/ and sets $truncated.
send_result() {
  truncated=false
  if [ -L out ] || [ ! -d out ]; then rm -rf out && mkdir out; fi
  chmod -R u+rwX out
  # A second name of a file would come as a link.
  # shellcheck disable=SC2016 # for the inner shell
  find out -type f -links +1 -exec sh -c '
    for name; do cp -p "$name" out/.skillbox && mv -f out/.skillbox "$name"; done' sh {} +
  # Tar cannot show a socket.
  if [ -S out/output.json ]; then rm out/output.json && mkfifo out/output.json; fi
  set -- find out -mindepth 1 ! -path out/output.json
  "$@" ! -type f ! -type d -exec rm -f {} +
  # So large are files with holes alone, which tar would write out.
  if [ "$("$@" -type f -size +1048576k -print -exec rm -f {} +)" ]; then truncated=true; fi
  if [ "$("$@" -type f -print0 | tr -dc '\000' | wc -c)" -gt "$max_files" ]; then
    truncated=true
    # File names may hold newlines, so these and the NULs between the names swap places.
    "$@" -type f -print0 | tr '\n\000' '\000\n' | tail -n +$((max_files + 1)) |
      tr '\n\000' '\000\n' | xargs -0 rm -f --
  fi
  left=$(tar -cf - -C out . | wc -c)
  tar -cf - -C out . | while [ "$left" -gt 0 ]; do
    size=$((left < 1048576 ? left : 1048576))
    printf 'r%010d' "$size"
    dd bs="$size" count=1 iflag=fullblock
    left=$((left - size))
  done
}

[ $$ -eq 1 ] || fault "the runner must be PID 1"
# The only signal that this shell would take from the skill. A trap, unlike ignoring it, does
# not pass on to the skill.
trap : INT
# Pipes for stdout (4 reads, 5 writes) and stderr (6, 7), and one lock opened twice (8, 9).
mkfifo /tmp/.skillbox-out /tmp/.skillbox-err
exec 3<>/tmp/.skillbox-out 4</tmp/.skillbox-out 5>/tmp/.skillbox-out
exec 3<>/tmp/.skillbox-err 6</tmp/.skillbox-err 7>/tmp/.skillbox-err 3>&-
exec 8>/tmp/.skillbox-lock 9>/tmp/.skillbox-lock
rm /tmp/.skillbox-out /tmp/.skillbox-err /tmp/.skillbox-lock
# With `exec`, because a redirected function keeps copies of what it seems to close.
(exec <&4 4<&- 5>&- 6<&- 7>&- 9>&- 2>/dev/null && relay o 8) &
relays=$!
(exec <&6 4<&- 5>&- 6<&- 7>&- 8>&- 2>/dev/null && relay e 9) &
relays="$relays $!"
exec 4<&- 6<&- 8>&- 9>&-

printf 'h%010d' 0
take_number
header=$(dd bs="$number" count=1 iflag=fullblock 2>/dev/null)
eval "set -- $header"
[ "${1:-}" = 1 ] || fault "unknown protocol"
max_files=$2
shift 2
# Turns VARIABLE… -- SCRIPT ARG… into VARIABLE… bash -- SCRIPT ARG…
interpreter='bash'
for word; do
  shift
  if [ "$word" = -- ] && [ -n "$interpreter" ]; then
    set -- "$@" "$interpreter" --
    interpreter=''
  else
    set -- "$@" "$word"
  fi
done
take_number
dd bs=10240 count=$((number / 10240)) iflag=fullblock 2>/dev/null | tar -xf - ||
  fault "the tar cannot be unpacked"
mkdir -p out/files
# From here on there are no faults, but tools that complain about what the skill does.
exec 2>/dev/null
# When the executor hangs up, everything here is killed but PID 1, which then has nothing to wait
# for. Its stdin is a copy, because that of what runs in the background is empty.
exec 3<&0
(while read -r _; do :; done <&3 && kill -s KILL -- -1) 5>&- 7>&- &
exec 3<&-

(
  # Out of memory, the skill dies, not the runner that reports it.
  echo 1000 >/proc/self/oom_score_adj
  exec setsid env -- PYTHONUNBUFFERED=1 "$@"
) </dev/null >&5 2>&7 5>&- 7>&-
code=$?
# Stopped first: what is stopped keeps its place, so that a fork bomb runs out of room.
while sweep STOP TtZX; do :; done
while sweep KILL ZX; do :; done
exec 5>&- 7>&-
# shellcheck disable=SC2086 # two words
wait $relays
send_result
end="{\"exit_code\":$code,\"signal\":null,\"truncated\":$truncated}"
printf 'x%010d%s' "${#end}" "$end"
