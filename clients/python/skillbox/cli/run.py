"""`skillbox run`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from skillbox.cli import console
from skillbox.cli.arguments import RunRequest, read_env, read_input
from skillbox.cli.errors import CliError, check_success
from skillbox.cli.json_text import result_text
from skillbox.cli.settings import Settings, settings_of
from skillbox.client import Client, RunResult


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(run)


def run(
    ctx: typer.Context,
    skill: Annotated[str, typer.Argument(help="Name of the skill.", show_default=False)],
    args: Annotated[
        list[str] | None, typer.Argument(help="Arguments of the script, after --.")
    ] = None,
    *,
    input_: Annotated[
        str, typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="Input; - reads stdin.")
    ] = "",
    version: Annotated[str, typer.Option(help="Version of the skill.")] = "latest",
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="NAME=VALUE", help="Variable for the skill."),
    ] = None,
    entrypoint: Annotated[str, typer.Option(help="Another script of the skill to run.")] = "",
    download: Annotated[
        Path | None,
        typer.Option("--download", "-d", metavar="DIR", help="Where to put the skill's files."),
    ] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow", help="Show logs while it runs; the default on a terminal."
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the id and return; `exec wait` has the result.")
    ] = False,
) -> None:
    """Run a skill and print its result as JSON; live logs go to stderr."""
    if detach and (download is not None or follow):
        raise typer.BadParameter("not together with --download or --follow", param_hint="--detach")
    settings = settings_of(ctx)
    request = RunRequest(
        skill, version, read_input(input_), read_env(env or ()), entrypoint, args or []
    )
    client = settings.client()
    if detach:
        _start(settings, client, request)
        return
    if follow if follow is not None else sys.stderr.isatty():
        result = _run_live(settings, client, request)
    else:
        result = _run(client, request)
    console.show_json_text(result_text(result))
    if download is not None:
        _download(client, result, download)
    check_success(result)


def _start(settings: Settings, client: Client, request: RunRequest) -> None:
    execution = client.start(**vars(request))
    if settings.json:
        console.show_json_text(result_text(execution))
        return
    console.show(execution.execution_id)
    console.note(f"`skillbox exec wait {execution.execution_id}` waits for its end.")


def _run(client: Client, request: RunRequest) -> RunResult:
    return client.run(**vars(request))


def _run_live(settings: Settings, client: Client, request: RunRequest) -> RunResult:
    printer = console.LogPrinter()
    # The library would add lines of its own to what the skill prints.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from skillbox.cli import live  # noqa: PLC0415 - needs the extra `grpc`
    except ModuleNotFoundError:
        console.note('Logs come at the end: live logs need pip install "skillbox[grpc]".')
        result = _run(client, request)
        printer.write("stdout", result.logs.encode())
    else:
        result = live.run(settings, request, printer.write)
    printer.end()
    return result


def _download(client: Client, result: RunResult, folder: Path) -> None:
    try:
        with console.transfer_bar() as bar:
            task = bar.add_task("Fetching files", total=None)
            client.download_files(result, folder, progress=lambda size: bar.advance(task, size))
    except ValueError as error:
        raise CliError(str(error).removeprefix("skillbox: ")) from None
    count = len(result.files_list)
    console.note(f"{count} {'file' if count == 1 else 'files'} in {folder}")
