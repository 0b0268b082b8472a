# Progress with times, and errors of one sentence.
# shellcheck shell=bash

microseconds() { echo "${EPOCHREALTIME/[.,]/}"; }

started=$(microseconds)

# seconds_since MICROSECONDS: with one decimal.
seconds_since() {
  local tenths=$((($(microseconds) - $1) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

say() { printf '[%5s s] %s\n' "$(seconds_since "$started")" "$*"; }

die() {
  printf '%s: %s\n' "scripts/${0##*/}" "$*" >&2
  exit 1
}

# quietly SENTENCE COMMAND...: shows the last lines of what the command said, and the sentence, only if it fails.
quietly() {
  local sentence=$1 log
  log=$(mktemp)
  shift
  if "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return
  fi
  tail -n 15 "$log" >&2
  rm -f "$log"
  die "$sentence"
}

is_root() { ((EUID == 0)); }

# need_root REASON: says what sudo is about to be used for.
need_root() {
  is_root && return
  command -v sudo >/dev/null || die "root is needed $1, and there is no sudo here: run this as root"
  say "sudo: $1"
  sudo true || die "sudo refused, and root is needed $1: run this as root"
}

as_root() {
  if is_root; then "$@"; else sudo "$@"; fi
}
