"""Makes what a plan says: bucket, role, log group, artifact, model, configuration. Each step may find its work done.

Every name is its content's, so a run that was killed anywhere is continued by the next one.
"""

from deploy import names
from deploy.aws import Aws, call, until_visible
from deploy.bucket import ensure_bucket, upload
from deploy.errors import AlreadyExists, AwsRefused, ElasticInferenceGone
from deploy.logs import ensure_log_group
from deploy.plan import Plan, key_of
from deploy.request import container, variant
from deploy.role import ensure_role
from deploy.targets import ELASTIC_INFERENCE_ENDED

ELASTIC_INFERENCE_WORDS = ("elastic inference", "accelerator", "eia")


def build(aws: Aws, plan: Plan) -> None:
    """Everything but the endpoint. Raises AwsRefused and its kin."""
    ensure_bucket(aws, plan.bucket)
    aws.report(f"bucket {plan.bucket.name}", done=1.0)
    role = ensure_role(aws, plan.role, plan.scope)
    aws.report(f"role {plan.role.name}", done=1.0)
    ensure_log_group(aws, plan.wish.endpoint, plan.bucket.name)
    aws.report(f"log group {names.log_group(plan.wish.endpoint)}", done=1.0)
    if plan.artifact is not None and not plan.uploaded:
        upload(aws, plan.bucket.name, key_of(plan.artifact_url), plan.artifact)
    aws.report(f"artifact {plan.artifact_url}", done=1.0)
    if not plan.model_exists:
        until_visible(aws, lambda: create_model(aws, plan, role), "model")
    aws.report(f"model {plan.model}", done=1.0)
    if not plan.config_exists:
        until_visible(aws, lambda: create_config(aws, plan), "configuration")
    aws.report(f"configuration {plan.config}", done=1.0)


def create_model(aws: Aws, plan: Plan, role: str) -> None:
    """The model, or the same one from an earlier run."""
    try:
        call(
            aws.sagemaker.create_model,
            ModelName=plan.model,
            PrimaryContainer=container(plan.wish, plan.scope.image, plan.artifact_url),
            ExecutionRoleArn=role,
            Tags=names.tags(plan.wish.endpoint),
        )
    except AlreadyExists:
        return


def create_config(aws: Aws, plan: Plan) -> None:
    """The configuration, or the same one from an earlier run. Raises ElasticInferenceGone where AWS says so."""
    about = {names.TARGET_TAG: plan.wish.target.name, names.SIZE_TAG: str(plan.wish.input_size)}
    try:
        call(
            aws.sagemaker.create_endpoint_config,
            EndpointConfigName=plan.config,
            ProductionVariants=[variant(plan.wish, plan.model)],
            Tags=names.tags(plan.wish.endpoint, **about),
        )
    except AlreadyExists:
        return
    except AwsRefused as error:
        raise explained(plan, error) from error


def explained(plan: Plan, error: AwsRefused) -> AwsRefused:
    """AWS's refusal of an accelerator as the explanation that it is; any other as it was."""
    refused = plan.wish.attached and any(word in str(error).lower() for word in ELASTIC_INFERENCE_WORDS)
    return ElasticInferenceGone(f"{ELASTIC_INFERENCE_ENDED} ({error})") if refused else error
