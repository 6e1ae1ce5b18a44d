"""`skillbox exec`: the history of runs."""

from typing import Annotated

import typer

from skillbox.cli import console
from skillbox.cli.arguments import read_duration
from skillbox.cli.errors import CliError, check_success
from skillbox.cli.json_text import array_text, indent, result_text
from skillbox.cli.settings import settings_of
from skillbox.client import Client, Execution, RunResult

_PAGE = 1000

app = typer.Typer(help="Look at runs and cancel them.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the run.", show_default=False)]


@app.command("list")
def list_(
    ctx: typer.Context,
    skill: Annotated[str, typer.Option(help="Only runs of this skill.")] = "",
    status: Annotated[
        str, typer.Option(help="Only runs in this status, such as failed or running.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
) -> None:
    """List runs, newest first."""
    settings = settings_of(ctx)
    executions = _newest(settings.client(), skill, status, limit)
    if settings.json:
        console.show_json_text(array_text(map(result_text, executions)))
        return
    console.show_table(
        ("ID", "SKILL", "VERSION", "STATUS", "DURATION", "CREATED"),
        (
            (
                item.execution_id,
                item.skill_name,
                item.skill_version,
                item.status,
                f"{item.duration_ms} ms" if item.finished_at else "",
                console.moment(item.created_at),
            )
            for item in executions
        ),
        cut=("SKILL", "VERSION"),
    )


@app.command()
def get(ctx: typer.Context, execution_id: Id) -> None:
    """Show a run."""
    settings = settings_of(ctx)
    execution = settings.client().get_execution(execution_id)
    if settings.json:
        console.show_json_text(result_text(execution))
        return
    console.show_fields(
        (
            ("Id", execution.execution_id),
            ("Skill", f"{execution.skill_name} {execution.skill_version}"),
            ("Status", execution.status),
            ("In queue", str(execution.queue_position or "")),
            ("Error", execution.error),
            ("Duration", f"{execution.duration_ms} ms" if execution.finished_at else ""),
            ("Created", execution.created_at),
            ("Started", execution.started_at),
            ("Finished", execution.finished_at),
            ("Files", "\n".join(execution.files_list)),
            ("Input", indent(execution.input_json)),
            ("Output", indent(execution.output_json)),
        )
    )


@app.command()
def wait(
    ctx: typer.Context,
    execution_id: Id,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long, such as 5m; default: to the end.")
    ] = "",
) -> None:
    """Wait until a run has ended; print its result and exit as `skillbox run` does."""
    limit = read_duration(timeout, "--timeout")
    try:
        execution = (
            settings_of(ctx).client().wait(execution_id, limit.total_seconds() if limit else None)
        )
    except TimeoutError:
        raise CliError(
            f"{execution_id} has not ended after {timeout}",
            f"It goes on; `skillbox exec cancel {execution_id}` ends it.",
        ) from None
    console.show_json_text(result_text(execution, RunResult))
    check_success(execution)


@app.command()
def logs(
    ctx: typer.Context,
    execution_id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
) -> None:
    """Print what a run has printed. With -f -o json, each piece is a line of JSON."""
    settings = settings_of(ctx)
    client = settings.client()
    if settings.json and follow:
        for event in client.stream(execution_id):
            if event.type == "log":
                console.show_json_line(event.data)
    elif settings.json:
        text = client.get_execution_logs(execution_id)
        console.show_json({"execution_id": execution_id, "logs": text})
    elif follow:
        for piece in client.follow_logs(execution_id):
            console.show_piece(piece)
    else:
        console.show_piece(client.get_execution_logs(execution_id))


@app.command()
def cancel(ctx: typer.Context, execution_id: Id) -> None:
    """Cancel a run that has not ended."""
    settings = settings_of(ctx)
    execution = settings.client().cancel(execution_id)
    if settings.json:
        console.show_json_text(result_text(execution))
    elif execution.finished_at:
        console.show(f"{execution_id} has ended: {execution.status}")
    else:
        console.show(f"{execution_id} is being cancelled")


def _newest(client: Client, skill: str, status: str, limit: int) -> list[Execution]:
    executions: list[Execution] = []
    token = ""
    while True:
        size = min(limit - len(executions), _PAGE)
        page = client.list_executions(skill=skill, status=status, page_size=size, page_token=token)
        executions += page.executions
        token = page.next_page_token
        if not token or len(executions) >= limit:
            return executions[:limit]
