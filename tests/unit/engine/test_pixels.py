from __future__ import annotations

import hashlib
import itertools
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from underpaint.engine.pixels import Raster, canonicalise, coverage, encode, fill_transparent, write_raw
from underpaint.engine.pixels.color import luminance, to_linear, to_srgb
from underpaint.types import Alpha, Channels, ColorSpace, DataType, PixelFormat, RowOrder

DTYPES = {
    DataType.U8: np.uint8,
    DataType.U16: np.uint16,
    DataType.F16: np.float16,
    DataType.F32: np.float32,
}
FORMATS = [
    PixelFormat(channels, data_type, alpha, space, rows)
    for channels, data_type, alpha, space, rows in itertools.product(
        Channels, DataType, Alpha, ColorSpace, RowOrder
    )
    if channels.has_alpha == (alpha is not Alpha.NONE)
]


def raster_of(samples: np.ndarray, format: PixelFormat, gap: int = 0) -> Raster:
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1).view(np.uint8)
    padded = np.concatenate([rows, np.full((height, gap), 0xEE, np.uint8)], axis=1)
    return Raster.over(padded.tobytes(), format, width, height, padded.shape[1] if gap else 0)


def name(format: PixelFormat) -> str:
    return "-".join(
        part.value
        for part in (format.channels, format.data_type, format.alpha, format.color_space, format.row_order)
    )


@pytest.mark.parametrize("format", FORMATS, ids=name)
def test_every_format_comes_back_as_it_was(format: PixelFormat) -> None:
    rng = np.random.default_rng(1)
    shape = (5, 7, format.channels.count)
    if format.data_type in (DataType.U8, DataType.U16):
        top = 255 if format.data_type is DataType.U8 else 65535
        samples = rng.integers(0, top + 1, shape).astype(DTYPES[format.data_type])
        tolerance = 0 if format.data_type is DataType.U8 else 1
    else:
        top = 1
        samples = rng.uniform(0, 1, shape).astype(DTYPES[format.data_type])
        tolerance = 1e-3 if format.data_type is DataType.F16 else 2e-6
    if format.alpha is Alpha.PREMULTIPLIED:
        # Premultiplied colour never exceeds alpha; where alpha is nothing, there is no colour.
        samples[..., :-1] = np.minimum(samples[..., :-1], samples[..., -1:])
        samples[0, 0] = 0
    canonical = canonicalise(raster_of(samples, format, gap=8))
    assert canonical.shape == (5, 7, 4) and canonical.dtype == np.float32
    again = encode(canonical, format)
    assert again.dtype == samples.dtype and again.shape == samples.shape
    assert np.abs(again.astype(np.float64) - samples.astype(np.float64)).max() <= tolerance


def test_channels_rows_and_curves_mean_what_they_say() -> None:
    format = PixelFormat(
        Channels.BGRA, DataType.F32, Alpha.PREMULTIPLIED, ColorSpace.LINEAR_REC709, RowOrder.BOTTOM_UP
    )
    samples = np.zeros((2, 1, 4), np.float32)
    # The last row in memory is the top one: red at half light, half covered.
    samples[1, 0] = [0.0, 0.0, 0.25, 0.5]
    canonical = canonicalise(raster_of(samples, format))
    assert canonical[0, 0] == pytest.approx([0.7353569, 0.0, 0.0, 0.5], abs=1e-6)
    assert canonical[1, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("linear", "encoded"), [(0, 0), (0.0031308, 0.04045), (0.2140411, 0.5), (1, 1)])
def test_the_srgb_curve_at_known_points(linear: float, encoded: float) -> None:
    assert to_srgb(np.float32([linear]))[0] == pytest.approx(encoded, abs=1e-5)
    assert to_linear(np.float32([encoded]))[0] == pytest.approx(linear, abs=1e-6)


@given(npst.arrays(np.float32, 16, elements=st.floats(-4, 16, width=32)))
def test_the_curve_keeps_what_lies_outside_the_range(values: np.ndarray) -> None:
    assert to_srgb(to_linear(values)) == pytest.approx(values, abs=2e-5, rel=1e-4)


def test_grey_of_a_colour_has_its_luminance_and_grey_of_grey_is_exact() -> None:
    assert luminance(np.float32([[0, 1, 0]]))[0, 0] == pytest.approx(0.8625, abs=1e-3)
    greys = np.linspace(0, 1, 999, dtype=np.float32)
    assert (luminance(np.stack([greys] * 3, axis=1))[:, 0] == greys).all()


@settings(deadline=None)
@given(
    st.sampled_from([format for format in FORMATS if format.data_type is DataType.U8]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_gaps_between_rows_are_never_read(
    format: PixelFormat, width: int, height: int, gap: int, random: object
) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    samples = rng.integers(0, 256, (height, width, format.channels.count)).astype(np.uint8)
    tight = canonicalise(raster_of(samples, format))
    assert (canonicalise(raster_of(samples, format, gap)) == tight).all()


def test_coverage_takes_any_layout_and_stays_in_range() -> None:
    grey = PixelFormat(Channels.GRAY, DataType.F32, Alpha.NONE, ColorSpace.DATA)
    samples = np.float32([[[-1.0], [0.25], [7.0], [np.nan]]])
    assert coverage(raster_of(samples, grey)).tolist() == [[0.0, 0.25, 1.0, 0.0]]
    linear = PixelFormat(Channels.GRAY, DataType.F32, Alpha.NONE, ColorSpace.LINEAR_REC709)
    # Coverage has no transfer curve, whatever the host wrote there.
    assert coverage(raster_of(samples, linear))[0, 1] == 0.25
    rgba = PixelFormat()
    assert coverage(raster_of(np.uint8([[[255, 255, 255, 51]]]), rgba))[0, 0] == pytest.approx(0.2)


def test_out_of_range_values_are_clipped_not_wrapped() -> None:
    rgba = np.float32([[[-0.5, 1.5, np.nan, 1.0]]])
    assert encode(rgba, PixelFormat()).tolist() == [[[0, 255, 0, 255]]]
    half = PixelFormat(data_type=DataType.F16)
    assert np.isfinite(encode(np.full((1, 1, 4), 1e9, np.float32), half)).all()


def test_transparent_pixels_take_colours_from_their_neighbours_not_black() -> None:
    rgba = np.zeros((40, 60, 4), np.float32)
    rgba[:, :20] = [0.8, 0.6, 0.4, 1.0]
    rgba[:, 40:] = [0.2, 0.3, 0.9, 1.0]
    filled = fill_transparent(rgba)
    assert filled[:, :20] == pytest.approx(rgba[:, :20, :3], abs=1e-6)
    assert filled[..., 0].min() >= 0.2 - 1e-3 and filled[..., 1].min() >= 0.3 - 1e-3
    assert filled[20, 22, 0] > filled[20, 38, 0]


def test_an_empty_picture_is_grey_and_an_opaque_one_unchanged() -> None:
    assert (fill_transparent(np.zeros((8, 8, 4), np.float32)) == 0.5).all()
    opaque = np.random.default_rng(0).uniform(0, 1, (9, 5, 4)).astype(np.float32)
    opaque[..., 3] = 1.0
    assert (fill_transparent(opaque) == opaque[..., :3]).all()


def test_results_reach_the_disk_with_their_digest(tmp_path: Path) -> None:
    samples = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    path = tmp_path / "result-0.raw"
    assert write_raw(path, samples) == hashlib.sha256(samples.tobytes()).hexdigest()
    assert path.read_bytes() == samples.tobytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_raw(path, samples)
    assert path.read_bytes() == samples.tobytes()
