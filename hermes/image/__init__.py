"""Decoys: the images that sandboxes are made of.

`ensure` is what a service calls before it makes its first sandbox; `build` always builds.
"""

from hermes.image.builder import build, ensure, identity_of
from hermes.image.catalogue import DecoyImage, decoys
from hermes.image.identity import Identity
from hermes.image.progress import Report
from hermes.image.recipe import BOOTSTRAP, DEFAULT_TAG, Recipe
from hermes.image.service import ServiceRecipe, build_service

__all__ = [
    "BOOTSTRAP",
    "DEFAULT_TAG",
    "DecoyImage",
    "Identity",
    "Recipe",
    "Report",
    "ServiceRecipe",
    "build",
    "build_service",
    "decoys",
    "ensure",
    "identity_of",
]
