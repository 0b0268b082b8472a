# The web root, the shop behind it, and what the nightly backup left.

plant "$HERE/trees/site" ''
if [ -d /etc/nginx/sites-enabled ]; then
    rm -f /etc/nginx/sites-enabled/default
    ln -sf "/etc/nginx/sites-available/$SLUG" "/etc/nginx/sites-enabled/$SLUG"
fi
rm -f /var/www/html/index.nginx-debian.html
if [ -d /etc/systemd/system ]; then
    mkdir -p /etc/systemd/system/multi-user.target.wants
    ln -sf "/etc/systemd/system/$SHOP.service" "/etc/systemd/system/multi-user.target.wants/$SHOP.service"
fi

# commit EPOCH MESSAGE FILE...
commit() {
    commit_when=$1
    commit_message=$2
    shift 2
    git -C "/srv/$SHOP" add "$@"
    GIT_AUTHOR_DATE="$commit_when +0000" GIT_COMMITTER_DATE="$commit_when +0000" \
        git -C "/srv/$SHOP" -c user.name="$DEPLOY" -c user.email="$DEPLOY@$DOMAIN" commit -q -m "$commit_message"
}

history_of_the_shop() {
    rm -rf "/srv/$SHOP/.git"
    git -c init.defaultBranch=main init -q "/srv/$SHOP"
    git -C "/srv/$SHOP" remote add origin "git@$GIT_NAME.$DOMAIN:web/$SHOP.git"
    commit "$LAUNCHED" 'Order pages, first version' .gitignore README.md schema.sql
    commit $((LAUNCHED + 9 * DAY)) 'Serve it behind nginx' app.py
    commit "$REDESIGNED" 'Order mail: say which day we ship' templates
    git -C "/srv/$SHOP" update-ref refs/remotes/origin/main HEAD
    find "/srv/$SHOP/.git" -exec touch -t "$(stamp "$REDESIGNED" %Y%m%d%H%M.%S)" {} +
}

! have git || history_of_the_shop
chown -R "$DEPLOY" "/srv/$SHOP" 2>/dev/null || true
! have useradd || chgrp -R "$DEPLOY" "/srv/$SHOP"

# What the backup script of the last nights would have written.
backups() {
    mkdir -p "/var/backups/$SHOP"
    for night in 3 2 1 0; do
        when=$((LASTNIGHT - night * DAY))
        dump=/var/backups/$SHOP/$SHOP-$(stamp "$when" %Y%m%d).sql
        {
            printf -- '-- MariaDB dump 10.19  Distrib 10.11, for debian-linux-gnu (x86_64)\n-- Host: localhost    Database: %s\n' "$SHOP"
            cat "/srv/$SHOP/schema.sql"
            awk -v seed="$(number orders 999999)" -v last="$LASTNIGHT" -v night="$when" -f "$HERE/generate/orders.awk"
        } >"$dump"
        gzip -nf "$dump"
        files=/var/backups/$SHOP/srv-$(stamp "$when" %Y%m%d).tar.gz
        # shellcheck disable=SC2046
        tar -C /srv -czf "$files" $(cd /srv && find "$SHOP" -name .git -prune -o -type f -print)
        dated $((when + 4)) "$dump.gz" "$files"
    done
    chmod 640 "/var/backups/$SHOP"/*
    chmod 750 "/var/backups/$SHOP"
    dated "$LASTNIGHT" "/var/backups/$SHOP"
}

backups
