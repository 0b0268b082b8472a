# Accounts, their passwords, and the keys with which they reach each other.

# account NAME GECOS: an ordinary user with bash where there is bash.
account() {
    shell=/bin/sh
    [ ! -x /bin/bash ] || shell=/bin/bash
    if id "$1" >/dev/null 2>&1; then
        return 0
    elif have useradd; then
        useradd -m -s "$shell" -c "$2" "$1"
    elif have adduser; then
        adduser -D -s "$shell" -g "$2" "$1"
    else
        by_hand "$1" "/home/$1" "$shell" "$2" 1000
    fi
}

# by_hand NAME HOME SHELL GECOS FIRST: where there is no program for it.
by_hand() {
    free=$5
    while grep -q "^[^:]*:[^:]*:$free:" /etc/passwd; do free=$((free + 1)); done
    echo "$1:x:$free:$free:$4:$2:$3" >>/etc/passwd
    echo "$1:x:$free:" >>/etc/group
    [ ! -e /etc/shadow ] || echo "$1:!:$((INSTALLED / DAY)):0:99999:7:::" >>/etc/shadow
    [ "$free" -lt 1000 ] || mkdir -p "$2"
}

# service NAME HOME SHELL GECOS: what a daemon's package leaves behind.
service() {
    if id "$1" >/dev/null 2>&1; then
        return 0
    elif have useradd; then
        useradd -r -M -U -d "$2" -s "$3" -c "$4" "$1"
    elif have adduser; then
        adduser -S -D -H -h "$2" -s "$3" -g "$4" "$1"
    else
        by_hand "$1" "$2" "$3" "$4" 101
    fi
}

service www-data /var/www /usr/sbin/nologin www-data
service mysql /nonexistent /bin/false 'MySQL Server,,,'
service postgres /var/lib/postgresql /bin/bash 'PostgreSQL administrator,,,'
account "$ADMIN" ',,,'
account "$DEPLOY" ',,,'
if have chpasswd; then
    printf '%s:%s\n' root "$ROOT_PASSWORD" "$ADMIN" "$ADMIN_PASSWORD" | chpasswd 2>/dev/null || note 'no passwords were set'
fi
if have usermod; then
    for group in sudo adm; do
        usermod -aG "$group" "$ADMIN" 2>/dev/null || true
    done
fi
# The day of the last password change is the fourth thing one reads in /etc/shadow.
if [ -e /etc/shadow ]; then
    awk -F: -v OFS=: -v day=$((INSTALLED / DAY)) '{ $3 = day } 1' /etc/shadow >"$WORK/shadow"
    cat "$WORK/shadow" >/etc/shadow
fi

skeleton() {
    for file in .bashrc .profile; do
        [ -e "$1/$file" ] || [ ! -e "/etc/skel/$file" ] || cp "/etc/skel/$file" "$1/$file"
    done
    mkdir -p "$1/.ssh"
}

skeleton /root
plant "$HERE/trees/homes" ''
for user in "$ADMIN" "$DEPLOY"; do
    skeleton "/home/$user"
    chown -R "$user" "/home/$user" 2>/dev/null || true
    have useradd && chgrp -R "$user" "/home/$user" 2>/dev/null || true
done

# A key pair that nobody holds, for its public half.
public_key() {
    rm -f "$WORK/key" "$WORK/key.pub"
    ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$WORK/key"
    cat "$WORK/key.pub"
}

known() {
    for name in "$@"; do
        public_key '' | while read -r kind key _; do echo "$name $kind $key"; done
    done
}

keys() {
    public_key "$ADMIN@desk-$(number desk 30)" >"$WORK/admin.pub"
    ADMIN_FINGERPRINT=$(ssh-keygen -lf "$WORK/admin.pub" | cut -d' ' -f2)
    cp "$WORK/admin.pub" "/home/$ADMIN/.ssh/authorized_keys"
    cp "$WORK/admin.pub" /root/.ssh/authorized_keys
    public_key "ci@$GIT_NAME" >"/home/$DEPLOY/.ssh/authorized_keys"
    DEPLOY_FINGERPRINT=$(ssh-keygen -lf "/home/$DEPLOY/.ssh/authorized_keys" | cut -d' ' -f2)
    rm -f /root/.ssh/id_ed25519 /root/.ssh/id_ed25519.pub
    ssh-keygen -q -t ed25519 -N '' -C "root@$HOST" -f /root/.ssh/id_ed25519
    known "$DB_NAME.$DOMAIN,$DB_ADDRESS" "$NAS_NAME,$NAS_ADDRESS" >/root/.ssh/known_hosts
    head -n 1 /root/.ssh/known_hosts >"/home/$ADMIN/.ssh/known_hosts"
    known "$GIT_NAME.$DOMAIN,$GIT_ADDRESS" >"/home/$DEPLOY/.ssh/known_hosts"
    for file in /root/.ssh/known_hosts "/home/$ADMIN/.ssh/known_hosts" "/home/$DEPLOY/.ssh/known_hosts"; do
        ssh-keygen -q -H -f "$file" 2>/dev/null
        rm -f "$file.old"
    done
}

ADMIN_FINGERPRINT=SHA256:$(token admin.fingerprint 43)
DEPLOY_FINGERPRINT=SHA256:$(token deploy.fingerprint 43)
! have ssh-keygen || keys
