# What scripts/up, scripts/test and scripts/bench share.
# shellcheck shell=bash disable=SC1091

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

umask 022

. "$checkout/scripts/enter"
for part in report packages account python install; do
  # shellcheck disable=SC1090
  . "$checkout/scripts/lib/$part.sh"
done

set -o errtrace
trap 'die "line $LINENO of ${BASH_SOURCE[0]##*/} failed: $BASH_COMMAND"' ERR

warn_of_missing_limits() {
  local reason
  if ! cgroups_are_unified; then
    reason='mounts cgroup version 1'
  elif ! systemd_runs; then
    reason='has no systemd to delegate cgroups'
  else
    return 0
  fi
  say "cgroups: this machine $reason, so resource limits are not enforced here; hermes listens on loopback only"
}

explain_sudo_for_cgroups() {
  if cgroups_are_unified; then return; fi
  need_root 'whenever hermes starts, to mount cgroup version 2 for it (this machine mounts version 1)'
}
