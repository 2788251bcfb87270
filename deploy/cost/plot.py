"""Dollars a month against images a day, one line for each way. Needs matplotlib, the extra `plot`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.cost.ways import Load, Way, cheapest, fits, monthly
from deploy.errors import Refused

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png", ".pdf")
FROM, TO, POINTS = 2, 7, 101  # a hundred to ten million images a day


def loads(load: Load) -> list[Load]:
    """The same load for increasing numbers of images, evenly on a logarithmic axis."""
    exponents = (FROM + (TO - FROM) * step / (POINTS - 1) for step in range(POINTS))
    return [Load(10**exponent, load.peak, load.fill, load.max_latency_ms) for exponent in exponents]


def plot(path: Path, ways: Sequence[Way], load: Load, title: str) -> None:
    """Writes the image. Raises Refused without matplotlib, or for another format."""
    drawn = [way for way in ways if way.measured is not None]
    if path.suffix not in FORMATS:
        raise Refused(f"--plot writes {', '.join(FORMATS)}, not {path.suffix or 'a file without an ending'}.")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Refused("--plot needs matplotlib.", hint="pip install 'detect-gateway[plot]'") from error
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    line_up(axes, drawn, load)
    axes.set(xscale="log", yscale="log", xlabel="images a day", ylabel="dollars a month", title=title)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path)


def line_up(axes: "Axes", ways: Sequence[Way], load: Load) -> None:
    """One line for each way: dashed where it does not fit the question; the answer at N is a point."""
    steps = loads(load)
    for way in ways:
        style = "-" if fits(way, load) else "--"
        label = way.name if style == "-" else f"{way.name} (not offered, or too slow)"
        axes.plot([step.images_a_day for step in steps], costs(way, steps), style, label=label)
    best = cheapest(ways, load)
    if best is not None:
        axes.plot([load.images_a_day], costs(best, [load]), "o", color="black", label=f"cheapest: {best.name}")


def costs(way: Way, steps: Sequence[Load]) -> list[float]:
    """Dollars a month for each load."""
    return [monthly(way, step) or 0.0 for step in steps]
