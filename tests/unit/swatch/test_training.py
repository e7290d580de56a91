"""How swatch is trained, exported and measured, on next to nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from training import control, evaluate, nets, text, words
from training.figures import Figure, table
from training.latents import wrap
from training.masters import Masters
from training.muon import orthogonal
from training.words import STRENGTH, codes


def test_a_full_mask_folded_into_a_bias_gives_the_same_picture(cache: Path) -> None:
    torch.manual_seed(0)
    nine, four = nets.new(9).eval(), nets.new(4).eval()
    four.load_state_dict(nets.fold(nine.state_dict()))
    # wrapped, since beyond a border neither mask nor grey picture goes on
    wrap(nine)
    wrap(four)
    grey = torch.from_numpy(np.load(cache / "latents" / "grey.npy")).float()
    x, words = torch.randn(1, 4, 16, 16), torch.randn(1, 16, 128)
    condition = torch.cat([torch.ones(1), grey])[None, :, None, None].expand(1, 5, 16, 16)
    with torch.no_grad():
        long = nine(torch.cat([x, condition], 1), 500, encoder_hidden_states=words).sample
        short = four(x, 500, encoder_hidden_states=words).sample
    assert torch.allclose(long, short, atol=1e-4)


def test_every_word_has_a_direction_of_its_own() -> None:
    avoid = torch.linalg.qr(torch.randn(256, 12))[0].T
    table_ = codes(256, avoid, 7)
    rows = torch.cat([values / STRENGTH[kind] for kind, values in table_.items()])
    assert torch.allclose(rows @ rows.T, torch.eye(len(rows)), atol=1e-4)
    assert float((rows @ avoid.T).abs().max()) < 1e-4
    assert float(rows.sum(1).abs().max()) < 1e-3  # a layer norm takes the mean away


def test_words_are_learnt_without_pictures_and_then_left_alone(cache: Path) -> None:
    words.train(20, 7)
    tokens = text.tokenizer()
    encoder = text.new_encoder(len(tokens), tokens.eos_token_id, tokens.bos_token_id)
    unet = nets.new(4)
    words.use(encoder, unet)
    ids = tokens(["red brick", "red dots", "red dots texture"], padding="max_length", max_length=16)
    embedded = unet.add_embedding(encoder(torch.tensor(ids.input_ids))[0])
    assert not embedded.requires_grad
    apart, near = (embedded[1] - embedded[0]).norm(), (embedded[2] - embedded[1]).norm()
    assert near < apart


def test_muon_makes_all_directions_alike() -> None:
    torch.manual_seed(0)
    skewed = torch.randn(48, 96) * torch.logspace(0, -2, 48)[:, None]
    values = torch.linalg.svdvals(orthogonal(skewed).float())
    assert float(values.min()) > 0.3
    assert float(values.max()) < 1.4


def test_training_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    def fresh() -> tuple[torch.nn.Linear, Masters]:
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 4).bfloat16()
        return net, Masters({"net": net}, 1e-2, muon=lambda name, value: value.ndim == 2)

    def step(net: torch.nn.Linear, masters: Masters, seed: int) -> None:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed)).bfloat16()
        net(x).float().square().mean().backward()
        masters.step()

    net, masters = fresh()
    for seed in (1, 2):
        step(net, masters, seed)
    masters.save(tmp_path / "half.pt", {"spent": 2.0})
    step(net, masters, 3)
    again, resumed = fresh()
    assert resumed.load(tmp_path / "half.pt") == {"spent": 2.0}
    step(again, resumed, 3)
    assert resumed.steps == 3
    assert torch.equal(net.weight, again.weight)
    assert torch.equal(masters.averaged()["net"]["weight"], resumed.averaged()["net"]["weight"])


def test_a_checkpoint_of_another_shape_is_refused_with_the_way_out(tmp_path: Path) -> None:
    Masters({"net": torch.nn.Linear(4, 4)}, 1e-2).save(tmp_path / "a.pt", {})
    with pytest.raises(ValueError, match="move it away"):
        Masters({"other": torch.nn.Linear(4, 4)}, 1e-2).load(tmp_path / "a.pt")


def test_a_new_control_net_changes_nothing_and_loads_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = nets.new(4).eval()
    control.new(unet).save_pretrained(tmp_path)
    net = ControlNetModel.from_pretrained(tmp_path).eval()
    x, words = torch.randn(1, 4, 16, 16), torch.randn(1, 16, 128)
    steps, drawing = torch.tensor([400]), torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        steered = control.steered(unet, net, x, steps, words, drawing)
        alone = unet(x, steps, encoder_hidden_states=words).sample
        assert torch.allclose(steered, alone, atol=1e-5)
        torch.nn.init.normal_(net.controlnet_mid_block.weight, std=0.1)
        assert not torch.allclose(control.steered(unet, net, x, steps, words, drawing), alone, atol=1e-3)


def test_periods_are_sharper_than_noise_whatever_their_length() -> None:
    rng = np.random.default_rng(0)
    x = np.arange(256)
    noise = rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)

    def stripes(waves: float) -> np.ndarray:
        row = 127 + 100 * np.sign(np.sin(2 * np.pi * x * waves / 256))
        return np.broadcast_to(row[None, :, None], (256, 256, 3)).astype(np.uint8)

    even, odd = evaluate.sharpness(stripes(8)), evaluate.sharpness(stripes(8.5))
    assert even > 0.3
    assert odd == pytest.approx(even, rel=0.15)
    assert evaluate.sharpness(noise) < 0.02


def test_the_step_across_a_border_is_found() -> None:
    rng = np.random.default_rng(0)
    plain = rng.integers(100, 110, (256, 256, 3)).astype(np.uint8)
    patched = plain.copy()
    patched[evaluate.HOLE] += 20
    assert evaluate.border([plain]) == pytest.approx(1.0, abs=0.1)
    assert evaluate.border([patched]) > 3


def test_a_figure_says_whether_its_bound_is_kept() -> None:
    figures = [Figure("a", 0.9, least=0.8), Figure("b", 2.0, most=1.3, note="slow"), Figure("c", 5)]
    assert [figure.met for figure in figures] == [True, False, None]
    shown = table(figures)
    assert "| b | 2 (slow) | at most 1.3 | **no** |" in shown
    assert shown.endswith("1 of 2 bounds are met.")
