"""Every figure of the model card, by one command."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from . import cost, dataset, drawings
from .dataset import SCALES, Drawn
from .export import AGREEMENT, CONTROL_GUIDANCE, FILL_GUIDANCE
from .figures import Figure, table
from .judge import Court, reconstruct
from .materials import BY_NAME, MATERIALS
from .paths import cache
from .render import COLOURS, RAMPS, Picture
from .studio import Studio

PERIODIC = ("brick", "tiles", "checker", "stripes", "dots")
HOLE = (slice(76, 180), slice(68, 188))  # 104 × 120
SEED = 7


def _share(right: NDArray[np.bool_]) -> float:
    return float(np.mean(right))


def _said(material: int, colour: int) -> str:
    return f"{COLOURS[colour]} {MATERIALS[material].words[0]}"


def sharpness(picture: Picture) -> float:
    """Share of a picture's energy in the strongest wave and its next neighbours.

    Seen through a Hann window, so that a wave need not fit the picture a whole number of times.
    """
    grey = picture.mean(2) - picture.mean()
    window = np.hanning(grey.shape[0])
    power = np.abs(np.fft.fft2(grey * window[:, None] * window)) ** 2
    y, x = np.unravel_index(int(power.argmax()), power.shape)
    near = np.ix_((y + np.arange(-1, 2)) % power.shape[0], (x + np.arange(-1, 2)) % power.shape[1])
    return float(power[near].sum() / (power.sum() + 1e-6))


def hue_kept(true: NDArray[np.uint8], made: NDArray[np.uint8]) -> float:
    """Share of pictures whose mean colour is still nearest to the same named colour."""
    middles = np.asarray([RAMPS[colour][1] for colour in COLOURS], np.float32)

    def nearest(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
        means = pictures.mean((1, 2))
        return np.asarray(((means[:, None] - middles) ** 2).sum(2).argmin(1), np.int64)

    return _share(nearest(true) == nearest(made))


def _distance(pictures: list[Picture]) -> float:
    """Mean distance among pictures, each shrunk to 32 × 32."""
    small = [p.reshape(32, 8, 32, 8, 3).mean((1, 3)).ravel() for p in pictures]
    pairs = [float(np.sqrt(((a - b) ** 2).mean())) for k, a in enumerate(small) for b in small[:k]]
    return float(np.mean(pairs))


def autoencoder(studio: Studio, court: Court) -> Iterator[Figure]:
    """What the judge says of held-out pictures and of their reconstructions."""
    pictures, labels = dataset.draw(SEED, dataset.HELD_OUT + 4, rounds=3)
    again = reconstruct(studio.vae, pictures)
    material, colour = court.ask(pictures)
    yield Figure("judge, material of held-out pictures", _share(material == labels[:, 0]), 0.95)
    yield Figure("judge, colour of held-out pictures", _share(colour == labels[:, 1]), 0.95)
    material, colour = court.ask(again)
    yield Figure("autoencoder: material of reconstructions", _share(material == labels[:, 0]), 0.90)
    yield Figure("autoencoder: colour of reconstructions", _share(colour == labels[:, 1]), 0.95)
    yield Figure("autoencoder: mean colour keeps its name", hue_kept(pictures, again), 0.95)


def generated(studio: Studio, court: Court, count: int) -> Iterator[Figure]:
    """Material and colour of ``count`` pictures, the weakest materials, and periods."""
    jobs = [(k % len(MATERIALS), (k * 5 + k // len(MATERIALS)) % 12) for k in range(count)]
    made = studio.make([_said(*job) for job in jobs], [1000 + k for k in range(count)])
    material, colour = court.ask(np.stack(made))
    right = material == np.asarray([m for m, _ in jobs])
    by_name: dict[str, list[bool]] = defaultdict(list)
    for (m, _), good in zip(jobs, right, strict=True):
        by_name[MATERIALS[m].name].append(bool(good))
    weakest = sorted(by_name, key=lambda name: float(np.mean(by_name[name])))[:6]
    named = ", ".join(f"{name} {np.mean(by_name[name]):.0%}" for name in weakest)
    yield Figure(f"{count} pictures: material", _share(right), 0.80, note=f"weakest: {named}")
    yield Figure(f"{count} pictures: colour", _share(colour == np.asarray([c for _, c in jobs])), 0.90)
    true, labels = dataset.draw(SEED, dataset.HELD_OUT + 1, rounds=2)
    for name in PERIODIC:
        number = MATERIALS.index(BY_NAME[name])
        mine = [sharpness(p) for p, (m, _) in zip(made, jobs, strict=True) if m == number]
        data = [sharpness(p) for p in true[labels[:, 0] == number]]
        ratio = float(np.mean(mine) / np.mean(data))
        yield Figure(f"period of {name}, sharpness against data", ratio, 0.5)


def variety(studio: Studio) -> Iterator[Figure]:
    """Spread of eight pictures of one prompt against that of the data, mean of four."""
    ratios = []
    true, labels = dataset.draw(SEED, dataset.HELD_OUT + 2, rounds=8)
    blue = COLOURS.index("blue")
    for name in ("marble", "cobblestone", "leaves", "clouds"):
        number = MATERIALS.index(BY_NAME[name])
        made = studio.make([_said(number, blue)] * 8, list(range(8)))
        same = (labels[:, 0] == number) & (labels[:, 1] == blue)
        data = list(true[same if same.sum() > 1 else labels[:, 0] == number])[:8]
        ratios.append(_distance(made) / _distance(data))
    yield Figure("distance among pictures of one prompt, against data", float(np.mean(ratios)), 0.6)


def border(pictures: list[Picture]) -> float:
    """Mean step across the hole's border against the mean step inside."""
    edges, inner = [], []
    for picture in pictures:
        grey = picture.astype(np.float32).mean(2)
        for axis, (low, high), (start, end) in ((1, (68, 188), (76, 180)), (0, (76, 180), (68, 188))):
            steps = np.abs(np.diff(grey, axis=axis))
            lines = steps[start:end] if axis == 1 else steps[:, start:end].T
            edges.append(lines[:, [low - 1, high - 1]].mean())
            inner.append(lines[:, low + 2 : high - 3].mean())
    return float(np.mean(edges) / np.mean(inner))


def filled(studio: Studio, court: Court, count: int) -> Iterator[Figure]:
    """Material inside the hole alone, and how much its border shows."""
    pictures, labels = dataset.draw(SEED, dataset.HELD_OUT + 3, rounds=2)
    rows = np.random.default_rng(11).permutation(len(pictures))[:count]
    mask = np.zeros((256, 256), bool)
    mask[HOLE] = True
    chosen = [pictures[row] for row in rows]
    words = [_said(*labels[row][:2]) for row in rows]
    made = studio.mend(words, chosen, mask, guidance=FILL_GUIDANCE)
    truth = labels[rows, 0]
    ceiling, _ = court.ask(np.stack([p[HOLE] for p in chosen]))
    yield Figure("the judge on holes cut out of the originals", _share(ceiling == truth))
    material, colour = court.ask(np.stack([p[HOLE] for p in made]))
    yield Figure(f"{len(rows)} fills: material in the hole alone", _share(material == truth), 0.80)
    yield Figure(f"{len(rows)} fills: colour in the hole alone", _share(colour == labels[rows, 1]))
    chance = np.stack([p[HOLE] for p in studio.mend(words, chosen, mask, guidance=FILL_GUIDANCE, alone=True)])
    yield Figure("the same, begun with noise", _share(court.ask(chance)[0] == truth), 0.80)
    others = (truth[:60] + 17) % len(MATERIALS)
    elsewhere = [_said(int(m), 5) for m in others]
    changed = studio.mend(elsewhere, chosen[:60], mask, guidance=FILL_GUIDANCE)
    material, _ = court.ask(np.stack([p[HOLE] for p in changed]))
    yield Figure("60 fills with words for another material", _share(material == others))
    # the threshold was chosen on the first 72
    yield from _compared(studio, chosen[72:132], labels[rows[72:132]], mask)
    yield Figure("fills: step across the border against inside", border(made), most=1.3)
    hard = studio.mend(words[:60], chosen[:60], mask, guidance=FILL_GUIDANCE, pasted=True)
    yield Figure("the same, pasted without blending", border(hard))
    perfect = reconstruct(studio.vae, np.stack(chosen[:60]))
    hard = [np.where(mask[..., None], new, old) for new, old in zip(perfect, chosen, strict=False)]
    yield Figure("the same for the autoencoder's own reconstructions", border(hard))
    silent = studio.mend([""] * len(rows), chosen, mask, guidance=1.0)
    material, _ = court.ask(np.stack([p[HOLE] for p in silent]))
    yield Figure("the same without words: material in the hole", _share(material == truth))


def _compared(
    studio: Studio, pictures: list[Picture], labels: NDArray[np.int16], mask: NDArray[np.bool_]
) -> Iterator[Figure]:
    """How often words count as saying what is around a hole: those that do, and those that do not."""
    plain = [(int(m), int(c)) for m, c, *_ in labels]
    said = {
        "words for what is around the hole, taken as such": [_said(m, c) for m, c in plain],
        "its material alone, taken as such": [MATERIALS[m].words[0] for m, _ in plain],
        "another material without a colour, taken as the same": [
            MATERIALS[(m + 17) % len(MATERIALS)].words[0] for m, _ in plain
        ],
        "another material in its colour, taken as the same": [
            _said((m + 17) % len(MATERIALS), c) for m, c in plain
        ],
        "its material in another colour, taken as the same": [_said(m, (c + 5) % 12) for m, c in plain],
    }
    for name, words in said.items():
        gains = np.asarray(studio.agreements(words, pictures, mask))
        yield Figure(f"{len(gains)} times {name}", _share(gains >= AGREEMENT))


def seamless(count: int = 36) -> Iterator[Figure]:
    """Difference across the wrap against that between neighbours, with wrapped padding."""
    words = [m.words[0] for m in MATERIALS][:count]
    wrap, near = [], []
    for picture in Studio(seamless=True).make(words, list(range(len(words)))):
        grey = picture.astype(np.float32).mean(2)
        for axis in (0, 1):
            ends = grey.take(0, axis) - grey.take(-1, axis)
            wrap.append(np.abs(ends).mean())
            near.append(np.abs(np.diff(grey, axis=axis)).mean())
    ratio = float(np.mean(wrap) / np.mean(near))
    yield Figure("seamless: step across the wrap against neighbours", ratio, most=1.2)


def clear_drawings(count: int) -> list[Drawn]:
    """Held-out pictures whose own edges show their line drawing, thin enough that chance
    does not."""
    chosen = []
    for drawn in dataset.each(SEED, dataset.HELD_OUT + 5, rounds=6):
        lines = drawings.outline(drawn.pattern)
        clear = 0.01 < lines.mean() < 0.07 and SCALES[drawn.label[2]] != "small"
        if clear and drawings.agreement(lines, drawings.edges(drawn.picture, 0.5)) > 0.75:
            chosen.append(drawn)
    order = np.random.default_rng(13).permutation(len(chosen))[:count]
    return [chosen[k] for k in order]


def controlled(studio: Studio, count: int) -> Iterator[Figure]:
    """How well pictures keep to a line drawing or a height map, and how well by chance."""
    chosen = clear_drawings(count)
    words = [_said(*drawn.label[:2]) for drawn in chosen]
    seeds = [500 + k for k in range(len(chosen))]
    lines = [drawings.outline(drawn.pattern) for drawn in chosen]

    def f1(pictures: list[Picture]) -> float:
        pairs = zip(lines, pictures, strict=True)
        return float(np.mean([drawings.agreement(a, drawings.edges(b, 0.5)) for a, b in pairs]))

    yield Figure(f"{len(chosen)} originals: edges agree with the drawing", f1([d.picture for d in chosen]))
    drawn = [drawings.shown(line.astype(np.float32)) for line in lines]
    yield Figure("lines: edges agree with the drawing", f1(studio.follow("lines", words, drawn, seeds)), 0.6)
    maps = [drawings.shown(drawings.height(d.pattern)) for d in chosen]
    yield Figure("height: edges agree with the drawing", f1(studio.follow("height", words, maps, seeds)), 0.6)
    free = studio.make(words, seeds, guidance=CONTROL_GUIDANCE)
    yield Figure("no control: edges agree with the drawing", f1(free), most=0.3)


SECTIONS = ("autoencoder", "pictures", "variety", "fills", "seamless", "controls", "cost")


def _measure(section: str, studio: Studio, court: Court, counts: Counts) -> Iterator[Figure]:
    match section:
        case "autoencoder":
            return autoencoder(studio, court)
        case "pictures":
            return generated(studio, court, counts.pictures)
        case "variety":
            return variety(studio)
        case "fills":
            return filled(studio, court, counts.fills)
        case "seamless":
            return seamless()
        case "controls":
            return controlled(studio, counts.drawings)
        case "cost":
            return cost.measured()
    raise ValueError(f"no section {section!r}; there are {', '.join(SECTIONS)}")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many pictures go into the figures."""

    pictures: int = 500
    fills: int = 200
    drawings: int = 60


def main(counts: Counts, sections: Sequence[str] = SECTIONS) -> None:
    """Measure some sections or all, keep them beside the checkpoints, print all that are kept."""
    studio, court = Studio(), Court()
    folder = cache() / "figures"
    folder.mkdir(exist_ok=True)
    for section in sections:
        figures = []
        for figure in _measure(section, studio, court, counts):
            print(f"{figure.name}: {figure.value:.3f} {figure.note}", flush=True)
            figures.append(asdict(figure))
        (folder / f"{section}.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    kept = [folder / f"{section}.json" for section in SECTIONS]
    read = [json.loads(path.read_text("utf-8")) for path in kept if path.exists()]
    print(f"\n{table([Figure(**facts) for part in read for facts in part])}")
