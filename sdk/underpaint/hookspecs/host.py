"""The hooks inside a host program, entry point group `underpaint.hosts`.

They are called on the host's main thread, when the plug-in of the host asks for extensions; nothing is
loaded by an import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from underpaint.hookspecs.markers import hookspec
from underpaint.hookspecs.verbs import ControlSource, Verb

if TYPE_CHECKING:
    from underpaint.host.adapter import HostAdapter


class HostSpecs:
    """Hooks inside a host program."""

    @hookspec
    def underpaint_register_hosts(self) -> Mapping[str, Callable[[], HostAdapter]]:
        """Adapters to offer, by host name; the factory is called on the host's main thread.

        Example:
            >>> from underpaint.hookspecs import hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_register_hosts(self):
            ...         return {"my-host": dict}
            >>> sorted(Plugin().underpaint_register_hosts())
            ['my-host']
        """
        raise NotImplementedError

    @hookspec
    def underpaint_verbs(self) -> Sequence[Verb]:
        """Verbs that every host shall offer.

        Example:
            >>> from dataclasses import replace
            >>> from underpaint.hookspecs import Verb, hookimpl
            >>> def start(session, values):
            ...     settings = replace(session.settings, strength=0.6)
            ...     return session.fill("old, worn " + values["prompt"], settings)
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_verbs(self):
            ...         return [Verb(name="wear", title="Wear down", start=start, texts=("prompt",),
            ...                      description="Paints the selection anew, old and worn.",
            ...                      needs=frozenset({"selection"}))]
            >>> Plugin().underpaint_verbs()[0].title
            'Wear down'
        """
        raise NotImplementedError

    @hookspec
    def underpaint_control_sources(self) -> Sequence[ControlSource]:
        """Parts of a document that can serve as a control image.

        Example:
            >>> from underpaint.hookspecs import ControlSource, hookimpl
            >>> def lowest(adapter, document_id, bounds, choice):
            ...     layers = adapter.list_layers(document_id)
            ...     return adapter.read_layer(document_id, layers[-1].layer_id, bounds)
            >>> class Plugin:
            ...     @hookimpl
            ...     def underpaint_control_sources(self):
            ...         return [ControlSource(name="lowest", title="Lowest layer", read=lowest,
            ...                               needs=frozenset({"layers"}))]
            >>> Plugin().underpaint_control_sources()[0].name
            'lowest'
        """
        raise NotImplementedError
