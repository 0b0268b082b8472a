# Whatever the build touched becomes as old as the installation, minutes apart.

settle "$HERE/trees/manifest.txt"

touch -t "$(stamp "$NOW" %Y%m%d%H%M.%S)" "$WORK/start"
find / -xdev -newer "$WORK/start" ! -path '/proc/*' ! -path '/sys/*' ! -path '/dev/*' ! -path '/tmp*' \
    \( ! -path '/var/log/*' -o -type d -o -type l \) ! -path '/run/*' ! -path "$HERE*" ! -path "$WORK*" >"$WORK/young"
awk -v work="$WORK" '{ h = length($0); print > (work "/young." (h % 9)) }' "$WORK/young"
for bucket in 0 1 2 3 4 5 6 7 8; do
    [ -e "$WORK/young.$bucket" ] || continue
    moment=$(stamp $((INSTALLED + bucket * 83)) %Y%m%d%H%M.%S)
    tr '\n' '\0' <"$WORK/young.$bucket" | xargs -0 touch -h -t "$moment" 2>/dev/null || true
done
dated "$RECENT" /home /var/lib /var/cache /etc 2>/dev/null || true
touch -h -t "$(stamp "$BOOTED" %Y%m%d%H%M.%S)" $(find /run -xdev -path /run/secrets -prune -o ! -name '.containerenv' -print) 2>/dev/null || true
dated "$LASTNIGHT" /var/log /var/log/nginx /var/backups /var/lib/apt/lists/lock /var/lib/apt/lists/partial /var/lib/apt/lists 2>/dev/null || true
