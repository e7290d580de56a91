"""A real worker process without torch: speaks WorkerService and does what the prompt says.

Prompt "key=value key=value …": steps=N plan length, step_s=SECONDS a step, hold=N,N… (after so many steps
waits until the test lets it go on: `gate`), crash=always|once (at the second step), hang=1 (ignores
cancellation), freeze=1 (says nothing more after the first step), garbage=stage|file|size|nothing|layout,
fail=REASON, refuse=1, full=1.
UNDERPAINT_SCRIPT: exit (ends at once), silent (never answers).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc

from underpaint.errors import for_reason
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.images import layout_bytes
from underpaint.wire.status import error_to_status
from underpaint.worker_v1 import worker_service_pb2 as pb
from underpaint.worker_v1.worker_service_pb2_grpc import (
    WorkerServiceServicer,
    add_WorkerServiceServicer_to_server,
)

PLAN = (
    (job_service_pb2.STAGE_KIND_LOADING, 1),
    (job_service_pb2.STAGE_KIND_ENCODING_TEXT, 1),
    (job_service_pb2.STAGE_KIND_DENOISING, 0),
    (job_service_pb2.STAGE_KIND_DECODING, 1),
)


class ScriptedWorker(WorkerServiceServicer):
    def __init__(self, device: str, ledger: Path) -> None:
        self.device = device
        self.ledger = ledger
        self.cancelled: dict[str, asyncio.Event] = {}
        self.loaded: set[str] = set()

    async def DescribeWorker(self, request, context):  # noqa: N802
        return pb.DescribeWorkerResponse(
            device=self.device, engine_version="scripted 1", loaded_models=sorted(self.loaded)
        )

    async def LoadModel(self, request, context):  # noqa: N802
        self.loaded.add(request.model.name)
        return pb.LoadModelResponse()

    async def UnloadModel(self, request, context):  # noqa: N802
        self.loaded -= {request.name} if request.name else set(self.loaded)
        return pb.UnloadModelResponse()

    async def YieldMemory(self, request, context):  # noqa: N802
        return pb.YieldMemoryResponse(
            device_bytes=5 << 30, ram_bytes=request.pause_seconds if request.ram else 0
        )

    async def CancelJob(self, request, context):  # noqa: N802
        event = self.cancelled.get(request.job)
        if event is not None:
            event.set()
        return pb.CancelJobResponse(found=event is not None)

    async def StopWorker(self, request, context):  # noqa: N802
        asyncio.get_running_loop().call_later(0.01, os._exit, 0)
        return pb.StopWorkerResponse()

    async def RunJob(self, request, context) -> AsyncIterator[pb.RunJobResponse]:  # noqa: N802
        script = dict(part.split("=", 1) for part in request.spec.prompt.split() if "=" in part)
        with self.ledger.open("a") as ledger:
            ledger.write(f"{request.job} {request.spec.prompt}\n")
        if "refuse" in script:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "I do not run this")
        cancelled = self.cancelled.setdefault(request.job, asyncio.Event())
        self.loaded.add(request.model.name)
        steps = int(script.get("steps", request.spec.steps))
        stages = [job_service_pb2.PlannedStage(kind=kind, steps=count or steps) for kind, count in PLAN]
        yield pb.RunJobResponse(planned=pb.Planned(stages=stages))
        if script.get("garbage") == "stage":
            yield pb.RunJobResponse(stepped=pb.Stepped(stage_index=99, step=1))
        for index in (0, 1):
            yield pb.RunJobResponse(stepped=pb.Stepped(stage_index=index, step=1))
        holds = {int(after) for after in script.get("hold", "").split(",") if after}
        for step in range(1, steps + 1):
            if step == 2 and "freeze" in script:
                time.sleep(600)
            await asyncio.sleep(float(script.get("step_s", 0)))
            while step - 1 in holds and not gate(self.ledger, request.job, step - 1).exists():
                if cancelled.is_set() and "hang" not in script:
                    break
                await asyncio.sleep(0.01)
            if cancelled.is_set() and "hang" not in script:
                yield pb.RunJobResponse(cancelled=pb.Cancelled(denoiser_calls_after=0))
                return
            if step == 2 and self._crashes(script.get("crash", "")):
                os._exit(41)
            yield pb.RunJobResponse(stepped=pb.Stepped(stage_index=2, step=step))
            if request.previews:
                rgb = bytes([step % 256]) * (8 * 8 * 3)
                preview = job_service_pb2.Preview(step=step, width_px=8, height_px=8, rgb=rgb)
                yield pb.RunJobResponse(preview=preview)
        if "fail" in script:
            error = for_reason(script["fail"], "the script says so", metadata={"needed_bytes": "1"})
            yield pb.RunJobResponse(failed=error_to_status(error))
            return
        if script.get("garbage") == "nothing":
            return
        yield pb.RunJobResponse(finished=self._finish(request, script.get("garbage", "")))

    def _finish(self, request: pb.RunJobRequest, garbage: str) -> pb.Finished:
        layout = image_pb2.ImageLayout()
        layout.CopyFrom(request.spec.output_layout)
        source = request.inputs[0].layout if request.inputs else request.spec.text_to_image
        layout.width_px, layout.height_px = source.width_px, source.height_px
        size = layout_bytes(layout)
        pixels = bytes([request.spec.seed % 256]) * size
        file = Path(request.output_folder) / "0.raw"
        file.write_bytes(pixels[: size - 1] if garbage == "size" else pixels)
        if garbage == "layout":
            layout.channel_order = 0
        name = "../escape" if garbage == "file" else file.name
        output = pb.Output(
            file=name, layout=layout, x_px=3, y_px=-4, sha256=hashlib.sha256(pixels).hexdigest()
        )
        return pb.Finished(
            outputs=[] if garbage == "none" else [output],
            notes=[
                "made by a script",
                *(_told(control) for control in request.controls),
                *(f"lora {lora.name} at {lora.path}" for lora in request.loras),
                *(f"embedding {one.name} at {one.path}" for one in request.embeddings),
            ],
            model_sha256={"unet/x.safetensors": "00"},
            resolved=request.spec,
        )

    def _crashes(self, how: str) -> bool:
        mark = self.ledger.with_suffix(".crashed")
        if how == "once" and mark.exists():
            return False
        if how:
            mark.touch()
        return bool(how)


def gate(ledger: Path, job: str, after: int) -> Path:
    """The file that lets a job go on which waits after so many steps."""
    return ledger.with_name(f"go-on-{job.rpartition('/')[2]}-{after}")


def _told(control: pb.ControlSource) -> str:
    through = f" ({control.kind}, through {control.image_encoder})" if control.image_encoder else ""
    weights = f" with {control.preprocessor.weights}" if control.preprocessor.weights else ""
    after = f"{control.preprocessor.engine or 'nothing'}{weights}"
    return f"control {control.name} at {control.path} after {after}{through}"


class Guard(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation, details):
        expected = "Bearer " + os.environ["UNDERPAINT_WORKER_TOKEN"]
        if dict(details.invocation_metadata).get("authorization") == expected:
            return await continuation(details)
        os._exit(42)


def die_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(43)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    script = os.environ.get("UNDERPAINT_SCRIPT", "")
    if script == "exit":
        print("ModuleNotFoundError: No module named 'torch'", flush=True)
        os._exit(1)
    if script == "silent":
        time.sleep(3600)
    threading.Thread(target=die_with_parent, daemon=True).start()
    server = grpc.aio.server(interceptors=(Guard(),))
    add_WorkerServiceServicer_to_server(ScriptedWorker(arguments.device, arguments.ledger), server)
    server.add_insecure_port(f"unix:{arguments.socket}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
