"""The broker's choices for full-size models on cards of 6, 8, 12, 24 and 80 GB, none of which is here."""

from __future__ import annotations

import pytest

from tests.support.full_size import CARDS, casts
from underpaint.engine.memory.rehearsal import Outcome, rehearse
from underpaint.geometry import Size

SD15, SDXL, FLUX = casts()
LAYERS, CARD, DONE = "layer by layer from RAM", "on the card", "on the card until done"


def play(model: str, card: int, edge: int = 0, ram: int = 64) -> Outcome:
    cast, (size, _) = casts()[model]
    return rehearse(cast, card << 30, Size(edge, edge) if edge else size, host_budget=ram << 30)


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("model", [SD15, SDXL, FLUX])
def test_every_model_paints_on_every_card_within_its_memory_and_says_what_it_did_without(
    model: str, card: int
) -> None:
    made = play(model, card)
    assert not made.needed
    assert made.peak <= card << 30
    whole = (made.encoders, made.denoiser, made.tiles) == (CARD, CARD, 1)
    assert bool(made.notes) is not whole
    assert (LAYERS in (made.encoders, made.denoiser)) is any("layer by layer" in note for note in made.notes)


def test_the_smaller_the_card_the_more_goes() -> None:
    assert [play(SDXL, card).encoders for card in CARDS] == [DONE, DONE, CARD, CARD, CARD]
    assert [play(SDXL, card).denoiser for card in CARDS] == [DONE, CARD, CARD, CARD, CARD]
    assert [play(FLUX, card).denoiser for card in CARDS] == [LAYERS, LAYERS, LAYERS, LAYERS, CARD]
    assert [play(FLUX, card).encoders for card in CARDS] == [LAYERS, LAYERS, DONE, DONE, CARD]
    assert all(play(SD15, card).denoiser == CARD for card in CARDS)


def test_large_pictures_are_decoded_in_tiles_where_they_must_be() -> None:
    assert [play(SDXL, card, 2048).tiles for card in CARDS] == [9, 9, 1, 1, 1]
    assert play(SDXL, 24, 4096).tiles > 1 == play(SDXL, 80, 4096).tiles
    assert play(SDXL, 6, 2048).denoiser == LAYERS


def test_what_no_rung_can_save_is_an_error_with_a_figure() -> None:
    made = play(SDXL, 2, 8192)
    assert made.needed > 2 << 30
