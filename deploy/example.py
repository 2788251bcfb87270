"""An account in which nothing exists yet: what `plan` shows to an operator who has no AWS credentials."""

from collections.abc import Callable
from typing import Any, NoReturn

from deploy.aws import Aws
from deploy.errors import NotFound

ACCOUNT, REGION = "123456789012", "us-east-1"


def example_account(region: str | None) -> Aws:
    """The account, in this region or in the one that the prices are of. No request leaves the machine."""
    session: Any = _Session()
    return Aws(session, region or REGION, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/example")


def example_image(aws: Aws) -> str:
    """What `detect-deploy image --name detect-endpoint:1` would print there."""
    return f"{aws.account}.dkr.ecr.{aws.region}.{aws.suffix}/detect-endpoint:1"


class _Session:
    """In place of boto3's."""

    def client(self, *_: Any, **__: Any) -> "_Client":
        return _Client()

    def get_credentials(self) -> None:
        """It has none."""


class _Client:
    """Its lists are empty, and whatever it is asked about is not there."""

    def get_paginator(self, _: str) -> "_Client":
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return []

    def __getattr__(self, operation: str) -> Callable[..., NoReturn]:
        def missing(**_: Any) -> NoReturn:
            raise NotFound(f"The example account has nothing to {operation.replace('_', ' ')}.")

        return missing
