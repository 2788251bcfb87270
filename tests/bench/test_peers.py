"""What `scripts/bench` measures with: the gateway and its peers do the same work, and the measures see it."""

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.bench.peers import running as programs
from tests.bench.peers.attacks import Attack, attacks
from tests.bench.peers.fairness import beside
from tests.bench.peers.load import closed_loop
from tests.bench.peers.running import GATEWAY, IMAGE, PEERS, PLAIN, PROGRAMS, Subject, endpoint, running
from tests.bench.traffic import form
from tests.example_images import HOPPER


@pytest.fixture(scope="module")
def stand_in() -> Iterator[str]:
    with endpoint() as url:
        yield url


@pytest.fixture(scope="module")
def gateway(stand_in: str) -> Iterator[Subject]:
    with running(stand_in, 5) as subject:
        yield subject


def boxes(url: str) -> list[list[float]]:
    found = httpx2.post(f"{url}/detect", files={"image": HOPPER.read_bytes()}, timeout=30).raise_for_status().json()
    told = [one["box"] for one in found["detections"]]
    return [[round(at, 1) for at in (box.values() if isinstance(box, dict) else box)] for box in told]


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != GATEWAY])
def test_a_peer_finds_the_boxes_that_the_gateway_finds(
    name: str, gateway: Subject, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not PEERS.exists():
        if name != PLAIN:
            pytest.skip("scripts/bench has not installed the peers")
        monkeypatch.setattr(programs, "PEERS", Path(sys.executable).parent)
    with running(stand_in, 5, name=name) as peer:
        assert boxes(peer.url) == boxes(gateway.url) != []


def test_the_stand_in_answers_signed_requests_alone(stand_in: str) -> None:
    assert httpx2.post(f"{stand_in}/endpoints/5ms/invocations", json={}).status_code == 403


def test_a_closed_loop_counts_answers_processor_time_and_memory_of_all_processes(gateway: Subject) -> None:
    load = asyncio.run(closed_loop(gateway, 2, 1.0))
    assert {one.status for one in load.answers} == {200}
    assert len(load.accepted) == round(load.rate * load.seconds) > 0
    assert 0 < load.cpu_seconds < 4 * load.seconds
    assert load.megabytes > 50
    assert load.p(50) <= load.p(99)


def test_processor_time_stays_counted_when_a_process_ends(gateway: Subject) -> None:
    before = gateway.cpu_seconds()
    next(one for one in gateway.tree() if one.pid != gateway.process.pid).kill()
    asyncio.run(gateway.answer())  # the gateway sees that it is gone
    assert gateway.cpu_seconds() >= before


def test_an_attack_and_the_other_client_come_from_two_addresses_and_both_are_seen(gateway: Subject) -> None:
    with ThreadPoolExecutor(1) as attacker:
        outcome = asyncio.run(beside(gateway, Attack(2, IMAGE), attacker, "127.0.1.1", 1.0))
    assert [one.status for one in outcome.served] == [200, 200]
    assert {one.status for one in outcome.heard} == {200}
    assert outcome.share == 1


def test_a_stalled_upload_lacks_its_last_bytes(gateway: Subject) -> None:
    with ThreadPoolExecutor(1) as attacker:
        stalled = Attack(2, form(HOPPER.read_bytes()), stalls=True)
        outcome = asyncio.run(beside(gateway, stalled, attacker, "127.0.1.2", 1.0))
    assert outcome.heard == []
    assert outcome.share == 1


def test_every_attack_stays_within_what_a_body_may_have() -> None:
    assert max(len(attack.request) for attack in attacks().values()) <= 10 * 1024 * 1024
