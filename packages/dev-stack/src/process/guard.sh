# Runs a command so that it cannot outlive the process that asked for it, however that one ends.
#
#   sh guard.sh SIGNAL GRACE_SECONDS COMMAND...
#
# Descriptor 3 is the read end of a pipe whose write end only the owner holds. When the owner is gone the
# pipe ends, and the watcher sends SIGNAL to the command and SIGKILL after the grace period. A line on the
# pipe releases the watcher: the owner has seen the command end, and its pid may be somebody else's by now.
#
# The command replaces this shell, so the pid that the owner knows is the command's own.

signal=$1
grace_seconds=$2
shift 2
guarded=$$

children() {
  cat "/proc/$guarded/task/$guarded/children" 2>/dev/null || pgrep -P "$guarded"
}

# The inner subshell is forked twice, so that it is no child of the command: Postgres logs children that it
# does not know, and would never reap this one.
(
  {
    trap '' HUP INT QUIT TERM
    read -r word <&3 && exit 0
    kill -s "$signal" "$guarded"
    # A frozen process takes no signal but KILL until it is woken.
    kill -s CONT "$guarded" $(children)
    waited=0
    while kill -0 "$guarded" && [ "$waited" -lt "$grace_seconds" ]; do
      sleep 1
      waited=$((waited + 1))
    done
    kill -0 "$guarded" && kill -s KILL $(children) "$guarded"
  } </dev/null >/dev/null 2>&1 &
)

exec 3<&-
exec "$@"
