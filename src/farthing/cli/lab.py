"""`farthing lab`: hold schemes to what they promise."""

import os
from typing import Annotated

import typer

from farthing.cli import output, stopping
from farthing.cli.bookkeeping import AsJson
from farthing.cli.naming import ALL, Schemes, names_of
from farthing.cli.simulate import simulate
from farthing.lab.conformance import runner
from farthing.lab.conformance.cases import Case, Result, is_meant
from farthing.lab.conformance.catalogue import every_case
from farthing.schemes import registry

app = typer.Typer(help="Hold schemes to what they promise.", no_args_is_help=True)


app.command()(simulate)


@app.callback()
def lab() -> None:
    """Hold schemes to what they promise."""


@app.command()
def conformance(
    scheme: Schemes = ALL,
    case: Annotated[
        str, typer.Option(help="Only the cases whose name begins so, or matches `*` and `?`.")
    ] = "",
    seed: Annotated[int, typer.Option(help="What is drawn follows from it.")] = 1,
    workers: Annotated[
        int, typer.Option(help="Processes; 0 for as many as there are cores.", min=0)
    ] = 0,
    listed: Annotated[
        bool, typer.Option("--list", help="Show the cases and their rules; run none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Try a scheme with every case that schemes are tried with. Exits with 1 if one failed.

    Example: farthing lab conformance --scheme millicent
    """
    if listed:
        _list([one for one in every_case() if is_meant(one.name, case)], as_json=as_json)
        return
    names = names_of(scheme) or [one.traits.name for one in registry.all_schemes()]
    jobs = runner.jobs_of(names, case, seed=seed)
    if not jobs:
        raise typer.BadParameter(f"no case is called {case!r}; see --list")
    workers = workers or min(os.cpu_count() or 1, len(jobs))
    report = runner.report_of(_run(jobs, workers, seed), seed)
    if as_json:
        output.print_json(report)
    else:
        _show(report)
    raise typer.Exit(1 if report.failed else 0)


def _list(cases: list[Case], *, as_json: bool) -> None:
    if as_json:
        output.print_json({one.name: one.rule for one in cases})
        return
    for one in cases:
        output.say(f"{one.name}: {one.rule}")


def _run(jobs: list[runner.Job], workers: int, seed: int) -> list[Result]:
    results: list[Result] = []

    def so_far() -> list[str]:
        failed = [
            f"  {runner.replay_command(one, seed)}" for one in results if one.state == "failed"
        ]
        return stopping.so_far(len(results), len(jobs), failed, "none failed")

    with stopping.told(so_far), output.progress("cases", len(jobs)) as progress:
        for result in runner.run(jobs, workers=workers):
            results.append(result)
            progress(len(results), len(jobs))
    return results


def _show(report: runner.Report) -> None:
    for name, found in report.schemes.items():
        output.say(
            f"{name}: {len(found.passed)} passed, {len(found.failed)} failed,"
            f" {len(found.skipped)} skipped"
        )
        for skip in found.skipped:
            output.say(f"  skipped {skip.case}: {skip.why}")
        for failure in found.failed:
            output.say(f"  FAILED  {failure.case}: {failure.why}")
            output.say(f"          {failure.replay}")
