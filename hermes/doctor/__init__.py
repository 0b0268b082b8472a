"""Checks of host and configuration, each with its fix.

What `hermes up` refuses to start without is in `requirements`, and told from there by both.
"""

from hermes.doctor.requirements import check_host, check_reach, check_subids

__all__ = ["check_host", "check_reach", "check_subids"]
