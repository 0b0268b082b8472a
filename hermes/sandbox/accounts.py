"""The accounts of a decoy: who has which home and shell, in passwd(5)'s format."""

from dataclasses import dataclass
from typing import Final

_FIELDS: Final = 7

# Run by /bin/sh in the sandbox as root, with the name as $1: makes the account if there is
# none and prints its line. It uses nothing but what every image has.
ENSURE_ACCOUNT: Final = """
find() { while IFS= read -r line; do case $line in "$1":*) printf '%s\\n' "$line"; return;; esac
done < /etc/passwd; return 1; }
find "$1" && exit
id=1000; while grep -q "^[^:]*:[^:]*:$id:" /etc/passwd; do id=$((id + 1)); done
shell=/bin/sh; [ -x /bin/bash ] && shell=/bin/bash
echo "$1:x:$id:$id::/home/$1:$shell" >> /etc/passwd
echo "$1:x:$id:" >> /etc/group
[ -e /etc/shadow ] && echo "$1:!:19700:0:99999:7:::" >> /etc/shadow
cp -r /etc/skel "/home/$1" 2>/dev/null || mkdir -p "/home/$1"
chown -R "$id:$id" "/home/$1"
find "$1"
"""


@dataclass(frozen=True)
class Account:
    """One line of passwd(5), as far as a login needs it."""

    name: str
    uid: int
    home: str
    shell: str


def parse_passwd(text: str) -> dict[str, Account]:
    """Accounts by name; lines of another shape are left out."""
    found = (_parse_line(line) for line in text.splitlines())
    return {account.name: account for account in found if account is not None}


def login_environment(account: Account) -> dict[str, str]:
    """What sshd sets for a login on Debian."""
    root = account.uid == 0
    return {
        "USER": account.name,
        "LOGNAME": account.name,
        "HOME": account.home,
        "SHELL": account.shell,
        "MAIL": f"/var/mail/{account.name}",
        "PATH": (
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            if root
            else "/usr/local/bin:/usr/bin:/bin:/usr/games"
        ),
    }


def _parse_line(line: str) -> Account | None:
    fields = line.split(":")
    if len(fields) != _FIELDS or not fields[2].isdigit():
        return None
    return Account(fields[0], int(fields[2]), fields[5] or "/", fields[6] or "/bin/sh")
