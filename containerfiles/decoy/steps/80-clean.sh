# What building leaves behind, and what a build host would be recognised by.

rm -f /etc/apt/apt.conf.d/*mmdebstrap* /etc/dpkg/dpkg.cfg.d/*mmdebstrap* /usr/sbin/policy-rc.d.dpkg-*
rm -f /var/log/bootstrap.log /var/log/fontconfig.log /var/cache/ldconfig/aux-cache
rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.pwd.lock
rm -f /etc/apt/apt.conf.d/docker-* /etc/dpkg/dpkg.cfg.d/docker* /root/.wget-hsts /root/.ash_history
rm -rf /var/lib/apt/lists/auxfiles /var/lib/apt/lists/partial /var/lib/apt/lists/lock
rm -rf /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/cache/apk /var/cache/debconf/*-old
rm -rf /root/.cache /root/.gnupg
find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -path "$WORK" ! -path "$HERE" -exec rm -rf {} + 2>/dev/null || true
if have dpkg; then
    mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
    chmod 700 /var/lib/apt/lists/partial /var/cache/apt/archives/partial
    chown _apt /var/lib/apt/lists/partial /var/cache/apt/archives/partial 2>/dev/null || true
    : >/var/lib/apt/lists/lock
    chmod 640 /var/lib/apt/lists/lock
fi
# The installer of a hosting company leaves the translations out, too.
if [ -d /etc/dpkg/dpkg.cfg.d ]; then
    printf 'path-exclude=/usr/share/locale/*\npath-include=/usr/share/locale/en*\npath-include=/usr/share/locale/locale.alias\n' \
        >/etc/dpkg/dpkg.cfg.d/01_nolocales
fi
