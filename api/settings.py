"""Settings: environment variables DETECT_… or a .env file. A field's description is its documentation."""

import json
import os
import re
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.admission.api_keys import ApiKeys
from api.admission.cores import usable_cores
from api.admission.rate_limits import parse_rate
from api.backend import NAME, Backend, read_model

INFERENCE = Path(__file__).resolve().parent.parent / "inference"
ORIGIN = re.compile(r"https?://[^\s/?#*]+")
FORMATS = ("jpeg", "png", "webp", "gif", "bmp", "tiff")
REPLACED = {
    "DETECT_WAITING_DECODES": "DETECT_QUEUE_SECONDS bounds the time that requests wait, whatever they wait for",
    "DETECT_WAITING_CALLS": "DETECT_QUEUE_SECONDS bounds the time that requests wait, whatever they wait for",
    "DETECT_EMBEDDED_URL": "the embedded endpoint has a socket in a private folder, DETECT_EMBEDDED_SOCKET; for one "
    "that you run yourself set DETECT_ENDPOINT_NAME and AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME",
}
OF_ONE_MODEL = ("endpoint_name", "model_dir", "model_name", "labels", "input_size", "fit", "min_score")
LISTS = ("labels", "formats", "api_keys", "trusted_proxies", "cors_origins", "hosts", "rekognition_buckets")


class Settings(BaseSettings):
    """Everything an operator can choose; frozen, read once at start. Raises pydantic's ValidationError."""

    model_config = SettingsConfigDict(
        env_prefix="DETECT_", env_file=".env", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 lets the system choose.")
    workers: int = Field(1, ge=1, le=64, description="Gateway processes.")
    root_path: str = Field("", description="Path prefix that a proxy in front strips, such as `/vision`.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum log level.")
    log_format: Literal["console", "json"] = Field(
        "console", description="Log format: plain lines, or one JSON object a line."
    )
    traces: bool = Field(False, description="Send OpenTelemetry traces; needs the extra `telemetry`.")
    drain_seconds: float = Field(
        1,
        ge=0,
        description="After SIGTERM, time in which `/health/ready` answers 503 and new requests are still accepted.",
    )

    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="API keys, separated by commas, from `detect-gateway key NAME`. Unset: no authentication.",
    )
    no_auth: bool = Field(
        False,
        description="Allow a public address without API keys, as `--no-auth` does.",
    )
    rate_per_key: str | None = Field(None, description="Maximum request rate per API key, such as `600/minute`.")
    rate_per_address: str | None = Field(
        None,
        description="Maximum request rate per client address, such as `60/minute`.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that counts the rates of all workers and replicas. Unset: each worker counts its own.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Proxies whose `X-Forwarded-…` headers are trusted: addresses or networks, separated by commas.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Allowed origins (CORS), separated by commas. Unset: only the gateway's own.",
    )

    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Allowed host names, separated by commas; others get 421. Unset: any with API keys; without them "
        "IP addresses, `localhost`, `DETECT_HOST` and names without a dot, which protects against DNS rebinding.",
    )
    rekognition_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="S3 buckets that the Rekognition API may read images from, separated by commas. Unset: none.",
    )

    endpoint_name: str | None = Field(
        None,
        description="SageMaker endpoint to call. Unset: the gateway starts its embedded endpoint.",
    )
    embedded_socket: Path | None = Field(
        None,
        description="Unix socket of an embedded endpoint that is already running; `serve` sets it for its workers.",
    )
    model_dir: Path = Field(
        INFERENCE / "models" / "person",
        description="Model directory that the embedded endpoint loads; its `model.json` describes the model.",
    )
    model_name: str | None = Field(
        None, description="Model name in responses. Unset: from `model.json`, or the endpoint's name."
    )
    labels: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        min_length=1,
        description="Labels in order of class id, separated by commas. Unset: from `model.json`, or `person`.",
    )
    input_size: int | None = Field(
        None,
        ge=32,
        le=2048,
        description="Side of the canvas, the N×N image that the model sees. Unset: from `model.json`, or 512.",
    )
    fit: Literal["stretch", "pad"] | None = Field(
        None,
        description="How an image is resized to the canvas: `stretch`, or `pad` (letterbox). Unset: from "
        "`model.json`, or `stretch`.",
    )
    min_score: float | None = Field(
        None,
        ge=0.01,
        le=1,
        description="Default confidence threshold. Unset: from `model.json`, or 0.5.",
    )
    endpoints: Annotated[dict[str, Backend], NoDecode] = Field(
        {},
        description="Several models, as JSON: each name has `endpoint_name` or `model_dir`, and optionally `labels`, "
        "`input_size`, `fit`, `min_score`. The first is the default. Replaces the settings of one model above.",
    )
    canvas_format: Literal["jpeg", "png"] = Field(
        "jpeg",
        description="Format of the canvas sent to the endpoint: `jpeg` (quality 95, 4:4:4) or `png` (lossless).",
    )

    formats: Annotated[tuple[str, ...], NoDecode] = Field(
        ("jpeg", "png", "webp"),
        description="Supported formats, separated by commas, out of jpeg, png, webp, gif, bmp, tiff.",
    )
    max_body_bytes: int = Field(10 * 1024 * 1024, ge=1024, description="Maximum size of a request body.")
    max_batch_bytes: int = Field(
        48 * 1024 * 1024,
        ge=1024,
        description="Maximum size of a batch's body; each image has `DETECT_MAX_BODY_BYTES`.",
    )
    max_pixels: int = Field(50_000_000, ge=1, description="Maximum pixels of an image, checked before decoding.")
    max_side: int = Field(16_384, ge=1, le=65_535, description="Maximum width and height of an image in pixels.")
    upload_seconds: float = Field(30, gt=0, description="Maximum time to receive a request body.")
    deadline_seconds: float = Field(25, gt=0, description="Deadline of a request, from the end of its body.")
    connect_seconds: float = Field(2, gt=0, description="Timeout for connecting to the endpoint.")
    queue_seconds: float = Field(
        2,
        gt=0,
        description="Maximum estimated wait in the queue; a request that would wait longer is rejected with 429.",
    )
    decodes: int = Field(
        default_factory=lambda given: max(1, usable_cores() // given.get("workers", 1)),
        ge=1,
        description="Decoder processes per worker. Unset: one per usable core (affinity and CPU quota).",
    )
    decode_seconds: float = Field(
        10,
        gt=0,
        description="Maximum CPU time to decode one image. Most images get less: 0.5 s plus 4 times the time that "
        "their size usually takes.",
    )
    max_tiles: int = Field(
        16,
        ge=1,
        le=100,
        description="Maximum number of tiles of an image: each is an endpoint call, besides that of the whole image.",
    )
    endpoint_calls: int = Field(64, ge=1, description="Maximum concurrent endpoint calls per worker.")

    decode_bytes: int = Field(
        640 * 1024 * 1024,
        ge=1024 * 1024,
        description="Maximum memory of concurrent decodes, estimated from the image headers; further images wait.",
    )
    held_bytes: int = Field(
        128 * 1024 * 1024,
        ge=1024,
        description="Maximum memory for uploads and large responses per worker; beyond it requests are rejected with "
        "429. One client gets at most eight times what stays free.",
    )
    breaker_faults: int = Field(
        5,
        ge=1,
        description="Consecutive endpoint faults that open the circuit breaker.",
    )

    @model_validator(mode="before")
    @classmethod
    def _not_replaced(cls, given: Any) -> Any:
        for name, instead in REPLACED.items():
            if name in os.environ:
                raise ValueError(f"{name} no longer exists: {instead}. Unset it")
        return given

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("endpoints", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("endpoints")
    @classmethod
    def _named(cls, endpoints: dict[str, Backend], info: ValidationInfo) -> dict[str, Backend]:
        if wrong := [name for name in endpoints if not re.fullmatch(NAME, name)]:
            raise ValueError(f"{wrong[0]!r} is not a valid model name: use at most 63 letters, digits, dots and dashes")
        fields, given = cls.model_fields, info.data
        beside = [name for name in OF_ONE_MODEL if name in given and given[name] != fields[name].default]
        if endpoints and beside:
            raise ValueError(f"DETECT_ENDPOINTS names the models: unset DETECT_{beside[0].upper()}")
        return endpoints

    @field_validator("formats")
    @classmethod
    def _known(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(formats) - set(FORMATS):
            raise ValueError(f"unknown format {', '.join(sorted(unknown))}; supported formats: {', '.join(FORMATS)}")
        return formats

    @field_validator("api_keys")
    @classmethod
    def _keys(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        ApiKeys(entries)
        return entries

    @field_validator("rate_per_key", "rate_per_address")
    @classmethod
    def _rate(cls, rate: str | None) -> str | None:
        if rate:
            parse_rate(rate)
        return rate

    @field_validator("cors_origins")
    @classmethod
    def _explicit(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
            raise ValueError(f"{wrong[0]} is not an origin; write one as https://app.example.org")
        return origins

    @property
    def open_to_all(self) -> bool:
        """Whether other machines can send requests, without authentication."""
        return not (self.api_keys or self.no_auth or _is_loopback(self.host))

    @cached_property
    def backends(self) -> dict[str, Backend]:
        """The models by their names, the default first; the settings of one model make a list of one."""
        if self.endpoints:
            return self.endpoints
        return {self._only_name: self._only}

    @property
    def _only(self) -> Backend:
        said = self.model_dump(include={"labels", "input_size", "fit", "min_score"})
        return Backend(
            endpoint_name=self.endpoint_name, model_dir=None if self.endpoint_name else self.model_dir, **said
        )

    @property
    def _only_name(self) -> str:
        return self.model_name or self.endpoint_name or read_model(self.model_dir).name

    @property
    def model_dirs(self) -> dict[str, Path]:
        """What the embedded endpoint has to serve, by the models' names."""
        return {name: backend.model_dir for name, backend in self.backends.items() if backend.model_dir}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
