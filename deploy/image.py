"""The container's image in ECR: its name, what SageMaker takes of it, building and pushing it."""

import base64
import json
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.aws import Aws, call, fetch
from deploy.errors import AlreadyExists, DeployError, NotFound, Refused
from deploy.wish import Wish

NAME = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.([a-z.]+)/([a-z0-9._/-]+)(?::([\w.-]+)|@(sha256:[0-9a-f]{64}))?")
# The one manifest that SageMaker reads; today's Docker pushes OCI indices unless it is told not to.
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SERVERLESS_BYTES = 10 * 1000**3
PUSH_ANEW = "`detect-deploy image` builds and pushes one that fits."


@dataclass(frozen=True)
class ImageName:
    """An image's URI in ECR, taken apart. `reference` is a tag, or a digest."""

    account: str
    region: str
    suffix: str
    repository: str
    reference: str

    @property
    def host(self) -> str:
        """The registry."""
        return f"{self.account}.dkr.ecr.{self.region}.{self.suffix}"

    @property
    def uri(self) -> str:
        """The whole name."""
        return f"{self.host}/{self.repository}{'@' if ':' in self.reference else ':'}{self.reference}"

    @property
    def identifier(self) -> Any:
        """The reference as ECR's API takes it."""
        return {"imageDigest" if ":" in self.reference else "imageTag": self.reference}


def parse(uri: str) -> ImageName:
    """The parts of an image's URI. Raises Refused for one that is not in ECR."""
    match = NAME.fullmatch(uri)
    if match is None:
        raise Refused(
            f"{uri} is no image in ECR, where SageMaker takes images from.",
            hint="Give ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG; `detect-deploy image` makes one.",
        )
    account, region, suffix, repository, tag, digest = match.groups()
    return ImageName(account, region, suffix, repository, tag or digest or "latest")


def own_image(aws: Aws, name: str) -> ImageName:
    """An image of the account's own registry in its region, by repository and tag. Raises Refused."""
    return parse(f"{aws.account}.dkr.ecr.{aws.region}.{aws.suffix}/{name}")


def check_image(aws: Aws, wish: Wish, uri: str) -> None:
    """Raises Refused for an image that SageMaker would not pull or run; other accounts' are not looked at."""
    name = parse(uri)
    if name.region != aws.region:
        raise Refused(
            f"The image is in {name.region} and the endpoint in {aws.region}.",
            hint=f"SageMaker pulls from its own region: push the image there, or give --region {name.region}.",
        )
    if name.account == aws.account:
        check_found(aws, wish, name)


def check_found(aws: Aws, wish: Wish, name: ImageName) -> None:
    """Raises Refused for an image of this account that is not there, or has the wrong format, size or processor."""
    where: Any = {"registryId": name.account, "repositoryName": name.repository}
    try:
        found = call(aws.ecr.describe_images, **where, imageIds=[name.identifier])["imageDetails"][0]
    except NotFound as error:
        raise Refused(f"There is no image {name.uri}.", hint="`detect-deploy image` builds and pushes it.") from error
    if (kind := found.get("imageManifestMediaType", MANIFEST)) != MANIFEST:
        raise Refused(f"The image {name.uri} is of the type {kind}, which SageMaker does not read.", hint=PUSH_ANEW)
    if wish.target.serverless and found.get("imageSizeInBytes", 0) > SERVERLESS_BYTES:
        raise Refused(f"The image has {found['imageSizeInBytes'] / 1e9:.1f} GB, and serverless endpoints take 10 GB.")
    has, needs = architecture(aws, where, name), wish.target.architecture
    if has != needs:
        raise Refused(
            f"The image {name.uri} is built for {has}, and the target {wish.target.name} runs {needs}.",
            hint=f"`detect-deploy image --architecture {needs}` builds the one that fits.",
        )


def architecture(aws: Aws, where: Any, name: ImageName) -> str:
    """The processor that an image is built for, as its configuration in the registry says."""
    images = call(aws.ecr.batch_get_image, **where, imageIds=[name.identifier])["images"]
    config = json.loads(images[0]["imageManifest"])["config"]["digest"]
    url = call(aws.ecr.get_download_url_for_layer, **where, layerDigest=config)["downloadUrl"]
    return str(json.loads(fetch(url))["architecture"])


def build_command(name: ImageName, architecture: str, context: str) -> list[str]:
    """Builds the endpoint's image for SageMaker's processor, in the one format that it reads."""
    return [
        *("docker", "buildx", "build", "--target", "endpoint", "--platform", f"linux/{architecture}"),
        *("--provenance=false", "--sbom=false", "--output", "type=docker", "--tag", name.uri, context),
    ]


def login_command(name: ImageName) -> list[str]:
    """Logs docker in to the registry; the password comes on standard input."""
    return ["docker", "login", "--username", "AWS", "--password-stdin", name.host]


def push_command(name: ImageName) -> list[str]:
    """Pushes the image."""
    return ["docker", "push", name.uri]


def lines(name: ImageName, architecture: str, context: str) -> list[str]:
    """The same for a shell."""
    region = f"--region {name.region}"
    return [
        f"aws ecr create-repository {region} --repository-name {name.repository}",
        " ".join(build_command(name, architecture, context)),
        f"aws ecr get-login-password {region} | {' '.join(login_command(name))}",
        " ".join(push_command(name)),
    ]


def build_and_push(aws: Aws, name: ImageName, architecture: str, context: Path, output: int = 2) -> None:
    """The image in ECR; docker's own words go to the file `output`. Raises Refused without docker, or a Dockerfile."""
    if not (context / "Dockerfile").is_file():
        raise Refused(f"There is no Dockerfile in {context.resolve()}.", hint="Name the checkout: --context.")
    run(build_command(name, architecture, str(context)), output)
    aws.report(f"image {name.uri} for {architecture}", done=1.0)
    with suppress(AlreadyExists):
        call(aws.ecr.create_repository, repositoryName=name.repository)
    aws.report(f"repository {name.repository}", done=1.0)
    token = call(aws.ecr.get_authorization_token)["authorizationData"][0]["authorizationToken"]
    run(login_command(name), output, password=base64.b64decode(token).partition(b":")[2])
    run(push_command(name), output)
    aws.report(f"pushed {name.uri}", done=1.0)


def run(command: list[str], output: int, password: bytes | None = None) -> None:
    """One command of docker's. Raises Refused, DeployError."""
    try:
        subprocess.run(command, input=password, stdout=output, stderr=output, check=True)
    except FileNotFoundError as error:
        raise Refused("docker is not installed here.", hint="--print gives the lines to type elsewhere.") from error
    except subprocess.CalledProcessError as error:
        raise DeployError(f"`{' '.join(command[:3])}` ended with {error.returncode}.") from error
