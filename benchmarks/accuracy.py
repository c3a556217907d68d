"""How well each method does on people, subjects, recordings and rooms that it never saw.

    $ python -m benchmarks.accuracy DATA
    $ python -m benchmarks.accuracy DATA --methods head,probe --protocols few,228
    $ python -m benchmarks.accuracy DATA --without fastai,mediapipe --seeds 0 --markdown

benchmarks/protocols.py says what DATA holds and what is held out; one more row, `228`, teaches 57
snapshots a label, the beginning of a recording, and times it. A second table says what is on the
screen at the default threshold: a right label, a wrong one, or unknown. Every method gets the same
pictures and the same pretrained weights, in a process of its own: what each does, and where that is
documented, stands at the top of its file in benchmarks/baselines/. Ours is `train.py` and its model
file; benchmarks/unknown.py measures how well that knows what it was never shown. fastai and
MediaPipe get virtual environments of their own, made when first needed.

Each answer is kept, so a call that was stopped goes on where it ended, and Ctrl-C prints what there
is so far. A method that can't run is `failed` in the table, and the exit status says so.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy_runs import Kept, Progress, Results, Run, RunFailedError, execute, plan
from benchmarks.accuracy_table import (
    Table,
    accuracy_rows,
    calibration_rows,
    describe_speed,
    draw,
    seconds_rows,
    shown_rows,
    tabulate,
)
from benchmarks.baselines.environments import EnvironmentFailedError, environment_python
from benchmarks.baselines.methods import METHODS, Method
from benchmarks.protocols import (
    FOLDERS,
    ROOMS,
    THINGS,
    Fold,
    Protocol,
    all_protocols,
    load_folders,
    protocols_of_things,
)
from webcam_classifier.backbone.weights import cache_folder, squeezenet1_1_weights
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.errors import UserError
from webcam_classifier.storage import write_atomically

SIZE = 224  # pixels
TIMED = "228"
_SNAPSHOTS = 57  # of each of four labels
_DRAWS = 2  # of the photographs that are learnt from
_QUICK = 0.1  # of each method's epochs

Failures = dict[tuple[str, str], str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Do all runs that are not done yet, and print the tables."""
    options = parse(arguments)
    missing = [name for name in THINGS if not (options.data / name).is_dir()]
    folders = load_folders(options.data, SIZE, FOLDERS if missing else (*FOLDERS, *THINGS))
    photographs = () if missing else with_few_draws(folders)
    known = (*all_protocols(folders), *photographs, timed(folders))
    protocols = choose_protocols(options.protocols, known)
    kept_in = options.results or cache_folder() / "accuracy" / "results"
    weights = write_weights(kept_in)
    effort = _QUICK if options.quick else options.epochs_scale
    seeds = seeds_by_method(options.methods, options.seeds, options.baseline_seeds)
    runs = plan(protocols, folders, options.methods, seeds, effort, weights)
    environments = options.environments or cache_folder() / "accuracy" / "environments"
    answers: dict[Run, Kept] = {}
    failures: Failures = {}
    try:
        do_all(runs, Results(kept_in), environments, options.again, answers, failures)
    finally:  # Ctrl-C as well: what there is so far
        table = tabulate(runs, answers)
        print(describe(protocols, options.methods, table, failures, options.markdown))
        if effort != 1.0:
            print(f"\nepochs are {effort:g} of what each method documents: a trial, no comparison")
        if options.left_out:
            print(f"\nleft out: {', '.join(options.left_out)}")
        if missing:
            print(f"\nphotographs are left out: {options.data} has no {', no '.join(missing)}")
        sys.stdout.flush()
        if options.json is not None:
            write_atomically(options.json, to_json(protocols, table, failures, effort, answers))
    if failures:
        names = ", ".join(dict.fromkeys(method for _, method in failures))
        raise UserError(
            f"Not all methods ran: {names} failed, for the reasons above. Mend that and start "
            f"again (what is done is kept), or say --without {names.replace(' ', '')}."
        )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; `methods` are those to run, `left_out` the names of the others."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [method.name for method in METHODS]
    add = parser.add_argument
    add("data", type=Path, help="with thumbs/, rock_paper_scissors/, sign_digits/, and if wanted "
        "masks/ and flowers/")  # fmt: skip
    add("--methods", default=",".join(names), help="which to run (default: %(default)s)")
    add("--without", default="", metavar="METHODS", help="which to leave out")
    add("--protocols", default="", metavar="NAMES",
        help=f"such as few,thumbs,{TIMED} (default: all)")  # fmt: skip
    add("--seeds", default="0,1,2", help="of our own methods (default: %(default)s)")
    add("--baseline-seeds", default="0", metavar="SEEDS",
        help="of baselines: some take an hour a seed (default: %(default)s)")  # fmt: skip
    add("--epochs-scale", type=float, default=1.0, metavar="SHARE",
        help="share of each method's own number of epochs, to try the benchmark")  # fmt: skip
    add("--quick", action="store_true", help=f"the same as --epochs-scale {_QUICK}")
    add("--again", action="store_true", help="measure anew what was kept")
    add("--markdown", action="store_true", help="print tables for a README")
    add("--json", type=Path, metavar="FILE", help="write all figures there as well")
    add("--results", type=Path, metavar="FOLDER",
        help="where answers are kept (default: in the cache)")  # fmt: skip
    add("--environments", type=Path, metavar="FOLDER",
        help="where baselines' environments are made (default: in the cache)")  # fmt: skip
    options = parser.parse_args(arguments)
    for listed in (options.methods, options.without):
        unknown = set(filter(None, listed.split(","))) - set(names)
        if unknown:
            parser.error(f"no method {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = set(options.methods.split(",")) - set(options.without.split(","))
    options.left_out = [name for name in names if name not in wanted]
    options.methods = [method for method in METHODS if method.name in wanted]
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    options.baseline_seeds = [int(seed) for seed in options.baseline_seeds.split(",")]
    return options


def seeds_by_method(
    methods: Sequence[Method], seeds: Sequence[int], baseline_seeds: Sequence[int]
) -> dict[str, Sequence[int]]:
    """Say which seeds each method runs with: one is enough where chance has no part."""
    own = {method.name: seeds if method.is_ours else baseline_seeds for method in methods}
    return {
        method.name: own[method.name] if method.is_seeded else own[method.name][:1]
        for method in methods
    }


def timed(folders: dict[str, LabelledPictures]) -> Protocol:
    """228 snapshots, as many as one records in a minute; the test pictures are the last third."""
    folds = []
    for name in ROOMS:
        label_indices = folders[name].label_indices
        members = [np.flatnonzero(label_indices == label) for label in np.unique(label_indices)]
        training = np.concatenate([own[:_SNAPSHOTS] for own in members])
        test = np.concatenate([own[-(own.size // 3) :] for own in members])
        folds.append(Fold(name, training, name, test))
    return Protocol(TIMED, "the last third of the recording", tuple(folds))


def with_few_draws(folders: dict[str, LabelledPictures]) -> tuple[Protocol, ...]:
    """The protocols on photographs, with fewer of their random draws: some methods are slow."""
    return tuple(
        dataclasses.replace(protocol, folds=protocol.folds[:_DRAWS])
        for protocol in protocols_of_things(folders)
    )


def choose_protocols(wanted: str, known: Sequence[Protocol]) -> list[Protocol]:
    """Take those that are named, by the whole name or its first word; all where none is.

    Raises:
        UserError: A name is unknown.
    """
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if not any(name in (protocol.name, protocol.name.split()[0]) for protocol in known):
            there = ", ".join(protocol.name for protocol in known)
            raise UserError(f"There is no protocol {name!r}. Choose among {there}.")
    if not names:
        return list(known)
    return [one for one in known if one.name in names or one.name.split()[0] in names]


def write_weights(folder: Path) -> Path:
    """Put the backbone's pretrained weights where every method finds them."""
    path = folder / "squeezenet1_1.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        tensors = squeezenet1_1_weights().tensors
        np.savez(content, **tensors)  # type: ignore[arg-type]  # its keywords are arrays or a bool
        write_atomically(path, content.getvalue())
    return path.resolve()


def do_all(
    runs: Sequence[Run],
    results: Results,
    environments: Path,
    again: bool,
    answers: dict[Run, Kept],
    failures: Failures,
) -> None:
    """Do what is not done yet. What comes in goes into `answers` and `failures` at once."""
    session = f"{time.time():.3f}"
    if not again:
        answers.update({run: kept for run in runs if (kept := results.find(run)) is not None})
    open_runs = [run for run in runs if run not in answers]
    if len(open_runs) < len(runs):
        print(f"{len(runs) - len(open_runs)} of {len(runs)} runs were kept", file=sys.stderr)
    pythons = find_pythons(open_runs, environments, failures)
    open_runs = [run for run in open_runs if run.method.name in pythons]
    progress = Progress(open_runs)
    for run in open_runs:
        progress.begin(run)
        started = time.monotonic()
        try:
            kept = Kept(execute(run, pythons[run.method.name]), session)
        except RunFailedError as failure:
            failures[run.protocol, run.method.name] = str(failure)
            progress.end(run, time.monotonic() - started, f"failed ({failure})")
            continue
        results.keep(run, kept)
        answers[run] = kept
        (figures,) = tabulate([run], answers).values()
        progress.end(run, time.monotonic() - started, f"{figures.accuracy:.3f}")


def find_pythons(runs: Sequence[Run], environments: Path, failures: Failures) -> dict[str, Path]:
    """Return each method's interpreter; a method whose environment can't be made is a failure."""
    pythons: dict[str, Path] = {}
    for method in dict.fromkeys(run.method for run in runs):
        try:
            pythons[method.name] = (
                Path(sys.executable)
                if method.environment is None
                else environment_python(method.environment, environments)
            )
        except EnvironmentFailedError as error:
            own = {run.protocol for run in runs if run.method is method}
            failures.update({(protocol, method.name): str(error) for protocol in own})
    return pythons


def describe(
    protocols: Sequence[Protocol],
    methods: Sequence[Method],
    table: Table,
    failures: Failures,
    markdown: bool,
) -> str:
    """Draw all tables, and say what they mean and what failed."""
    parts = [
        draw(accuracy_rows(protocols, methods, table, failures), markdown),
        "Mean over folds, and over seeds ± half their range. `says`: what the method reports of "
        "itself, by the random split of the training pictures that it documents. With n pictures "
        "an accuracy p has a standard error of at least sqrt(p (1 - p) / n), and more where many "
        "of them are one person's.",
        *_describe_shown(shown_rows(protocols, methods, table), markdown),
        draw(seconds_rows(protocols, methods, table), markdown),
        "From the start of the process to a trained model.",
        draw(calibration_rows(protocols, methods, table), markdown),
        "On n answers chance alone makes it about 0.3 / sqrt(n).",
        describe_speed(TIMED, table),
    ]
    parts += [
        f"failed: {method} on {protocol}: {reason}"
        for (protocol, method), reason in failures.items()
    ]
    return "\n\n".join(part for part in parts if part)


def _describe_shown(rows: Sequence[Sequence[str]], markdown: bool) -> tuple[str, ...]:
    if len(rows[0]) == 1:  # no method that knows unknown
        return ()
    meaning = "At the default threshold of the unknown; all other methods always show a label."
    return draw(rows, markdown), meaning


def to_json(
    protocols: Sequence[Protocol],
    table: Table,
    failures: Failures,
    effort: float,
    answers: dict[Run, Kept],
) -> bytes:
    """Return all figures, and what they were measured with."""
    figures = [
        {
            "protocol": protocol.name,
            "held_out": protocol.held_out,
            "method": method,
            **dataclasses.asdict(found),
            "accuracy": found.accuracy,
            "spread": found.spread,
        }
        for protocol in protocols
        for (name, method), found in table.items()
        if name == protocol.name
    ]
    versions = {"python": platform.python_version()}
    for kept in answers.values():
        versions |= kept.answer.versions
    failed = [
        {"protocol": protocol, "method": method, "reason": reason}
        for (protocol, method), reason in failures.items()
    ]
    content = {
        "figures": figures,
        "failures": failed,
        "epochs_scale": effort,
        "versions": versions,
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
    }
    return (json.dumps(content, indent=2) + "\n").encode()


if __name__ == "__main__":
    run_script(main)
