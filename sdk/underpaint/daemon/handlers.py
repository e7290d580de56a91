"""Wraps gRPC handlers of every kind: the one place that knows the four of them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, TypeAlias

import grpc

Scope: TypeAlias = Callable[[grpc.aio.ServicerContext], AbstractAsyncContextManager[None]]


def inside(handler: grpc.RpcMethodHandler, scope: Scope) -> grpc.RpcMethodHandler:
    """The same handler, each call of which runs inside `scope(context)`."""
    behavior = _behavior(handler)
    if not handler.response_streaming:

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            async with scope(context):
                return await behavior(request, context)

        return _like(handler, answer)
    if not inspect.isasyncgenfunction(behavior):

        async def write(request: Any, context: grpc.aio.ServicerContext) -> None:
            async with scope(context):
                await behavior(request, context)

        return _like(handler, write)

    async def stream(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async with scope(context), aclosing(behavior(request, context)) as responses:
            async for response in responses:
                yield response

    return _like(handler, stream)


def _behavior(handler: grpc.RpcMethodHandler) -> Any:
    kinds = {
        (False, False): handler.unary_unary,
        (False, True): handler.unary_stream,
        (True, False): handler.stream_unary,
        (True, True): handler.stream_stream,
    }
    return kinds[bool(handler.request_streaming), bool(handler.response_streaming)]


def _like(handler: grpc.RpcMethodHandler, behavior: Any) -> grpc.RpcMethodHandler:
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = makers[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behavior, handler.request_deserializer, handler.response_serializer)
