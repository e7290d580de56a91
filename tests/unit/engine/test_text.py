"""Text encoding beyond what the stock pipelines read: weights, long prompts, wildcards."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from tests.tiny_models import build_tiny
from tests.unit.engine.stock import Case, Ours, Stock, distance
from underpaint.engine.diffusion.chunks import Token, split
from underpaint.engine.diffusion.text import MAX_CHUNKS

LONG = ", ".join(["old brick wall with green moss and a red tree"] * 9)
"""More than one chunk."""


@pytest.fixture(scope="module")
def ours(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.fixture(scope="module")
def stock(models: Path) -> Callable[[str, str], Stock]:
    return lru_cache(None)(lambda model, operation: Stock(models / model, operation))


def read(pipeline: Any, prompt: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What a stock pipeline reads: hidden states and pooled text."""
    with torch.inference_mode():
        if isinstance(pipeline, diffusers.StableDiffusionPipeline | diffusers.StableDiffusionImg2ImgPipeline):
            return pipeline.encode_prompt(prompt, "cpu", 1, False)[0], None
        hidden, _, pooled, _ = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)
        return hidden, pooled


def pieces_of(pipeline: Any, prompt: str) -> list[str]:
    """A long prompt cut as people would: behind the last comma of the first 75 tokens."""
    tokenizer = pipeline.tokenizer
    parts, done = prompt.split(", "), 0
    for count in range(len(parts), 0, -1):
        head = ", ".join(parts[:count]) + ("," if count < len(parts) else "")
        if len(tokenizer(head).input_ids) <= 77:
            done = count
            break
    rest = ", ".join(parts[done:])
    return [head, *pieces_of(pipeline, rest)] if rest else [head]


@pytest.mark.parametrize("model", ["plain", "small", "sdxl", "sdxl-refiner"])
@pytest.mark.parametrize("prompt", ["", "old brick wall", "a tree, a house; 4:3", " ".join(["a"] * 14)])
def test_plain_prompts_are_read_as_stock_reads_them_to_the_bit(
    ours: Callable[[str], Ours], stock: Callable[[str, str], Stock], model: str, prompt: str
) -> None:
    text = ours(model).family._parts.text
    text.load("text_encoder_2" if model.startswith("sdxl") else "text_encoder")
    hidden, pooled = read(stock(model, "img2img").pipeline, prompt)
    with torch.inference_mode():
        found = text.encode(prompt)
    assert torch.equal(found.hidden, hidden)
    assert (found.pooled is None) == (pooled is None)
    assert pooled is None or (found.pooled is not None and torch.equal(found.pooled, pooled))


@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_a_long_prompt_is_read_whole_in_chunks(
    ours: Callable[[str], Ours], stock: Callable[[str, str], Stock], model: str
) -> None:
    pipeline = stock(model, "txt2img").pipeline
    cuts = pieces_of(pipeline, LONG)
    assert len(cuts) > 1
    task = ours(model).run(Case("txt2img", "euler", prompt=LONG))
    assert task.text is not None and task.negative is not None and task.current.latents is not None
    chunks = [read(pipeline, cut) for cut in cuts]
    hidden = torch.cat([chunk[0] for chunk in chunks], dim=1)
    assert task.text.hidden.shape == hidden.shape == (1, 77 * len(cuts), hidden.shape[2])
    assert distance(task.text.hidden, hidden) <= 1e-5
    assert task.notes == []
    # The negative prompt is filled up with empty chunks, and the picture is stock's with these texts.
    water, empty = read(pipeline, "water"), read(pipeline, "")
    negative = torch.cat([water[0], *[empty[0]] * (len(cuts) - 1)], dim=1)
    more: dict[str, Any] = {"prompt_embeds": hidden, "negative_prompt_embeds": negative}
    if model == "sdxl":
        more |= {"pooled_prompt_embeds": chunks[0][1], "negative_pooled_prompt_embeds": water[1]}
    pipeline.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    reference = pipeline(
        num_inference_steps=4,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(1),
        width=64,
        height=64,
        output_type="latent",
        **more,
    ).images
    assert distance(task.current.latents, reference) <= 1e-5
    cut_short = ours(model).latents(Case("txt2img", "euler", prompt=cuts[0]))
    assert distance(cut_short, reference) >= 1e-2


@pytest.mark.parametrize("model", ["plain", "sdxl"])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.4])
def test_a_weight_moves_its_words_from_an_empty_text(
    ours: Callable[[str], Ours], stock: Callable[[str, str], Stock], model: str, weight: float
) -> None:
    family = ours(model).family
    pipeline = stock(model, "txt2img").pipeline
    usual, nothing = read(pipeline, "old brick wall")[0], read(pipeline, "")[0]
    # Beginning, "old", "brick", "wall", end: one token for each word that the tiny tokenizer knows.
    wanted = usual.clone()
    wanted[:, 2] = nothing[:, 2] + weight * (usual[:, 2] - nothing[:, 2])
    with torch.inference_mode():
        found = family._parts.text.encode(f"old (brick:{weight}) wall")
        as_written = family._parts.text.encode("old brick wall")
    assert distance(found.hidden, wanted) <= 1e-5
    assert distance(found.hidden, as_written.hidden) >= 1e-2
    others = [0, 1, *range(3, 77)]
    assert distance(found.hidden[:, others], as_written.hidden[:, others]) <= 1e-6


@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_a_weight_changes_the_picture_and_a_weight_of_one_does_not(
    ours: Callable[[str], Ours], model: str
) -> None:
    plain, same, more, less = (
        ours(model).latents(Case("txt2img", prompt=prompt))
        for prompt in (
            "old brick wall",
            "old (brick:1.0) wall",
            "(old brick wall:4)",
            "(old brick wall:0)",
        )
    )
    assert torch.equal(plain, same)
    assert distance(more, plain) >= 1e-3 and distance(less, plain) >= 1e-3
    assert distance(more, less) >= 1e-3


def test_weighted_and_long_prompts_are_remembered_too(ours: Callable[[str], Ours]) -> None:
    engine = ours("plain")
    case = Case("txt2img", prompt=f"(blue:1.3) sky, {LONG}", negative="(stone:0.7)")
    engine.run(case)
    calls = engine.family._parts.text.calls
    engine.run(case.but(seed=5))
    assert engine.family._parts.text.calls == calls


def test_a_prompt_beyond_all_chunks_is_told_what_was_not_read(models: Path) -> None:
    prompt = "old brick wall " * (MAX_CHUNKS * 75 // 3) + "sky"
    engine = Ours(models / "plain")
    task = engine.prepare(Case("txt2img", prompt=prompt))
    while task.text is None:
        engine.family.step([task])
    assert task.text.hidden.shape[1] == MAX_CHUNKS * 77
    assert task.notes == ["The prompt is too long for this model; it did not read: 'sky'."]


def test_long_and_short_prompts_share_no_step(ours: Callable[[str], Ours]) -> None:
    engine = ours("plain")
    short, long = (engine.prepare(Case("txt2img", prompt=prompt), prompt[:4]) for prompt in ("sky", LONG))
    for task in (short, long):
        while task.text is None:
            engine.family.step([task])
    assert engine.family.bucket(short) != engine.family.bucket(long)


def test_a_model_with_a_vocabulary_reads_plain_words(tmp_path: Path) -> None:
    folder = build_tiny(tmp_path / "m", text_length=16)
    traits = json.loads((folder / "underpaint.json").read_text())
    (folder / "underpaint.json").write_text(json.dumps({**traits, "vocabulary": ["old", "brick", "wall"]}))
    model = Ours(folder)
    asked, told = (model.run(Case("txt2img", prompt=prompt)) for prompt in ("(old:1.3) [brick]", "old brick"))
    assert asked.text is not None and told.text is not None
    assert torch.equal(asked.text.hidden, told.text.hidden)
    assert (asked.notes, told.notes) == (
        ["The model 'm' reads plain words; weights count for nothing."],
        [],
    )
    long = model.run(Case("txt2img", prompt="old brick wall " * 6))
    assert long.text is not None and long.text.hidden.shape[1] == 16
    assert any("did not read" in note for note in long.notes)


def test_the_seeds_choice_stands_in_the_resolved_prompt(ours: Callable[[str], Ours]) -> None:
    engine = ours("plain")
    case = Case("txt2img", prompt="{old|new} {brick|stone} wall", negative="{red|blue}")
    tasks = {seed: engine.prepare(case.but(seed=seed)) for seed in range(20)}
    prompts = {task.resolved.prompt for task in tasks.values()}
    assert prompts == {f"{age} {kind} wall" for age in ("old", "new") for kind in ("brick", "stone")}
    assert {task.resolved.negative_prompt for task in tasks.values()} == {"red", "blue"}
    chosen = tasks[3].resolved
    assert f"The seed chose the prompt {chosen.prompt!r}." in tasks[3].notes
    assert f"The seed chose the negative prompt {chosen.negative_prompt!r}." in tasks[3].notes
    again = case.but(seed=3, prompt=chosen.prompt, negative=chosen.negative_prompt)
    assert torch.equal(engine.latents(case.but(seed=3)), engine.latents(again))


def tokens(text: str) -> list[Token]:
    """Each letter a token; the last of a word ends it, and commas are words."""
    words = text.replace(",", " ,").split()
    names = [name for word in words for name in (*word[:-1], f"{word[-1]}</w>")]
    return [Token(index, name) for index, name in enumerate(names)]


@pytest.mark.parametrize(
    ("text", "length", "sizes"),
    [
        ("", 5, [0]),
        ("abcde", 5, [5]),
        ("abcdef", 5, [5, 1]),
        ("ab cdef", 5, [2, 4]),
        ("ab, cd ef", 6, [3, 4]),
        ("abc de fg hi", 5, [5, 4]),
        ("a, " + "b " * 40, 30, [30, 12]),
        ("a b c d e, f g", 6, [6, 2]),
    ],
)
def test_chunks_end_behind_commas_then_words_then_anywhere(text: str, length: int, sizes: list[int]) -> None:
    found = split(tokens(text), length)
    assert [len(chunk) for chunk in found] == sizes
    assert [token for chunk in found for token in chunk] == tokens(text)
