"""What can go wrong for the client, in plain words; the one place that knows the HTTP library's exceptions."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from socket import EAI_AGAIN, gaierror
from typing import TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx2

from api.schema import Problem

Kind = TypeVar("Kind", bound=BaseException)

RETRYABLE = {408, 429, 502, 503, 504}
LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")  # no proxy leads to this machine
ROUTES = ("/detect", "/detect/batch", "/docs", "/health", "/model", "/models")
EXAMPLE = "such as http://127.0.0.1:8000"


class GatewayError(Exception):
    """A request that failed: the gateway's problem, or one of the client's own where no gateway answered.

    The client's own codes are `invalid-argument` (URL, API key, proxy), `unreachable` and `not-the-gateway`.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(f"{problem.title}: {problem.detail}")
        self.problem, self.retry_after = problem, retry_after


# All that sending can raise; the HTTP library lets UnicodeError through for a host name with an empty or overlong part.
FAILURES = (GatewayError, httpx2.HTTPError, httpx2.InvalidURL, UnicodeError)


@contextmanager
def environment_errors() -> Iterator[None]:
    """What the HTTP library raises for the environment's proxies and certificates, as GatewayError."""
    try:
        yield
    except ImportError as error:
        detail = "The environment names a SOCKS proxy: `pip install 'httpx2[socks]'`, or unset ALL_PROXY."
        raise invalid(detail) from error
    except (ValueError, OSError, httpx2.InvalidURL) as error:
        detail = f"The proxy or the certificates that the environment names cannot be used: {error}."
        raise invalid(detail) from error


def checked_url(url: str) -> httpx2.URL:
    """A gateway's URL. Raises GatewayError."""
    try:
        base = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise invalid(f"{url!r} is not a URL {EXAMPLE}: {error}.") from error
    if base.scheme not in ("http", "https"):
        raise invalid(f"{url!r} does not start with http:// or https://, {EXAMPLE}.")
    if not base.host or "%" in base.host or not 0 < (base.port or 1) < 65536:
        raise invalid(f"{url!r} has no valid host and port, {EXAMPLE}.")
    if base.query or base.fragment:
        raise invalid(f"{url!r} has more than host, port and path: leave out what follows the path.")
    return base


def checked_key(key: str | None) -> dict[str, str]:
    """The header with an API key, if there is one. Raises GatewayError."""
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise invalid("The API key has a line break, a space or a non-ASCII character: was more than the key copied?")
    return {"X-API-Key": key} if key else {}


def no_response(error: Exception, url: httpx2.URL) -> GatewayError:
    """Why no response came from a URL."""
    place = shown(url)
    match _first(error, ssl.SSLError) or _first(error, gaierror) or error:
        case ssl.SSLCertVerificationError() as cause:
            return _unreachable(f"The certificate of {place} is not trusted: {cause.verify_message}.", url)
        case ssl.SSLError():
            return _unreachable(f"{place} does not speak TLS, which https:// requires: is it http://?", url)
        case gaierror() as cause:
            return _unreachable(f"No host {url.host} is known: {cause.strerror}.", url, cause.errno == EAI_AGAIN)
        case httpx2.ProxyError() as cause:
            return _unreachable(f"The proxy refuses to connect to {place}: {cause}.", url)
        case httpx2.ConnectTimeout():
            return _unreachable(f"{place} did not accept a connection in time.", url, True)
        case httpx2.TimeoutException():  # it may be at work on it still
            return _unreachable(f"{place} did not answer in time.", url)
        case httpx2.ConnectError():
            return _unreachable(f"Nothing accepts connections at {place}{_system_says(error)}.", url, True)
        case httpx2.NetworkError() | httpx2.RemoteProtocolError() as cause:
            tls = " If it requires TLS, write https://." if url.scheme == "http" else ""
            speaks = isinstance(cause, httpx2.NetworkError) or "disconnected" in str(cause)
            said = "broke off the connection" if speaks else "does not speak HTTP"
            return _unreachable(f"{place} {said}.{tls}", url, speaks)
    return invalid(f"{place} cannot be asked: {error}.")


def foreign(response: httpx2.Response) -> GatewayError:
    """Of a response that no gateway makes: what it is, and what is known of who made it."""
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    server = f" from {response.headers['Server']}" if "Server" in response.headers else ""
    said = f"{response.status_code} {response.reason_phrase} ({kind}{server})"
    hint = _hint(response, kind)
    return not_the_gateway(
        f"{shown(response.url)} answered {said}, which is not the gateway's response. {hint}", response
    )


def _hint(response: httpx2.Response, kind: str) -> str:
    match response.status_code:
        case status if status < 300:
            return "Is it a login page, or another service?" if "html" in kind else "Is it another service?"
        case 400 if b"HTTPS" in response.content.upper():
            return "It requires TLS: write https://."
        case 413:
            return "A proxy in front of the gateway limits the size of uploads."
        case 407 | 502 | 503 | 504:
            return "A proxy answers in the gateway's place."
    return "Does the URL lead to a gateway?"


def redirected(response: httpx2.Response) -> httpx2.URL:
    """Where a response leads on the same host. Raises GatewayError for another host, or from https to http."""
    here, there = response.url, response.url.join(response.headers["Location"])
    if there.host != here.host:
        hint = "If the gateway is there, use that URL."
        raise not_the_gateway(f"{shown(here)} redirects to another host, {shown(there)}. {hint}", response)
    if there.scheme not in (here.scheme, "https"):
        raise not_the_gateway(f"{shown(here)} redirects to {shown(there)}, without encryption.", response)
    return there


def ends_in_route(base: httpx2.URL) -> str:
    """A sentence for a gateway's URL that ends in a path of the gateway's own; empty for others."""
    wrong = base.path.rstrip("/").endswith(ROUTES)
    return f" The gateway's URL {shown(base)}{base.path.rstrip('/')} ends in a path of its API: leave it out." * wrong


def not_the_gateway(detail: str, response: httpx2.Response) -> GatewayError:
    """The error for a response of another's."""
    status = response.status_code
    detail += _by_proxy(response.url)
    return GatewayError(_problem(f"Status {status}", detail, status, "not-the-gateway", status in RETRYABLE))


def invalid(detail: str) -> GatewayError:
    """The error for what can never be sent."""
    return GatewayError(_problem("The gateway cannot be asked", detail, 0, "invalid-argument", False))


def _unreachable(detail: str, url: httpx2.URL, retryable: bool = False) -> GatewayError:
    detail += _by_proxy(url)
    return GatewayError(_problem("The gateway did not answer", detail, 503, "unreachable", retryable))


def _problem(title: str, detail: str, status: int, code: str, retryable: bool) -> Problem:
    members = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": ""}
    return Problem(**members, code=code, retryable=retryable, request_id="")


def shown(url: httpx2.URL) -> str:
    """Scheme, host and port of a URL, without its password."""
    return str(url.copy_with(username=None, password=None, path="/", query=None, fragment=None)).rstrip("/")


def _by_proxy(url: httpx2.URL) -> str:
    """Which proxy the environment puts between us and a URL, without its password."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host) or f"all://{url.host}" in LOOPBACK:
        return ""
    return f" The environment's proxy {proxy.rsplit('@')[-1]} was asked; NO_PROXY={url.host} goes around it."


def _first(error: Exception, kind: type[Kind]) -> Kind | None:
    return next((one for one in _causes(error) if isinstance(one, kind)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from; the HTTP library passes that on as an argument, too."""
    while error is not None:
        yield error
        inside = next((one for one in error.args if isinstance(one, BaseException)), None)
        error = inside or error.__cause__ or error.__context__


def _system_says(error: Exception) -> str:
    """The system's own words, which asyncio hides behind words of its own."""
    numbers = (one.errno for one in _causes(error) if isinstance(one, OSError))
    return next((f": {os.strerror(number)}" for number in numbers if number), "")
