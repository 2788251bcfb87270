"""Dependencies of the routes: the models, the chosen one, the settings, an authenticated client, the upload."""

import time
from functools import partial
from typing import Annotated, NamedTuple

from fastapi import Depends, Query, Request

from api.detect import Asker, Detector
from api.models import Models
from api.schema import Parameters
from api.settings import Settings
from api.telemetry.request_record import record_of
from api.web.authentication import caller_of
from api.web.parameters import MODEL, BatchQuery, DetectQuery, with_fields
from api.web.upload import Sent, read_batch, read_upload


async def _models(request: Request) -> Models:
    models: Models = request.app.state.models
    return models


CurrentModels = Annotated[Models, Depends(_models)]


def chosen(request: Request, models: Models, name: str | None) -> Detector:
    """The model of this name, the default for None, noted in the request's record. Raises UnknownModel."""
    detector = models.named(name)
    record_of(request.scope).model = detector.name
    return detector


async def _detector(
    request: Request, models: CurrentModels, model: Annotated[str | None, Query(description=MODEL)] = None
) -> Detector:
    return chosen(request, models, model)


CurrentDetector = Annotated[Detector, Depends(_detector)]


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _admitted(request: Request) -> None:
    """The caller may ask, and would not wait too long: one dependency, since each costs every request its share."""
    await request.app.state.authentication.admit(request)
    detector = chosen(request, request.app.state.models, request.query_params.get("model"))
    detector.check_queue(caller_of(request))


async def _identified(request: Request) -> None:
    await request.app.state.authentication.identify(request)


async def _overhearing(request: Request) -> None:
    await request.app.state.authentication.overhear(request)


async def _administering(request: Request) -> None:
    await request.app.state.authentication.administer(request)


ADMITTED = [Depends(_admitted)]
IDENTIFIED = [Depends(_identified)]
OVERHEARING = [Depends(_overhearing)]
ADMINISTERING = [Depends(_administering)]

CurrentSettings = Annotated[Settings, Depends(_settings)]


def asker_of(request: Request) -> Asker:
    """Who asks, with the time for the answer counted from now on: the body is in."""
    seconds = request.app.state.settings.deadline_seconds
    charge = partial(request.app.state.authentication.charge, request)
    return Asker(caller_of(request), record_of(request.scope).request_id, time.monotonic() + seconds, charge)


class OneImage(NamedTuple):
    """An image, the model that is asked about it, and what is asked."""

    detector: Detector
    image: bytes
    wanted: Parameters
    query: DetectQuery


async def _one_image(request: Request, models: CurrentModels, query: Annotated[DetectQuery, Query()]) -> OneImage:
    upload = await read_upload(request)
    query = with_fields(query, upload.fields)
    detector = chosen(request, models, query.model)
    return OneImage(detector, upload.image, query.wanted(detector), query)


class Images(NamedTuple):
    """The images of a batch, the model that is asked about them, and what is asked."""

    detector: Detector
    images: list[Sent]
    wanted: Parameters


async def _images(request: Request, models: CurrentModels, query: Annotated[BatchQuery, Query()]) -> Images:
    form = await read_batch(request)
    query = with_fields(query, form.fields)
    detector = chosen(request, models, query.model)
    return Images(detector, form.images, query.wanted(detector))


AskedOnce = Annotated[OneImage, Depends(_one_image)]
AskedInBatch = Annotated[Images, Depends(_images)]
