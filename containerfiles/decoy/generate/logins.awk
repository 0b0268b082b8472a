# The logins of the last weeks: EPOCH USER ADDRESS PORT PID SECONDS METHOD, a line each.
# METHOD is key or password for a terminal, exec for a command of the build server.
BEGIN {
    state = seed + 7
    for (day = from; day < now - 7200; day += 86400) {
        weekday = (int(day / 86400) + 4) % 7
        if (weekday > 0 && weekday < 6 && roll(100) < 42)
            login(day + 25200 + roll(28000), admin, desk, 120 + roll(3400), "key")
        if (roll(100) < 9)
            login(day + 27000 + roll(30000), "root", desk, 60 + roll(1500), "password")
        if (roll(100) < 12)
            login(day + 28000 + roll(26000), deploy, builder, 3 + roll(6), "exec")
    }
}

function roll(limit) { state = (state * 16807) % 2147483647; return state % limit }

function login(when, user, address, seconds, method) {
    if (when + seconds < now - 600)
        print when, user, address, 33000 + roll(27000), 20000 + roll(900000), seconds, method
}
