"""The pages' code: its types, as its JSDoc says them, and what a linter finds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tools.page_checks import CHECKS, UnavailableError, install, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def checkers() -> None:
    try:
        install()
    except UnavailableError as error:
        pytest.skip(f"the pages' code is not checked: {error}")


@pytest.mark.parametrize("check", CHECKS, ids=["types of the studio", "types of the page", "lint"])
def test_the_code_of_the_pages_is_in_order(check: Sequence[str]) -> None:
    assert run(check) == ""


def test_a_wrong_type_is_found() -> None:
    options = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "ES2022"]
    tsc = [*CHECKS[0][:2], *options, "../../tests/wrong_type.js"]
    assert "TS2322" in run(tsc)
