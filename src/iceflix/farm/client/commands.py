"""``iceflix filter``. Exit codes: 0 all done; 1 something was refused, and why; 2 wrong usage."""

import concurrent.futures
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from iceflix.farm.client import dialogue
from iceflix.farm.client.doors import Door, open_door
from iceflix.farm.filters.parse import parse_chain
from iceflix.farm.gateway.desk import Request
from iceflix.farm.images.access import open_store
from iceflix.farm.images.store import ImageStore
from iceflix.runtime.errors import Denial, InvalidRequest, SetupError
from iceflix.runtime.settings import Settings

_AT_ONCE = 8


@dataclass(frozen=True)
class Outcome:
    """What became of one image; ``reason`` is empty when it was filtered."""

    image: str
    result: str = ""
    seconds: float = 0.0
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class _Wish:
    """What is to be done to every image."""

    user: str
    password_hash: str
    filters: tuple[str, ...]


@click.command("filter")
@click.argument("images", nargs=-1)
@click.option("-f", "--filters", "chain", help="Filters in order: gray,blur:radius=4")
@click.option("--user", envvar=dialogue.USER_VARIABLE, help="E-mail address; asked for if missing.")
@click.option(
    "--via",
    type=click.Choice(["corba", "ice"]),
    default="corba",
    show_default=True,
    help="How to speak to the gateway.",
)
@click.option("--upload", is_flag=True, help="IMAGES are local files: copy them into the share.")
@click.option("--open", "show", is_flag=True, help="Show the results.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def filter_images(context: click.Context, /, images: Sequence[str], **options: Any) -> None:
    """Have IMAGES filtered by the farm; each result lies beside its image in the shared folder.

    IMAGES are relative to that folder (Farm.Images). Without any, and on a terminal, all that is
    needed is asked for. The password is asked for without echo, read from the first line of
    standard input when that is no terminal, or taken from the variable ICEFLIX_PASSWORD; it never
    leaves this program, only its SHA-256 does.
    """
    settings: Settings = context.obj
    store = open_store(settings)
    if images:
        wish = _wish_of(options["chain"], options["user"])
        place = _upload if options["upload"] else _there
        images = [place(store, name) for name in images]
    elif sys.stdin.isatty():
        answers = dialogue.ask(store)
        images, wish = [answers.image], _wish(answers.user, answers.password, answers.filters)
    else:
        raise click.UsageError("name at least one image")
    with open_door(settings, options["via"]) as door:
        outcomes = list(_shown(_work(door, images, wish), len(images)))
    _report(outcomes, as_json=options["as_json"])
    for outcome in outcomes if options["show"] else ():
        if not outcome.reason:
            click.launch(str(_local(settings, store, outcome.result)))
    context.exit(int(any(outcome.reason for outcome in outcomes)))


def _wish_of(chain: str | None, user: str | None) -> _Wish:
    filters = _filters(chain)  # before anybody types a password in vain
    return _wish(user or _ask_user(), _password(), filters)


def _wish(user: str, password: str, filters: tuple[str, ...]) -> _Wish:
    return _Wish(
        user, hashlib.sha256(password.encode("utf-8", "surrogateescape")).hexdigest(), filters
    )


def _filters(chain: str | None) -> tuple[str, ...]:
    if chain is None:
        raise click.UsageError("name the filters with -f, such as -f gray,blur:radius=4")
    try:
        return dialogue.texts(parse_chain(chain))
    except InvalidRequest as error:
        raise click.UsageError(str(error)) from error


def _ask_user() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("name the user with --user or ICEFLIX_USER")
    return str(click.prompt("E-mail"))


def _password() -> str:
    given = os.environ.get(dialogue.PASSWORD_VARIABLE)
    return dialogue.ask_password() if given is None else given


def _there(store: ImageStore, name: str) -> str:
    if not store.exists(name):
        raise InvalidRequest(
            f"{name!r} does not exist in {store.label}; paths are relative to that folder, and "
            "--upload copies a local file there"
        )
    return name


def _upload(store: ImageStore, name: str) -> str:
    """Copy a local image into the share, never over another one; returns its name there."""
    file = Path(name)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read {file}: {error.strerror}") from error
    if not store.exists(file.name):
        store.write(file.name, data)
    elif store.read(file.name, len(data) + 1) != data:
        raise InvalidRequest(f"there is another {file.name!r} in {store.label}; rename the file")
    return file.name


def _work(door: Door, images: Sequence[str], wish: _Wish) -> Iterator[Outcome]:
    """Some at once, in the order in which they end."""

    def one(image: str) -> Outcome:
        try:
            request = Request(wish.user, wish.password_hash, image, wish.filters)
            result, seconds = door.filter(request)
        except Denial as denial:
            return Outcome(image, reason=denial.reason, detail=str(denial))
        return Outcome(image, result, seconds)

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(one, image) for image in images]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()


def _shown(outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
    """The same, with a progress bar on a terminal when there are several."""
    console = Console(stderr=True)
    hidden = total < 2 or not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        yield from progress.track(outcomes, total=total, description="Filtering")


def _report(outcomes: list[Outcome], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(each) for each in outcomes], ensure_ascii=False, indent=2))
        return
    for outcome in outcomes:
        if outcome.reason:
            click.echo(f"{outcome.image}: {outcome.reason}: {outcome.detail}", err=True)
        else:
            click.echo(outcome.result)


def _local(settings: Settings, store: ImageStore, result: str) -> Path:
    """A file that a viewer can open: the share's own, or a copy."""
    url = settings.text("Farm.Images")
    if "://" not in url:
        return settings.path("Farm.Images") / result
    try:
        data = store.read(result, settings.integer("Farm.MaxBytes"))
        copy = Path(tempfile.mkdtemp(prefix="iceflix-")) / Path(result).name
        copy.write_bytes(data)
    except OSError as error:
        raise SetupError(f"cannot keep a copy of {result} to show: {error.strerror}") from error
    return copy
