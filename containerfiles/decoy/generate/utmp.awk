# Records of utmp(5) as escapes for printf %b, a line each, from lines
# TYPE PID LINE ID USER HOST SECONDS ADDRESS; "-" is an empty field.
# lastlog=1 makes the shorter records of lastlog instead.
BEGIN {
    for (i = 1; i < 256; i++)
        code[sprintf("%c", i)] = i
}

lastlog { print number($7, 4) text($3, 32) text($6, 256); next }

{
    print number($1, 4) number($2, 4) text($3, 32) text($4, 4) text($5, 32) text($6, 256) \
        number(0, 4) number(0, 4) number($7, 4) number(($2 * 7919) % 1000000, 4) address($8) number(0, 20)
}

function octet(value) { return sprintf("\\0%03o", value) }

function number(value, bytes,    escaped) {
    for (; bytes > 0; bytes--) {
        escaped = escaped octet(value % 256)
        value = int(value / 256)
    }
    return escaped
}

function text(value, width,    escaped, i) {
    if (value == "-")
        value = ""
    for (i = 1; i <= width; i++)
        escaped = escaped octet(i <= length(value) ? code[substr(value, i, 1)] : 0)
    return escaped
}

function address(value,    parts, escaped, i) {
    split(value, parts, ".")
    for (i = 1; i <= 4; i++)
        escaped = escaped octet(value == "-" ? 0 : parts[i])
    return escaped number(0, 12)
}
