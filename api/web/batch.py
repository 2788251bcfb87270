"""Several images in one request: an answer for each, in order, each its own result or its own problem."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from api.detect import Asker, Detector
from api.errors import DetectError, Internal, UploadTooLarge
from api.schema import BatchEntry, Detections, Parameters, Problem
from api.web.problems import problem
from api.web.upload import Sent, checked

log = logging.getLogger(__name__)

AT_ONCE = 4  # images of one batch that are worked on together
PATH = "/detect/batch"


async def entries(
    detector: Detector, images: list[Sent], wanted: Parameters, asker: Asker
) -> AsyncIterator[BatchEntry]:
    """One entry an image, in order, each as soon as it and those before it are known; one deadline for all."""
    batch = _Batch(detector, wanted, asker)
    tasks = [asyncio.create_task(batch.entry(index, sent)) for index, sent in enumerate(images)]
    images.clear()  # each is held by its task alone, and no longer than that needs it
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()


class _Batch:
    """What the images of one request share."""

    def __init__(self, detector: Detector, wanted: Parameters, asker: Asker) -> None:
        self.detector, self.wanted, self.asker = detector, wanted, asker
        self.places = asyncio.Semaphore(AT_ONCE)

    async def entry(self, index: int, sent: Sent) -> BatchEntry:
        name = sent.name
        request_id = f"{self.asker.request_id[:60]}.{index}"  # SageMaker's inference ids end at 64
        try:
            result = await self._result(sent.data, request_id)
        except DetectError as error:
            trouble = Problem.model_validate(problem(error, PATH, request_id))
            return BatchEntry(index=index, filename=name, status=error.status, problem=trouble)
        return BatchEntry(index=index, filename=name, status=200, result=result)

    async def _result(self, data: bytes, request_id: str) -> Detections:
        most = self.detector.settings.max_body_bytes
        if len(data) > most:
            raise UploadTooLarge(f"The image exceeds the limit of {most} bytes.", max_body_bytes=most)
        try:
            async with self.places:
                asker = replace(self.asker, request_id=request_id)
                return (await self.detector.detect(checked(data), self.wanted, asker)).answer
        except DetectError:
            raise
        except Exception as error:
            log.error("bug", extra={"fields": {"request_id": request_id}}, exc_info=error)
            raise Internal("An internal error occurred. The log has it under the request id.") from error
