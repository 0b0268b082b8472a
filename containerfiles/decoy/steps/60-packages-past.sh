# When each package came here: dpkg.log, apt's history and the times under /var/lib/dpkg.

known_packages() {
    dpkg-query -W -f='${Package}:${Architecture} ${Version}\n' | while read -r package version; do
        name=${package%:*}
        set -- "/usr/share/doc/$name"/changelog*.gz
        [ -e "$1" ] || set -- "/var/lib/dpkg/info/$name.md5sums" /etc/os-release
        [ -e "$1" ] || set -- /etc/os-release
        echo "$package $version $(stat -L -c %Y "$1")"
    done
}

dpkg_log() {
    awk '{
        stamp = strftime("%Y-%m-%d %H:%M:%S", $1)
        head = $1 ".0 " stamp
        if (day != $1) { print head, "startup archives unpack"; day = $1 }
        print head, $2, $3, $4, $5
        if ($2 == "upgrade") {
            print head, "status half-configured", $3, $4
            print head, "status unpacked", $3, $4
            print head, "status half-installed", $3, $4
        } else
            print head, "status half-installed", $3, $5
        print head, "status unpacked", $3, $5
        print head, "configure", $3, $5, "<none>"
        print head, "status half-configured", $3, $5
        print head, "status installed", $3, $5
    }' "$WORK/upgrades"
}

apt_history() {
    awk '
    function close_run() {
        if (run == "") return
        print run ".0 "
        print run ".0 Start-Date: " strftime("%Y-%m-%d  %H:%M:%S", run)
        print run ".0 Commandline: apt-get -y upgrade"
        print run ".0 Upgrade: " list
        print run ".0 End-Date: " strftime("%Y-%m-%d  %H:%M:%S", run + 9)
    }
    $2 == "upgrade" {
        if ($1 != run) { close_run(); run = $1; list = "" }
        list = list (list == "" ? "" : ", ") $3 " (" $4 ", " $5 ")"
    }
    END { close_run() }' "$WORK/upgrades"
}

# The times of dpkg's own files, a command for each moment instead of one for each file.
info_times() {
    awk '{ name = $3; sub(/:.*/, "", name); print $1, name, $3 }' "$WORK/upgrades" | while read -r when name full; do
        for file in "/var/lib/dpkg/info/$name".* "/var/lib/dpkg/info/$full".*; do
            [ ! -e "$file" ] || echo "$when $file"
        done
    done | sort | awk '
        $1 != when { if (NR > 1) print ""; printf "%s", strftime("%Y%m%d%H%M.%S", $1); when = $1 }
        { printf " %s", $2 }
        END { print "" }' | while read -r moment files; do
        # shellcheck disable=SC2086
        touch -t "$moment" $files
    done
}

if have dpkg-query; then
    FIRST_OF_MONTH=$(date -u -d "$(stamp "$NOW" %Y-%m-01)" +%s)
    known_packages >"$WORK/packages"
    awk -v installed="$INSTALLED" -v newest="$RECENT" -f "$HERE/generate/upgrades.awk" "$WORK/packages" |
        sort -n >"$WORK/upgrades"
    LAST_UPGRADE=$(tail -n 1 "$WORK/upgrades" | cut -d' ' -f1)
    dpkg_log | rotated /var/log/dpkg.log "$FIRST_OF_MONTH" month 12 plain root:root
    mkdir -p /var/log/apt
    apt_history | rotated /var/log/apt/history.log "$FIRST_OF_MONTH" month 12 plain root:root
    : >/var/log/apt/term.log
    rm -f /var/log/apt/eipp.log.xz /var/log/alternatives.log
    chmod 644 /var/log/dpkg.log* /var/log/apt/history.log*
    owned root:adm /var/log/apt/term.log
    dated "$LAST_UPGRADE" /var/log/dpkg.log /var/log/apt/history.log /var/log/apt/term.log /var/log/apt
    info_times
    cp /var/lib/dpkg/status /var/backups/dpkg.status.0
    for file in /var/lib/dpkg/status /var/lib/dpkg/status-old /var/backups/dpkg.status.0 /var/lib/dpkg/info \
        /var/lib/dpkg /var/lib/dpkg/triggers /var/lib/apt/extended_states /etc/ld.so.cache; do
        [ ! -e "$file" ] || dated "$LAST_UPGRADE" "$file"
    done
fi
