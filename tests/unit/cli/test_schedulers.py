"""--preset, --scheduler-option, and the lists of both."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.cli.test_loras import call
from tests.unit.cli.test_loras import daemon as daemon
from underpaint.cli.app import app
from underpaint.testing.fake_daemon import FakeDaemon


def test_a_preset_and_numbers_of_the_scheduler_go_with_the_request(
    daemon: FakeDaemon, tmp_path: Path
) -> None:
    given = ("--preset", "quick", "--scheduler-option", "eta=0.5", "--scheduler-option", "two-words=2")
    request = call("txt2img", "wall", "--size", "64x64", *given, "-o", tmp_path / "a.png")["request"]
    assert (request["scheduler"], request["steps"]) == ("ddim", 1)
    assert request["scheduler_parameters"] == {"eta": 0.5, "two_words": 2.0}
    assert not request["preset"]


@pytest.mark.parametrize("option", ["eta", "eta=much", "=1"])
def test_what_is_no_number_is_refused(daemon: FakeDaemon, tmp_path: Path, option: str) -> None:
    answer = call("txt2img", "x", "--scheduler-option", option, "-o", tmp_path / "o.png", code=2)
    assert "KEY=NUMBER" in answer["error"]["message"]


def test_presets_and_schedulers_are_listed(daemon: FakeDaemon) -> None:
    assert [one["name"] for one in call("models", "presets")["fake"]] == ["quick"]
    (ddim,) = call("models", "schedulers")["fake"]
    assert [one["name"] for one in ddim["parameters"]] == ["eta"]
    assert "quick" in CliRunner().invoke(app, ["models", "presets"]).stdout
    assert "eta" in CliRunner().invoke(app, ["models", "schedulers"]).stdout
