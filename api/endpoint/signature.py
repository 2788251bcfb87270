"""Signature Version 4, as botocore makes it (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html)."""

import asyncio
from collections.abc import Mapping
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

SERVICE = "sagemaker"


class Signer:
    """Signs with the credentials of a boto3 session, however these come and whenever they change."""

    def __init__(self, credentials: Any, region: str) -> None:
        self._credentials, self._region = credentials, region

    async def signed(self, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The headers of a POST with its signature. Raises botocore's NoCredentialsError, CredentialRetrievalError."""
        request = AWSRequest("POST", url, headers=dict(headers), data=body)
        SigV4Auth(await self._frozen(), SERVICE, self._region).add_auth(request)
        return {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}

    async def _frozen(self) -> Any:
        """Credentials that stay as they are while they sign; those that must be asked for are, from a thread."""
        expiring = getattr(self._credentials, "refresh_needed", None)  # long-lived ones have no such method
        if expiring and expiring():
            return await asyncio.to_thread(self._credentials.get_frozen_credentials)
        return self._credentials and self._credentials.get_frozen_credentials()
