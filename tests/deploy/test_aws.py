"""boto3's exceptions become ours in one place."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from deploy import aws, errors

COULD_NOT_FIND = 'Could not find endpoint configuration "arn:aws:…".'


@pytest.mark.parametrize(
    ("code", "sentence", "kind"),
    [
        ("AccessDeniedException", "not authorized to perform: sagemaker:CreateModel", errors.PermissionDenied),
        ("AccessDenied", "Access Denied", errors.PermissionDenied),
        ("403", "Forbidden", errors.PermissionDenied),
        ("ValidationException", "Could not assume role arn:aws:iam::1:role/x.", errors.NotYetVisible),
        ("ValidationException", "Could not access model data at s3://b/k.", errors.NotYetVisible),
        ("ValidationException", 'Cannot create already existing model "arn".', errors.AlreadyExists),
        ("ValidationException", 'Cannot update in-progress endpoint "arn".', errors.InProgress),
        ("ValidationException", COULD_NOT_FIND, errors.NotFound),
        ("ValidationException", "Something else.", errors.AwsRefused),
        ("ValidationError", "Stack does not exist", errors.AwsRefused),
        ("EntityAlreadyExists", "", errors.AlreadyExists),
        ("BucketAlreadyOwnedByYou", "", errors.AlreadyExists),
        ("BucketAlreadyExists", "", errors.NotOurs),
        ("ResourceAlreadyExistsException", "", errors.AlreadyExists),
        ("NoSuchEntity", "", errors.NotFound),
        ("NoSuchBucket", "", errors.NotFound),
        ("NoSuchPublicAccessBlockConfiguration", "", errors.NotFound),
        ("404", "Not Found", errors.NotFound),
        ("ResourceNotFoundException", "", errors.NotFound),
        ("ObjectNotFoundException", "", errors.NotFound),
        ("ResourceLimitExceeded", "The account-level service limit …", errors.QuotaExceeded),
        ("ModelNotReadyException", "", errors.NotYetVisible),
        ("OperationAborted", "", errors.InProgress),
        ("ExpiredTokenException", "", errors.Unreachable),
        ("UnrecognizedClientException", "", errors.Unreachable),
        ("ThrottlingException", "Rate exceeded", errors.AwsRefused),
    ],
)
def test_an_answer_of_awss_becomes_ours(code: str, sentence: str, kind: type[errors.DeployError]) -> None:
    refusal = ClientError({"Error": {"Code": code, "Message": f"{sentence}\nmore"}}, "DoIt")
    error = aws.translated(refusal)
    assert type(error) is kind
    assert "\n" not in str(error)
    assert "DoIt" in str(error)


@pytest.mark.parametrize("exc", [NoCredentialsError(), EndpointConnectionError(endpoint_url="http://x")])
def test_no_answer_is_unreachable(exc: Exception) -> None:
    def fail() -> None:
        raise exc

    with pytest.raises(errors.Unreachable) as caught:
        aws.call(fail)
    assert caught.value.__cause__ is exc
