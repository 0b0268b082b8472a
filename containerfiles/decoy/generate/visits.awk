# Requests to the site in the last weeks: EPOCH access|error|shop TEXT, unsorted.
BEGIN {
    state = seed + 13
    split("203.0.113 198.51.100 192.0.2", nets, " ")
    split("/wp-login.php /xmlrpc.php /.env /.git/config /phpmyadmin/ /boaform/admin/formLogin /cgi-bin/luci /actuator/health", probes, " ")
    agents[1] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36"
    agents[2] = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
    agents[3] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    agents[4] = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
    split("Mozilla/5.0_zgrab/0.x curl/7.88.1 Go-http-client/1.1 python-requests/2.31.0", tools, " ")
    for (when = from; when < now; when += 120 + roll(1500)) {
        hour = (when % 86400) / 3600
        if (roll(100) < 22)
            probe(when)
        else if (hour > 6 && hour < 22 || roll(100) < 20)
            visit(when)
    }
}

function roll(limit) { state = (state * 16807) % 2147483647; return state % limit }

function client() { return nets[roll(3) + 1] "." roll(254) + 1 }

function request(when, file, who, verb, path, status, bytes, referer, agent) {
    if (when < now)
        printf "%d.%06d %s %s - - [%s +0000] \"%s %s HTTP/1.1\" %d %d \"%s\" \"%s\"\n", when, ++order, file, who, \
            strftime("%d/%b/%Y:%H:%M:%S", when), verb, path, status, bytes, referer, agent
}

function visit(when,    who, agent, home) {
    who = client()
    agent = agents[roll(4) + 1]
    home = "https://www." domain "/"
    request(when, "access", who, "GET", "/", 200, home_bytes, "-", agent)
    request(when, "access", who, "GET", "/css/site.css", 200, style_bytes, home, agent)
    if (roll(3) == 0)
        request(when, "access", who, "GET", "/favicon.ico", 404, 125, home, agent)
    if (roll(2) == 0)
        request(when + 5 + roll(40), "access", who, "GET", "/prices.html", 200, prices_bytes, home, agent)
    if (roll(4) == 0)
        request(when + 50 + roll(60), "access", who, "GET", "/contact.html", 200, contact_bytes, home "prices.html", agent)
    if (roll(7) == 0) {
        request(when + 130, "shop", who, "GET", "/" shop "/", 200, 139, home "prices.html", agent)
        request(when + 141 + roll(30), "shop", who, "POST", "/" shop "/", 200, 139, home shop "/", agent)
    }
}

function probe(when,    who, path, agent, hidden) {
    who = client()
    agent = tools[roll(4) + 1]
    sub(/_/, " ", agent)
    path = probes[roll(8) + 1]
    hidden = path ~ /\/\./
    request(when, "access", who, "GET", path, hidden ? 403 : 404, hidden ? 125 : 153, "-", agent)
    if (hidden && when < now)
        printf "%d.%06d error %s [error] %d#%d: *%d access forbidden by rule, client: %s, server: www.%s, request: \"GET %s HTTP/1.1\", host: \"www.%s\"\n", \
            when, ++order, strftime("%Y/%m/%d %H:%M:%S", when), worker, worker, 100 + order, who, domain, path, domain
}
