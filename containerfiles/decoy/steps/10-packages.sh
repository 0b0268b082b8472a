# Packages, where the root came without them: a derived image that still reaches its archive.

wanted() { sed 's/#.*//' "$HERE/packages.txt" | grep .; }

install_with_apt() {
    apt-get -qq update || return 1
    apt-cache pkgnames | sort >"$WORK/known"
    wanted | sort | comm -12 - "$WORK/known" |
        xargs apt-get -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold install
}

install_with_apk() {
    apk update -q || return 1
    for package in $(wanted | sed 's/^vim-tiny$/vim/') bash coreutils shadow openssh openssh-sftp-server; do
        apk add -q "$package" 2>/dev/null || true
    done
}

if [ "${PACKAGES:-none}" = install ]; then
    if have apt-get; then
        install_with_apt || note 'the package archive did not answer, so nothing was added'
    elif have apk; then
        install_with_apk || note 'the package archive did not answer, so nothing was added'
    fi
fi
