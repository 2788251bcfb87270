"""The gateway beside its peers: clients in a closed loop, before a fast endpoint and a slow one that scales."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import uvloop

from tests.bench.peers.load import Load, closed_loop, together
from tests.bench.peers.running import GATEWAY, PLAIN, PROGRAMS, Subject, all_running, endpoint
from tests.bench.tables import Promises, table

ENDPOINTS = (5, 300)  # milliseconds that they take
CLIENTS = (1, 4, 16, 64)
QUICK_CLIENTS = (1, 16)
FULL, QUICK = (3, 1.8), (1, 1.0)  # rounds, and the seconds of each
IDLE_SECONDS = 2.0
# Times what a peer answers; before a slow endpoint a few clients get the same from all, give or take an answer.
PROMISED, PROMISED_SAME, PROMISED_ALONE, PROMISED_FAST = 1.0, 0.98, 0.95, 1.15
MOST_MEGABYTES_AT_REST = 200


class Case(NamedTuple):
    """What a row is about."""

    milliseconds: int
    clients: int


class Rest(NamedTuple):
    """What a subject takes while nobody asks: resident megabytes, share of a core."""

    megabytes: float
    cpu: float


Loads = Mapping[Case, Mapping[str, Load]]


def throughput(quick: bool) -> tuple[str, Promises]:
    """The tables, and what the gateway promises of them."""
    loads: dict[Case, Mapping[str, Load]] = {}
    with endpoint() as url:
        for milliseconds in ENDPOINTS:
            with all_running(url, milliseconds) as subjects:
                rest = {subject.name: at_rest(subject) for subject in subjects}
                for clients in QUICK_CLIENTS if quick else CLIENTS:
                    rounds, seconds = QUICK if quick else FULL
                    loads[Case(milliseconds, clients)] = in_turn(subjects, clients, rounds, seconds)
    tables = [rates(loads), latencies(loads), processor(loads), memory(loads, rest), generator(loads)]
    return "\n".join(tables), promises(loads) | promises_at_rest(rest[GATEWAY])


def at_rest(subject: Subject) -> Rest:
    """What it takes after its first image, doing nothing."""
    before = subject.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    return Rest(subject.megabytes(), (subject.cpu_seconds() - before) / IDLE_SECONDS)


def in_turn(subjects: list[Subject], clients: int, rounds: int, seconds: float) -> Mapping[str, Load]:
    """The loads of all of them, each in each round, forwards and backwards."""
    taken: dict[str, list[Load]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            taken[subject.name].append(uvloop.run(closed_loop(subject, clients, seconds)))
    return {name: together(loads) for name, loads in taken.items()}


def rates(loads: Loads) -> str:
    """Answered a second, refused in brackets, and the ratio."""
    ratio = f"{GATEWAY} : {PLAIN}"
    return "Answered a second (refused a second):\n\n" + by_case(
        loads,
        lambda load: f"{load.rate:.1f} ({load.refused:.0f})",
        {ratio: lambda row: f"{row[GATEWAY].rate / max(0.1, row[PLAIN].rate):.2f}"},
    )


def latencies(loads: Loads) -> str:
    """p50 and p99."""
    return "p50 / p99 of the answered, in ms:\n\n" + by_case(loads, lambda load: f"{load.p(50):.0f} / {load.p(99):.0f}")


def processor(loads: Loads) -> str:
    """CPU for each answered request, and the ratio."""
    return "CPU for each answered request, in ms:\n\n" + by_case(
        loads,
        lambda load: f"{load.cpu_ms:.1f}",
        {f"{GATEWAY} : {PLAIN}": lambda row: f"{ratio_of_cpu(row):.2f}"},
    )


def memory(loads: Loads, rest: Mapping[str, Rest]) -> str:
    """Resident memory of all processes of each."""
    rows = [
        [name, f"{rest[name].megabytes:.0f}", f"{most_of(loads, name):.0f}", f"{100 * rest[name].cpu:.1f} %"]
        for name in PROGRAMS
    ]
    head = ["all processes of", "resident MB at rest", "at most under load", "of a core at rest"]
    return "Pages that processes share count in each:\n\n" + table(head, rows)


def most_of(loads: Loads, name: str) -> float:
    """The most megabytes that one had in any case."""
    return max(row[name].megabytes for row in loads.values())


def generator(loads: Loads) -> str:
    """What the load generator took beside them."""
    shares = [load.generator for row in loads.values() for load in row.values()]
    return f"The load generator took {100 * max(shares):.0f} % of a core at most.\n"


def by_case(
    loads: Loads,
    cell: Callable[[Load], str],
    more: Mapping[str, Callable[[Mapping[str, Load]], str]] | None = None,
) -> str:
    """A row for each case, a column for each subject."""
    head = ["endpoint", "clients", *PROGRAMS, *(more or {})]
    rows = [
        [f"{case.milliseconds} ms", str(case.clients)]
        + [cell(row[name]) for name in PROGRAMS]
        + [told(row) for told in (more or {}).values()]
        for case, row in loads.items()
    ]
    return table(head, rows)


def promises(loads: Loads) -> Promises:
    """What must hold of the rates and of the processor's time."""
    made: Promises = {}
    for case, row in loads.items():
        gateway = row[GATEWAY]
        where = f"{case.clients} clients before {case.milliseconds} ms"
        for name in PROGRAMS:
            if name != GATEWAY:
                ratio, least = gateway.rate / max(0.1, row[name].rate), promised(case, name)
                made[f"{where}: {ratio:.2f} times what {name} answers, at least {least}"] = ratio >= least
        made[f"{where}: {gateway.refused:.1f} refused a second, none"] = gateway.refused == 0
    cpu = [ratio_of_cpu(row) for case, row in loads.items() if case.milliseconds == ENDPOINTS[0]]
    made[f"CPU for each answered request is {max(cpu):.2f} times that of {PLAIN} at most, at most 1"] = max(cpu) <= 1
    return made


def promises_at_rest(rest: Rest) -> Promises:
    """What must hold of the gateway's memory while nobody asks."""
    told = f"the gateway at rest has {rest.megabytes:.0f} MB, at most {MOST_MEGABYTES_AT_REST}"
    return {told: rest.megabytes <= MOST_MEGABYTES_AT_REST}


def promised(case: Case, name: str) -> float:
    """How many times as many the gateway must answer."""
    if name == PLAIN and case.clients == 1:
        return PROMISED_ALONE
    if case.milliseconds != ENDPOINTS[0]:
        return PROMISED_SAME
    return PROMISED_FAST if name == PLAIN else PROMISED


def ratio_of_cpu(row: Mapping[str, Load]) -> float:
    """What the gateway needs for a request, by what plain FastAPI + boto3 needs."""
    return row[GATEWAY].cpu_ms / row[PLAIN].cpu_ms
