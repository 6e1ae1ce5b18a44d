"""`skillbox run`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from skillbox.cli import console
from skillbox.cli.arguments import RunRequest, read_env, read_input
from skillbox.cli.errors import CliError, ExitCode
from skillbox.cli.json_text import result_text
from skillbox.cli.settings import Settings, settings_of
from skillbox.client import Client, RunResult

_EXIT_CODES = {"failed": ExitCode.SKILL_FAILED, "timeout": ExitCode.SKILL_TIMED_OUT}


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
) -> None:
    """Run a skill and print its result as JSON; live logs go to stderr."""
    settings = settings_of(ctx)
    request = RunRequest(
        skill, version, read_input(input_), read_env(env or ()), entrypoint, args or []
    )
    client = settings.client()
    if follow if follow is not None else sys.stderr.isatty():
        result = _run_live(settings, client, request)
    else:
        result = _run(client, request)
    console.show_json_text(result_text(result))
    if download is not None:
        _download(client, result, download)
    if result.status != "success":
        message = result.error or f"the run ended as {result.status}"
        raise CliError(message, exit_code=_EXIT_CODES.get(result.status, ExitCode.ERROR))


def _run(client: Client, request: RunRequest) -> RunResult:
    return client.run(
        request.skill,
        version=request.version,
        env=request.env,
        entrypoint=request.entrypoint,
        args=request.args,
        input_json=request.input_json,
    )


def _run_live(settings: Settings, client: Client, request: RunRequest) -> RunResult:
    printer = console.LogPrinter()
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
        client.download_files(result, folder)
    except ValueError as error:
        raise CliError(str(error).removeprefix("skillbox: ")) from None
    count = len(result.files_list)
    console.note(f"{count} {'file' if count == 1 else 'files'} in {folder}")
