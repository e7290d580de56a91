"""Tiny random networks that look at pictures, written as transformers writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

CLASSES = 150
PERSON = 2
"""Among what `rt_detr` finds."""
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


def vitpose(folder: Path, experts: int = 1, joints: int = 17) -> Path:
    """Joints inside a box; of several experts as in ViTPose++."""
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48],
        patch_size=[8, 8],
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_experts=experts,
        part_features=4,
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=joints)
    return write(
        folder,
        lambda: transformers.VitPoseForPoseEstimation(config),
        "VitPoseImageProcessorPil",
        size={"height": 64, "width": 48},
    )


def rt_detr(folder: Path, names: dict[int, str] | None = None) -> Path:
    """Boxes with names, some of people."""
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=4,
        hidden_sizes=[4, 8, 8, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 8, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=10,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        id2label=names or {0: "chair", 1: "dog", PERSON: "person", 3: "car"},
    )
    return write(
        folder, lambda: transformers.RTDetrForObjectDetection(config), "RTDetrImageProcessorPil", **SQUARE
    )
