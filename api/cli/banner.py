"""What `detect-gateway serve` says once it is ready: where everything is, and a command that works as it stands."""

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import psutil
import segno
from rich.text import Text

from api.cli.console import out
from api.settings import Settings

EXAMPLE = "docs/images/grace_hopper.jpg"
MOST_LABELS = 5
SOMEWHERE = (socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")  # documentation's addresses: never reached


def show(settings: Settings, here: str) -> None:
    """Print it; `here` is where this machine reaches the gateway. A terminal also shows a public address as QR code."""
    public = [] if in_container() else [_url(address, here) for address in addresses(settings.host)]
    out.print(Text("\n" + "\n".join(_lines(settings, here, public)) + "\n"), soft_wrap=True)
    if public and out.is_terminal:
        out.print(Text(qr_code(public[0]), "#ffffff on #000000"), soft_wrap=True)


def _lines(settings: Settings, here: str, public: list[str]) -> Iterator[str]:
    image = EXAMPLE if os.path.isfile(EXAMPLE) else "photo.jpg"
    key = " -H 'X-API-Key: YOUR-KEY'" if settings.api_keys else ""
    yield "Detect Gateway is ready."
    for name, backend in settings.backends.items():
        yield f"  Model         {name}: {_few(backend.model(name, backend.on_disk()).labels)}"
    yield f"  Try-it page   {here}/"
    for url in public:
        yield f"  On the network {url}/"
    yield f"  Swagger UI    {here}/docs"
    yield f"  Health check  {here}/health"
    yield f"  An image      curl{key} -F image=@{image} {here}/detect"
    if key:
        yield "                YOUR-KEY is a key that `detect-gateway key` has made."
    if in_container():
        port = here.rpartition(":")[2]
        yield f"  Container     these addresses work with docker run --publish 127.0.0.1:{port}:{port}"


def _few(labels: tuple[str, ...]) -> str:
    if len(labels) <= MOST_LABELS:
        return ", ".join(labels)
    return f"{', '.join(labels[:MOST_LABELS])} … ({len(labels)} labels)"


def in_container() -> bool:
    """Whether the addresses here are a container's, which other machines do not reach; images and Podman say so."""
    return "container" in os.environ


def addresses(host: str) -> list[str]:
    """The addresses at which other machines may reach this one, if it listens on `host`."""
    if host not in ("0.0.0.0", "::"):
        return [] if _is_local(host) else [host]
    families = {socket.AF_INET, socket.AF_INET6} if host == "::" else {socket.AF_INET}
    own = ((one.family, one.address) for interface in psutil.net_if_addrs().values() for one in interface)
    usable = [address for family, address in (*_routed(), *own) if family in families and not _is_local(address)]
    return list(dict.fromkeys(usable))


def _routed() -> Iterator[tuple[int, str]]:
    """The address from which a packet to somewhere else would go; none is sent."""
    for family, somewhere in SOMEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asking:
                asking.connect((somewhere, 9))
                yield family, asking.getsockname()[0]
        except OSError:
            continue  # no route, or not this version of IP


def _is_local(host: str) -> bool:
    try:
        address = ip_address(host.partition("%")[0])
        return address.is_loopback or address.is_link_local or address.is_unspecified
    except ValueError:
        return host == "localhost"


def _url(address: str, here: str) -> str:
    port = here.rpartition(":")[2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def qr_code(url: str) -> str:
    """Its light modules as blocks, two rows a line, so that it is as wide as it is high; four light modules around."""
    rows = [[not dark for dark in row] for row in segno.make(url, micro=False).matrix_iter(border=4)]
    rows += [[True] * len(rows[0])] * (len(rows) % 2)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join("".join(" ▄▀█"[2 * upper + lower] for upper, lower in zip(*pair, strict=True)) for pair in pairs)
