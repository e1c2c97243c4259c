"""How commands are told which schemes are meant."""

from typing import Annotated

import typer

from farthing.errors import Unsupported
from farthing.schemes import registry

ALL = "all"
Schemes = Annotated[str, typer.Option(help="`all`, or names as in millicent,payword.")]


def names_of(text: str) -> tuple[str, ...]:
    """The registry names in an option, each once; none for `all`. Bad usage where one is not."""
    if text.strip() == ALL:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        try:
            registry.by_name(name)
        except Unsupported as unknown:
            raise typer.BadParameter(unknown.detail, param_hint="--scheme") from None
    return names
