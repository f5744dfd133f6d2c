"""What options are: the fields of a dataclass, so that a record can hold every one of them."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol


class Configuration(Protocol):
    """A dataclass, which :func:`dataclasses.asdict` takes; roles whose options are recorded extend it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
