# Everything that tells one decoy from another, from SEED and NOW alone.

DAY=86400

release_epoch() {
    case $1 in
    jammy) echo 1650499200 ;;
    bookworm) echo 1686355200 ;;
    noble) echo 1714003200 ;;
    trixie) echo 1754697600 ;;
    *) echo $((NOW - 400 * DAY)) ;;
    esac
}

os_field() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" /etc/os-release 2>/dev/null | head -n 1; }

OS_ID=$(os_field ID)
CODENAME=$(os_field VERSION_CODENAME)

# The machine's past: put up within the release's first year, never less than six weeks ago.
EARLIEST=$(($(release_epoch "$CODENAME") + 20 * DAY))
LATEST=$((NOW - 45 * DAY))
[ "$EARLIEST" -lt "$LATEST" ] || EARLIEST=$LATEST
[ $((LATEST - EARLIEST)) -le $((365 * DAY)) ] || LATEST=$((EARLIEST + 365 * DAY))
INSTALLED=$(($(between installed $((EARLIEST / DAY)) $((LATEST / DAY))) * DAY + $(between morning 29000 43000)))
AGE=$((NOW - INSTALLED))
LAUNCHED=$((INSTALLED + AGE / 20))
MIGRATED=$((INSTALLED + AGE * 11 / 20))
REDESIGNED=$((INSTALLED + AGE * 4 / 5))
RECENT=$((NOW - $(between recent 3 6) * DAY - $(between evening 3000 30000)))
LASTNIGHT=$((NOW / DAY * DAY + 11700))
[ "$LASTNIGHT" -lt "$NOW" ] || LASTNIGHT=$((LASTNIGHT - DAY))
COPYRIGHT_YEAR=$(stamp "$REDESIGNED" %Y)
SINCE_YEAR=$(between since 1961 2004)

# The company.
TRADE_LINE=$(sed -n "$(($(number trade "$(grep -c . "$HERE/trades.txt")") + 1))p" "$HERE/trades.txt")
trade_field() { printf '%s' "$TRADE_LINE" | cut -d'|' -f"$1"; }
TRADE=$(trade_field 1)
TAGLINE=$(trade_field 2)
STORY=$(trade_field 3)
GOODS_A=$(trade_field 4)
GOODS_B=$(trade_field 5)
GOODS_C=$(trade_field 6)
NAME=$(pick name.first Alder Ash Birch Bracken Cinder Copper Elder Fern Flint Garnet Hazel Heather \
    Juniper Kestrel Larch Marl Moss North Otter Quarry Rowan Sorrel Thorn Willow)$(
    pick name.second bank beck brook croft dale field fold gate ley mere ridge stead stone vale wick yard)
COMPANY="$NAME $TRADE"
SLUG=$(printf '%s' "$NAME" | tr '[:upper:]' '[:lower:]')
DOMAIN=$SLUG.example
TOWN=$(pick town.first Over Nether Great Little Upper Lower)\ $(pick town.second Harrow Marsh Tarn Weir Copse Linden Orchard Mill)
STREET=$(pick street Station Mill Canal Foundry Orchard Harbour Tannery Chapel)\ $(pick lane Road Lane Street Yard)
STREET_NUMBER=$(between street.number 2 88)
PHONE="01632 960$(between phone 100 999)"
ACCENT=$(pick accent 2f6f5e 7a3b2e 345b8c 8a6d1f 5d3a6e 3f6b2a 9b4d3a 2c6e7f)
SHADE=$(pick shade f6f3ee f3f5f4 f4f4f8 faf7f2 f2f2ef)
PRICE_A=$(between price.a 18 64).$(pick cents.a 00 50 95)
PRICE_B=$(between price.b 70 190).$(pick cents.b 00 50 95)
PRICE_C=$(between price.c 200 680).00

# Its network.
PREFIX=${ADDRESS%.*}
GATEWAY=$PREFIX.1
RESOLVER=$PREFIX.$(between resolver 2 9)
DB_NAME=$(pick db.name db-01 db1 mariadb01 sql-prod)
DB_ADDRESS=$PREFIX.$(between db.address 200 209)
NAS_NAME=$(pick nas.name nas backup01 vault store-02)
NAS_ADDRESS=$PREFIX.$(between nas.address 210 219)
GIT_NAME=$(pick git.name git code repo)
GIT_ADDRESS=$PREFIX.$(between git.address 220 229)
DESK_ADDRESS=$PREFIX.$(between desk.address 230 249)
MAC=52:54:00:$(hex mac 6 | sed 's/\(..\)\(..\)/\1:\2:/')

# Its accounts and secrets.
ADMIN=$(pick admin sysop ops netadmin itadmin webadmin support)
DEPLOY=$(pick deploy deploy deployer release webdeploy)
SHOP=$(pick shop shop store orders catalogue)
WP_PREFIX=wp$(hex wp.prefix 2)_
ROOT_PASSWORD=$(token root.password 14)
ADMIN_PASSWORD=$(token admin.password 12)
DB_PASSWORD=$(token db.password 16)
DB_ROOT_PASSWORD=$(pick db.root Harbour Lantern Granite Thistle Compass Saffron)-$(between db.root.number 1000 9999)-$(token db.root.end 4)
WP_PASSWORD=$(token wp.password 12)
SMTP_PASSWORD=$(token smtp.password 14)
BACKUP_PASSWORD=$(token backup.password 18)
APP_SECRET=$(hex app.secret 50)
PAY_KEY=$(token pay.key 32)
AWS_KEY=AKIA$(token aws.key 16 ABCDEFGHIJKLMNOPQRSTUVWXYZ234567)
AWS_SECRET=$(token aws.secret 40 ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
BUCKET=$SLUG-backup-$(hex bucket 4)
SALT_A=$(token salt.a 64)
SALT_B=$(token salt.b 64)
SALT_C=$(token salt.c 64)
SALT_D=$(token salt.d 64)

# Its hardware.
MACHINE_ID=$(hex machine-id 32)
ROOT_UUID=$(uuid root.uuid)
SWAP_UUID=$(uuid swap.uuid)
KERNEL=$(uname -r)
INSTALLED_DATE=$(stamp "$INSTALLED" %Y-%m-%d)
MIGRATED_DATE=$(stamp "$MIGRATED" %Y-%m-%d)
CRON_NAME=$(token cron.name 6)
MIGRATED_WORDS=$(stamp "$MIGRATED" '%a %b %e %H:%M:%S %Y')
LASTNIGHT_DATE=$(stamp "$LASTNIGHT" %Y%m%d)

FIELDS='HOST ADDRESS CODENAME INSTALLED LAUNCHED MIGRATED REDESIGNED RECENT LASTNIGHT COPYRIGHT_YEAR
SINCE_YEAR TRADE TAGLINE STORY GOODS_A GOODS_B GOODS_C COMPANY SLUG DOMAIN TOWN STREET STREET_NUMBER
PHONE ACCENT SHADE PRICE_A PRICE_B PRICE_C PREFIX GATEWAY RESOLVER DB_NAME DB_ADDRESS NAS_NAME
NAS_ADDRESS GIT_NAME GIT_ADDRESS DESK_ADDRESS ADMIN DEPLOY SHOP WP_PREFIX DB_PASSWORD DB_ROOT_PASSWORD
WP_PASSWORD SMTP_PASSWORD BACKUP_PASSWORD APP_SECRET PAY_KEY AWS_KEY AWS_SECRET BUCKET SALT_A SALT_B
SALT_C SALT_D MACHINE_ID ROOT_UUID SWAP_UUID KERNEL INSTALLED_DATE MIGRATED_DATE MIGRATED_WORDS CRON_NAME LASTNIGHT_DATE'
