"""The pages' templates: one way to fill them."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from runs.report import formats


def fill(name: str, **values: Any) -> str:
    """A template of this folder with these values; markup in values stays text.

    Raises:
        jinja2.UndefinedError: if the template asks for a value that is not there.
    """
    environment = Environment(
        loader=PackageLoader("runs", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(angle=formats.angle, percent=formats.percent, times=formats.times)
    return environment.get_template(name).render(**values)
