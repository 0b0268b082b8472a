"""The error tree: each class is a cause, each message one sentence with the fix."""


class HermesError(Exception):
    """Anything that Hermes reports to its operator; the message is the whole report."""


class SettingsError(HermesError):
    """A setting is unknown, malformed or contradicts another one (exit code 2)."""


class ControlError(HermesError):
    """The running service could not be asked."""


class ListenError(HermesError):
    """An address cannot be listened on."""


class ProxyHeaderError(HermesError):
    """What a proxy sent first is no header of the PROXY protocol."""


class EvidenceError(HermesError):
    """Evidence cannot be written or read."""


class SessionNotFoundError(EvidenceError):
    """No session on disk has the id that was asked for."""


class PodmanError(HermesError):
    """Podman is missing, does not answer, or refused a request."""


class PodmanNotFoundError(PodmanError):
    """Podman knows no such object: an image, a container, an exec."""


class HostError(HermesError):
    """The host lacks something that rootless containers need."""


class DeploymentError(HermesError):
    """The units of systemd cannot be put in place, or do not start."""


class ImageError(HermesError):
    """A decoy image is missing or cannot be built."""


class LeaseError(HermesError):
    """No sandbox could be had in time."""


class GuestError(HermesError):
    """A channel in a sandbox could not be opened or broke."""


class GuestLostError(GuestError):
    """The sandbox itself ended, and with it every channel in it."""


class ProtocolError(GuestError):
    """A guest sent what the protocol does not allow: its sandbox has to end."""


def first_error(error: BaseException) -> HermesError | None:
    """Find the HermesError in what a task group raised."""
    if isinstance(error, HermesError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(first_error, error.exceptions)), None)
    return None
