# Rows of the shop's tables as the dump of one night has them; earlier nights have fewer.
BEGIN {
    state = seed + 7
    for (i = 1; i <= 180; i++)
        printf "INSERT INTO customers VALUES (%d,'C%05d','buyer%d@trade%d.example','$2y$10$%s');\n", \
            i, 10200 + i * 3, i, roll(40) + 1, secret(53)
    for (i = 1; i <= 900; i++) {
        placed = last - (900 - i) * 34000 - roll(30000)
        amount = roll(600) + 8
        if (placed < night)
            printf "INSERT INTO orders VALUES (%d,%d,'%s','item %d',%d.%02d);\n", \
                i, roll(180) + 1, strftime("%Y-%m-%d %H:%M:%S", placed), roll(60) + 1, amount, roll(2) * 50
    }
}

function roll(limit) { state = (state * 16807) % 2147483647; return state % limit }

function secret(count,    text) {
    while (count-- > 0)
        text = text substr("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", roll(64) + 1, 1)
    return text
}
