"""``python -m training STEP``: make the pictures, train each part, export and evaluate."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Read the command line and run one step."""
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("data", help="make the training pictures")
    step.add_argument("--shards", type=int, default=12)
    step.add_argument("--workers", type=int, default=2)
    step = steps.add_parser("vae", help="train the autoencoder; resumes")
    step.add_argument("--minutes", type=float, default=30.0)
    step = steps.add_parser("decoder", help="refine the decoder; the latents stay; resumes")
    step.add_argument("--minutes", type=float, default=20.0)
    step = steps.add_parser("latents", help="encode the pictures and cut holes")
    step.add_argument("--shards", type=int, default=12)
    step.add_argument("--with-holes", type=int, default=6, help="shards that get holes too")
    step.add_argument("--holes", type=int, default=800, help="in each of these")
    step = steps.add_parser("words", help="teach the text encoder to tell labels apart")
    step.add_argument("--steps", type=int, default=900)
    step = steps.add_parser("unet", help="train the shared nine-channel net; resumes")
    step.add_argument("--minutes", type=float, default=70.0)
    step.add_argument("--rate", type=float, default=2e-3)
    step.add_argument("--source", default="", help="begin from the weights of another checkpoint")
    step = steps.add_parser("finish", help="refine one net for words and one for holes; resumes")
    step.add_argument("--minutes", type=float, default=10.0, help="for each of the two")
    step.add_argument("--only", choices=("swatch", "inpaint"), default=None)
    step.add_argument("--rate", type=float, default=5e-4)
    steps.add_parser("adopt", help="take the shipped weights for every checkpoint that is missing")
    steps.add_parser("drawings", help="draw line art and height maps for the control nets")
    step = steps.add_parser("control", help="train the control nets, lines first; resumes")
    step.add_argument("--minutes", type=float, default=10.0, help="for each of the two")
    step.add_argument("--only", choices=("lines", "height"), default=None)
    step.add_argument("--rate", type=float, default=2e-3)
    steps.add_parser("export", help="write the model folders")
    step = steps.add_parser("sheets", help="make contact sheets")
    step.add_argument("--folder", type=Path, default=None, help="default: docs/pictures/swatch")
    step = steps.add_parser("judge", help="train the classifier that evaluates; resumes")
    step.add_argument("--minutes", type=float, default=5.0)
    step = steps.add_parser("evaluate", help="print every figure and its bound")
    step.add_argument("--count", type=int, default=500)
    step.add_argument("--fills", type=int, default=200)
    step.add_argument("--drawings", type=int, default=60)
    step.add_argument("--only", nargs="*", help="sections to measure anew; default: all")
    args = parser.parse_args()

    if args.step == "data":
        from . import dataset

        dataset.build(args.shards, args.seed, args.workers)
    elif args.step == "vae":
        from . import vae

        vae.train(args.minutes, args.seed, args.device)
    elif args.step == "decoder":
        from . import decoder

        decoder.train(args.minutes, args.seed, args.device)
    elif args.step == "latents":
        from . import latents

        latents.build(args.shards, args.with_holes, args.seed, args.device, args.holes)
    elif args.step == "words":
        from . import words

        words.train(args.steps, args.seed)
    elif args.step == "unet":
        from . import unet

        plan = unet.Plan(channels=9, holes=0.15, crops_until=0.45)
        unet.train("unet", plan, args.minutes, args.seed, args.device, args.rate, args.source)
    elif args.step == "finish":
        from . import unet

        for name, plan in (
            ("swatch", unet.Plan(4, 0.0, 0.0)),
            ("inpaint", unet.Plan(9, 0.92, 0.2, looks=True)),
        ):
            if args.only in (None, name):
                unet.train(name, plan, args.minutes, args.seed, args.device, args.rate, "unet")
    elif args.step == "adopt":
        from . import adopt

        print("from the shipped weights:", ", ".join(adopt.adopt()) or "nothing was missing")
    elif args.step == "drawings":
        from . import control

        control.build(args.seed)
    elif args.step == "control":
        from . import control

        for kind, source in (("lines", ""), ("height", "lines")):
            if args.only in (None, kind):
                control.train(kind, args.minutes, args.seed, args.device, args.rate, source)
    elif args.step == "export":
        from . import export

        export.export()
    elif args.step == "sheets":
        from . import sheets

        sheets.make(args.folder)
    elif args.step == "judge":
        from . import judge

        judge.train(args.minutes, args.seed, args.device)
    elif args.step == "evaluate":
        from . import evaluate

        counts = evaluate.Counts(args.count, args.fills, args.drawings)
        evaluate.main(counts, args.only or evaluate.SECTIONS)


if __name__ == "__main__":
    main()
