"""Everything that can go wrong, in the operator's words. Only aws.py makes these from boto3's exceptions.

DeployError                    1   it did not work
├── Refused                    2   the options contradict each other, or what is there forbids it; nothing was touched
├── NotConfirmed               3   the plan was shown and nobody said yes; nothing was touched
├── AwsRefused                 4   AWS said no
│   ├── PermissionDenied       5   the caller lacks a permission; carries the policy that gives it
│   ├── QuotaExceeded          6   the account may not have (another) one of these
│   ├── ElasticInferenceGone   7   AWS no longer offers Elastic Inference
│   ├── AlreadyExists          4   somebody made it first
│   ├── InProgress             4   AWS is still working on it
│   ├── NotYetVisible          4   made a moment ago, and AWS does not see it yet
│   └── Unreachable            4   expired credentials, no network, no such region
│       └── NoCredentials      4   boto3 found none
├── NotFound                   8   there is no such thing
├── NotOurs                    9   it exists, and carries no tag of ours
├── EndpointFailed            10   SageMaker gave up: carries the reason, the likely cause and the end of the log
├── SmokeFailed               11   the endpoint answers, and not as it should
├── TimedOut                  12   AWS took longer than --timeout-minutes
├── StillThere                13   something that bills was left after `down`
└── TransformFailed           14   a transform job failed or was stopped: carries the reason and the end of its log
"""

from typing import Any, ClassVar


class DeployError(Exception):
    """It did not work. `hint` says what to do; `left` what exists now; `documents` what to hand to an administrator."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", documents: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        if hint:
            self.add_note(hint)  # which a traceback shows too, where deploy is used as a library
        self.hint = hint
        self.documents = documents or {}
        self.left: list[str] = []
        self.log: list[str] = []


class Refused(DeployError):
    """The options contradict each other, or what is there forbids it. Nothing was touched."""

    exit_code = 2


class NotConfirmed(DeployError):
    """The plan was shown and nobody said yes. Nothing was touched."""

    exit_code = 3


class AwsRefused(DeployError):
    """AWS said no; the message holds the action and AWS's own sentence."""

    exit_code = 4


class PermissionDenied(AwsRefused):
    """The caller lacks a permission."""

    exit_code = 5


class QuotaExceeded(AwsRefused):
    """The account may not have (another) one of these."""

    exit_code = 6


class ElasticInferenceGone(AwsRefused):
    """AWS no longer offers Elastic Inference."""

    exit_code = 7


class AlreadyExists(AwsRefused):
    """Somebody made it first."""


class InProgress(AwsRefused):
    """AWS is still working on it."""


class NotYetVisible(AwsRefused):
    """It was made a moment ago, and AWS does not see it yet."""


class Unreachable(AwsRefused):
    """Expired credentials, no network, or no such region."""


class NoCredentials(Unreachable):
    """boto3 found no credentials."""


class NotFound(DeployError):
    """There is no such thing."""

    exit_code = 8


class NotOurs(DeployError):
    """It exists, and carries no tag of ours."""

    exit_code = 9


class EndpointFailed(DeployError):
    """SageMaker gave up; `log` holds the end of the container's log."""

    exit_code = 10


class SmokeFailed(DeployError):
    """The endpoint answers, and not as it should."""

    exit_code = 11


class TimedOut(DeployError):
    """AWS took longer than the operator wanted to wait."""

    exit_code = 12


class StillThere(DeployError):
    """Something that bills was left."""

    exit_code = 13


class TransformFailed(DeployError):
    """A transform job failed or was stopped; `log` holds the end of its log."""

    exit_code = 14
