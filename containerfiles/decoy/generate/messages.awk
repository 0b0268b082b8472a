# From the logins on stdin, and the clock, what sshd, cron and systemd told syslog:
# EPOCH FILE PROGRAM: TEXT, unsorted.
BEGIN {
    state = seed + 11
    split("oracle test ubuntu git admin postgres user ftpuser hadoop pi guest nagios", guesses, " ")
    split("203.0.113 198.51.100 192.0.2", nets, " ")
    for (hour = from - from % 3600; hour < now; hour += 3600) {
        cron(hour + 1021, "   cd / && run-parts --report /etc/cron.hourly")
        if (hour % 86400 == 10800) {
            cron(hour + 900, "/usr/local/sbin/site-backup >>/var/log/site-backup.log 2>&1")
        }
        if (hour % 86400 == 0) {
            unit(hour + 3, "logrotate.service", "Rotate log files", 1)
            unit(hour + 4, "man-db.service", "Daily man-db regeneration", 1)
        }
        if (hour % 86400 == 21600) {
            unit(hour + 180 + roll(3000), "apt-daily-upgrade.service", "Daily apt upgrade and clean activities", 2)
            cron(hour + 1500, "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }")
        }
        if (hour % 43200 == 7200)
            unit(hour + roll(3400), "apt-daily.service", "Daily apt download activities", 6)
        if (roll(100) < 4)
            guess_run(hour + roll(3000))
    }
}

{
    who = $2 "(uid=" ($2 == "root" ? 0 : $2 == admin ? admin_uid : deploy_uid) ")"
    sshd = "sshd[" $5 "]"
    if ($7 == "password")
        say($1, "auth", sshd, "Accepted password for " $2 " from " $3 " port " $4 " ssh2")
    else
        say($1, "auth", sshd, "Accepted publickey for " $2 " from " $3 " port " $4 " ssh2: ED25519 " \
            ($2 == deploy ? deploy_key : admin_key))
    say($1, "auth", sshd, "pam_unix(sshd:session): session opened for user " who " by (uid=0)")
    say($1, "auth", "systemd-logind[" logind "]", "New session " ++sessions " of user " $2 ".")
    if ($7 == "exec")
        say($1 + 2, "syslog", "site-deploy", "deployed " substr(sprintf("%08x", roll(2000000000)), 1, 7))
    end = $1 + $6
    say(end, "auth", sshd, "Received disconnect from " $3 " port " $4 ":11: disconnected by user")
    say(end, "auth", sshd, "Disconnected from user " $2 " " $3 " port " $4)
    say(end, "auth", sshd, "pam_unix(sshd:session): session closed for user " $2)
    say(end, "auth", "systemd-logind[" logind "]", "Session " sessions " logged out. Waiting for processes to exit.")
}

function roll(limit) { state = (state * 16807) % 2147483647; return state % limit }

function say(when, file, program, text) {
    if (when < now)
        printf "%d.%06d %s %s: %s\n", when, ++order, file, program, text
}

function cron(when, command,    pid) {
    pid = 1000 + (int((when - from) / 31) + roll(9)) % 900000
    say(when, "auth", "CRON[" pid "]", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)")
    say(when, "syslog", "CRON[" pid + 1 "]", "(root) CMD (" command ")")
    say(when, "auth", "CRON[" pid "]", "pam_unix(cron:session): session closed for user root")
}

function unit(when, name, description, seconds) {
    say(when, "syslog", "systemd[1]", "Starting " name " - " description "...")
    say(when + seconds, "syslog", "systemd[1]", name ": Deactivated successfully.")
    say(when + seconds, "syslog", "systemd[1]", "Finished " name " - " description ".")
}

function guess_run(when,    tries, address, name, port, pid) {
    address = nets[roll(3) + 1] "." roll(254) + 1
    for (tries = 2 + roll(7); tries > 0; tries--) {
        when += 2 + roll(9)
        port = 33000 + roll(27000)
        pid = 20000 + roll(900000)
        name = guesses[roll(12) + 1]
        if (roll(3) == 0)
            say(when, "auth", "sshd[" pid "]", "Failed password for root from " address " port " port " ssh2")
        else {
            say(when - 2, "auth", "sshd[" pid "]", "Invalid user " name " from " address " port " port)
            say(when, "auth", "sshd[" pid "]", "Failed password for invalid user " name " from " address " port " port " ssh2")
        }
        say(when + 1, "auth", "sshd[" pid "]", "Connection closed by " address " port " port " [preauth]")
    }
}
