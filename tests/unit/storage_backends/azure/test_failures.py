"""What the errors of Azure and of its SDK mean."""

import pytest
import requests
from azure.core import exceptions as azure_core
from azure.core.pipeline.transport import HttpRequest, RequestsTransportResponse
from azure.storage.blob._shared.authentication import AzureSigningError
from azure.storage.blob._shared.response_handlers import process_storage_error

from storage_backends import errors
from storage_backends.azure.failures import asking, failure
from tests.unit.storage_backends.azure.account import SAS


def answered(status, code="", **headers):
    """The exception that the SDK raises for such an answer."""
    response = requests.Response()
    response.status_code, response.reason = status, "Reason"
    response.headers.update({"x-ms-error-code": code, **headers} if code else headers)
    response._content = b""
    request = HttpRequest("PUT", f"https://account1.blob.core.windows.net/c/f?{SAS}")
    wrapped = RequestsTransportResponse(request, response)
    try:
        process_storage_error(azure_core.HttpResponseError(response=wrapped))
    except azure_core.HttpResponseError as error:
        return error


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "BlobNotFound", errors.NotFound),
        (404, "", errors.NotFound),
        (404, "ContainerNotFound", errors.ConfigurationError),
        (409, "ContainerBeingDeleted", errors.ConfigurationError),
        (409, "BlobAlreadyExists", errors.PreconditionFailed),
        (412, "ConditionNotMet", errors.PreconditionFailed),
        (412, "", errors.PreconditionFailed),
        (412, "LeaseIdMissing", errors.PreconditionFailed),
        (400, "InvalidBlockList", errors.UploadGone),
        (400, "InvalidBlobOrBlock", errors.PreconditionFailed),
        (409, "InvalidBlobType", errors.KindConflict),
        (409, "ResourceTypeMismatch", errors.KindConflict),
        (400, "Md5Mismatch", errors.ChecksumMismatch),
        (403, "AuthenticationFailed", errors.BadCredentials),
        (401, "NoAuthenticationInformation", errors.BadCredentials),
        (401, "", errors.BadCredentials),
        (403, "AuthorizationPermissionMismatch", errors.PermissionDenied),
        (403, "AuthorizationFailure", errors.PermissionDenied),
        (403, "", errors.PermissionDenied),
        (409, "BlobArchived", errors.PermissionDenied),
        (409, "BlobImmutableDueToPolicy", errors.PermissionDenied),
        (503, "ServerBusy", errors.Throttled),
        (503, "", errors.Throttled),
        (429, "TooManyRequests", errors.Throttled),
        (500, "InternalError", errors.Unreachable),
        (500, "OperationTimedOut", errors.Unreachable),
        (502, "", errors.Unreachable),
        (599, "Unheard", errors.Unreachable),
        (413, "RequestBodyTooLarge", errors.FileTooBig),
        (400, "InvalidResourceName", errors.BadPath),
        (400, "Unheard", errors.StorageError),
    ],
)
def test_an_answer_of_the_service_is_one_of_our_errors(status, code, kind):
    found = failure(answered(status, code), "container", "d/f")
    assert type(found) is kind
    assert "'d/f' in the container 'container'" in str(found)
    assert str(code or status) in str(found)
    assert "SECRET" not in str(found)


def test_only_busy_services_say_for_how_long():
    assert failure(answered(503, "ServerBusy", **{"Retry-After": "7"}), "c").retry_after_seconds == 7
    assert failure(answered(429, **{"Retry-After": "1000000"}), "c").retry_after_seconds == 3600
    assert failure(answered(503, **{"Retry-After": "Fri, 31 Dec 9999 02:00:00 GMT"}), "c").retry_after_seconds == 3600
    assert failure(answered(503), "c").retry_after_seconds is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (azure_core.ServiceRequestError("no connection"), errors.Unreachable),
        (azure_core.ServiceResponseError("cut off"), errors.Unreachable),
        (azure_core.ServiceResponseTimeoutError("silence"), errors.Unreachable),
        (azure_core.IncompleteReadError("half"), errors.Unreachable),
        (azure_core.HttpResponseError("gave up reading"), errors.Unreachable),
        (ConnectionResetError(), errors.Unreachable),
        (AzureSigningError("Incorrect padding"), errors.BadCredentials),
        (azure_core.ClientAuthenticationError("no login"), errors.BadCredentials),
        (ValueError("odd"), errors.StorageError),
    ],
)
def test_what_happens_on_the_way_is_one_of_our_errors_with_its_cause(error, kind):
    with pytest.raises(errors.StorageError) as caught, asking("container", "f"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


def test_a_mistake_of_ours_is_not_taken_for_one_of_the_service():
    with pytest.raises(KeyError), asking("container"):
        raise KeyError("x")
    with pytest.raises(errors.VersionChanged), asking("container"):
        raise errors.VersionChanged
