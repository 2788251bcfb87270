"""The plain way: `uvicorn tests.bench.peers.fastapi_boto3:app`."""

from typing import Any

from fastapi import FastAPI, UploadFile

from tests.bench.peers.work import detect

app = FastAPI()


@app.post("/detect")
def answer(image: UploadFile) -> dict[str, Any]:
    """FastAPI runs it in a thread."""
    return detect(image.file)
