from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.display_server import Display, display_server, wait_for
from tests.simulated_poses import SMALL, pose_of
from webcam_classifier.cli.collect import main
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.display.keys import key_of
from webcam_classifier.display.label_panel import Bar, LabelRow
from webcam_classifier.display.shapes import WHITE
from webcam_classifier.display.window import fit_view
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.ui.record_keys import action_of
from webcam_classifier.ui.record_view import RecordView, draw_record_view

ROOT = Path(__file__).resolve().parents[1]
SIDE = 160  # pixels


def scene(index: int) -> BgrImage:
    """Sharp squares in places of their own, so that no two frames are alike."""
    generator = np.random.default_rng(index)
    small = generator.integers(60, 200, (8, 10, 3), dtype=np.uint8)
    return np.asarray(
        cv2.resize(small, (200, SIDE), interpolation=cv2.INTER_NEAREST), dtype=np.uint8
    )


def write_clip(path: Path, frames: list[BgrImage]) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi", [scene(index) for index in range(20)])


def pictures(dataset: Path, label: str) -> list[Path]:
    return sorted((dataset / label).glob("*.jpg"))


def bursts(dataset: Path, label: str) -> set[int]:
    parsed = [parse_snapshot_name(path.stem) for path in pictures(dataset, label)]
    return {name[1] for name in parsed if name is not None}


# Without a window


def test_every_frame_of_a_file_is_recorded_in_order(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["cup", "--source", str(clip), "--no-window", "--dataset", str(tmp_path / "d")])
    saved = pictures(tmp_path / "d", "cup")
    assert len(saved) == 20
    for index, path in enumerate(saved):
        difference = np.abs(read_picture(path).astype(int) - scene(index))
        assert difference.mean() < 8
    assert "saved 20 of cup" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--count", "7"], [0, 1, 2, 3, 4, 5, 6]),
        (["--every", "6"], [0, 6, 12, 18]),
        (["--every", "6", "--count", "2"], [0, 6]),
        (["--every", "0.2"], [0, 6, 12, 18]),  # at 30 frames a second
        (["--every", "0.5s"], [0, 15]),
    ],
)
def test_count_and_every_choose_frames(
    clip: Path, tmp_path: Path, options: list[str], expected: list[int]
) -> None:
    dataset = tmp_path / "d"
    main(["cup", "--source", str(clip), "--no-window", "--dataset", str(dataset), *options])
    saved = [read_picture(path).astype(int) for path in pictures(dataset, "cup")]
    assert [
        int(np.argmin([np.abs(image - scene(index)).mean() for index in range(20)]))
        for image in saved
    ] == expected


def test_a_source_that_ends_early_says_so(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = str(tmp_path / "d")
    main(["cup", "--source", str(clip), "--no-window", "--count", "50", "--dataset", dataset])
    assert "the source ended after 20 of 50 pictures" in capsys.readouterr().out


def test_what_teaches_nothing_is_counted_by_reason_unless_all_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dark = [np.zeros((SIDE, 200, 3), np.uint8)] * 3
    clip = write_clip(tmp_path / "mixed.avi", [scene(0), scene(0), *dark, scene(1)])
    options = ["cup", "--source", str(clip), "--no-window", "--dataset"]
    main([*options, str(tmp_path / "some")])
    assert len(pictures(tmp_path / "some", "cup")) == 2
    told = capsys.readouterr().out
    assert "not recorded: 3 too dark, 1 nearly the same as the last" in told
    main([*options, str(tmp_path / "all"), "--keep-all"])
    assert len(pictures(tmp_path / "all", "cup")) == 6


def test_nothing_recorded_is_an_error(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "dark.avi", [np.zeros((SIDE, 200, 3), np.uint8)] * 4)
    with pytest.raises(UserError, match=r"Nothing was recorded.*4 too dark"):
        main(["cup", "--source", str(clip), "--no-window", "--dataset", str(tmp_path / "d")])


def test_a_live_source_is_recorded_at_the_rate(tmp_path: Path) -> None:
    started = time.monotonic()
    options = "--source demo --camera-size 160x120 --no-window --keep-all --rate 10 --count 11"
    main(["cup", *options.split(), "--dataset", str(tmp_path)])
    assert time.monotonic() - started >= 1.0
    assert len(pictures(tmp_path, "cup")) == 11


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "no label"),
        (["a/b"], "'/' in it"),
        (["cup", "none", "--no-window"], "one label"),
        (["cup", "--count", "3"], "Add --no-window"),
        (["cup", "--countdown", "5"], "Add --no-window"),
        (["cup", "--source", "CLIP", "--no-window", "--countdown", "5"], "--countdown is for a"),
        (["cup", "--source", "demo", "--no-window", "--every", "2"], "--every is for files"),
        (["cup", "--source", "CLIP", "--no-window", "--rate", "2"], "--rate is for live"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    clip: Path, tmp_path: Path, options: list[str], sentence: str
) -> None:
    given = [str(clip) if option == "CLIP" else option for option in options]
    with pytest.raises(UserError, match=sentence):
        main([*given, "--dataset", str(tmp_path / "d")])
    assert not (tmp_path / "d").exists()


def test_a_file_in_place_of_the_dataset_ends_with_a_sentence(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "d").write_text("mine")
    run = run_collect(["cup", "--source", str(clip), "--no-window", "--dataset", "d"], tmp_path)
    assert run.returncode == 1
    assert "d is a file, and pictures need a folder" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert (tmp_path / "d").read_text() == "mine"


def test_a_disk_that_fails_under_way_ends_with_a_sentence(tmp_path: Path) -> None:
    program = start_collect(
        ["cup", "--source", "demo", "--no-window", "--keep-all", "--dataset", "d"], tmp_path
    )
    wait_for(lambda: len(pictures(tmp_path / "d", "cup")) >= 1)
    (tmp_path / "d").rename(tmp_path / "moved")
    (tmp_path / "d").write_text("mine")
    told, errors = program.communicate(timeout=15)
    assert program.returncode == 1
    assert "a file is where a folder is needed" in errors
    assert "Traceback" not in errors
    assert f"saved {len(pictures(tmp_path / 'moved', 'cup'))} of cup" in told


def test_control_c_keeps_what_was_recorded_and_says_so(tmp_path: Path) -> None:
    program = start_collect(
        ["cup", "--source", "demo", "--no-window", "--keep-all", "--dataset", "d"], tmp_path
    )
    wait_for(lambda: len(pictures(tmp_path / "d", "cup")) >= 3)
    program.send_signal(signal.SIGINT)
    told, errors = program.communicate(timeout=15)
    assert program.returncode == 130
    assert f"saved {len(pictures(tmp_path / 'd', 'cup'))} of cup" in told
    assert "Traceback" not in errors


def test_without_a_display_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("other systems always have a display")
    run = run_collect(["cup", "--source", "demo"], tmp_path, {"PATH": "/usr/bin:/bin"})
    assert run.returncode == 1
    assert "python collect.py cup --no-window" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_help_has_an_example_and_torch_is_not_needed(tmp_path: Path) -> None:
    assert "$ python collect.py thumbs_up thumbs_down" in run_collect(["--help"], tmp_path).stdout
    code = (
        "import sys, webcam_classifier.cli.collect\n"
        "print([name for name in sys.modules if name == 'torch'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


# With a window


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    with display_server() as server:
        yield server


class Run:
    """collect.py with a window that has the focus."""

    def __init__(self, program: subprocess.Popen[str], display: Display, dataset: Path) -> None:
        self.program = program
        self.key = display.key
        self.dataset = dataset

    def count(self, label: str) -> int:
        return len(pictures(self.dataset, label))

    def quit(self, key: str = "q") -> str:
        self.key("key", key)
        told, errors = self.program.communicate(timeout=15)
        assert self.program.returncode == 0, errors
        return told


@contextmanager
def window(display: Display, folder: Path, *options: str) -> Iterator[Run]:
    arguments = ["--source", "demo", "--dataset", "d", *options]
    program = start_collect(arguments, folder, display.environment)
    try:
        display.focus("collect")
        yield Run(program, display, folder / "d")
    finally:
        program.kill()
        program.communicate()


def test_a_tap_gives_one_picture_and_a_hold_one_burst(display: Display, tmp_path: Path) -> None:
    with window(display, tmp_path, "up", "down", "--keep-all", "--rate", "10") as run:
        run.key("key", "2")
        wait_for(lambda: run.count("down") == 1)
        run.key("keydown", "1")
        wait_for(lambda: run.count("up") >= 8)
        run.key("keyup", "1")
        told = run.quit()
    held = run.count("up")
    assert held >= 8
    assert bursts(run.dataset, "up") == {2}
    assert run.count("down") == 1
    assert f"{held} of up" in told
    assert "1 of down" in told


def test_without_a_label_the_window_has_those_of_the_data_set(
    display: Display, tmp_path: Path
) -> None:
    for label in ("down", "up"):
        (tmp_path / "d" / label).mkdir(parents=True)
    with window(display, tmp_path, "--keep-all") as run:
        run.key("key", "2")
        wait_for(lambda: run.count("up") == 1)
        assert "saved 1 of up" in run.quit()


def test_without_a_window_or_a_data_set_a_label_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    for arguments in (["--no-window", "--dataset", str(tmp_path)], ["--dataset", "missing"]):
        with pytest.raises(UserError, match="There is no label to record"):
            main(["--source", "demo", *arguments])


def test_the_simulated_hand_keeps_its_pose_while_a_key_is_held(
    display: Display, tmp_path: Path
) -> None:
    with window(display, tmp_path, "up", "--keep-all", "--rate", "8", *SMALL) as run:
        run.key("keydown", "1")
        wait_for(lambda: run.count("up") >= 14)
        run.key("keyup", "1")
        run.quit()
    assert len(bursts(run.dataset, "up")) == 1
    assert len({pose_of(path) for path in pictures(run.dataset, "up")}) == 1


def test_undo_removes_burst_after_burst(display: Display, tmp_path: Path) -> None:
    (tmp_path / "d" / "down").mkdir(parents=True)
    old = tmp_path / "d" / "down" / "old.jpg"
    cv2.imwrite(str(old), scene(0))
    with window(display, tmp_path, "up", "down", "--keep-all") as run:
        run.key("key", "2")
        wait_for(lambda: run.count("down") == 2)
        run.key("keydown", "1")
        wait_for(lambda: run.count("up") >= 3)
        run.key("keyup", "1")
        time.sleep(0.4)
        while run.count("up"):  # an X server that was held up may have made two bursts of it
            held = len(bursts(run.dataset, "up"))
            run.key("key", "u")
            wait_for(lambda held=held: len(bursts(run.dataset, "up")) < held)  # type: ignore[misc] # mypy takes it for a lambda without arguments
        assert run.count("down") == 2
        run.key("key", "BackSpace")
        wait_for(lambda: run.count("down") == 1)
        run.key("key", "z")
        time.sleep(0.2)
        told = run.quit("Escape")
    assert old.exists()
    assert "nothing was saved" in told


def test_space_records_the_chosen_label(display: Display, tmp_path: Path) -> None:
    labels = [f"label {number}" for number in range(1, 12)]
    with window(display, tmp_path, *labels, "--keep-all") as run:
        for key in ("Up", "Up", "Tab"):  # from the first to the tenth, and on to the last
            run.key("key", key)
            time.sleep(0.15)
        run.key("key", "space")
        wait_for(lambda: run.count("label 11") == 1)
        run.quit()


def test_the_mirror_is_never_saved(display: Display, tmp_path: Path) -> None:
    sides = np.zeros((120, 160, 3), np.uint8)
    sides[:, :80] = 200
    write_clip(tmp_path / "sides.avi", [sides] * 300)
    with window(display, tmp_path, "side", "--source", "sides.avi", "--keep-all") as run:
        run.key("key", "m")
        time.sleep(0.2)
        run.key("key", "1")
        wait_for(lambda: run.count("side") == 1)
        run.quit()
    (path,) = pictures(run.dataset, "side")
    saved = read_picture(path)
    assert saved[:, :70].min() > 150
    assert saved[:, 90:].max() < 50


def test_a_label_can_be_typed_while_recording(display: Display, tmp_path: Path) -> None:
    with window(display, tmp_path, "up", "--keep-all") as run:
        run.key("key", "n")
        time.sleep(0.3)
        run.key("type", "--delay", "250", "quit")  # its letters are no commands here
        time.sleep(0.3)
        run.key("key", "Return")
        time.sleep(0.3)
        run.key("key", "w")  # there is no model to write
        run.key("key", "2")
        wait_for(lambda: run.count("quit") == 1)
        assert "1 of quit" in run.quit()
    assert not (tmp_path / "models").exists()


def test_the_end_of_the_source_ends_the_window(display: Display, tmp_path: Path) -> None:
    write_clip(tmp_path / "short.avi", [scene(index) for index in range(5)])
    run = run_collect(["cup", "--source", "short.avi"], tmp_path, display.environment)
    assert run.returncode == 0
    assert "the source has ended" in run.stdout
    assert run.stderr == ""


def test_a_failing_disk_ends_the_window_with_a_sentence(display: Display, tmp_path: Path) -> None:
    with window(display, tmp_path, "cup", "--keep-all") as run:
        (tmp_path / "d").write_text("mine")
        run.key("key", "1")
        _, errors = run.program.communicate(timeout=15)
    assert run.program.returncode == 1
    assert errors.startswith("error: ")
    assert "Traceback" not in errors


# Drawing and keys


def view_of(rows: list[LabelRow], message: str = "a warning", skipped: str = "") -> RecordView:
    bars = [Bar(0.5, WHITE)] * len(rows)
    return RecordView(rows, bars, "", message, bool(message), skipped, message and "k " * 200, None)


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1280, 720), (240, 320), (32, 24)])
@pytest.mark.parametrize("count", [1, 9, 30])
def test_every_size_and_number_of_labels_can_be_drawn(size: tuple[int, int], count: int) -> None:
    rows = [
        LabelRow(str(index), f"label {index} " * 9, index, index == 0, index == count - 1, False)
        for index in range(count)
    ]
    picture = fit_view(np.full((size[1], size[0], 3), 90, np.uint8), mirrored=False)
    heights = {
        draw_record_view(picture.copy(), view).shape
        for view in (view_of(rows, "told " * 60, "3 too dark"), view_of(rows, ""))
    }
    assert len(heights) == 1  # the window must not jump when a line comes or goes
    assert heights.pop()[1] == picture.shape[1]


def test_the_label_that_is_recorded_is_lit_up() -> None:
    picture = np.full((480, 640, 3), 90, np.uint8)

    def redness(is_recording: bool) -> float:
        rows = [LabelRow("1", "cup", 3, is_recording, False, False)]
        drawn = draw_record_view(picture.copy(), view_of(rows))
        return float(drawn[20:50, 30:200, 2].mean() - drawn[20:50, 30:200, 0].mean())

    assert redness(True) > redness(False) + 80


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (ord("u"), "undo"),
        (ord("Z"), "undo"),
        (8, "undo"),
        (27, "quit"),
        (32, "space"),
        (9, "next"),
        (65362, "previous"),
        (65364, "next"),
        (0x280000, "next"),
        (0x100000 + ord("q"), "quit"),
        (ord("n"), "new"),
        (ord("w"), "write"),
        (ord("1"), None),
        (ord("x"), None),
        (65505, None),
        (-1, None),
    ],
)
def test_keys_have_meanings_on_every_system(code: int, action: str | None) -> None:
    assert action_of(key_of(code)) == action


@pytest.mark.parametrize(
    ("code", "digit"), [(ord("1"), "1"), (ord("9"), "9"), (0x100000 + 65457, "1")]
)
def test_digits_are_digits_on_every_system(code: int, digit: str) -> None:
    assert key_of(code) == digit


def start_collect(
    arguments: list[str], folder: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "collect.py"), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_collect(
    arguments: list[str], folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    program = start_collect(arguments, folder, environment)
    told, errors = program.communicate(timeout=30)
    return subprocess.CompletedProcess(arguments, program.returncode, told, errors)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--review", "--crop", "0,0,0.5,1"], "--crop has no effect with --review"),
        (["cup", "--review"], "LABEL has no effect with --review"),
        (["--list-cameras", "--count", "3"], "--count has no effect with --list-cameras"),
        (["--import", "there", "--count", "3"], "--count has no effect with --import"),
        (["--export", "a.zip", "--keep-all"], "--keep-all has no effect with --export"),
        (["--import", "there", "--review"], "--import has no effect with --review"),
    ],
)
def test_what_has_no_effect_where_nothing_is_recorded_is_refused(
    arguments: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert sentence in " ".join(capfd.readouterr().err.split())
