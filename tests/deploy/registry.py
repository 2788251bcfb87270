"""ECR, as far as an image is looked up and pushed: repositories, manifests with their types, and configurations."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


class Unknown(Exception):
    """ECR has no such thing: its code."""


@dataclass
class Pushed:
    """An image in a repository."""

    media_type: str = DOCKER
    architecture: str = "amd64"
    size: int = 200_000_000


@dataclass
class Registry:
    """The state: images by repository and tag."""

    url: str
    images: dict[tuple[str, str], Pushed] = field(default_factory=dict)
    repositories: set[str] = field(default_factory=set)

    def push(self, uri: str, **about: Any) -> None:
        """An image, as docker would push it."""
        repository, _, tag = uri.partition("/")[2].partition(":")
        self.repositories.add(repository)
        self.images[repository, tag or "latest"] = Pushed(**about)

    def find(self, uri: str) -> Pushed | None:
        """The image of a URI, or None."""
        repository, _, tag = uri.partition("/")[2].partition(":")
        return self.images.get((repository, tag or "latest"))

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """What ECR answers. Raises Unknown."""
        answer: dict[str, Any] = getattr(self, operation)(**request)
        return answer

    def CreateRepository(self, repositoryName: str) -> Any:
        if repositoryName in self.repositories:
            raise Unknown("RepositoryAlreadyExistsException")
        self.repositories.add(repositoryName)
        return {"repository": {"repositoryName": repositoryName}}

    def GetAuthorizationToken(self) -> Any:
        return {"authorizationData": [{"authorizationToken": "QVdTOnNlY3JldA=="}]}  # AWS:secret

    def DescribeImages(self, repositoryName: str, imageIds: list[Any], registryId: str) -> Any:
        image = self.known(repositoryName, imageIds[0]["imageTag"])
        return {"imageDetails": [{"imageManifestMediaType": image.media_type, "imageSizeInBytes": image.size}]}

    def BatchGetImage(self, repositoryName: str, imageIds: list[Any], registryId: str) -> Any:
        image = self.known(repositoryName, imageIds[0]["imageTag"])
        digest = hashlib.sha256(image.architecture.encode()).hexdigest()
        manifest = {"mediaType": image.media_type, "config": {"digest": f"sha256:{digest}"}}
        return {"images": [{"imageManifest": json.dumps(manifest)}]}

    def GetDownloadUrlForLayer(self, repositoryName: str, layerDigest: str, registryId: str) -> Any:
        return {"downloadUrl": f"{self.url}/layers/{layerDigest}"}

    def layer(self, digest: str) -> bytes:
        """An image's configuration."""
        for architecture in ("amd64", "arm64"):
            if digest.endswith(hashlib.sha256(architecture.encode()).hexdigest()):
                return json.dumps({"architecture": architecture, "os": "linux"}).encode()
        raise Unknown("LayersNotFoundException")

    def known(self, repository: str, tag: str) -> Pushed:
        """An image. Raises Unknown."""
        if repository not in self.repositories:
            raise Unknown("RepositoryNotFoundException")
        if (repository, tag) not in self.images:
            raise Unknown("ImageNotFoundException")
        return self.images[repository, tag]
