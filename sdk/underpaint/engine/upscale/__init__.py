"""Larger pictures, tile by tile: networks that upscale, and denoising at low strength."""
