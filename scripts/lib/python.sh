# Virtual environments, rebuilt only when what they hold has changed.
# shellcheck shell=bash

# Sets `python` to the distribution's own: a version manager's may lie in a home that the service user cannot read.
find_python() {
  for python in /usr/bin/python3 /usr/bin/python3.1{3,2,1}; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      return
    fi
  done
  die "no Python 3.11 or newer with venv in /usr/bin: install python3.11 and python3.11-venv or newer"
}

# Root may read a checkout that belongs to someone else.
checkout_git() { git -C "$checkout" -c safe.directory='*' -c core.fsmonitor=false "$@"; }

list_files() {
  if checkout_git rev-parse >/dev/null 2>&1; then
    checkout_git ls-files --cached --others --exclude-standard -z
  else
    (cd "$checkout" && find . -name '.*cache' -prune -o -name __pycache__ -prune -o ! -type d -print0)
  fi
}

# The checkout's files, each ended by a zero byte; tracked ones that were removed are left out.
source_files() {
  local file
  list_files | LC_ALL=C sort --zero-terminated --unique | while IFS= read -r -d '' file; do
    if [[ -e $checkout/$file || -L $checkout/$file ]]; then printf '%s\0' "$file"; fi
  done
}

checkout_hash() {
  (cd "$checkout" && source_files | xargs -0 sha256sum) | sha256sum | cut -d' ' -f1
}

# make_environment DIRECTORY HASH COMMAND...: COMMAND fills it.
make_environment() {
  local directory=$1 python version key
  find_python
  version=$("$python" --version)
  key="$version $2"
  shift 2
  if [[ -r $directory/made-from && $(<"$directory/made-from") == "$key" ]]; then
    say "python: $directory is up to date"
    return
  fi
  rm -f "$directory/made-from"
  if [[ $("$directory/bin/python" --version 2>/dev/null) != "$version" ]]; then
    quietly "could not make the virtual environment $directory: the lines above say why" \
      "$python" -m venv --clear "$directory"
  fi
  quietly "could not install the Python packages: the lines above are pip's; see to the network, then run this again" "$@"
  echo "$key" >"$directory/made-from"
  say "python: made $directory with $version"
}

# pip_install DIRECTORY ARGUMENT...
pip_install() { "$1/bin/python" -m pip --disable-pip-version-check --no-input install "${@:2}"; }
