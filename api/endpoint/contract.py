"""The contract with the endpoint: what a gateway asks of it, and what it expects in return."""

from collections.abc import Iterator
from typing import Annotated, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from api.endpoint.breaker import State
from api.endpoint.transport import Call
from api.image.fit import Corners
from api.schema import EndpointState, Model

MAX_ROWS = 1_000  # the contract has 100
Side = Annotated[int, Field(ge=1, le=65_535)]


class Serving(BaseModel):
    """What the embedded endpoint serves under one name; each load of a model directory has a revision of its own."""

    model_config = ConfigDict(frozen=True)

    revision: str
    model: Model


class EndpointAnswer(BaseModel):
    """The endpoint's wire format: rows sorted by score, boxes in pixels of the H×W tensor, unused rows −1."""

    model_config = ConfigDict(extra="ignore", strict=True)

    shape: tuple[Literal[1], Literal[3], Side, Side]
    cid: Annotated[list[tuple[FiniteFloat]], Field(max_length=MAX_ROWS)]
    score: Annotated[list[tuple[FiniteFloat]], Field(max_length=MAX_ROWS)]
    bbox: Annotated[list[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]], Field(max_length=MAX_ROWS)]

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not len(self.cid) == len(self.score) == len(self.bbox):
            raise ValueError("cid, score and bbox differ in length")
        for (class_id,), (score,) in zip(self.cid, self.score, strict=True):
            if class_id != int(class_id) or (class_id >= 0 and not 0 <= score <= 1):
                raise ValueError("a row is no detection")
        return self

    def rows(self) -> Iterator[tuple[int, float, Corners]]:
        """The used rows: class id, score, and x_min, y_min, x_max, y_max in tensor pixels."""
        for (class_id,), (score,), box in zip(self.cid, self.score, self.bbox, strict=True):
            if class_id >= 0:
                yield int(class_id), score, box


class Endpoint(Protocol):
    """Where canvases become rows of boxes."""

    async def invoke(self, canvas: bytes, size: int, call: Call) -> tuple[EndpointAnswer, str]:
        """The answer for one size×size canvas, and the revision of the model that gave it; cancelled, it hangs up.

        Raises EndpointError and DeadlineExceeded.
        """
        ...

    def serving(self) -> Serving | None:
        """What the endpoint itself says that it serves now, if it says so; may block for a moment."""
        ...

    def reload(self) -> None:
        """Load the model again from where it lies; blocks. Raises NotReloaded and EndpointUnavailable."""
        ...

    def state(self) -> EndpointState:
        """What is known of the endpoint; never costs an invocation, and may block for a moment."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...

    @property
    def breaker_state(self) -> State:
        """Whether calls are let pass."""
        ...
