"""The execution role: the operator's, the machine's, our own from an earlier run, or a new one."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import names, policies
from deploy.aws import Aws, call, until_visible
from deploy.errors import AlreadyExists, NotFound, PermissionDenied
from deploy.policies import Scope

SAGEMAKER_MACHINE = Path("/opt/ml/metadata/resource-metadata.json")  # SageMaker's notebooks and studios have it
POLICY_NAME = "detect-gateway"


@dataclass(frozen=True)
class Role:
    """A role as it was found. `ours` means that we make it and keep its policy; `exists` that it is there."""

    arn: str
    ours: bool
    exists: bool
    origin: str
    policy: dict[str, Any] | None = None
    bounded: bool = False

    @property
    def name(self) -> str:
        """The name without the path."""
        return self.arn.rsplit("/", 1)[1]


def find_role(aws: Aws, endpoint: str, wanted: str | None) -> Role:
    """The role to run as, in this order: --role, this machine's, the project's own (there or to be made).

    Raises NotFound for a --role that is not there.
    """
    own = own_role_arn(aws, endpoint)
    if wanted is not None and wanted not in (own, own.rsplit("/", 1)[1]):
        return Role(given_arn(aws, wanted), ours=False, exists=True, origin="given with --role")
    if wanted is None and (machine := machine_arn(aws)):
        return Role(machine, ours=False, exists=True, origin="the role that this machine runs as")
    return own_role(aws, own, endpoint)


def own_role_arn(aws: Aws, endpoint: str) -> str:
    """The ARN of the role that we make for an endpoint."""
    return f"arn:{aws.partition}:iam::{aws.account}:role/{names.role_name(aws.region, endpoint)}"


def own_scope(aws: Aws, endpoint: str) -> Scope:
    """What all documents about an endpoint share: the account, and the role that is ours."""
    arn = own_role_arn(aws, endpoint)
    return Scope(aws.partition, aws.region, aws.account, endpoint, role_arn=arn, buckets=())


def own_role(aws: Aws, arn: str, endpoint: str) -> Role:
    """Our role, and its policy and boundary as they are now; an administrator's of that name is left as it is."""
    name = arn.rsplit("/", 1)[1]
    try:
        found = call(aws.iam.get_role, RoleName=name)["Role"]
    except NotFound:
        return Role(arn, ours=True, exists=False, origin="to be made")
    if not is_ours(found, endpoint):
        return Role(found["Arn"], ours=False, exists=True, origin="made by an administrator")
    bounded = "PermissionsBoundary" in found
    return Role(found["Arn"], True, True, "made by an earlier run", role_policy(aws, name), bounded)


def is_ours(found: Any, endpoint: str) -> bool:
    """Whether a role carries our tag."""
    return {"Key": names.TAG, "Value": endpoint} in found.get("Tags", [])


def role_policy(aws: Aws, name: str) -> dict[str, Any] | None:
    """Our inline policy, or None."""
    try:
        document: Any = call(aws.iam.get_role_policy, RoleName=name, PolicyName=POLICY_NAME)["PolicyDocument"]
    except NotFound:
        return None
    return dict(document)


def given_arn(aws: Aws, wanted: str) -> str:
    """The ARN of a role named by name or ARN. Raises NotFound."""
    return wanted if wanted.startswith("arn:") else call(aws.iam.get_role, RoleName=wanted)["Role"]["Arn"]


def machine_arn(aws: Aws) -> str | None:
    """The role of the notebook or instance we are on, where SageMaker may assume it."""
    if SAGEMAKER_MACHINE.exists():
        stated = json.loads(SAGEMAKER_MACHINE.read_text()).get("ExecutionRoleArn")
        if stated:
            return str(stated)
    elif aws.credential_source not in ("iam-role", "container-role"):
        return None
    if ":assumed-role/" not in aws.caller:
        return None
    return assumable(aws, aws.caller.split("/")[1])


def assumable(aws: Aws, name: str) -> str | None:
    """The ARN of a role that trusts SageMaker, or None where it does not or may not be looked at."""
    try:
        role = call(aws.iam.get_role, RoleName=name)["Role"]
    except (NotFound, PermissionDenied):
        return None
    return role["Arn"] if "sagemaker.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"]) else None


def is_right(role: Role, scope: Scope) -> bool:
    """Whether a role needs nothing done to it."""
    return not role.ours or (role.bounded and role.policy == policies.execution(scope))


def ensure_role(aws: Aws, role: Role, scope: Scope, tags: Mapping[str, str]) -> str:
    """The ARN of a role that exists and, where it is ours, may do what the endpoint needs.

    Raises PermissionDenied with the documents that an administrator needs.
    """
    if is_right(role, scope):
        return role.arn
    try:
        ensure_boundary(aws, scope)
        if not role.exists:
            until_visible(aws, lambda: create_role(aws, role.name, scope, tags), "boundary")
        if role.exists and not role.bounded:
            call(aws.iam.put_role_permissions_boundary, RoleName=role.name, PermissionsBoundary=scope.boundary_arn)
        if role.policy != policies.execution(scope):
            put_policy(aws, role.name, scope)
    except PermissionDenied as error:
        raise needs_administrator(error, role.name, scope) from error
    return role.arn


def ensure_boundary(aws: Aws, scope: Scope) -> None:
    """The permissions boundary is there: one for all our roles of the account. Only an administrator may create it."""
    try:
        call(aws.iam.get_policy, PolicyArn=scope.boundary_arn)
    except NotFound:
        with suppress(AlreadyExists):
            document = json.dumps(policies.boundary(scope))
            call(aws.iam.create_policy, PolicyName=names.BOUNDARY, PolicyDocument=document)


def create_role(aws: Aws, name: str, scope: Scope, tags: Mapping[str, str]) -> None:
    """A new role that SageMaker alone may assume, within the boundary."""
    call(
        aws.iam.create_role,
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(policies.trust(scope)),
        PermissionsBoundary=scope.boundary_arn,
        Description="What a Detect Gateway endpoint runs as",
        Tags=names.tags(scope.endpoint, **tags),
    )


def put_policy(aws: Aws, name: str, scope: Scope) -> None:
    """Gives our role what the endpoint needs, and no more."""
    call(
        aws.iam.put_role_policy,
        RoleName=name,
        PolicyName=POLICY_NAME,
        PolicyDocument=json.dumps(policies.execution(scope)),
    )


def needs_administrator(error: PermissionDenied, name: str, scope: Scope) -> PermissionDenied:
    """The refusal, with what an administrator has to put in place."""
    return PermissionDenied(
        f"You may not make or change the role {name} or its permissions boundary. ({error})",
        hint=f"Ask an administrator for the policy {names.BOUNDARY} of the permissions boundary, or for a role named "
        f"{name} with the other two documents, or give one with --role.",
        documents={
            "trust policy": policies.trust(scope),
            "permissions policy": policies.execution(scope),
            "permissions boundary": policies.boundary(scope),
        },
    )


def delete_role(aws: Aws, endpoint: str) -> bool:
    """Removes our role; False where there was none, or it is an administrator's."""
    name = names.role_name(aws.region, endpoint)
    try:
        if not is_ours(call(aws.iam.get_role, RoleName=name)["Role"], endpoint):
            return False
        for policy in call(aws.iam.list_role_policies, RoleName=name)["PolicyNames"]:
            call(aws.iam.delete_role_policy, RoleName=name, PolicyName=policy)
        call(aws.iam.delete_role, RoleName=name)
    except NotFound:
        return False
    return True
