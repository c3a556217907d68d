"""A missing package is named for the user; a missing module of this project is no user's fault."""

from __future__ import annotations

import importlib

import pytest

from webcam_classifier.backbone.optional_torch import needing_torch
from webcam_classifier.errors import UserError


def test_a_missing_package_is_named() -> None:
    named = pytest.raises(UserError, match="needs torch, and the package no_such_package is not")
    with named, needing_torch("Fine-tuning"):
        importlib.import_module("no_such_package")


def test_a_missing_module_of_ours_is_not_blamed_on_torch() -> None:
    raised = pytest.raises(ModuleNotFoundError, match="no_such_module")
    with raised, needing_torch("Fine-tuning"):
        importlib.import_module("webcam_classifier.no_such_module")
