"""scripts/run where nothing is installed yet, as far as it goes without downloading the packages once more."""

import base64
import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
PINNED = re.compile(r"^([a-z0-9][\w.-]*)(?:\[.*?\])?==(\S+)", re.MULTILINE | re.IGNORECASE)
MAKE = """
environment .venv empty.lock "$(need_python)"
.venv/bin/python -c 'import sys; print(sys.prefix)'
"""
STAMP = 'stamp empty.lock "$(need_python)"'


def pins(lock: str) -> set[tuple[str, str]]:
    return set(PINNED.findall((ROOT / "requirements" / f"{lock}.lock").read_text()))


def environment(
    checkout: Path, lines: str, variables: Mapping[str, str] | None = None, become: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs lines that use scripts/environment, as someone else where a command is given that makes one so."""
    command = [*become, "bash", "-euo", "pipefail", "-c", f"source scripts/environment\n{lines}"]
    variables = os.environ | dict(variables or {})
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, env=variables)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts, and a lock file without a package, so that no index is asked."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    (tmp_path / "empty.lock").write_text("# nothing\n")
    return tmp_path


def wheel(folder: Path) -> str:
    """Puts the smallest of packages into an index; the line that locks it."""
    file = folder / "tiny" / "tiny-1-py3-none-any.whl"
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("tiny.py", b"")
        made.writestr("ballast.txt", base64.b64encode(os.urandom(300_000)))
        made.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        made.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr("tiny-1.dist-info/RECORD", "")
    return f"tiny==1 --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """A package index on loopback that holds what the folder does."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def asking(url: str) -> dict[str, str]:
    """What makes pip ask this index alone."""
    return {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": url, "PIP_FIND_LINKS": "", "PIP_NO_CACHE_DIR": "1"}


def test_an_environment_is_made_once_and_is_out_of_date_when_its_lock_file_changes(checkout: Path) -> None:
    tmp_path = checkout
    first = environment(tmp_path, MAKE)
    assert first.stdout.strip() == str(tmp_path / ".venv")
    assert "Installing empty.lock" in first.stderr, first.stderr
    (tmp_path / ".venv" / "kept").touch()
    assert environment(tmp_path, MAKE).stderr == ""
    assert (tmp_path / ".venv" / "kept").exists()
    mark = (tmp_path / ".venv" / "installed").read_text()
    assert environment(tmp_path, STAMP).stdout == mark
    (tmp_path / "empty.lock").write_text("# still nothing\n")
    assert environment(tmp_path, STAMP).stdout != mark


def test_what_scripts_run_installs_is_a_part_of_what_the_tests_run_with() -> None:
    assert pins("run")
    assert pins("run") <= pins("dev")


def test_what_scripts_run_installs_holds_all_that_the_gateway_and_its_endpoint_ask_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["endpoint"]]
    names = {re.split(r"[\[>=<]", one)[0].lower() for one in asked}
    assert names <= {name.lower() for name, _ in pins("run")}


def test_every_lock_of_wheels_says_that_nothing_is_compiled_where_it_is_installed() -> None:
    for lock in ("run", "dev", "gateway", "endpoint", "build"):
        assert "--only-binary :all:" in (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines(), lock


def test_the_locks_name_no_index_of_packages() -> None:
    for lock in ROOT.glob("requirements/*.lock"):
        assert "://" not in lock.read_text(), lock.name


def test_an_installation_says_how_much_it_loads(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    packages = tmp_path_factory.mktemp("index")
    (checkout / "tiny.lock").write_text(wheel(packages))
    with index(packages) as url:
        ended = environment(checkout, f'environment .venv tiny.lock "{sys.executable}"', asking(url))
    assert ended.returncode == 0, ended.stderr
    assert "Installing tiny.lock into .venv, once: size unknown." in ended.stderr
    assert "packages: 1, 0 MB; unpacking" in ended.stderr
    assert (checkout / ".venv" / "installed").exists()


def test_the_sizes_of_all_locks_that_a_script_installs_are_told() -> None:
    for lock in ROOT.glob("requirements/*.lock"):
        told = environment(ROOT, f"size {lock.relative_to(ROOT)}").stdout
        assert re.search(r"\d (MB|GB)", told) or lock.stem in {"build", "gateway", "endpoint", "model"}, lock.name


def test_an_index_that_cannot_be_reached_is_one_sentence(checkout: Path) -> None:
    (checkout / "tiny.lock").write_text(f"tiny==1 --hash=sha256:{'0' * 64}\n")
    ended = environment(checkout, f'environment .venv tiny.lock "{sys.executable}"', asking("http://127.0.0.1:9"))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "ERROR" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("The package index cannot be reached: check the network")
    assert not (checkout / ".venv" / "installed").exists()


def test_a_package_without_a_wheel_for_this_python_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    (checkout / "tiny.lock").write_text(f"tiny==1 --hash=sha256:{'0' * 64}\n")
    (tmp_path / "tiny").mkdir()
    with index(tmp_path) as url:
        ended = environment(checkout, f'environment .venv tiny.lock "{sys.executable}"', asking(url))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("There is no ready-made tiny for this Python and this machine")


def test_a_python_without_its_venv_module_is_one_sentence(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "venv.py").write_text("raise ModuleNotFoundError('No module named venv')\n")
    ended = environment(checkout, f'environment .venv empty.lock "{sys.executable}"', {"PYTHONPATH": str(tmp_path)})
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "install its venv module (Debian, Ubuntu: apt install python3-venv)" in ended.stderr


def test_a_folder_without_write_permission_is_one_sentence(checkout: Path) -> None:
    rights: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root may write anywhere, so it has to give that up
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is needed to try this as root")
        rights = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    checkout.chmod(0o555)
    ended = environment(checkout, f'environment .venv empty.lock "{sys.executable}"', become=rights)
    checkout.chmod(0o755)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[1:] == [
        f"No permission to write to {checkout}/.venv: make the folder writable, or copy the project to one that is."
    ]


def test_windows_shells_are_refused_with_what_to_use_instead() -> None:
    ended = environment(ROOT, "true", {"OSTYPE": "msys"})
    assert ended.returncode == 1
    assert ended.stderr == "These scripts need Linux, macOS or WSL: on Windows run them in WSL, or use Docker.\n"


def run_with(programs: Path) -> subprocess.CompletedProcess[str]:
    """scripts/run where PATH leads to these programs alone."""
    (programs / "dirname").symlink_to(str(shutil.which("dirname")))
    command = [str(shutil.which("bash")), str(ROOT / "scripts" / "run")]
    return subprocess.run(command, env={"PATH": str(programs)}, capture_output=True, text=True, check=False)


def test_without_a_python_it_says_which_it_needs_and_how_to_get_one(tmp_path: Path) -> None:
    ended = run_with(tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Python 3.11 or newer is needed, found: none. Install one and run this again (")
    assert ended.stderr.count("\n") == 1


def test_with_an_older_python_alone_it_says_which_was_found(tmp_path: Path) -> None:
    older = next(PYENV.glob("versions/3.[89].*/bin/python3"), None)
    if older is None:
        pytest.skip("needs a Python 3.8 or 3.9 of pyenv")
    (tmp_path / "python3").symlink_to(older)
    ended = run_with(tmp_path)
    assert ended.returncode == 1
    assert re.match(rf"Python 3\.11 or newer is needed, found: Python 3\.[89] \({tmp_path}/python3\)\.", ended.stderr)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14", "3.15"])
def test_pythons_from_3_11_on_are_taken(version: str, tmp_path: Path) -> None:
    python = next(PYENV.glob(f"versions/{version}.*/bin/python3"), None) or shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {version} here")
    (tmp_path / f"python{version}").symlink_to(python)
    ended = environment(ROOT, f"PATH={tmp_path}; need_python")
    assert ended.stdout.strip() == str(tmp_path / f"python{version}")
