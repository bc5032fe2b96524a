"""What Azure Storage's errors mean, as data; nothing of Azure's is imported here.

Its codes decide, for one status stands for many things: 409 is a file that exists, a container that is being deleted,
and a retention policy; 403 is a wrong key, a missing right, a firewall, and a clock.
Source: REQUIREMENTS P37, S10; Azure's "Blob service error codes" and "Data Lake Storage error codes".
"""

from collections.abc import Mapping

from ctexport_dagster.core.failure import (
    HTTP_STATUSES,
    SLOW_DOWN,
    STUMBLED,
    UNREACHABLE,
    Failure,
    FailureTable,
    Verdict,
)

DAMAGED = "ContentMd5Differs"
NO_CREDENTIALS = "NoCredentialsFound"
UNTRUSTED = "CertificateUntrusted"
CLOCK = "ClockSkew"
NOT_YET_VALID = "SasNotYetValid"
EXPIRED = "SasExpired"
NETWORK = "ConnectionBroken"
EXISTS = frozenset({"BlobAlreadyExists", "PathAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite"})
"""An upload that replaces nothing met a file. The last: where the SAS token may create, but not write."""

_NEW_SAS = "Create a new SAS token as `ctexport policy azure` shows it, and put it where the destination's file points"
_CREDENTIALS_INVALID = Verdict(
    "customer",
    "Invalid Azure credentials",
    "the SAS token or account key is wrong, expired, or was revoked by a new key or a changed access policy",
    f"{_NEW_SAS}. Of an account key, copy the present one from the portal",
)
_ACCESS_DISABLED = Verdict(
    "customer",
    "All access to this container has been disabled",
    "the SAS token or role may not create and write there, or the account's settings shut us out",
    "Grant what `ctexport policy azure` prints; then look at the account's networking and its firewall",
)
_NO_CONTAINER = Verdict(
    "customer",
    "The specified Azure container does not exist",
    "the container is deleted, or its name is misspelt",
    "Create the container, or mend container in the destination's file: letter by letter as the portal shows it",
)
_ACCOUNT_DISABLED = Verdict(
    "customer",
    "the storage account is disabled",
    "its subscription has ended, or it was shut off",
    "Enable the account in the Azure portal",
)
_SAS_TOO_NARROW = Verdict(
    "customer",
    "the SAS token is for something else",
    "it allows another service, kind of resource, network address or protocol than this upload",
    "Create a SAS token for the container (sr=c), with create and write, without limits of address",
)
_NO_KEYS_THERE = Verdict(
    "customer",
    "the account takes no keys and no SAS tokens signed by one",
    "its setting `Allow storage account key access` is off",
    "Use a user delegation SAS, or leave the credentials out and let the machine's own identity write",
)
_TAKEN = Verdict(
    "customer",
    "another file has this name",
    "something other than this export wrote it, or ctexport's state folder was lost",
    "Move it away, or choose another prefix or name under files; ctexport never overwrites others' files",
)
_FOLDER_THERE = Verdict(
    "customer",
    "something other than a file stands there",
    "a folder, or a blob of another type, has the file's name",
    "Move it away, or choose another prefix or name under files",
)
_KEPT = Verdict(
    "customer",
    "an older file lies under this name, and the container keeps it from being replaced",
    "an immutability policy, a legal hold, a lease or the archive tier protects it",
    "Set on_rerun: new_names in the export's file: changed files then get names of their own",
)
_OVERWRITE_DENIED = Verdict(
    "customer",
    "an older file lies under this name, and it may not be replaced",
    "the SAS token may create, but not write",
    f"{_NEW_SAS}, or set on_rerun: new_names in the export's file",
)
_DAMAGED = Verdict(
    "transient",
    "the file was damaged on its way",
    "the network, or a proxy that changes what it passes on",
    "It is sent again by itself; if it stays, look for a proxy on the way",
)
_LOST_PART = Verdict(
    "transient",
    "the file under way disappeared",
    "something tidies up files that end in .part",
    "It is sent again by itself; if it stays, leave names that end in .part out of what tidies up",
)
_BAD_NAME = Verdict(
    "customer",
    "the name is not allowed there",
    "Azure takes names of up to 1024 characters, with no segment that ends in a dot",
    "Mend container, prefix or the names under files",
)
_BAD_OPTION = Verdict(
    "customer",
    "the account doesn't know an option that was sent",
    "access_tier or encryption_scope isn't supported by an account of this kind",
    "Leave access_tier and encryption_scope out of the destination's file",
)
_NO_HIERARCHY = Verdict(
    "customer",
    "the account has no hierarchical namespace",
    "it is plain Blob Storage, not Data Lake Storage Gen2",
    "Write type: azure_blob into the destination's file",
)
_KEY_VAULT = Verdict(
    "customer",
    "the encryption key can't be used",
    "the key in the Key Vault is disabled or deleted, or the account may not use it",
    "Let the storage account's identity wrap and unwrap with the key",
)
_TOO_LARGE = Verdict(
    "customer",
    "the file is larger than is allowed there",
    "Azure takes up to 5000 MiB at once",
    "Lower files.chunk_size",
)

_CODES: Mapping[Verdict, str] = {
    _CREDENTIALS_INVALID: """AuthenticationFailed InvalidAuthenticationInfo NoAuthenticationInformation
        AzureSigningError ClientAuthenticationError""",
    _ACCESS_DISABLED: """AuthorizationPermissionMismatch AuthorizationFailure InsufficientAccountPermissions
        PublicAccessNotPermitted ContainerDisabled""",
    _NO_CONTAINER: """ContainerNotFound ContainerBeingDeleted FilesystemNotFound FilesystemBeingDeleted
        ResourceNotFound""",
    _ACCOUNT_DISABLED: "AccountIsDisabled",
    _SAS_TOO_NARROW: """AuthorizationResourceTypeMismatch AuthorizationServiceMismatch AuthorizationProtocolMismatch
        AuthorizationSourceIPMismatch""",
    _NO_KEYS_THERE: "KeyBasedAuthenticationNotPermitted",
    _TAKEN: "BlobAlreadyExists PathAlreadyExists ConditionNotMet",
    _FOLDER_THERE: "InvalidBlobType PathConflict ResourceTypeMismatch DirectoryNotEmpty",
    _KEPT: """BlobImmutableDueToPolicy BlobImmutableDueToLegalHold LeaseIdMissing
        LeaseIdMismatchWithBlobOperation LeaseLost BlobArchived BlobBeingRehydrated PathImmutableDueToPolicy""",
    _OVERWRITE_DENIED: "UnauthorizedBlobOverwrite",
    _DAMAGED: f"Md5Mismatch Crc64Mismatch {DAMAGED}",
    _LOST_PART: """PathNotFound BlobNotFound SourcePathNotFound RenameDestinationParentPathNotFound
        InvalidFlushPosition InvalidAppendPosition SourcePathIsBeingDeleted""",
    _BAD_NAME: """InvalidResourceName InvalidUri OutOfRangeInput OutOfRangeQueryParameterValue
        InvalidDestinationPath""",
    _BAD_OPTION: """InvalidHeaderValue UnsupportedHeader AccessTierNotSupportedForBlobType
        InvalidEncryptionScope EncryptionScopeNotFound FeatureNotYetSupportedForHierarchicalNamespaceAccounts""",
    _NO_HIERARCHY: "HierarchicalNamespaceNotEnabled",
    _KEY_VAULT: """KeyVaultEncryptionKeyNotFound KeyVaultAccessTokenCannotBeAcquired
        KeyVaultVaultNotFound KeyVaultUnableToUnwrap""",
    _TOO_LARGE: "RequestBodyTooLarge",
    SLOW_DOWN: "ServerBusy AccountIopsLimitExceeded TooManyRequests",
    STUMBLED: """InternalError OperationTimedOut AccountBeingCreated DestinationPathIsBeingDeleted
        LeaseIsBreakingAndCannotBeAcquired""",
    UNREACHABLE: f"RequestTimedOut {NETWORK}",
}

AZURE = FailureTable(
    codes={
        **{code: verdict for verdict, codes in _CODES.items() for code in codes.split()},
        NO_CREDENTIALS: Verdict(
            "customer",
            "no Azure credentials were found",
            "the destination's file names none, and this machine has no identity of its own",
            "Add sas_token to the destination's file, or give the machine a managed identity that may write",
        ),
        UNTRUSTED: Verdict(
            "customer",
            "the service's certificate can't be trusted",
            "endpoint_url names another host, or a proxy with a certificate of its own stands in between",
            "Mend endpoint_url, or let the machine trust the proxy's certificate (REQUESTS_CA_BUNDLE)",
        ),
        CLOCK: Verdict(
            "ours",
            "Azure refused our request for being from another time",
            "this machine's clock is wrong by more than 15 minutes",
            "Set the clock, and keep it set by NTP",
        ),
        NOT_YET_VALID: Verdict(
            "customer",
            "the SAS token is not valid yet",
            "its start lies in the future: clocks differ by minutes",
            "Create one without a start, or wait until it has come",
        ),
    },
    statuses={
        **HTTP_STATUSES,
        401: _CREDENTIALS_INVALID,
        403: _ACCESS_DISABLED,
        404: _NO_CONTAINER,
        412: _TAKEN,
        413: _TOO_LARGE,
    },
)
"""A clock that is wrong is ours: the customer's key is good. A 409 without a code says nothing, and is ours as well."""


def expired(when: str, status: int | None = None) -> Failure:
    """A SAS token past its end; `when` as `on 1 Nov 2026 at 12:00 UTC`."""
    return Failure(
        whose="customer",
        code=f"{status} {EXPIRED}" if status else EXPIRED,
        happened=_CREDENTIALS_INVALID.happened,
        cause=f"the SAS token expired {when}",
        fix=_NEW_SAS,
    )


def too_narrow(rights: str) -> Failure:
    """A SAS token that says itself that it lacks these rights."""
    return Failure(
        whose="customer",
        code="SasPermissions",
        happened="the SAS token is not enough",
        cause=f"it lacks the right to {rights}",
        fix=_NEW_SAS,
    )
