"""Tiny random networks that look at pictures, written as transformers writes them."""

from __future__ import annotations

import json
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
    """A network and its image processor."""
    saved(folder, build)
    getattr(transformers, processor)(**processing).save_pretrained(folder)
    return folder


def saved(folder: Path, build: Callable[[], Any]) -> None:
    """A network with seeded weights that are large enough to tell pictures apart."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build()
        for weight in network.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.3)
    network.eval().save_pretrained(folder)


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


def dpt(folder: Path) -> Path:
    """Depth as nearness, up to scale and shift."""
    config = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        is_hybrid=False,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        reassemble_factors=[4, 2, 1, 0.5],
    )
    size = {"height": 32, "width": 32}
    return write(
        folder, lambda: transformers.DPTForDepthEstimation(config), "DPTImageProcessorPil", size=size
    )


def depth_anything(folder: Path, metric: bool = False) -> Path:
    """Depth as nearness, or in metres."""
    backbone = transformers.Dinov2Config(
        image_size=28,
        patch_size=14,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type="metric" if metric else "relative",
        max_depth=20,
    )
    return write(
        folder,
        lambda: transformers.DepthAnythingForDepthEstimation(config),
        "DPTImageProcessorPil",
        size={"height": 56, "width": 56},
        ensure_multiple_of=14,
        keep_aspect_ratio=True,
    )


def glpn(folder: Path) -> Path:
    """Depth in metres."""
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
    )
    return write(folder, lambda: transformers.GLPNForDepthEstimation(config), "GLPNImageProcessorPil")


def zoe_depth(folder: Path) -> Path:
    """Depth in metres, of a picture with its edges mirrored around it."""
    backbone = transformers.BeitConfig(
        image_size=32,
        patch_size=8,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
        use_relative_position_bias=True,
    )
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone,
        backbone_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=8,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
        reassemble_factors=[4, 2, 1, 0.5],
    )
    return write(
        folder,
        lambda: transformers.ZoeDepthForDepthEstimation(config),
        "ZoeDepthImageProcessorPil",
        size={"height": 32, "width": 32},
        ensure_multiple_of=8,
    )


def depth_pro(folder: Path) -> Path:
    """Depth as nearness; its image processor needs torchvision, so its configuration is written by hand."""
    vit = {
        "model_type": "dinov2",
        "num_hidden_layers": 2,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "patch_size": 8,
        "image_size": 32,
    }
    config = transformers.DepthProConfig(
        patch_size=32,
        fusion_hidden_size=8,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[8, 8],
        merge_padding_value=3,
        use_fov_model=False,
        image_model_config=vit,
        patch_model_config=vit,
        fov_model_config=vit,
    )
    processing = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 64, "width": 64}}
    saved(folder, lambda: transformers.DepthProForDepthEstimation(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(processing))
    return folder
