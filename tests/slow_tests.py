"""Which tests `make check` leaves out: those of whole programs, servers, windows and training.

What takes long is named here by module, and by the fixtures that it rests on; a single test in a
module of quick ones has the mark `slow` itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_MODULES = frozenset({
    # The whole road
    "test_first_project", "test_nothing_calls_out", "test_page_code",
    # Whole programs, again and again
    "test_collect", "test_live", "test_live_teach_start", "test_live_teach_window",
    "test_killed", "test_learning_goes_on", "test_teach_auto", "test_train_evaluate",
    "test_same_figure", "test_training_job", "test_runtime_choice", "test_doctor", "test_demo",
    "test_event_delivery", "test_commands", "test_interrupted_lessons",
    # Servers, browsers, and cameras that fail
    "test_studio_access", "test_studio_archives", "test_studio_browser", "test_studio_teaching",
    "test_studio_uploads", "test_studio_stale", "test_studio_fuzz", "test_studio_crop",
    "test_studio_proxy", "test_studio_limits", "test_try_pictures", "test_web_page_browser",
    "test_streams", "test_rtsp", "test_damaged_videos", "test_live_gap",
    # Training of layers, and what exports it
    "test_finetune", "test_finetune_batches", "test_finetune_processes", "test_finetune_time",
    "test_finetune_views", "test_foreground", "test_network", "test_network_export",
    "test_recipes", "test_torch_memory", "test_torch_device", "test_transfer", "test_features",
    # Benchmarks
    "test_accuracy_benchmark", "test_large_dataset_benchmark", "test_speed_benchmarks",
    "test_teach_benchmark", "test_fuzz",
    # Many pictures, or large ones
    "test_embedding_cache", "test_export_advise", "test_export_taught", "test_report",
    "test_large_pictures",
})  # fmt: skip
_FIXTURES = frozenset({"shared_data", "shared_weights", "hands", "taught_model", "display"})


def is_left_out(path: Path, expression: str) -> bool:
    """Whether a module holds slow tests alone, and those are left out.

    Args:
        path: Of the module, or of anything else.
        expression: What `-m` chooses.
    """
    return expression == "not slow" and path.stem in _MODULES


def mark_slow_tests(items: list[pytest.Item]) -> None:
    """Give what is slow its mark.

    Args:
        items: All tests that were collected.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if item.path.stem in _MODULES or not _FIXTURES.isdisjoint(fixtures):
            item.add_marker(pytest.mark.slow)
