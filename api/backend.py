"""A model and where it answers: at a SageMaker endpoint, or from a model directory in the embedded one."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.errors import InvalidSetting
from api.schema import Model

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"


class Backend(BaseModel):
    """What an operator says of one model; what is left out comes from `model.json`, then from the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_name: str | None = None
    model_dir: Path | None = None
    labels: tuple[str, ...] | None = Field(None, min_length=1)
    input_size: int | None = Field(None, ge=32, le=2048)
    fit: Literal["stretch", "pad"] | None = None
    min_score: float | None = Field(None, ge=0.01, le=1)

    @model_validator(mode="after")
    def _answers_at_one_place(self) -> Self:
        if (self.endpoint_name is None) == (self.model_dir is None):
            raise ValueError("a model needs either endpoint_name or model_dir")
        return self

    def model(self, name: str, described: Model) -> Model:
        """The model of this name: what is said here goes before how it is described elsewhere."""
        said = self.model_dump(include={"labels", "input_size", "fit", "min_score"}, exclude_none=True)
        return described.model_copy(update={"name": name, **said})

    def on_disk(self) -> Model:
        """How `model.json` describes it; the defaults where it is SageMaker's. Raises InvalidSetting."""
        return read_model(self.model_dir) if self.model_dir else Model(name="")


def read_model(model_dir: Path) -> Model:
    """What a model directory's `model.json` says. Raises InvalidSetting."""
    try:
        return Model.model_validate_json((model_dir / "model.json").read_bytes())
    except (OSError, ValueError) as error:
        wanted = "set DETECT_ENDPOINT_NAME, or DETECT_MODEL_DIR to a folder that has one"
        raise InvalidSetting(f"There is no model.json in {model_dir}: {wanted}.") from error
