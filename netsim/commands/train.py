"""`python -m netsim train SCENARIO --agent NAME`: learn, with progress; save and resume."""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from netsim import stats, training
from netsim.cli import Parser, resolved
from netsim.commands.figure_request import console, progress
from netsim.figures import learning_curve
from netsim.figures.plateau import LEAST_SEGMENTS, plateau
from phy.parameters import ParameterError

_LAST = 100  # iterations behind the training reward that is printed


def command(arguments: Sequence[str]) -> int:
    """Parses the command line of `train` and runs it; returns 0."""
    parser = Parser(
        prog="python -m netsim train",
        description="Trains an agent inside event-driven runs of a scenario. Its weights, learning curve and "
        "noise-free evaluation go to DIR; a training that was interrupted goes on with --resume.",
    )
    parser.add_argument("scenario", help="scenario file, e.g. scenarios/toscn.py")
    parser.add_argument(
        "--agent",
        required=True,
        metavar="NAME",
        help="toscn: ddpg, a3c, greedy, greedy_sc; scqos: hybrid, sac, ddpg, td3, d3qn",
    )
    parser.add_argument(
        "--preset", action="append", default=[], metavar="NAME",
        help="of the agent (tuned, paper; default tuned) or of the scenario (mbyte, ...); repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--phy", metavar="LEVEL", help="level of fidelity to train at: paper, table, bit, ..."
    )
    parser.add_argument(
        "--iterations", type=int, metavar="N", help="episodes (default 600; of scqos 80, 32 runs at once)"
    )
    parser.add_argument("--seeds", default="0", metavar="S,S", help="training seeds (default 0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in DIR")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="assignments",
                        help="set one parameter of the scenario; repeatable")  # fmt: skip
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", dest="changes",
                        help="set one parameter of the algorithm (e.g. discount); repeatable")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("results/agents"), metavar="DIR",
                        help="folder of results (default results/agents)")  # fmt: skip
    parser.add_argument("--export", type=Path, metavar="FILE",
                        help="also write the weights of the first seed alone: what can ship")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        raise ParameterError(f"--jobs {options.jobs}: must be >= 1")
    plans = _plans(options)
    results = train_all(plans, options.out, options.jobs, options.resume)
    _report(plans[0], results)
    if options.export is not None:
        training.export(results[0].path, options.export)
        console().print(f"weights of seed {results[0].about['seed']}: {options.export}", markup=False)
    return 0


def _plans(options: argparse.Namespace) -> list[training.Plan]:
    own = [name for name in options.preset if name in training.AGENT_PRESETS]
    of_scenario = [name for name in options.preset if name not in training.AGENT_PRESETS]
    for names in (own, of_scenario):
        if len(names) > 1:
            raise ParameterError(f"--preset {names[1]}: is the second of its kind: must be one")
    try:
        seeds = [int(text) for text in options.seeds.split(",")]
    except ValueError:
        raise ParameterError(f"--seeds {options.seeds}: must be integers, separated by commas") from None
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ParameterError(f"--seeds {options.seeds}: must be different and >= 0")
    agent, preset = options.agent, own[0] if own else training.AGENT_PRESETS[0]
    options.preset = of_scenario[0] if of_scenario else None
    options.agent = options.slots = options.seed = None  # the scenario keeps its own
    scenario = resolved(options)
    changes = {}
    for text in options.changes:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"--param {text}: must be NAME=VALUE")
        changes[name] = value
    iterations = options.iterations
    if iterations is None:
        iterations = training.system(scenario).ITERATIONS
    return [training.plan(scenario, agent, preset, iterations, seed, changes) for seed in seeds]


def train_all(plans: Sequence[training.Plan], out: Path, jobs: int, resume: bool) -> list[training.Result]:
    """Trains the plans side by side, with one progress line over all of them."""
    total = sum(plan.iterations for plan in plans)
    with progress(f"training {plans[0].agent}, iterations") as advance:
        if jobs == 1 or len(plans) == 1:
            results, before = [], 0
            for plan in plans:
                results.append(training.train(plan, out, resume, _reporter(advance, before, total)))
                before += plan.iterations
            return results
        context = get_context("spawn")  # the parent may hold threads that do not survive a fork
        done = context.Array("q", len(plans))
        with ProcessPoolExecutor(min(jobs, len(plans)), context, _begin, (done,)) as pool:
            futures = [pool.submit(_train, k, plan, out, resume) for k, plan in enumerate(plans)]
            while not all(future.done() for future in futures):
                advance(sum(done[:]), total)
                _raise_early(futures)
                time.sleep(0.3)
            return [future.result() for future in futures]


def _reporter(advance: Callable[[int, int], None], before: int, total: int) -> Callable[[int, float], None]:
    return lambda done, _reward: advance(before + done, total)


def _raise_early(futures: Sequence[Future]) -> None:
    for future in futures:
        if future.done():
            future.result()


_done: Any = None  # iterations done by each training, shared with the parent; set in worker processes


def _begin(done: Any) -> None:
    global _done
    _done = done


def _train(index: int, plan: training.Plan, out: Path, resume: bool) -> training.Result:
    def report(done: int, _reward: float) -> None:
        _done[index] = done

    return training.train(plan, out, resume, report)


def _report(plan: training.Plan, results: Sequence[training.Result]) -> None:
    """Learning curve and evaluation beside the weights, and a table of the seeds."""
    folder = results[0].path.parent
    named = {f"{plan.agent} ({plan.preset})": results}
    learning_curve.write_csv(named, folder / "learning-curve.csv")
    title = f"{plan.scenario.name}, level {plan.scenario.phy}: {plan.agent} ({plan.preset})"
    learning_curve.draw(named, "reward", title, folder / "learning-curve.png")
    table = Table(title=title, header_style="bold")
    for name in ("seed", f"training (last {_LAST})", "without exploration", "95 %", "packets", "accuracy"):
        table.add_column(name, justify="right")
    rows = []
    for result in results:
        found = stats.mean_interval(result.evaluation["reward"])
        trained = float(result.curve["reward"][-_LAST:].mean())
        packets, accuracy = (learning_curve.noise_free(result, name) for name in ("packets", "accuracy"))
        rows.append((result.about["seed"], trained, found.mean, found.low, found.high, packets, accuracy))
        texts = (f"{trained:.2f}", f"{found.mean:.2f}", f"[{found.low:.2f}, {found.high:.2f}]")
        table.add_row(str(result.about["seed"]), *texts, f"{packets:.2f}", f"{accuracy:.3f}")
    with (folder / "evaluation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("seed", "training_reward", "reward", "low", "high", "packets", "accuracy"))
        writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows)
    screen = console()
    screen.print(table)
    over = stats.mean_interval([row[2] for row in rows])
    if over.n > 1:
        screen.print(f"over seeds: {over.mean:.2f} [{over.low:.2f}, {over.high:.2f}] (95 %, Student t)")
    episodes = len(results[0].evaluation["reward"])
    screen.print(f"reward per slot; {episodes} episodes of world seed {training.EVALUATION_SEED}, never seen")
    spent = [f"{result.about['cpu_s']:.0f}" for result in results if "cpu_s" in result.about]
    if spent:
        screen.print(f"CPU s a training: {', '.join(spent)}")
    if min(len(result.judged) for result in results) >= LEAST_SEGMENTS:
        flat = plateau(np.stack([result.judged for result in results]))
        span = f"{100 * flat.gain:+.1f} % [{100 * flat.low:+.1f}, {100 * flat.high:+.1f}]"
        reached = "flat" if flat.reached else "not flat"
        begins = training.SEGMENT * flat.begins
        screen.print(
            f"worlds not learned from, last half: {flat.level:.3f}, gain {span}, {reached}; 99 % of it after "
            f"{begins} iterations"
        )
    screen.print(f"weights, learning-curve.csv, .png, evaluation.csv: {folder}")
