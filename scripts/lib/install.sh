# What stays on the machine beside the virtual environment.
# shellcheck shell=bash

launcher_mark='# Made by scripts/up of Hermes.'

# Apart from ~/.local/share/hermes, the evidence: either can be removed without the other.
own_prefix() { echo "$HOME/.local/lib/hermes"; }

# install_enter DIRECTORY
install_enter() {
  mkdir -p "$1"
  install -m 0755 "$checkout/scripts/enter" "$1/enter"
}

# keep_or_copy SOURCE TARGET [INSTALL OPTION...]
keep_or_copy() {
  if [[ -e $2 ]]; then return; fi
  install -m 0640 "${@:3}" "$1" "$2"
  say "configuration: wrote $2"
}

# install_configuration DIRECTORY [INSTALL OPTION...]
install_configuration() {
  install -d -m 0750 "${@:2}" "$1"
  keep_or_copy "$checkout/hermes.env" "$1/hermes.env" "${@:2}"
  keep_or_copy "$checkout/hermes/data/userdb.txt" "$1/userdb.txt" "${@:2}"
}

# install_launcher FILE PREFIX USER
install_launcher() {
  if [[ -e $1 ]] && ! grep -qF "$launcher_mark" "$1"; then
    die "$1 is another program: move it away, then run this again"
  fi
  mkdir -p "${1%/*}"
  install -m 0755 <(
    printf '#!/bin/sh\n%s\nexec %q %q %q "$@"\n' "$launcher_mark" "$2/enter" "$3" "$2/venv/bin/hermes"
  ) "$1"
  case ":$PATH:" in
    *":${1%/*}:"*) ;;
    *) say "launcher: ${1%/*} is not on your PATH; call $1, or add it" ;;
  esac
}
