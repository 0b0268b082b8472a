# The system's own files: names, disks, locale, package sources.

mkdir -p /etc /root
[ -e /etc/passwd ] || echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
[ -e /etc/group ] || echo 'root:x:0:' >/etc/group

plant "$HERE/trees/system" ''
[ "${IDENTITY:-here}" = elsewhere ] || plant "$HERE/trees/identity" ''

ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
[ -e /etc/mtab ] || ln -s ../proc/self/mounts /etc/mtab
rm -f /.dockerenv /var/lib/dbus/machine-id
[ ! -d /var/lib/dbus ] || ln -s /etc/machine-id /var/lib/dbus/machine-id
if have locale-gen && [ -e /etc/locale.gen ]; then
    sed -i 's/^# *\(en_US.UTF-8 UTF-8\)/\1/' /etc/locale.gen
    [ -e /usr/lib/locale/locale-archive ] || locale-gen >/dev/null
fi
mkdir -p /lost+found /media/cdrom0 /srv /opt /mnt /home /var/log /var/backups
chmod 700 /lost+found /root
chmod 1777 /tmp
[ -e /media/cdrom ] || ln -s cdrom0 /media/cdrom
mkdir -p /run/sshd /run/lock
chmod 755 /run/sshd

debian_sources() {
    cat >/etc/apt/sources.list <<SOURCES
deb http://deb.debian.org/debian $CODENAME main
deb-src http://deb.debian.org/debian $CODENAME main

deb http://security.debian.org/debian-security $CODENAME-security main
deb-src http://security.debian.org/debian-security $CODENAME-security main

# $CODENAME-updates, to get updates before a point release is made;
deb http://deb.debian.org/debian $CODENAME-updates main
deb-src http://deb.debian.org/debian $CODENAME-updates main
SOURCES
}

ubuntu_sources() {
    for suite in "$CODENAME" "$CODENAME-updates" "$CODENAME-security"; do
        echo "deb http://archive.ubuntu.com/ubuntu $suite main restricted universe"
    done >/etc/apt/sources.list
}

# The lists carry the name of the mirror that the build read: give them the official one.
official_lists() {
    for list in /var/lib/apt/lists/*_dists_*; do
        [ -f "$list" ] || continue
        suite=${list#*_dists_}
        case $OS_ID:${suite%%_*} in
        debian:*-security) archive=security.debian.org_debian-security ;;
        debian:*) archive=deb.debian.org_debian ;;
        *) archive=archive.ubuntu.com_ubuntu ;;
        esac
        [ "$list" = "/var/lib/apt/lists/${archive}_dists_$suite" ] ||
            mv "$list" "/var/lib/apt/lists/${archive}_dists_$suite"
        dated "$LASTNIGHT" "/var/lib/apt/lists/${archive}_dists_$suite"
    done
}

if have dpkg && [ -n "$CODENAME" ]; then
    plant "$HERE/trees/debian" ''
    rm -rf /etc/apt/sources.list.d /etc/apt/mirrors* /etc/apt/auth.conf.d
    mkdir -p /etc/apt/sources.list.d /etc/apt/auth.conf.d /etc/network/interfaces.d
    case $OS_ID in debian) debian_sources ;; ubuntu) ubuntu_sources ;; esac
    official_lists
fi
