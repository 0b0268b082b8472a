# From lines PACKAGE:ARCH VERSION BUILT, when each package came to its present version:
# EPOCH install|upgrade PACKAGE:ARCH OLD NEW. Whatever was built after the installation was
# upgraded from the version before, on a morning after it appeared.
$3 <= installed { print installed, "install", $1, "<none>", $2; next }

{
    day = int($3 / 86400) + 2
    when = day * 86400 + 22000 + (day * 7919) % 2400
    print when < newest ? when : newest, "upgrade", $1, before($2), $2
}

# The version before: one update fewer, or one less in the last number that can be.
function before(version,    head, rest, count, tail) {
    if (match(version, /[+~]deb[0-9]+u1$/))
        return substr(version, 1, RSTART - 1)
    head = version
    while (match(head, /[0-9]+[^0-9]*$/)) {
        rest = substr(head, RSTART)
        head = substr(head, 1, RSTART - 1)
        match(rest, /^[0-9]+/)
        count = substr(rest, 1, RLENGTH)
        tail = substr(rest, RLENGTH + 1) tail
        if (count + 0 > 0)
            return head (count - 1) tail
        tail = count tail
    }
    return version "~1"
}
