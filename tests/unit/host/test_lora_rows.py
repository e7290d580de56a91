"""LoRAs and presets in a panel: which are offered, what is wrong with one, what is remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import underpaint
from tests.support.recording import RecordingHost
from underpaint.errors import InvalidRequest, UnderpaintError
from underpaint.host import (
    Session,
    lora_problem,
    lora_tooltip,
    loras_for,
    new_lora,
    pack_loras,
    preset_problem,
    preset_tooltip,
    presets_for,
    unpack_loras,
)
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.types import Lora, LoraInfo, ModelInfo, PresetInfo

LCM = PresetInfo(name="lcm", steps=4, scheduler="lcm", lora="lcm-lora", problem="put lcm-lora into a folder")
TURBO = PresetInfo(name="turbo", steps=2, guidance_scale=0.0, scheduler="euler")
SD, XL = ModelInfo(name="sd", title="Old", presets=(LCM, TURBO)), ModelInfo(name="xl")
INK = LoraInfo(
    name="styles/ink", title="Ink", models=("sd",), trigger="inked", license="CC0", path="/l/ink.safetensors"
)
OIL = LoraInfo(name="oil", models=("xl",))
BROKEN = LoraInfo(name="dora", title="DoRA", models=("sd",), problem="its kind is not supported")
KNOWN = (OIL, INK, BROKEN)


def test_only_loras_that_fit_the_model_and_can_be_used_are_offered() -> None:
    assert loras_for(KNOWN, [SD]) == [INK]
    assert loras_for(KNOWN, [SD, None, XL]) == [INK, OIL]
    assert loras_for(KNOWN, [None]) == []


def test_a_new_row_is_a_lora_that_is_not_on_yet() -> None:
    assert new_lora([INK, OIL], [Lora("styles/ink", 0.5)]) == Lora("oil")
    assert new_lora([INK], [Lora("styles/ink")]) is None


def test_a_tooltip_has_the_words_that_wake_a_lora() -> None:
    assert lora_tooltip(INK).split("\n") == [
        "Ink",
        "Put into the prompt: inked",
        "CC0",
        "/l/ink.safetensors",
    ]
    assert lora_tooltip(OIL) == "oil"


def test_what_is_wrong_with_a_lora_is_said_with_a_way_out() -> None:
    on = Lora("styles/ink")
    assert lora_problem(on, KNOWN, SD) == lora_problem(on, None, SD) == lora_problem(on, KNOWN, None) == ""
    assert lora_problem(on, KNOWN, XL) == "Ink does not fit xl: remove it, or choose another model."
    assert "no LoRA “gone” any more: choose another" in lora_problem(Lora("gone"), KNOWN, SD)
    assert lora_problem(Lora("/of/a/file.safetensors"), KNOWN, SD) == ""
    assert lora_problem(Lora("dora"), KNOWN, SD) == "DoRA cannot be used: its kind is not supported"


def test_presets_that_can_be_used_come_first_and_say_what_they_set() -> None:
    assert presets_for(SD) == (TURBO, LCM) and presets_for(None) == ()
    assert preset_tooltip(TURBO).startswith("2 steps, guidance 0, scheduler euler")
    assert preset_tooltip(LCM) == preset_problem("lcm", SD) == LCM.problem
    assert preset_problem("", SD) == preset_problem("turbo", SD) == preset_problem("lcm", None) == ""
    assert preset_problem("hyper", SD) == "Old has no preset “hyper”: choose another one, or none."


def test_loras_survive_as_text() -> None:
    rows = (Lora("styles/ink", -0.5), Lora("oil", text_encoder_strength=0.0))
    assert unpack_loras(pack_loras(rows)) == rows
    with pytest.raises(InvalidRequest) as refused:
        unpack_loras('[{"name": "ink"}, {"name": "oil", "strength": 11}]')
    assert refused.value.violations[0].field == "loras[1].strength"


@pytest.fixture
def session(host: RecordingHost, folder: object) -> Iterator[Session]:
    made = Session(host, lambda: underpaint.connect(start=False))
    yield made
    made.close()


def test_a_session_asks_for_the_loras(host: RecordingHost, session: Session, daemon: FakeDaemon) -> None:
    daemon.loras.append(INK)
    found: list[object] = []
    session.loras(found.append)
    host.queue.pump_until(lambda: bool(found), timeout=30)
    assert found == [daemon.loras]


def test_a_session_without_a_daemon_says_why_it_knows_no_loras(host: RecordingHost, session: Session) -> None:
    found: list[object] = []
    session.loras(found.append)
    host.queue.pump_until(lambda: bool(found), timeout=30)
    assert isinstance(found[0], UnderpaintError)
