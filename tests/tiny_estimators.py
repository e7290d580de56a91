"""Tiny random networks that look at pictures, written as transformers writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

CLASSES = 150
SQUARE = {"size": {"height": 64, "width": 64}}


def write(folder: Path, build: Callable[[], Any], processor: str, **processing: object) -> Path:
    """A network with seeded weights that are large enough to tell pictures apart, and its image processor."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build()
        for weight in network.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.3)
    network.eval().save_pretrained(folder)
    getattr(transformers, processor)(**processing).save_pretrained(folder)
    return folder


def segformer(folder: Path, classes: int = CLASSES, names: dict[int, str] | None = None) -> Path:
    """Segments, in `classes` classes."""
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        num_labels=classes,
    )
    if names is not None:
        config.id2label = names
    return write(
        folder,
        lambda: transformers.SegformerForSemanticSegmentation(config),
        "SegformerImageProcessorPil",
        **SQUARE,
    )


def upernet(folder: Path) -> Path:
    """Segments, by another architecture."""
    stages = ["stage1", "stage2", "stage3", "stage4"]
    config = transformers.UperNetConfig(
        backbone_config=transformers.ConvNextConfig(
            hidden_sizes=[4, 4, 4, 4], depths=[1, 1, 1, 1], out_features=stages
        ),
        hidden_size=8,
        pool_scales=[1, 2],
        use_auxiliary_head=False,
        num_labels=CLASSES,
    )
    return write(
        folder,
        lambda: transformers.UperNetForSemanticSegmentation(config),
        "SegformerImageProcessorPil",
        **SQUARE,
    )


def beit(folder: Path) -> Path:
    """Segments, by a transformer whose classes are counted from one."""
    config = transformers.BeitConfig(
        image_size=32,
        patch_size=8,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        out_indices=[0, 1, 2, 3],
        pool_scales=[1, 2],
        num_labels=CLASSES,
    )
    return write(
        folder,
        lambda: transformers.BeitForSemanticSegmentation(config),
        "BeitImageProcessorPil",
        size={"height": 32, "width": 32},
        do_reduce_labels=True,
    )
