"""The models behind this gateway, by their names; the first is the default."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress

from api.detect import Detector, Shared
from api.endpoint.contract import Endpoint
from api.errors import Overloaded, UnknownModel
from api.schema import EndpointState
from api.settings import Settings
from api.telemetry.metrics import Metrics


class Models:
    """One detector a model. They share memory, decoders and calls; each has its own endpoint and breaker."""

    def __init__(self, settings: Settings, endpoints: Mapping[str, Endpoint], metrics: Metrics) -> None:
        self._shared = Shared.of(settings, metrics)
        self._detectors = {
            name: Detector(name, backend, endpoints[name], self._shared) for name, backend in settings.backends.items()
        }

    def __iter__(self) -> Iterator[Detector]:
        return iter(self._detectors.values())

    @property
    def default(self) -> Detector:
        """What is asked where a request names no model."""
        return next(iter(self))

    def named(self, name: str | None) -> Detector:
        """The model of this name; the default for None. Raises UnknownModel."""
        if name is None:
            return self.default
        if name not in self._detectors:
            raise UnknownModel("GET /models lists the available models.")
        return self._detectors[name]

    def check_queue(self, caller: str) -> None:
        """Raises Overloaded where an image would wait too long for any model."""
        *others, last = self
        for detector in others:
            with suppress(Overloaded):
                detector.check_queue(caller)
                return
        last.check_queue(caller)

    async def states(self, stopping: bool) -> list[EndpointState]:
        """Each endpoint's state; where the gateway is stopping, none is ready whatever its endpoint says."""
        states = await asyncio.gather(*(asyncio.to_thread(one.endpoint.state) for one in self))
        return [state.model_copy(update={"ready": state.ready and not stopping}) for state in states]

    async def start(self) -> None:
        """Start the decoders."""
        await self._shared.start()

    async def close(self) -> None:
        """Stop the decoders, close the connections."""
        await asyncio.gather(self._shared.close(), *(one.endpoint.close() for one in self))
