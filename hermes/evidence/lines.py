"""Events as one line of text each, for logs and the panel. Pure."""

from hermes.evidence import events as ev
from hermes.evidence.events import Event
from hermes.text import printable


def describe(event: Event) -> str:  # noqa: C901, PLR0912 - one case for each type
    """Say what happened; nothing the attacker chose can leave the line."""
    match event:
        case ev.SessionConnected():
            return f"connected from {event.source_ip}:{event.source_port}"
        case ev.ClientIdentified():
            return f"client is {printable(event.version)}"
        case ev.LoginAttempted():
            secret = event.password if event.password is not None else event.fingerprint or ""
            tried = f"{event.method} {printable(event.user, 40)}/{printable(secret, 60)}"
            return f"login {event.outcome}: {tried} ({event.reason})"
        case ev.SandboxLeased():
            return f"leased {event.sandbox} after {event.wait_seconds * 1000:.0f} ms"
        case ev.SandboxMoved():
            whose = f" for {printable(event.visitor)}" if event.visitor else ""
            return f"{event.sandbox} is {event.state}{whose}"
        case ev.ChannelOpened(command=None):
            return f"channel {event.channel}: {event.kind}"
        case ev.ChannelOpened():
            return f"channel {event.channel}: {event.kind} {printable(event.command or '')}"
        case ev.ChannelClosed():
            how = ending(event.exit_status, event.exit_signal)
            return f"channel {event.channel} closed: {how}, {event.sent_bytes} bytes sent"
        case ev.ChannelRefused():
            return f"{event.kind} refused: {printable(event.reason)}"
        case ev.ForwardRequested():
            return f"asked for {printable(event.target_host)}:{event.target_port}"
        case ev.SandboxHarvested():
            part = "" if event.complete else ", incomplete"
            kept = f"{event.files} files, {event.artifacts} artifacts"
            return f"harvested {event.sandbox}: {kept}{part}"
        case ev.SessionClosed():
            dropped = f", {event.dropped_events} events dropped" if event.dropped_events else ""
            return f"closed after {event.seconds:.1f} s: {printable(event.reason)}{dropped}"
        case _:
            return event.action


def ending(status: int | None, signal: str | None) -> str:
    """Say how a program ended."""
    if signal is not None:
        return f"killed by SIG{signal}"
    return "no exit status" if status is None else f"exit {status}"
