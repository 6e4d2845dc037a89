"""The commands that administer users: ``iceflix users ...``, hence ``add_user``.

Exit codes: 0 done, and an Authenticator that runs here was told; 1 not done, and why; 2 wrong
usage; 3 the file was changed, but no Authenticator runs here.
"""

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from iceflix.auth import admin, passwords
from iceflix.auth.remote import administrator
from iceflix.auth.running import tell_authenticators
from iceflix.runtime.errors import InvalidRequest, ServiceError
from iceflix.runtime.mailaddress import is_mail_address
from iceflix.runtime.process import proxies
from iceflix.runtime.settings import Settings

EXIT_NOBODY_TOLD = 3


_via = click.option(
    "--via",
    type=click.Choice(["file", "admin"]),
    help="Change the credentials file here, or ask the user administrator that runs here. "
    "[default: admin for a .csv where one runs: only the Authenticator opens it then; else file]",
)


@click.group()
def users() -> None:
    """Administer who may sign in."""


@users.command()
@click.argument("name")
@click.argument("password", required=False)
@click.option("--scrypt", is_flag=True, help="Keep a hash that is of no use to a thief.")
@click.option("--replace", is_flag=True, help="The user administrator, too, replaces a password.")
@_via
@click.pass_context
def add(
    context: click.Context, /, name: str, password: str | None, via: str | None, **how: bool
) -> None:
    """Add a user, or give one a new password.

    Without PASSWORD it is asked for twice; when standard input is not a terminal, its first line
    is taken. A password given as an argument can be seen by other users of this machine while the
    command runs. The user administrator takes e-mail addresses only, and new users only
    unless --replace is given.
    """
    settings: Settings = context.obj
    if _by_admin(settings, via):
        if how["scrypt"]:
            raise click.UsageError("--scrypt works on the file; add --via file")
        name = _mail_address(name)
        stored = passwords.digest(_password(password))
        with _plain_errors(), administrator(settings) as remote:
            (remote.put if how["replace"] else remote.add)(name, stored)
        click.echo(f"{name} may sign in now.")
        return
    stored = passwords.digest(_password(password))
    if how["scrypt"]:
        salt = secrets.token_bytes(passwords.SALT_BYTES)
        stored = passwords.ScryptHash.make(stored, salt).encode()
    file = settings.path("Auth.File")
    with _plain_errors():
        known = admin.put_user(file, name, stored)
    done = f"{name} has a new password" if known else f"{name} may sign in now"
    _finish(context, settings, f"{done} ({file}).")


@users.command()
@click.argument("name")
@_via
@click.pass_context
def remove(context: click.Context, name: str, via: str | None) -> None:
    """Remove a user; tokens that the user holds end at once."""
    settings: Settings = context.obj
    if _by_admin(settings, via):
        with _plain_errors(), administrator(settings) as remote:
            remote.remove(name)
        click.echo(f"{name} is removed.")
        return
    file = settings.path("Auth.File")
    with _plain_errors():
        if not admin.remove_user(file, name):
            raise click.ClickException(f"there is no user {name} in {file}")
    _finish(context, settings, f"{name} is removed ({file}).")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@_via
@click.pass_context
def list_all(context: click.Context, as_json: bool, via: str | None) -> None:
    """List the users and, with --via file, how their passwords are kept."""
    settings: Settings = context.obj
    if _by_admin(settings, via):
        with _plain_errors(), administrator(settings) as remote:
            names = remote.users()
        if as_json:
            click.echo(json.dumps([{"name": name} for name in names], ensure_ascii=False, indent=2))
        else:
            click.echo("".join(f"{name}\n" for name in names), nl=False)
        return
    file = settings.path("Auth.File")
    with _plain_errors():
        listed = admin.list_users(file)
    if as_json:
        click.echo(json.dumps([asdict(user) for user in listed], ensure_ascii=False, indent=2))
        return
    for user in listed:
        note = "cannot sign in: no usable password_hash" if user.keeps == "nothing" else user.keeps
        click.echo(f"{user.name}\t{note}")
    if not listed:
        click.echo(f"no users in {file}", err=True)


def _by_admin(settings: Settings, via: str | None) -> bool:
    if via is None:
        is_csv = settings.path("Auth.File").suffix.lower() == ".csv"
        return is_csv and any(proxies(settings.home, "useradmin"))
    return via == "admin"


def _mail_address(given: str) -> str:
    """Ask again until it is one (F19); nothing is sent before."""
    while not is_mail_address(given):
        sentence = f"{given[:80]!r} is no e-mail address like ana@example.org"
        if not sys.stdin.isatty():
            raise click.UsageError(sentence)
        click.echo(sentence, err=True)
        given = click.prompt("E-mail address")
    return given


def _password(given: str | None) -> bytes:
    """Return the password as the bytes that were typed."""
    if given is None and sys.stdin.isatty():
        given = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    typed = sys.stdin.buffer.readline().rstrip(b"\r\n") if given is None else os.fsencode(given)
    if not typed:
        raise click.UsageError("the password is empty")
    return typed


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except InvalidRequest as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    except ServiceError as error:
        raise click.ClickException(str(error)) from error


def _finish(context: click.Context, settings: Settings, done: str) -> None:
    told = tell_authenticators(settings.home)
    click.echo(done)
    if not told:
        click.echo(
            f"No Authenticator runs here ({settings.home}); one that is started will know.",
            err=True,
        )
        context.exit(EXIT_NOBODY_TOLD)
