# The user that runs everything, and its podman.
# shellcheck shell=bash

sub_ids=65536

# Visitors see the graph root's path in /proc/mounts: it must not say what runs here.
store=vps

home_of() { getent passwd "$1" | cut -d: -f6; }

# make_account USER HOME
make_account() {
  local user=$1 home=$2
  if ! getent passwd "$user" >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir "$home" --shell /usr/sbin/nologin "$user"
    say "account: made the user $user"
  elif [[ $(home_of "$user") != "$home" ]]; then
    die "there is a user $user already, whose home is not $home: rename that user first"
  fi
  install -d -m 0700 -o "$user" -g "$user" "$home"
}

# has_sub_ids USER: one whole range, as mmdebstrap wants it.
has_sub_ids() {
  local file
  for file in /etc/subuid /etc/subgid; do
    [[ -r $file ]] || return
    awk -F: -v name="$1" -v id="$(id -u "$1")" -v needed="$sub_ids" \
      '($1 == name || $1 == id) && $3 >= needed { found = 1 } END { exit !found }' "$file" || return
  done
}

first_free_sub_id() {
  cat /etc/subuid /etc/subgid |
    awk -F: 'BEGIN { free = 100000 } $2 + $3 > free { free = $2 + $3 } END { print free }'
}

give_sub_ids() {
  local user=$1 first range
  if has_sub_ids "$user"; then return; fi
  need_root "to give the user $user $sub_ids sub-ids in /etc/subuid and /etc/subgid"
  as_root touch /etc/subuid /etc/subgid
  first=$(first_free_sub_id)
  range=$first-$((first + sub_ids - 1))
  quietly "could not give $user sub-ids: add the line $user:$first:$sub_ids to /etc/subuid and /etc/subgid" \
    as_root usermod --add-subuids "$range" --add-subgids "$range" "$user"
  say "account: gave $user the sub-ids $range"
}

# Keeps the user's own systemd, which delegates cgroups to podman, running without a login.
let_linger() {
  if ! systemd_runs; then return; fi
  quietly "could not keep $1's systemd running: see loginctl enable-linger $1" loginctl enable-linger "$1"
  quietly "could not start $1's systemd: see systemctl status user@$(id -u "$1").service" \
    systemctl start "user@$(id -u "$1").service"
}

storage_conf() { printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\n' "$1"; }

containers_conf() { printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'; }

# set_up_podman USER: for an account that is ours alone.
set_up_podman() {
  local user=$1 uid config graph_root
  uid=$(id -u "$user")
  config=$(home_of "$user")/.config/containers
  graph_root=/var/lib/$store/$uid
  install -d -m 0711 "/var/lib/$store"
  install -d -m 0711 -o "$user" -g "$user" "$graph_root"
  install -d -m 0700 -o "$user" -g "$user" "${config%/*}" "$config"
  install -m 0644 <(
    storage_conf "$graph_root"
    echo "runroot = \"/run/user/$uid/$store\""
  ) "$config/storage.conf"
  if systemd_runs; then
    rm -f "$config/containers.conf"
  else
    install -m 0644 <(containers_conf) "$config/containers.conf"
  fi
}

# An ordinary user may have a podman of his own, which is not ours to move.
set_up_own_podman() {
  local config=${XDG_CONFIG_HOME:-$HOME/.config}/containers data=${XDG_DATA_HOME:-$HOME/.local/share}
  if [[ -e $config/storage.conf ]]; then return; fi
  if [[ -d $data/containers/storage/vfs ]]; then
    say "podman: your storage uses the slow vfs driver; podman system reset, then this again, gives overlay"
  elif [[ ! -d $data/containers/storage ]]; then
    mkdir -p "$config" "$data/$store"
    storage_conf "$data/$store" >"$config/storage.conf"
    say "podman: wrote $config/storage.conf"
  fi
}

# processes_of USER: living ones, those inside its containers included.
processes_of() {
  local first
  first=$(awk -F: -v name="$1" '$1 == name { print $2; exit }' /etc/subuid)
  # grep fails when a process ends while it looks: that one needs no ending.
  { grep -HE '^(State|Uid):' /proc/[0-9]*/status 2>/dev/null || true; } |
    awk -F'[/:\t ]+' -v uid="$(id -u "$1")" -v first="${first:-0}" -v count="$sub_ids" '
      $5 == "State" { dead = $6 == "Z" || $6 == "X" }
      $5 == "Uid" && !dead && ($6 == uid || (first && $6 >= first && $6 < first + count)) { print $3 }'
}

end_processes_of() {
  local pids
  for _ in {1..50}; do
    pids=$(processes_of "$1")
    [[ $pids ]] || return 0
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    sleep 0.1
  done
  die "processes of the user $1 do not end: ${pids//$'\n'/ }"
}

# clear_account USER: ends what a run leaves, an earlier one that was killed included: processes,
# namespaces and containers.
clear_account() {
  local uid
  uid=$(id -u "$1")
  if systemd_runs; then systemctl stop "user@$uid.service" "user-runtime-dir@$uid.service"; fi
  end_processes_of "$1"
  systemd_runs || rm -rf "/run/user/$uid"
}
