"""`farthing lab simulate`: the programs in worlds where everything goes wrong."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from farthing.cli import output, stopping
from farthing.cli.naming import ALL, Schemes, names_of
from farthing.lab import bounds, runs
from farthing.lab.faults import WEATHERS
from farthing.lab.runs import Asked, Result
from farthing.schemes import registry
from farthing.schemes.losses import AMOUNTS, CAUSES

SHOWN_MAX = 5  # failing seeds of which more is told than their number


def simulate(
    scheme: Schemes = ALL,
    seed: Annotated[int, typer.Option(help="Of the first run; the others follow.")] = 1,
    runs_: Annotated[int, typer.Option("--runs", min=1, help="How many worlds.")] = 1,
    payments: Annotated[
        int,
        typer.Option(min=1, help="Purchases begun in each world in which nobody cheats."),
    ] = runs.PAYMENTS,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0 for as many as there are cores.")
    ] = 0,
    weather: Annotated[
        str, typer.Option(help="`rough`: everything; `hard`: lost messages and deaths at commits.")
    ] = "rough",
    steps: Annotated[
        str | None, typer.Option(help="Only these steps of one world, as a failure names them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run broker, gates and wallets in worlds where everything goes wrong, and see what holds.

    Messages are lost, repeated and late, programs die around every commit, clocks jump, and
    afterwards everybody finishes and every account is counted. In one world of four somebody
    cheats, and the worst that it cost the honest is shown. The same seed does the same again.
    Ends with 1 if anything was found, and says how to repeat it.

    Example: farthing lab simulate --scheme all --runs 200 --workers 2
    """
    if weather not in WEATHERS:
        raise typer.BadParameter(f"one of {', '.join(WEATHERS)}", param_hint="--weather")
    asked = Asked(schemes=names_of(scheme), payments=payments, weather=weather)
    registry.verify_purposes()
    registry.verify_written(asked.schemes)
    results: list[Result] = []
    with stopping.told(lambda: _so_far(results, runs_, asked)):
        if steps is not None:
            results.append(runs.run(seed, asked, _steps(steps, seed, runs_, asked)))
        else:
            seeds, many = range(seed, seed + runs_), _workers(workers, runs_)
            with output.progress(f"{runs_} worlds", runs_) as progress:
                for result in runs.run_all(seeds, asked, workers=many, progress=progress):
                    results.append(result)
        failed = [result for result in results if result.findings]
        least = failed[:SHOWN_MAX]
        if steps is None:
            with output.progress("the fewest steps that fail") as progress:
                least = [runs.shortest(result, asked, progress) for result in least]
    found = _summary(results, failed, least, asked)
    if as_json:
        output.print_json(found)
    else:
        _print(found)
    if failed:
        raise typer.Exit(1)


def _so_far(results: Sequence[Result], runs_: int, asked: Asked) -> list[str]:
    """What to say of runs that were interrupted."""
    failed = [f"  {runs.replay(result, asked)}" for result in results if result.findings]
    return stopping.so_far(len(results), runs_, failed, "all passed")


def _workers(asked: int, runs_: int) -> int:
    """No more than there is work for: a process takes a second to start."""
    return min(asked or os.cpu_count() or 1, -(-runs_ // runs.SEEDS_PER_TASK))


def _steps(text: str, seed: int, runs_: int, asked: Asked) -> tuple[int, ...]:
    """The steps that were named, all of which that world takes; bad usage."""
    hint = "--steps"
    if runs_ > 1:
        raise typer.BadParameter("steps are those of one world: leave --runs out", param_hint=hint)
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter("numbers with commas between them", param_hint=hint) from None
    count = runs.steps_of(seed, asked)
    beyond = [step for step in found if not 0 <= step < count]
    if beyond:
        told = f"there is no step {beyond[0]}: the world of seed {seed} has 0 to {count - 1}"
        raise typer.BadParameter(told, param_hint=hint)
    return found


def _summary(
    results: Sequence[Result], failed: Sequence[Result], least: Sequence[Result], asked: Asked
) -> dict[str, Any]:
    run_s = sum(result.run_s for result in results)
    payments = sum(result.payments for result in results)
    return {
        "runs": len(results),
        "passed": len(results) - len(failed),
        "failed": [result.seed for result in failed],
        "payments": payments,
        "sold": sum(result.sold for result in results),
        "events": sum(result.events for result in results),
        "paymentsPerS": round(payments / run_s) if run_s else 0,
        "losses": [
            {
                "scheme": loss.scheme,
                "role": loss.role,
                "by": loss.by,
                "of": loss.of,
                "worstMicro": loss.worst_micro,
                "boundMicro": loss.bound_micro,
            }
            for loss in bounds.worst(one for result in results for one in result.losses)
        ],
        "hashes": {str(result.seed): result.hash for result in results[:SHOWN_MAX]},
        "failures": [
            {
                "seed": result.seed,
                "findings": list(result.findings),
                "replay": runs.replay(result, asked),
                "trace": runs.told(result),
            }
            for result in least
        ],
    }


def _print(found: dict[str, Any]) -> None:
    output.say(
        f"{found['passed']} of {found['runs']} worlds passed: {found['payments']} payments begun,"
        f" {found['sold']} confirmed, {found['events']} events,"
        f" {found['paymentsPerS']} payments a second on one core"
    )
    for line in losses_told(found["losses"]):
        output.say(line)
    for failure in found["failures"]:
        output.say("")
        output.say(f"seed {failure['seed']} fails; repeat it with: {failure['replay']}")
        for finding in failure["findings"][:SHOWN_MAX]:
            output.say(f"  {finding}")
        for line in failure["trace"]:
            output.say(f"    {line}")
    if found["failed"]:
        output.say("")
        output.say(f"failing seeds: {', '.join(map(str, found['failed']))}")


def losses_told(losses: Sequence[dict[str, Any]]) -> list[str]:
    """What people read of `losses`: each that was one, and that there was no other."""
    lost = [loss for loss in losses if loss["worstMicro"]]
    told = [
        f"{loss['scheme']}: a {loss['role']} lost up to {loss['worstMicro']} micro-units"
        f" where {CAUSES[loss['role']][loss['by']]}; declared: {AMOUNTS[loss['of']]}"
        for loss in lost
    ]
    if len(lost) < len(losses):
        told.append(f"no {'other ' if lost else ''}honest party lost anything")
    return told
