"""The OpenAPI document against the gateway itself: no status that it does not promise, no answer without its schema."""

import re
import subprocess
import sys
from pathlib import Path

from api.admission.api_keys import new_key
from tests.api.conftest import Start

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
# A schema cannot say which bytes are an image; that /metrics needs no key on loopback is seen to in test_door.py.
NOT_MEANT = "positive_data_acceptance,ignored_auth"


def test_no_request_of_schemathesis_finds_an_undocumented_answer(start: Start, tmp_path: Path) -> None:
    key, entry = new_key("schemathesis")
    url = str(start(api_keys=entry).base_url)
    options = ["--checks", "all", "--exclude-checks", NOT_MEANT, "--header", f"X-API-Key: {key}", "--no-color"]
    amount = ["--max-examples", "20", "--generation-deterministic"]
    command = [SCHEMATHESIS, "run", f"{url}/openapi.json", *options, *amount]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\b", ended.stdout), "every operation was asked"
