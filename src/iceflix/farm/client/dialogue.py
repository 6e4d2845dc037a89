"""What a person is asked (F08): image, e-mail, password, filters; one after the other."""

import sys
from dataclasses import dataclass

import click

from iceflix.farm.filters.parse import Step, format_chain, parse_chain
from iceflix.farm.images.store import ImageStore
from iceflix.runtime.errors import InvalidRequest

USER_VARIABLE = "ICEFLIX_USER"
PASSWORD_VARIABLE = "ICEFLIX_PASSWORD"  # noqa: S105  the variable's name


@dataclass(frozen=True)
class Answers:
    """What the dialogue found out; the password as it was typed."""

    image: str
    user: str
    password: str
    filters: tuple[str, ...]


def ask(store: ImageStore) -> Answers:
    """Hold the whole dialogue. Raises StoreError when the share is not there (F07)."""
    image = ask_image(store)
    user = click.prompt("E-mail")
    password = ask_password()
    return Answers(image, user, password, ask_filters())


def ask_image(store: ImageStore) -> str:
    """Ask until the image exists in the share (F09). Raises StoreError."""
    store.exists("image")  # a share that is not there is said before anything is asked
    while True:
        given: str = click.prompt("Image, relative to the shared folder").strip()
        if store.exists(given):
            return given
        click.echo(f"{given!r} does not exist in {store.label}.", err=True)


def ask_password() -> str:
    """Ask without echo; without a terminal, take the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")


def ask_filters() -> tuple[str, ...]:
    """Ask until it can be read; spaces around commas mean nothing, the order is kept."""
    while True:
        given: str = click.prompt("Filters, separated by commas")
        try:
            return texts(parse_chain(given))
        except InvalidRequest as error:
            click.echo(f"{error}.", err=True)


def texts(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """The chain as the gateway's list."""
    return tuple(format_chain([step]) for step in steps)
