#!/bin/sh
# Makes a root file system into one machine with a past.
#
#   furnish.sh             in the root itself (chroot, or RUN of a build)
#   furnish.sh identity D  only what a container engine mounts over while it builds, under D
#
# SEED decides every name, key and password; the same seed gives the same machine.
# NOW is the end of its past, in seconds. DECOY_HOSTNAME and DECOY_ADDRESS are who it is.
# A system that lacks a tool is furnished without what needs it.
set -eu
umask 022
export LC_ALL=C TZ=UTC DEBIAN_FRONTEND=noninteractive

HERE=$(cd "$(dirname "$0")" && pwd)
: "${SEED:?names the decoy; any long random text}"
: "${NOW:=$(date +%s)}"
HOST=${DECOY_HOSTNAME:-web-02}
ADDRESS=${DECOY_ADDRESS:-10.20.0.15}
mkdir -p /tmp
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
SUBSTITUTIONS=$WORK/substitutions

. "$HERE/lib.sh"
. "$HERE/values.sh"
# shellcheck disable=SC2086
substitutions $FIELDS >"$SUBSTITUTIONS"

if [ "${1:-}" = identity ]; then
    plant "$HERE/trees/identity" "$2"
    dated "$INSTALLED" "$2"/etc/* "$2"/etc
    exit 0
fi
# Who knows what a derived image lacks: there a command that fails is passed over.
[ "${IDENTITY:-here}" = here ] || set +e
for step in "$HERE"/steps/*.sh; do
    note "$(basename "$step" .sh)"
    . "$step"
done
