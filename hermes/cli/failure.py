"""What a failure means to whoever started the command."""

from hermes.errors import HermesError, SettingsError


def exit_status(cause: HermesError) -> int:
    """Return 2 where only another setting helps, so that no manager tries again, else 1."""
    return 2 if isinstance(cause, SettingsError) else 1
