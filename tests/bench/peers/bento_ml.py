"""BentoML: `bentoml serve tests.bench.peers.bento_ml:Detector`."""

from pathlib import Path
from typing import Any

import bentoml

from tests.bench.peers.work import detect


@bentoml.service(threads=40)
class Detector:
    """With as many threads as FastAPI has: its one would wait for one answer of the endpoint at a time."""

    @bentoml.api
    def detect(self, image: Path) -> dict[str, Any]:
        with image.open("rb") as file:
            return detect(file)
