"""What AWS asks: a dated table in prices.json, or AWS's own price list."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from deploy.aws import Aws, pages
from deploy.errors import NotFound

TABLE = Path(__file__).parent / "prices.json"
SERVERLESS = "serverless"
FRESH_DAYS = 90


@dataclass(frozen=True)
class Price:
    """Dollars for one unit of something. `verified` means that AWS's own price list said so."""

    what: str
    unit: str
    usd: float
    source: str
    verified: bool
    approximate: bool = False


@dataclass(frozen=True)
class Prices:
    """The prices of one region at one date."""

    as_of: str
    region: str
    note: str
    table: dict[str, Price]
    measured_before: tuple[dict[str, Any], ...]

    def age_note(self, today: date) -> str:
        """A warning for a table that is no longer young, else nothing."""
        days = (today - date.fromisoformat(self.as_of)).days
        return f"These prices are {days} days old: `detect-deploy cost --live` asks AWS's." if days > FRESH_DAYS else ""

    def about(self, region: str) -> str:
        """Where the prices are from, and how well they fit a region today."""
        note = f"prices of {self.region} as of {self.as_of}: {self.note}"
        if region != self.region:
            note += f" This is {region}, where they differ."
        return f"{note} {self.age_note(datetime.now(UTC).date())}".strip()

    def of(self, what: str) -> Price:
        """The price of an instance type, an accelerator or `serverless`. Raises NotFound."""
        if what not in self.table:
            raise NotFound(
                f"The price table has no {what}.",
                hint="`--live` asks AWS's price list; deploy/cost/prices.json is the table.",
            )
        return self.table[what]


def read_prices(path: Path = TABLE) -> Prices:
    """The dated table."""
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = [Price(**{**row, "source": document["sources"][row["source"]]}) for row in document["prices"]]
    return Prices(
        as_of=document["as_of"],
        region=document["region"],
        note=document["note"],
        table={row.what: row for row in rows},
        measured_before=tuple(document["measured_before"]),
    )


def live_prices(aws: Aws, wanted: set[str], today: str) -> Prices:
    """The table with AWS's own prices for the region in place of what it has of them.

    Accelerators stay as they were, since AWS lists them no longer; so do the parts that are not SageMaker's machines.
    """
    known = read_prices()
    asked = {what for what in wanted | known.table.keys() if is_asked(what)}
    found = {what: price for what in sorted(asked) if (price := listed(aws, what)) is not None}
    missing = sorted(asked - found.keys())
    note = f"AWS's price list, {today}" + (f"; not listed there: {', '.join(missing)}" if missing else "")
    kept = {what: price for what, price in known.table.items() if aws.region == known.region or not is_asked(what)}
    return replace(known, as_of=today, region=aws.region, note=note, table={**kept, **found})


def is_asked(what: str) -> bool:
    """Whether AWS's price list of SageMaker's machines is asked for it."""
    return what == SERVERLESS or (what.startswith("ml.") and not what.startswith("ml.eia"))


def listed(aws: Aws, what: str) -> Price | None:
    """The price list's price, or None. Serverless memory is sold in sizes of a gigabyte: one is asked for."""
    suffix = "ServerlessInf:Mem-1GB" if what == SERVERLESS else f"Host:{what}"
    field, value = ("productFamily", "ML Serverless") if what == SERVERLESS else ("instanceName", what)
    filters: Any = [term(field, value), term("regionCode", aws.region)]
    products = pages(aws.pricing, "get_products", "PriceList", ServiceCode="AmazonSageMaker", Filters=filters)
    for product in map(json.loads, products):
        usage = product["product"]["attributes"].get("usagetype", "")
        if usage == suffix or usage.endswith(f"-{suffix}"):
            unit = "GB-second" if what == SERVERLESS else "hour"
            return Price(what, unit, next(dollars(product)), "AWS price list", verified=True)
    return None


def term(field: str, value: str) -> dict[str, str]:
    """A filter of the price list."""
    return {"Type": "TERM_MATCH", "Field": field, "Value": value}


def dollars(product: dict[str, Any]) -> Iterator[float]:
    """The on-demand prices of a product."""
    for offer in product["terms"]["OnDemand"].values():
        for dimension in offer["priceDimensions"].values():
            yield float(dimension["pricePerUnit"]["USD"])
