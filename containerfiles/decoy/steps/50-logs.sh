# The logs of the last weeks: every file tells of the same logins, nights and visitors.

WEEK=$((7 * DAY))
SUNDAY=$(((NOW / DAY - (NOW / DAY + 4) % 7) * DAY))
MIDNIGHT=$((NOW / DAY * DAY))
SINCE=$((SUNDAY - 4 * WEEK))
[ "$SINCE" -gt "$INSTALLED" ] || SINCE=$INSTALLED
STYLE=iso
case $CODENAME in jammy | bullseye) STYLE=bsd ;; esac

# owned OWNER FILE...: and readable by the group adm, as on Debian.
owned() {
    owned_by=$1
    shift
    chown "$owned_by" "$@" 2>/dev/null || true
    chmod 640 "$@"
}

# before EPOCH STEP: when the rotation before this one was.
before() {
    case $2 in
    month) date -u -d "$(stamp $(($1 - DAY)) %Y-%m-01)" +%s ;;
    *) echo $(($1 - $2)) ;;
    esac
}

# rotated FILE CURRENT STEP KEEP STYLE OWNER: from sorted lines on stdin. A period
# without a line is not rotated.
rotated() {
    rm -f "$1" "$1".*
    awk -v file="$1" -v current="$2" -v step="$3" -v keep="$4" -v style="$5" -v host="$HOST" -f "$HERE/generate/rotate.awk"
    [ -e "$1" ] || : >"$1"
    rotated_age=0
    rotated_as=0
    rotated_end=$2
    while [ "$rotated_age" -lt "$4" ]; do
        rotated_age=$((rotated_age + 1))
        [ "$rotated_age" -eq 1 ] || rotated_end=$(before "$rotated_end" "$3")
        [ -e "$1.$rotated_age" ] || continue
        rotated_as=$((rotated_as + 1))
        [ "$rotated_as" -eq "$rotated_age" ] || mv "$1.$rotated_age" "$1.$rotated_as"
        [ "$rotated_as" -eq 1 ] || gzip -nf "$1.$rotated_as"
        dated "$rotated_end" "$1.$rotated_as"*
    done
    owned "$6" "$1" "$1".*
    dated $((NOW - 60)) "$1"
}

only() { awk -v file="$2" '$2 == file { sub(" " file " ", " "); print }' "$1" | sort -n; }

awk -v seed="$(number logins 999999)" -v from="$SINCE" -v now="$NOW" -v admin="$ADMIN" -v deploy="$DEPLOY" \
    -v desk="$DESK_ADDRESS" -v builder="$GIT_ADDRESS" -f "$HERE/generate/logins.awk" </dev/null >"$WORK/logins"
awk -v seed="$(number messages 999999)" -v from="$SINCE" -v now="$NOW" -v admin="$ADMIN" -v deploy="$DEPLOY" \
    -v admin_uid="$(id -u "$ADMIN" 2>/dev/null || echo 1000)" -v deploy_uid="$(id -u "$DEPLOY" 2>/dev/null || echo 1001)" \
    -v admin_key="$ADMIN_FINGERPRINT" -v deploy_key="$DEPLOY_FINGERPRINT" -v logind="$(between logind 480 620)" \
    -f "$HERE/generate/messages.awk" "$WORK/logins" >"$WORK/messages"
only "$WORK/messages" auth | rotated /var/log/auth.log "$SUNDAY" "$WEEK" 4 "$STYLE" root:adm
only "$WORK/messages" syslog | rotated /var/log/syslog "$SUNDAY" "$WEEK" 4 "$STYLE" root:adm
only "$WORK/messages" syslog | grep 'CRON' | rotated /var/log/cron.log "$SUNDAY" "$WEEK" 4 "$STYLE" root:adm

bytes() { wc -c <"$1" | tr -d ' '; }

awk -v seed="$(number visits 999999)" -v from=$((MIDNIGHT - 14 * DAY)) -v now="$NOW" -v domain="$DOMAIN" -v shop="$SHOP" \
    -v worker="$(between nginx.worker 700 980)" -v home_bytes="$(bytes /var/www/html/index.html)" \
    -v style_bytes="$(bytes /var/www/html/css/site.css)" -v prices_bytes="$(bytes /var/www/html/prices.html)" \
    -v contact_bytes="$(bytes /var/www/html/contact.html)" -f "$HERE/generate/visits.awk" </dev/null >"$WORK/visits"
mkdir -p /var/log/nginx
for kind in access error shop; do
    name=$kind.log
    [ "$kind" != shop ] || name=$SHOP.access.log
    only "$WORK/visits" "$kind" | rotated "/var/log/nginx/$name" "$MIDNIGHT" "$DAY" 14 plain www-data:adm
done

nights() {
    for night in 30 29 28 27 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0; do
        printf '%s+00:00 done, %sK\n' "$(stamp $((LASTNIGHT - night * DAY + 4)) %Y-%m-%dT%H:%M:%S)" \
            "$(between "night.$night" 76 92)"
    done
}

nights >/var/log/site-backup.log
dated $((LASTNIGHT + 4)) /var/log/site-backup.log
