"""multipart/form-data (RFC 7578), taken apart by searching: one that goes byte by byte can be kept busy for seconds."""

from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from api.errors import MalformedUpload

MOST_PARTS = 20
MOST_HEADER_BYTES = 8 * 1024
END = b"\r\n"
DISPOSITION = b"content-disposition:"


@dataclass(frozen=True)
class Part:
    """One part of a form: its name, its bytes, and the name of its file where it is one."""

    name: str
    data: bytes
    file: str | None


def form_parts(body: bytes, content_type: str, most: int = MOST_PARTS) -> list[Part]:
    """All parts of a whole body. Raises MalformedUpload where it is damaged, cut short, or has too many."""
    _, options = parse_options_header(content_type)
    if not options.get(b"boundary"):
        raise MalformedUpload("The Content-Type of the form has no boundary.")
    _, *parts = (END + body).split(END + b"--" + options[b"boundary"], most + 1)
    if not parts or not parts[-1].startswith(b"--"):
        raise MalformedUpload(f"The form is truncated, or has more than {most} parts.")
    return [_part(part) for part in parts[:-1]]


def _part(data: bytes) -> Part:
    """What stands between two boundaries: padding, then headers, an empty line, content."""
    padding = data.find(END)
    end = data.find(2 * END, padding, padding + MOST_HEADER_BYTES)
    headers = data[padding:end].split(END)
    disposition = next((line for line in headers if line.lower().startswith(DISPOSITION)), b"")
    _, options = parse_options_header(disposition.partition(b":")[2])
    if padding < 0 or end < 0 or data[:padding].strip(b" \t") or b"name" not in options:
        raise MalformedUpload("A part of the form is damaged, or has no name.")
    file = options.get(b"filename")
    content = data[end + 2 * len(END) :]
    return Part(_text(options[b"name"]), content, None if file is None else _text(file))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
