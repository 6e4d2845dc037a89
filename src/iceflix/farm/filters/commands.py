"""``iceflix filters list|show|try|check``: filters on this machine; no farm has to run.

Exit codes: 0 done; 1 a filter or an image is at fault, and why; 2 wrong usage or configuration.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import click

from iceflix.farm.filters import library, parse
from iceflix.farm.filters.catalogue import read_list
from iceflix.farm.filters.trial import Found, Trial, check, find, find_step
from iceflix.farm.images.naming import result_path
from iceflix.farm.sandbox.chain import ChainFailed, Step
from iceflix.farm.sandbox.limits import Limits
from iceflix.runtime.errors import InvalidRequest, ServiceError, SetupError
from iceflix.runtime.files import atomic_write
from iceflix.runtime.settings import Settings

ROUNDS = 5


@click.group()
def filters() -> None:
    """Look at image filters, try them out and check new ones."""


@filters.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def list_all(settings: Settings, as_json: bool) -> None:
    """List the filters of the farm's folder and those that are shipped."""
    folder = settings.path("Farm.Filters")
    signed = read_list(folder)
    names = sorted({*library.names(), *signed, *(path.stem for path in folder.glob("*.py"))})
    rows = [_row(name, folder, signed.get(name)) for name in names]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['summary']}  [{row['state']}]")
        if row["parameters"]:
            click.echo(f"{'':<{width}}    {row['parameters']}")


@filters.command()
@click.argument("name")
@click.option("--code", is_flag=True, help="Show the filter's file instead.")
@click.pass_obj
def show(settings: Settings, name: str, code: bool) -> None:
    """Show what a filter does and its parameters. NAME may be a file of yours."""
    with _plain_errors():
        found = find(name, settings.path("Farm.Filters"))
    if code:
        click.echo(found.code.decode("utf-8"), nl=False)
        return
    click.echo(f"{found.spec.name}\n\n{found.spec.documentation}\n")
    for parameter in found.spec.parameters:
        click.echo(f"  {parameter}")
    click.echo(f"{'' if not found.spec.parameters else chr(10)}SHA-256 {found.spec.sha256}")


@filters.command("try")
@click.argument("chain")
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--open", "show_it", is_flag=True, help="Show the result.")
@click.pass_obj
def try_out(
    settings: Settings, chain: str, image: Path, output: Path | None, show_it: bool
) -> None:
    """Apply filters to an image of this machine, in the sandbox, and time them.

    CHAIN is what a client of the farm would write, such as gray,blur:radius=4; ./mine.py:radius=4
    stands for a file of yours. The result lies beside the image unless -o says where.
    """
    with _plain_errors():
        steps, typed = _steps(chain, settings.path("Farm.Filters"))
        target = output or image.with_name(result_path(image.name, typed))
        if target.resolve() == image.resolve():
            raise click.UsageError("the result would replace the image; name another file after -o")
        with Trial(Limits.of(settings)) as trial:
            result, seconds = trial.timed(steps, image.read_bytes(), ROUNDS)
        atomic_write(target, result, mode=0o644)
    click.echo(
        f"{target}: {seconds * 1000:.1f} ms with reading and writing the format "
        f"(median of {ROUNDS}); SHA-256 {hashlib.sha256(result).hexdigest()}"
    )
    if show_it and click.launch(str(target)):
        click.echo("No program here shows pictures; open the file yourself.", err=True)


@filters.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def check_file(context: click.Context, file: Path) -> None:
    """Check a filter's file: first as text, then in the sandbox, on every kind of picture."""
    settings: Settings = context.obj
    problems = 0
    with _plain_errors():
        found = find(str(file) if file.suffix == ".py" else f"{file}.py", file.parent)
        click.echo(f"{found.spec.name}: {found.spec.summary}")
        for parameter in found.spec.parameters:
            click.echo(f"  {parameter}")
        for good, sentence in check(found, Limits.of(settings)):
            problems += not good
            click.echo(f"{'ok     ' if good else 'PROBLEM'} {sentence}")
    if problems:
        click.echo(f"{problems} problems; docs/writing-filters.md says what a filter should do.")
        context.exit(1)
    click.echo(f"Nothing wrong; to deploy it: iceflix filters add {file}")


def _steps(chain: str, folder: Path) -> tuple[list[Step], list[parse.Step]]:
    """What is to be done, and what was typed. Raises InvalidRequest."""
    parts = chain.split(",")
    if len(parts) > parse.MAX_FILTERS:
        raise InvalidRequest(
            f"{len(parts)} filters are too many; at most {parse.MAX_FILTERS} are allowed"
        )
    found = [find_step(part, folder) for part in parts]
    return [step for step, _ in found], [typed for _, typed in found]


def _row(name: str, folder: Path, listed: object) -> dict[str, str]:
    """What the list says of a filter; a file that cannot be one is shown with the reason."""
    row = {"name": name, "summary": "", "parameters": "", "sha256": "", "state": "not a filter"}
    try:
        found: Found = find(name, folder)
    except ServiceError as error:
        return row | {"summary": str(error)}
    row["summary"] = found.spec.summary
    row["parameters"] = ", ".join(str(parameter) for parameter in found.spec.parameters)
    row["sha256"] = found.spec.sha256
    if not (folder / f"{name}.py").exists():
        return row | {"state": "shipped"}
    same = getattr(listed, "sha256", "") == found.spec.sha256
    return row | {"state": "signed" if same else "not signed"}


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except InvalidRequest as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    except SetupError:
        raise
    except (ChainFailed, ServiceError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
