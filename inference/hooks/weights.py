"""The file of GluonCV's pretrained weights: named by DETECT_WEIGHTS, kept from an earlier start, or downloaded.

Runs on Python 3.6 and later, and needs neither MXNet nor GluonCV.
"""

import hashlib
import http.client
import io
import os
import zipfile

from errors import ModelNotUsable

# By GluonCV's model_store; the file's name ends with the first eight digits.
SHA1 = {"ssd_512_mobilenet1.0_coco": "da9756faa5b9b4e34dedcf83ee0733d5895796ad"}
HOST = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"
SECONDS = 20  # the oldest container gives up loading after 60, and starts again


def pretrained(network: str) -> str:
    """Return the path of a network's weights. Raises ModelNotUsable where they cannot be had."""
    named = os.environ.get("DETECT_WEIGHTS")
    if named:
        if not os.path.isfile(named):
            raise ModelNotUsable(f"DETECT_WEIGHTS is not a file: {named}")
        return named
    if network not in SHA1:
        raise ModelNotUsable(f"the model directory has no weights, and none are known for {network}")
    return kept(network)


def kept(network: str) -> str:
    """Return the weights in MXNet's folder of models, downloaded to it unless they are there."""
    file = f"{network}-{SHA1[network][:8]}.params"
    home = os.environ.get("MXNET_HOME") or os.path.join(os.path.expanduser("~"), ".mxnet")
    path = os.path.join(home, "models", file)
    if not os.path.isfile(path) or sha1_of(path) != SHA1[network]:
        try:
            download(file, path)
        except (OSError, ValueError, KeyError, http.client.HTTPException, zipfile.BadZipFile) as exc:
            raise missing(file, SHA1[network], "could not be downloaded") from exc
        if sha1_of(path) != SHA1[network]:
            os.remove(path)
            raise missing(file, SHA1[network], "was downloaded with a wrong hash")
    return path


def download(file: str, path: str) -> None:
    """Fetch a parameter file in its zip from where GluonCV keeps them; the path holds all of it or nothing."""
    from urllib.request import urlopen  # slow to import, and rarely needed

    host = os.environ.get("MXNET_GLUON_REPO", HOST).rstrip("/")
    with urlopen("{}/gluon/models/{}.zip".format(host, file[: -len(".params")]), timeout=SECONDS) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.{os.getpid()}"
    with open(part, "wb") as target:
        target.write(archive.read(file))
    os.replace(part, path)


def sha1_of(path: str) -> str:
    """Return a file's sha1 in hexadecimal."""
    digest = hashlib.sha1()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def missing(file: str, sha1: str, what: str) -> ModelNotUsable:
    """Say which file is missing and how to bring it."""
    return ModelNotUsable(f"{file} (sha1 {sha1}) {what}: put it into model.tar.gz, or name it with DETECT_WEIGHTS")
