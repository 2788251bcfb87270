"""Which way is cheapest: the arithmetic's laws, the table, the plot, AWS's own price list."""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cost.bulk import endpoint_from
from deploy.cost.measured import SHIPPED, Measured, read_bench
from deploy.cost.plot import loads
from deploy.cost.prices import read_prices
from deploy.cost.ways import DAYS_A_MONTH, HOURS_A_MONTH, Load, Way, cheapest, fits, machines, monthly
from tests.conftest import ROOT
from tests.deploy.cloud import Cloud
from tests.deploy.commands import Deploy

rates = st.floats(0.1, 1000)
images = st.floats(1, 1e9)
limits = st.none() | st.floats(1, 1000)


@st.composite
def ways(draw: st.DrawFn) -> Way:
    measured = draw(st.none() | st.builds(Measured, rates, st.floats(1, 2000)))
    hourly = draw(st.none() | st.floats(0.01, 10))
    return Way(draw(st.text(max_size=5)), "", hourly, measured, draw(st.booleans()), 2e-5, 0 if hourly else 2)


@given(ways(), images, st.floats(1, 20), st.floats(0.05, 1))
def test_the_machines_carry_the_busiest_second_and_one_less_would_not(
    way: Way, a_day: float, peak: float, fill: float
) -> None:
    load = Load(a_day, peak, fill)
    if way.measured is None or way.hourly is None:
        return
    number, one = machines(way, load), way.measured.images_per_second * fill
    assert number * one >= load.peak_rate * (1 - 1e-9)
    assert number == 1 or (number - 1) * one < load.peak_rate * (1 + 1e-9)


@given(st.lists(ways()), images, limits)
def test_the_cheapest_fits_and_nothing_that_fits_is_cheaper(
    all_ways: list[Way], a_day: float, limit: float | None
) -> None:
    load = Load(a_day, max_latency_ms=limit)
    best = cheapest(all_ways, load)
    fitting = [way for way in all_ways if fits(way, load)]
    assert (best is None) == (not fitting)
    if best is not None:
        assert all((monthly(best, load) or 0) <= (monthly(way, load) or 0) for way in fitting)
        assert best.offered
        assert best.measured is not None
        assert limit is None or best.measured.latency_ms <= limit


@given(ways(), images, st.floats(1, 10))
def test_more_images_never_cost_less(way: Way, a_day: float, more: float) -> None:
    if way.measured is not None:
        assert (monthly(way, Load(a_day * more)) or 0) >= (monthly(way, Load(a_day)) or 0) * (1 - 1e-9)


def test_a_million_images_by_hand() -> None:
    instance = Way("i", "", 0.36, Measured(10, 100))
    serverless = Way("s", "", None, Measured(10, 100), gb_second=0.00002, memory_gb=2)
    assert instance.per_image == pytest.approx(0.36 / 3600 / 10)
    assert serverless.per_image == pytest.approx(0.00002 * 2 * 0.1)
    load = Load(100_000)
    assert monthly(instance, load) == pytest.approx(0.36 * HOURS_A_MONTH)
    assert monthly(serverless, load) == pytest.approx(100_000 * DAYS_A_MONTH * 0.000004)


def test_serverless_wins_when_there_is_little_to_do_and_an_instance_when_there_is_much(deploy: Deploy) -> None:
    measured = ("--throughput", "cpu=20,60", "--throughput", "serverless=10,120")
    assert deploy("cost", "--json", *measured, "--images-per-day", "1000").json["cheapest"] == "serverless"
    much = ("--images-per-day", "1000000", "--peak", "1")
    assert deploy("cost", "--json", *measured, *much).json["cheapest"] == "cpu"
    fast = deploy("cost", "--json", *measured, "--images-per-day", "1000", "--max-latency-ms", "100")
    assert fast.json["cheapest"] == "cpu"
    assert deploy("cost", "--json", *measured, "--max-latency-ms", "10").json["cheapest"] is None


def test_bulk_has_a_row_and_never_is_the_answer_to_one_image(deploy: Deploy) -> None:
    answer = deploy(
        "cost", "--json", "--throughput", "cpu=59.8,33", "--throughput", "bulk=59.8", "--max-latency-ms", "50"
    ).json
    bulk = {way["name"]: way for way in answer["ways"]}["bulk"]
    assert bulk["per_million_images"] == pytest.approx((0.102 / 3600 / 59.8 + 4e-7) * 1e6)
    a_job_a_day = 10_000 * bulk["per_million_images"] / 1e6 + 0.102 * 300 / 3600
    assert bulk["per_month_at_load"] == pytest.approx(DAYS_A_MONTH * a_job_a_day)
    assert (bulk["fits"], answer["cheapest"]) == (False, "cpu")


@given(st.floats(1, 1000), st.floats(1, 1000))
def test_from_the_load_that_is_named_an_endpoint_costs_less_and_from_none_before(standing: float, bulk: float) -> None:
    way = Way("cpu", "", 0.1, Measured(standing, 10, 1000))
    job = Way("bulk", "", 0.1, Measured(bulk, 10), requests=4e-7, start_seconds=300)
    found = endpoint_from([way, job], job, Load())
    if found is not None:
        assert (monthly(way, Load(found)) or 0) < (monthly(job, Load(found)) or 0)
    for a_day in (100.0, 10_000.0, 1e6):
        if found is None or a_day < found:
            assert (monthly(way, Load(a_day)) or 0) >= (monthly(job, Load(a_day)) or 0)


def test_the_answer_says_from_which_load_on_an_endpoint_costs_less(deploy: Deploy) -> None:
    slow = deploy("cost", "--throughput", "cpu=1000,10", "--throughput", "bulk=1")
    assert "images a day on, an endpoint that stands costs less" in slow.out
    fast = deploy("cost", "--throughput", "cpu=59.8,33")
    assert "No endpoint that stands costs less at any load" in " ".join(fast.out.split())


def test_what_aws_no_longer_offers_is_shown_and_never_the_answer(deploy: Deploy) -> None:
    answer = deploy("cost", "--json", "--throughput", "eia=1000,1", "--max-latency-ms", "1").json
    assert answer["cheapest"] is None
    original = {way["name"]: way for way in answer["ways"]}["original EI"]
    assert original["per_hour"] == pytest.approx(0.102 + 0.12)
    assert original["latency_ms"] == 80
    assert original["per_million_images"] == pytest.approx(0.222 / 3600 * 0.08 * 1e6)


def test_before_anything_is_measured_the_answer_rests_on_measurements_that_name_their_machine_and_date(
    deploy: Deploy,
) -> None:
    answer = deploy("cost", "--json").json
    assert answer["cheapest"] == "serverless"
    assert deploy("cost", "--json", "--max-latency-ms", "50").json["cheapest"] == "cpu"
    shipped = [way for way in answer["ways"] if way["measured"]]
    assert {way["name"] for way in shipped} == {"cpu", "serverless", "mxnet", "bulk"}, "bulk is as fast as cpu"
    assert all(re.search(r"measured on \d cores? of .* on \d{4}-\d\d-\d\d$", way["measured"]) for way in shipped)
    assert "--bench" in deploy("cost").out


def test_the_shipped_measurements_are_those_of_the_engines_page() -> None:
    page = (ROOT / "docs" / "engine.md").read_text()
    cpu, serverless, mxnet = (read_bench(SHIPPED)[name] for name in ("cpu", "serverless", "mxnet"))
    assert f"| fp32 | four clients, two cores, --workers 1 | {cpu.images_per_second} |" in page
    assert f"| ONNX engine, fp32 | {cpu.latency_ms} |" in page
    assert f"| fp32 | one client, one core | {serverless.images_per_second} |" in page
    assert f"| MXNet 1.9.1 | {mxnet.latency_ms} |" in page


def test_a_smoke_test_is_a_bench_result(deploy: Deploy, order: list[str], tmp_path: Path) -> None:
    deploy("up", *order)
    file = tmp_path / "smoke.json"
    file.write_text(deploy("smoke", "--json").out)
    cpu = deploy("cost", "--json", "--bench", file).json["ways"][0]
    assert cpu["latency_ms"] == json.loads(file.read_text())["smoke"]["latency_ms"]


@pytest.mark.parametrize(
    "options",
    [
        ("--throughput", "cpu"),
        ("--throughput", "cpu=fast"),
        ("--throughput", "cpu=0"),
        ("--throughput", "cpu=nan"),
        ("--throughput", "moon=1"),
        ("--instance-type", "cpu"),
        ("--bench", "/nowhere"),
        ("--plot", "plot.gif", "--throughput", "cpu=1"),
        ("--memory-mb", "1"),
    ],
)
def test_what_cannot_be_compared_is_refused(deploy: Deploy, options: tuple[str, ...]) -> None:
    assert deploy("cost", *options).code == 2


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_the_plot_is_a_image(deploy: Deploy, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plot.{suffix}"
    assert deploy("cost", "--throughput", "cpu=20", "--throughput", "serverless=5", "--plot", path).code == 0
    assert path.read_bytes()[:4] in (b"<?xm", b"\x89PNG", b"%PDF")


def test_the_plot_goes_from_a_hundred_to_ten_million_images() -> None:
    steps = loads(Load())
    assert steps[0].images_a_day == pytest.approx(100)
    assert steps[-1].images_a_day == pytest.approx(10_000_000)


def product(usage: str, usd: str, **attributes: str) -> dict[str, Any]:
    """A product of AWS's price list."""
    dimensions = {"1": {"pricePerUnit": {"USD": usd}}}
    about = {"usagetype": usage, "regionCode": "eu-west-1", **attributes}
    return {"product": {"attributes": about}, "terms": {"OnDemand": {"1": {"priceDimensions": dimensions}}}}


def test_live_asks_awss_price_list_for_the_region(cloud: Cloud, deploy: Deploy) -> None:
    cloud.prices = [
        product("EU-Train:ml.c6i.large", "9.9", instanceName="ml.c6i.large"),
        product("EU-Host:ml.c6i.large", "0.115", instanceName="ml.c6i.large"),
        product("EU-ServerlessInf:Mem-1GB", "0.00003", productFamily="ML Serverless"),
    ]
    answer = deploy("cost", "--json", "--live", "--throughput", "cpu=10").json
    found = {way["name"]: way for way in answer["ways"]}
    assert found["cpu"]["per_hour"] == 0.115
    assert answer["prices"]["region"] == "eu-west-1"
    assert found["graviton"]["per_hour"] is None
    assert "ml.c7g.large" in answer["prices"]["note"]


def test_data_in_and_out_is_paid_for_beside_the_machines(deploy: Deploy) -> None:
    with_data = Way("i", "", 0.36, Measured(10, 100, 100_000), gigabyte=0.016)
    without = Way("i", "", 0.36, Measured(10, 100, 100_000))
    assert (with_data.per_image or 0) - (without.per_image or 0) == pytest.approx(1.60 / 1e6)
    load = Load(1_000_000 / DAYS_A_MONTH)
    assert (monthly(with_data, load) or 0) - (monthly(without, load) or 0) == pytest.approx(1.60)
    ways = {way["name"]: way for way in deploy("cost", "--json", "--throughput", "serverless=10,100").json["ways"]}
    assert ways["serverless"]["per_million_images"] == pytest.approx(0.00002 * 2 * 0.1 * 1e6 + 0.016 * 110)


def test_the_gateway_costs_what_its_tasks_its_balancer_and_its_nat_cost(deploy: Deploy) -> None:
    cost = deploy("cost", "--json").json["gateway"]
    assert cost["tasks"] == pytest.approx(2 * (0.04048 + 2 * 0.004445) * HOURS_A_MONTH)
    assert round(cost["tasks"]) == 72
    assert cost["total"] == pytest.approx(cost["tasks"] + (0.0225 + 0.045) * HOURS_A_MONTH)
    cheaper = deploy("cost", "--json", "--tasks-on-arm", "--nats", "0").json["gateway"]
    assert cheaper["tasks"] < cost["tasks"]
    assert cheaper["nat"] == 0
    assert "gateway on Fargate" in deploy("cost").out


def test_a_savings_plan_takes_its_share_off_the_machines_alone(deploy: Deploy) -> None:
    ways = {way["name"]: way for way in deploy("cost", "--json", "--savings-percent", "50").json["ways"]}
    assert ways["cpu"]["per_hour"] == pytest.approx(0.051)
    assert ways["original CPU"]["per_hour"] == pytest.approx(0.102)


@pytest.mark.parametrize(("days", "warned"), [(0, False), (90, False), (91, True)])
def test_a_table_older_than_three_months_is_warned_of(days: int, warned: bool) -> None:
    prices = read_prices()
    today = date.fromisoformat(prices.as_of) + timedelta(days=days)
    assert bool(prices.age_note(today)) is warned


def test_the_price_table_is_dated_and_every_row_has_a_source() -> None:
    prices = read_prices()
    assert len(prices.as_of) == len("2026-11-23")
    assert all(price.source and price.usd > 0 for price in prices.table.values())
    assert "not checked" in prices.note
