#!/bin/sh
# setup.sh ROOT: makes a machine of the tree in ROOT. KEY is the public key that lets root and
# hermes in.
set -eu

root=$1

let_in() {
  chroot "$root" install -d -m 0700 -o "$1" -g "$1" "$2/.ssh"
  echo "$KEY" >"$root$2/.ssh/authorized_keys"
  chroot "$root" chown "$1:$1" "$2/.ssh/authorized_keys"
}

echo trap >"$root/etc/hostname"
echo '127.0.0.1 localhost trap' >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
: >"$root/etc/machine-id"

# With a shell, unlike that of scripts/up: the suite comes in as this user.
chroot "$root" useradd --create-home --home-dir /var/lib/hermes --shell /bin/bash hermes
mkdir -p "$root/var/lib/systemd/linger"
: >"$root/var/lib/systemd/linger/hermes"
let_in root /root
let_in hermes /var/lib/hermes

printf '[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n' >"$root/etc/systemd/network/10-wired.network"
chroot "$root" systemctl --quiet enable systemd-networkd.service ssh.service
# They would find work on every boot, and the network that they wait for leads nowhere.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer \
  systemd-networkd-wait-online.service serial-getty@ttyS0.service
mkdir -p "$root/var/log/journal"
