"""One event of each type, as one session would have them."""

from datetime import UTC, datetime

from hermes.evidence import events as ev

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
STAMP = {"time": NOW, "session": "0123456789ab"}
EVENTS: list[ev.Event] = [
    ev.SessionConnected(
        time=NOW,
        session="0123456789ab",
        source_ip="198.51.100.7",
        source_port=40000,
        destination_ip="192.0.2.1",
        destination_port=22,
    ),
    ev.ClientIdentified(time=NOW, session="0123456789ab", version="SSH-2.0-Go"),
    ev.LoginAttempted(
        time=NOW,
        session="0123456789ab",
        method="password",
        user="root",
        password="",
        outcome="failure",
        reason="no rule",
    ),
    ev.LoginAttempted(
        time=NOW,
        session="0123456789ab",
        method="publickey",
        user="root",
        fingerprint="SHA256:x",
        outcome="success",
        reason="userdb",
    ),
    ev.SandboxLeased(time=NOW, session="0123456789ab", sandbox="box-1", wait_seconds=0.01),
    ev.ChannelOpened(
        time=NOW,
        session="0123456789ab",
        channel=0,
        kind="exec",
        command="id",
        environment={"LANG": "C"},
        recording="channel-0",
    ),
    ev.ChannelOpened(
        time=NOW, session="0123456789ab", channel=1, kind="shell", recording="channel-1.cast"
    ),
    ev.ChannelClosed(
        time=NOW,
        session="0123456789ab",
        channel=0,
        exit_status=0,
        received_bytes=1,
        sent_bytes=2,
        seconds=0.5,
    ),
    ev.ChannelClosed(
        time=NOW,
        session="0123456789ab",
        channel=1,
        exit_signal="KILL",
        received_bytes=0,
        sent_bytes=0,
        seconds=1.0,
    ),
    ev.ChannelRefused(time=NOW, session="0123456789ab", kind="subsystem", reason="netconf"),
    ev.ForwardRequested(
        time=NOW, session="0123456789ab", target_host="mail.example", target_port=25
    ),
    ev.SandboxHarvested(
        time=NOW,
        session="0123456789ab",
        sandbox="box-1",
        files=3,
        bytes=4096,
        artifacts=2,
        complete=True,
        seconds=0.1,
    ),
    ev.SandboxMoved(
        time=NOW,
        session="0123456789ab",
        sandbox="box-1",
        state="leased",
        visitor="198.51.100.7",
    ),
    ev.SessionClosed(time=NOW, session="0123456789ab", reason="idle", seconds=9.5),
]
