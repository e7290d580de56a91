"""Fill selection and Generate in the real Krita, through the built zip, with a real daemon and engine.

Krita starts the daemon itself, by the launcher that the installation wrote, as it does for a painter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import underpaint
from tests.hosts.models import build_models
from tests.hosts.processes import RunningHost
from tests.hosts.sandbox import HostSandbox
from underpaint.cli.packaging import build, install

SCRIPT = Path(__file__).parent / "scripts" / "krita_fill.py"


@pytest.fixture(scope="module")
def krita(module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """Krita with the plug-in installed as a user would, and small models to use."""
    sandbox, models = module_sandbox, tmp_path_factory.mktemp("models")
    build_models(models)
    archive = build("krita", tmp_path_factory.mktemp("zip"))
    install("krita", archive, home=sandbox.home, environ=sandbox.environ_outside)
    # The launcher names this interpreter: what it needs is seen inside, at its own place.
    sandbox.bind(models, Path(sys.prefix), Path(sys.base_prefix), Path(underpaint.__file__).parents[1])
    environ = {
        "UNDERPAINT_MODEL_ROOTS": str(models),
        "UNDERPAINT_INSTALLED_MODELS": "no",
        "UNDERPAINT_DEVICES": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=environ) as host:
        yield host


def run(krita: RunningHost, case: str, timeout: float = 900, **arguments: Any) -> dict[str, Any]:
    values = krita.run(SCRIPT, timeout=timeout, case=case, **arguments)
    assert "Traceback" not in krita.output
    return values


@pytest.fixture(scope="module")
def filled(krita: RunningHost) -> dict[str, Any]:
    """What was seen while one selection was filled."""
    return run(krita, "fill")


def test_fill_selection_adds_one_layer_that_one_undo_takes_away(filled: dict[str, Any]) -> None:
    seen = filled
    print(f"longest hold of the main thread at 256²: {seen['hold_ms']} ms ({seen['hold_what']})")
    assert seen["reason"] == "Select the part to fill first."
    assert seen["state"] == "placed"
    assert (seen["seed"], seen["model"]) == (7, "tiny-inpaint")
    # Above the layer that was active, which is still the active one.
    assert seen["order"] == ["Background", "old brick wall", "top"]
    assert seen["active"] == "Background"
    assert seen["changed_inside"] > 0.9
    assert seen["covered_inside"] > 200
    assert seen["changed_where_clear"] == 0
    assert seen["far"] > 5000 and seen["clear"] > 5000
    assert seen["changed_far_away"] == 0
    assert seen["undone"] and seen["order_undone"] == ["Background", "top"]
    assert seen["redone"] and seen["order_redone"] == seen["order"]


def test_the_docker_shows_stages_progress_and_previews(filled: dict[str, Any]) -> None:
    seen = filled
    assert any(stage.startswith("Painting, step") for stage in seen["stages"]), seen["stages"]
    assert seen["stages"][-1].startswith("Done")
    assert seen["bar_most"] > 100
    assert seen["preview_shown"]


def test_generate_starts_from_words_the_picture_or_a_layer(krita: RunningHost) -> None:
    seen = run(krita, "generate")
    assert seen["operations"] == ["text_to_image", "image_to_image", "image_to_image"]
    assert seen["box"] == [0, 0, 256, 256]
    for what in (
        "same_again",
        "seed_counts",
        "picture_counts",
        "layer_counts",
        "strength_counts",
        "group_is_its_top",
        "picture_is_its_top",
    ):
        assert seen[what], what


def test_keys_menu_and_memory_are_what_a_painter_expects(krita: RunningHost) -> None:
    seen = run(krita, "keys")
    assert seen["focused"]
    # Enter is a new line, Ctrl+Enter runs, Esc cancels.
    assert (seen["typed"], seen["started_by_enter"]) == ("moss\nrock", 0)
    assert seen["generated"] and seen["state"] == "cancelled"
    own = [
        "Describe…",
        "Fill Selection",
        "Generate from Words",
        "Generate from the Picture",
        "Generate from the Chosen Layer",
        "Cancel",
    ]
    # Behind them, whatever verbs plug-ins bring: underpaint's own one among them.
    verbs = seen["menu"][len(own) :]
    assert seen["menu"][: len(own)] == own and "Variation" in verbs and verbs == sorted(verbs)
    keys = ["Ctrl+Alt+P", "Ctrl+Alt+U", "Ctrl+Alt+Shift+U", "", "", "Ctrl+Alt+Shift+X"]
    assert seen["shortcuts"] == keys + [""] * len(verbs)
    assert seen["remembered"] == "moss\nrock"


def test_cancel_stops_the_job_that_is_shown_and_leaves_nothing(krita: RunningHost) -> None:
    seen = run(krita, "cancel")
    assert "1 more waiting" in seen["waiting"]
    assert (seen["first"], seen["second"]) == ("cancelled", "cancelled")
    assert seen["untouched"] and seen["order"] == ["Background", "top"]
    assert seen["shown"] == "Cancelled"


def test_a_killed_daemon_is_told_and_the_job_comes_through(krita: RunningHost) -> None:
    seen = run(krita, "killed")
    assert any("daemon has stopped" in text and "kept" in text for text in seen["message"]), seen["message"]
    assert seen["order"] == ["Background", "old brick wall", "top"]
    assert seen["changed"] and seen["undone"]


def test_the_result_of_a_closed_picture_is_kept_and_can_go_into_another(krita: RunningHost) -> None:
    seen = run(krita, "closed")
    assert seen["state"] == "kept"
    assert any("closed" in text and "kept" in text for text in seen["notices"])
    assert seen["offered"] and not seen["still_offered"]
    assert seen["order"] == ["Background", "top", "old brick wall"]


def test_a_file_that_is_opened_again_gets_its_result(krita: RunningHost) -> None:
    seen = run(krita, "reopened")
    assert seen["state"] == "kept"
    assert seen["order"] == ["Background", "old brick wall", "top"]


def test_other_depths_and_models_go_the_whole_way(krita: RunningHost) -> None:
    for space, seen in run(krita, "spaces").items():
        assert seen["state"] == "placed", (space, seen)
        assert seen["middle"] and not seen["corner"] and seen["undone"], (space, seen)


def test_what_cannot_be_done_is_told_before_or_after(krita: RunningHost) -> None:
    seen = run(krita, "refused")
    assert seen["no_document"] == [False, False, "Create or open a picture first."]
    assert seen["told"] == ["Create or open a picture first."]
    assert seen["no_selection"] == [False, True, "Select the part to fill first."]
    cases = seen["seen"]
    assert [case[0] for case in cases.values()] == ["failed"] * 3
    assert [case[1] for case in cases.values()] == ["NothingSelected", "InvalidRequest", "ModelNotFound"]
    for state, _, message, notice, untouched in cases.values():
        assert notice == message and untouched, (state, message)


def test_a_small_fill_holds_the_main_thread_no_longer_on_a_large_canvas(krita: RunningHost) -> None:
    seen = run(krita, "big", sizes=[1024, 4096])
    for size, one in seen.items():
        holds = ", ".join(f"{what} {milliseconds} ms" for what, milliseconds in one["holds"].items())
        print(f"main thread held at {size}²: {holds}; Krita adds a layer of its own in {one['krita_own']} ms")
    # Not timed, since a shared machine stalls: what is read decides, and it does not grow with the canvas.
    assert seen["1024"]["read"] == seen["4096"]["read"]
