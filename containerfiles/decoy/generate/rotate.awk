# Sorted lines "EPOCH.FRACTION TEXT" into FILE, FILE.1 and so on, as logrotate would have cut them.
# current: when the newest file begins; step: seconds in each older one, or month; keep: how many of those.
# style: iso and bsd are rsyslog's two, with host; plain keeps the text as it is.
{
    when = int($1)
    text = substr($0, length($1) + 2)
    if (when >= current)
        age = 0
    else if (step == "month")
        age = months(current) - months(when)
    else
        age = int((current - when - 1) / step) + 1
    if (age > keep)
        next
    if (style == "iso")
        text = strftime("%Y-%m-%dT%H:%M:%S", when) "." substr($1 "000000", index($1, ".") + 1, 6) "+00:00 " host " " text
    else if (style == "bsd")
        text = strftime("%b %e %H:%M:%S", when) " " host " " text
    print text > (age ? file "." age : file)
}

function months(when) { return strftime("%Y", when) * 12 + strftime("%m", when) }
