# What the distribution provides.
# shellcheck shell=bash

# Sets `manager` to apt or dnf.
recognize_distribution() {
  local ID='' ID_LIKE='' VERSION_ID='' PRETTY_NAME='an unknown system'
  # shellcheck disable=SC1091
  [[ ! -r /etc/os-release ]] || . /etc/os-release
  local supported='Debian 12 or newer, Ubuntu 24.04 or newer, and Fedora'
  case "$ID:$VERSION_ID" in
    debian:[0-9] | debian:1[01] | ubuntu:1* | ubuntu:2[0-3]*)
      die "$PRETTY_NAME is too old: use one of $supported"
      ;;
  esac
  case " $ID $ID_LIKE " in
    *' debian '* | *' ubuntu '*) manager=apt ;;
    *' fedora '*) manager=dnf ;;
    *) die "$PRETTY_NAME is not supported: use one of $supported" ;;
  esac
}

runtime_packages() {
  echo podman crun catatonit fuse-overlayfs mmdebstrap python3 ca-certificates
  case $manager in
    apt) echo gcc libc6-dev uidmap python3-venv ;;
    dnf) echo gcc glibc-devel glibc-static shadow-utils apt debian-keyring ;;
  esac
  if systemd_runs && [[ $manager == apt ]]; then echo dbus-user-session libpam-systemd; fi
}

test_packages() {
  echo tmux git sshpass openssh-server
  case $manager in
    apt) echo openssh-client busybox-static qemu-system-x86 qemu-utils e2fsprogs debian-archive-keyring ;;
    dnf) echo openssh-clients busybox qemu-system-x86-core qemu-img e2fsprogs ;;
  esac
}

is_installed() {
  case $manager in
    apt) [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]] ;;
    dnf) rpm --query --whatprovides "$1" >/dev/null 2>&1 ;;
  esac
}

# The benchmark wants sshd's program; the machine's owner has not asked for its service.
keep_sshd_down() {
  if ! systemd_runs || is_installed openssh-server; then return; fi
  need_root 'to keep the SSH server of the test packages from starting'
  as_root systemctl --quiet mask ssh.service ssh.socket
}

proxy_settings() {
  local name
  for name in $(compgen -e); do
    if [[ $name == *_proxy || $name == *_PROXY ]]; then echo "$name=${!name}"; fi
  done
}

# An update that fails for another repository's sake does not matter if the install succeeds.
apt_install() {
  local proxies apt
  mapfile -t proxies < <(proxy_settings)
  apt=(env "${proxies[@]}" DEBIAN_FRONTEND=noninteractive apt-get --quiet -o DPkg::Lock::Timeout=300)
  as_root "${apt[@]}" update || true
  as_root "${apt[@]}" install --yes --no-install-recommends "$@"
}

dnf_install() {
  local proxies
  mapfile -t proxies < <(proxy_settings)
  as_root env "${proxies[@]}" dnf --assumeyes --setopt=install_weak_deps=False install "$@"
}

install_packages() {
  local package missing=()
  for package; do
    is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say 'packages: nothing is missing'
    return
  fi
  need_root "to install the packages ${missing[*]}"
  say "packages: installing ${missing[*]}"
  quietly "could not install ${missing[*]}: the lines above are $manager's; see to the network and the package sources, then run this again" \
    "${manager}_install" "${missing[@]}"
  say "packages: installed ${missing[*]}"
}
