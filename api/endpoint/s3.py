"""Images that lie in S3, for Rekognition's dialect: from buckets that the operator names, in bounded size and time."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import boto3
import botocore.exceptions as aws
from botocore.config import Config

from api.errors import EndpointUnavailable, InvalidS3Object, UploadTooLarge
from api.settings import Settings

READERS = 8
CHUNK = 64 * 1024


class S3:
    """Reads objects of the allowed buckets."""

    def __init__(self, settings: Settings) -> None:
        self._buckets, self._most = settings.rekognition_buckets, settings.max_body_bytes
        self._seconds, self._connect_seconds = settings.upload_seconds, settings.connect_seconds
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="s3")

    async def read(self, bucket: str, name: str, version: str | None = None) -> bytes:
        """The object's bytes. Raises InvalidS3Object, UploadTooLarge, EndpointUnavailable."""
        if bucket not in self._buckets:
            raise InvalidS3Object("This bucket is not allowed; send the image bytes instead.")
        named = {"Bucket": bucket, "Key": name, **({"VersionId": version} if version else {})}
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, named)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _client(self) -> Any:
        tries: Any = {"total_max_attempts": 2, "mode": "standard"}
        limits = Config(connect_timeout=self._connect_seconds, read_timeout=self._connect_seconds, retries=tries)
        return boto3.Session(region_name=os.environ.get("AWS_REGION") or None).client("s3", config=limits)

    def _read(self, named: dict[str, str]) -> bytes:
        try:
            found = self._client.get_object(**named)
            if found["ContentLength"] > self._most:
                found["Body"].close()
                raise UploadTooLarge(f"The object exceeds the limit of {self._most} bytes.", max_body_bytes=self._most)
            return self._whole(found["Body"])
        except (aws.ClientError, aws.ParamValidationError) as error:
            raise InvalidS3Object("The object does not exist, or the gateway is not allowed to read it.") from error
        except aws.BotoCoreError as error:
            raise EndpointUnavailable("S3 cannot be reached.", retry_after=1) from error

    def _whole(self, body: Any) -> bytes:
        ends_at, data = time.monotonic() + self._seconds, bytearray()
        while chunk := body.read(CHUNK):
            data += chunk
            if time.monotonic() > ends_at:
                body.close()
                raise EndpointUnavailable("S3 did not respond in time.", retry_after=1)
        return bytes(data)
