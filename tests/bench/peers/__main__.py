"""The gateway beside FastAPI + boto3, LitServe and BentoML, under too much load, and under attack: prints tables.

    scripts/bench [--only TABLE…] [--quick] [--seconds 60] [--write PAGE]

Wants a machine of two cores that does nothing else, for under ten minutes; two with --quick. Exit code 1 where a
promise is broken.
"""

import sys
from collections.abc import Mapping
from functools import partial

from tests.bench.peers.cores import cores
from tests.bench.peers.fairness import fairness
from tests.bench.peers.overload import overload
from tests.bench.peers.throughput import throughput
from tests.bench.tables import Measure, arguments, show

TABLES = ("throughput", "overload", "fairness", "cores")


def main() -> int:
    """The command line."""
    parser = arguments(__doc__, TABLES)
    parser.add_argument("--seconds", type=float, help="of overload; 60, or 8 with --quick")
    chosen = parser.parse_args()
    measures = measures_of(chosen.quick, chosen.seconds)
    return 0 if show({name: measures[name] for name in chosen.only}, chosen.write) else 1


def measures_of(quick: bool, seconds: float | None) -> Mapping[str, Measure]:
    """What measures each table."""
    return {
        "throughput": partial(throughput, quick),
        "overload": partial(overload, seconds or (8 if quick else 60)),
        "fairness": partial(fairness, 2 if quick else 6),
        "cores": partial(cores, *((1, 2.0) if quick else (3, 3.0))),
    }


if __name__ == "__main__":
    sys.exit(main())
