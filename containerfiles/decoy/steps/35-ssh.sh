# The SSH server's files: its keys are this machine's own, root may log in by password.

host_keys() {
    for kind in rsa ecdsa ed25519; do
        rm -f "/etc/ssh/ssh_host_${kind}_key" "/etc/ssh/ssh_host_${kind}_key.pub"
        ssh-keygen -q -t "$kind" -N '' -C "root@$HOST" -f "/etc/ssh/ssh_host_${kind}_key"
    done
}

if have ssh-keygen && [ -d /etc/ssh ]; then
    host_keys
fi
if [ -e /etc/ssh/sshd_config ]; then
    sed -i 's/^#\{0,1\}PermitRootLogin .*/PermitRootLogin yes/' /etc/ssh/sshd_config
fi
