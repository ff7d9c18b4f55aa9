"""The site that a test talks to: the application, frozen for this test alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erlen.app.application import App
from erlen.app.site import Site
from erlen.security.signing import random_key

__all__ = ["freeze_for_test"]


def freeze_for_test(app: App | Site, overrides: Mapping[Any, Any] | None = None) -> Site:
    """Freeze an application, with a random `secret_key` when it has none; a site is taken as it is.

    Args:
        overrides: as for `App.freeze`: settings by name, dependencies by the function they replace, provided values by type.

    Raises:
        ConfigurationError: listing the application's mistakes.
        TypeError: for what is no application, or overrides with a site.
    """
    if isinstance(app, Site):
        if overrides:
            raise TypeError("a site is frozen already: give the App with the overrides")
        return app
    if not isinstance(app, App):  # pyright: ignore[reportUnnecessaryIsInstance]  # unchecked callers exist
        raise TypeError(f"a test client takes an erlen.App, not {type(app).__name__}")
    chosen = dict(overrides or {})
    settings, _ = app.read_settings({key: value for key, value in chosen.items() if isinstance(key, str)})
    if not settings.secret_key:
        chosen["secret_key"] = random_key()
    return app.freeze(chosen)
