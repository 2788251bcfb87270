"""The original's worst fault: on its own stack, one corrupt JPEG and the endpoint answers no more."""

from pathlib import Path

import httpx2
import pytest

from tests.conformance.stack import Stack, artifact, original, serve, wait_for_an_answer
from tests.inference.bad_requests import body_of

CORRUPT = body_of(b"\xff\xd8\xff\xe0" + b"\0" * 2000)
JSON = {"content-type": "application/json"}
PATIENCE = 20  # seconds; a good request takes one


def test_a_corrupt_jpeg_hangs_hooks_that_let_mxnets_words_out(
    stack_c: Stack, tmp_path: Path, good_request: str
) -> None:
    with serve(stack_c, original(tmp_path)) as running:
        wait_for_an_answer(running, good_request)
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(running.url + "/invocations", content=CORRUPT, headers=JSON, timeout=PATIENCE)


def test_a_corrupt_jpeg_is_one_line_with_ours(stack_c: Stack, tmp_path: Path, good_request: str) -> None:
    with serve(stack_c, artifact(stack_c, tmp_path)) as running:
        wait_for_an_answer(running, good_request)
        refused = httpx2.post(running.url + "/invocations", content=CORRUPT, headers=JSON, timeout=PATIENCE)
        assert refused.status_code == 422
        assert "JPEG" in refused.text
        again = httpx2.post(running.url + "/invocations", content=good_request, headers=JSON, timeout=PATIENCE)
        assert again.status_code == 200
