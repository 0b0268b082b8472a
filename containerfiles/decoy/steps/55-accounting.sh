# wtmp, btmp, utmp and lastlog, for last, lastb, who and w.

# records [AWK OPTION...]: binary from lines on stdin.
records() {
    awk "$@" -f "$HERE/generate/utmp.awk" | while read -r record; do
        printf '%b' "$record"
    done
}

# The kernel is the host's, so the last boot is too.
BOOTED=$((NOW - $(cut -d. -f1 /proc/uptime 2>/dev/null || echo 4000000)))

boot() {
    echo "$1 2 0 ~ ~~ reboot $KERNEL $1 -"
    echo "$(($1 + 21)) 1 53 ~ ~~ runlevel $KERNEL $(($1 + 21)) -"
}

terminals() {
    awk '$7 != "exec" {
        print $1, 7, $5, "pts/0", "ts/0", $2, $3, $1, $3
        print $1 + $6, 8, $5, "pts/0", "-", "-", "-", $1 + $6, "-"
    }' "$WORK/logins"
}

guesses() {
    awk '$2 == "auth" && /Failed password/ {
        user = $0; sub(/.*Failed password for (invalid user )?/, "", user); sub(/ .*/, "", user)
        address = $0; sub(/.* from /, "", address); sub(/ .*/, "", address)
        pid = $3; gsub(/[^0-9]/, "", pid)
        print int($1), 6, pid, "ssh:notty", "-", user, address, int($1), address
    }' "$WORK/messages"
}

in_order() { sort -n | cut -d' ' -f2-; }

restart() {
    [ "$BOOTED" -gt "$SINCE" ] || return 0
    echo "$((BOOTED - 14)) 1 0 ~ ~~ shutdown $KERNEL $((BOOTED - 14)) -"
    boot "$BOOTED"
}

{
    terminals
    restart
} | in_order | records >/var/log/wtmp
guesses | in_order | records >/var/log/btmp
boot "$BOOTED" | in_order | records >/run/utmp
: >/var/log/faillog
: >/var/log/lastlog
for user in root "$ADMIN" "$DEPLOY"; do
    uid=$(id -u "$user" 2>/dev/null) || continue
    awk -v user="$user" '$2 == user { last = $1 " " $3 " " $7 }
        END { if (last != "") { split(last, f, " "); print 0, 0, f[3] == "exec" ? "-" : "pts/0", "-", "-", f[2], f[1], "-" } }' "$WORK/logins" |
        records -v lastlog=1 | dd of=/var/log/lastlog bs=292 seek="$uid" conv=notrunc 2>/dev/null
done
chown root:utmp /var/log/wtmp /var/log/btmp /var/log/lastlog /run/utmp 2>/dev/null || true
chmod 664 /var/log/wtmp /var/log/lastlog /run/utmp
chmod 660 /var/log/btmp
dated "$(tail -n 1 "$WORK/logins" | cut -d' ' -f1 | grep . || echo "$RECENT")" /var/log/wtmp /var/log/lastlog
dated "$INSTALLED" /var/log/faillog
# From Debian 13 on last reads a database.
if have wtmpdb; then
    wtmpdb import /var/log/wtmp >/dev/null 2>&1 || note 'the logins are not in wtmpdb'
    for file in /var/log/wtmp.db /var/lib/wtmpdb/wtmp.db; do
        [ ! -e "$file" ] || dated "$RECENT" "$file"
    done
fi
