# Helpers of the furnishing steps. POSIX, and within what busybox offers.

have() { command -v "$1" >/dev/null 2>&1; }

note() { printf 'furnish: %s\n' "$*" >&2; }

digest() { printf '%s/%s' "$SEED" "$1" | sha256sum | cut -c1-64; }

# number KEY LIMIT: the same value from 0 to LIMIT-1 for the same seed and key.
number() { echo $((0x$(digest "$1" | cut -c1-7) % $2)); }

between() { echo $(($2 + $(number "$1" $(($3 - $2 + 1))))); }

# pick KEY WORD...: one of the words.
pick() {
    pick_index=$(number "$1" $(($# - 1)))
    shift
    shift "$pick_index"
    printf '%s' "$1"
}

# token KEY LENGTH [ALPHABET]: characters that look random.
token() {
    token_round=0
    token_alphabet=${3:-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789}
    while [ $((token_round * 32)) -lt "$2" ]; do
        digest "$1.$token_round"
        token_round=$((token_round + 1))
    done | awk -v length_wanted="$2" -v alphabet="$token_alphabet" '
        { hex = hex $0 }
        END {
            for (i = 0; i < length_wanted; i++) {
                high = index("0123456789abcdef", substr(hex, 2 * i + 1, 1)) - 1
                low = index("0123456789abcdef", substr(hex, 2 * i + 2, 1)) - 1
                printf "%s", substr(alphabet, (16 * high + low) % length(alphabet) + 1, 1)
            }
        }'
}

hex() { token "$1" "$2" 0123456789abcdef; }

uuid() { hex "$1" 32 | sed 's/^\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)/\1-\2-\3-\4-/'; }

# stamp EPOCH FORMAT: both GNU date and busybox take @.
stamp() { date -u -d "@$1" "+$2"; }

# dated EPOCH FILE...: sets the time of files, of links themselves too.
dated() {
    dated_when=$(stamp "$1" %Y%m%d%H%M.%S)
    shift
    TZ=UTC touch -h -t "$dated_when" "$@" 2>/dev/null || TZ=UTC touch -c -t "$dated_when" "$@"
}

# substitutions NAME...: a sed script that replaces @NAME@ by the variable's value.
substitutions() {
    for substitution_name; do
        eval "substitution_value=\$$substitution_name"
        printf 's|@%s@|%s|g\n' "$substitution_name" \
            "$(printf '%s' "$substitution_value" | sed 's/[\\&|]/\\&/g')"
    done
}

# plant TREE ROOT: copies a tree of templates; dot_NAME becomes .NAME, as in chezmoi.
plant() {
    (cd "$1" && find . -type f) | while read -r plant_file; do
        plant_target=$2/$(printf '%s' "${plant_file#./}" | sed -f "$SUBSTITUTIONS" -e 's|^dot_|.|;s|/dot_|/.|g')
        mkdir -p "${plant_target%/*}"
        sed -f "$SUBSTITUTIONS" "$1/$plant_file" >"$plant_target"
    done
}

# settle MANIFEST: mode, owner and time of what was planted, where it was.
settle() {
    sed -f "$SUBSTITUTIONS" "$1" | while read -r settle_mode settle_owner settle_when settle_path; do
        case $settle_mode in '' | '#'*) continue ;; esac
        [ -e "$settle_path" ] || continue
        chown "$settle_owner" "$settle_path" 2>/dev/null || note "no owner $settle_owner for $settle_path"
        chmod "$settle_mode" "$settle_path"
        dated "$settle_when" "$settle_path"
    done
}
