"""Textual inversions: read as the stock pipeline reads them, and by prompts that name them only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.unit.engine.stock import Case, Ours, Stock, distance
from underpaint.engine.embeddings import read_embedding
from underpaint.engine.family import Assignment
from underpaint.errors import ModelUnusable
from underpaint.worker_v1.worker_service_pb2 import EmbeddingSource

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
WIDTH, WIDTH_2 = 16, 24
CASE = Case("txt2img", "ddim", prompt="old zorblax wall", negative="water", steps=3)


def vectors(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def latents(ours: Ours, case: Case, *files: Path) -> torch.Tensor:
    sources: Sequence[EmbeddingSource] = [EmbeddingSource(name=file.stem, path=str(file)) for file in files]
    task = ours.family.prepare(Assignment("jobs/1", case.spec(), {}, embeddings=tuple(sources)))
    while not task.ready_to_finish:
        ours.family.step([task])
    assert task.current.latents is not None
    return task.current.latents


@pytest.mark.parametrize("count", [1, 3])
def test_a_word_paints_as_in_the_stock_pipeline(models: Path, tmp_path: Path, count: int) -> None:
    file = tmp_path / "zorblax.safetensors"
    save_file({"emb_params": vectors(count, WIDTH, 1)}, file)
    ours, stock = Ours(models / "plain"), Stock(models / "plain", "txt2img")
    plain = latents(ours, CASE)
    stock.pipeline.load_textual_inversion({"zorblax": vectors(count, WIDTH, 1)}, token="zorblax")
    painted = latents(ours, CASE, file)
    assert distance(painted, stock.both(CASE)[0]) <= TOLERANCE
    assert distance(painted, plain) >= SENSITIVITY
    negative = CASE.but(prompt="old wall", negative="zorblax water")
    assert distance(latents(ours, negative, file), stock.both(negative)[0]) <= TOLERANCE


def test_both_of_sdxls_encoders_know_the_word(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "zorblax.safetensors"
    both = {"clip_l": vectors(2, WIDTH, 1), "clip_g": vectors(2, WIDTH_2, 2)}
    save_file(both, file)
    ours, stock = Ours(models / "sdxl"), Stock(models / "sdxl", "txt2img")
    pipeline = stock.pipeline
    for end, key in (("", "clip_l"), ("_2", "clip_g")):
        encoder, tokenizer = getattr(pipeline, f"text_encoder{end}"), getattr(pipeline, f"tokenizer{end}")
        pipeline.load_textual_inversion(
            {"zorblax": both[key]}, token="zorblax", text_encoder=encoder, tokenizer=tokenizer
        )
    painted = latents(ours, CASE, file)
    assert distance(painted, stock.both(CASE)[0]) <= TOLERANCE
    assert distance(painted, latents(ours, CASE)) >= SENSITIVITY


def test_nothing_leaks_into_a_prompt_that_does_not_name_it(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "zorblax.safetensors"
    save_file({"emb_params": vectors(2, WIDTH, 1)}, file)
    ours = Ours(models / "plain")
    before = latents(ours, CASE)
    known = latents(ours, CASE, file)
    assert distance(latents(ours, CASE), before) == 0.0
    assert distance(latents(ours, CASE, file), known) == 0.0
    unnamed = CASE.but(prompt="old brick wall")
    assert distance(latents(ours, unnamed, file), latents(ours, unnamed)) == 0.0
    weighted = CASE.but(prompt="old (zorblax:1.5) wall")
    assert distance(latents(ours, weighted, file), known) >= SENSITIVITY / 10


def test_vectors_of_another_width_are_left_out_and_too_many_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "zorblax.safetensors"
    save_file({"emb_params": vectors(2, 32, 1)}, file)
    assert read_embedding(file, {"text_encoder": WIDTH}) == {}
    save_file({"emb_params": vectors(1, WIDTH, 1)[0]}, file)
    assert read_embedding(file, {"text_encoder": WIDTH})["text_encoder"].shape == (1, WIDTH)
    save_file({"emb_params": vectors(76, WIDTH, 1)}, file)
    with pytest.raises(ModelUnusable, match="more than 75 vectors"):
        read_embedding(file, {"text_encoder": WIDTH})
