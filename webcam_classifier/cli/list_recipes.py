"""The option of `train.py` that explains the recipes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from webcam_classifier.command_names import as_installed
from webcam_classifier.finetune.recipes import describe_recipes


class ListRecipes(argparse.Action):
    """Prints the recipes and ends the program, as `--help` does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 the base class's parameters
        values: str | Sequence[object] | None,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Print the recipes and end the program."""
        print(as_installed(describe_recipes()))
        parser.exit()
