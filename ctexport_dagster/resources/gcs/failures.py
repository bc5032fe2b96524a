"""What Google Cloud Storage's errors mean, as data; nothing of Google's is imported here.

Codes, most precise first: the permission that an answer says is missing, the `reason` of its JSON, the error of the
token endpoint (a key that was disabled shows there, before any request to the bucket), the name of the exception.
The messages of the first three are those of REQUIREMENTS S10, the causes those of P37 and G2.
"""

from ctexport_dagster.core.failure import HTTP_STATUSES, UNREACHABLE, Failure, FailureTable, Verdict

CREATE = "storage.objects.create"
REPLACE = "storage.objects.delete"
READ = "storage.objects.get"
SESSION_LOST = "uploadSessionLost"
DAMAGED = "crc32cMismatch"
STORED_OTHERWISE = "storedOtherwise"
NO_KEY = "keyUnusable"
NO_CREDENTIALS = "credentialsMissing"
CLOCK = "clockSkew"
KMS = "kmsKeyDenied"
UNTRUSTED = "certificateUntrusted"
EXISTS = "conditionNotMet"
PROTECTED = ("retentionPolicyNotMet", "objectUnderActiveHold")

_NEW_KEY = (
    "Look in IAM whether the service account and its key are enabled; else create a new JSON key, put it where the "
    "destination's file points, and run ctexport check with --canary"
)
_NEW_NAMES = "Set on_rerun: new_names in the export's file: changed files then get names of their own"
_CREDENTIALS_INVALID = Verdict(
    "customer",
    "Invalid Google Cloud credentials",
    "the service account's key is invalid or expired: the key or the account was disabled, deleted or replaced",
    _NEW_KEY,
)
_DISABLED = Verdict(
    "customer",
    "All access to this object has been disabled",
    "the service account's key is invalid or expired, or its role on the bucket was removed or is not configured",
    "Grant it roles/storage.objectCreator on the bucket, as `ctexport policy gcs` prints it; if it has that role, "
    "create a new JSON key",
)
_REPLACING_DENIED = Verdict(
    "customer",
    "an older file lies under this name, and it may not be replaced",
    "replacing takes the right to delete (storage.objects.delete), which roles/storage.objectCreator doesn't have",
    f"{_NEW_NAMES}. Or grant the role that `ctexport policy gcs` prints for replacing",
)
_READING_DENIED = Verdict(
    "customer",
    "reading is not allowed there",
    "delivering takes no right to read, so none was granted",
    "Grant roles/storage.objectViewer on the bucket if ctexport is to read deliveries back",
)
_KEPT = Verdict(
    "customer",
    "an older file lies under this name, and the bucket keeps it from being replaced",
    "a retention policy or a hold protects it",
    _NEW_NAMES,
)
_NO_BUCKET = Verdict(
    "customer",
    "The specified GCS bucket does not exist",
    "the bucket is deleted, or its name in the destination's file is not exactly the one in Google Cloud",
    "Compare the two letter by letter, for bucket names must match exactly; if the bucket is deleted, create a new one",
)
_BILLING = Verdict(
    "customer",
    "the Google project doesn't take requests",
    "its billing is switched off, or the bucket makes its users pay",
    "Switch billing on for the bucket's project, and requester pays off for the bucket",
)
_STUMBLED = HTTP_STATUSES[503]
_SLOW_DOWN = HTTP_STATUSES[429]

GCS = FailureTable(
    codes={
        CREATE: _DISABLED,
        REPLACE: _REPLACING_DENIED,
        READ: _READING_DENIED,
        **dict.fromkeys(PROTECTED, _KEPT),
        "invalid_grant": _CREDENTIALS_INVALID,
        "invalid_client": _CREDENTIALS_INVALID,
        "unauthorized_client": _CREDENTIALS_INVALID,
        "access_denied": _CREDENTIALS_INVALID,
        "authError": _CREDENTIALS_INVALID,
        "RefreshError": _CREDENTIALS_INVALID,
        "accountDisabled": _BILLING,
        "userProjectMissing": _BILLING,
        "UserProjectMissing": _BILLING,
        "rateLimitExceeded": _SLOW_DOWN,
        "userRateLimitExceeded": _SLOW_DOWN,
        "quotaExceeded": _SLOW_DOWN,
        "backendError": _STUMBLED,
        "internalError": _STUMBLED,
        "internal_failure": _STUMBLED,
        "server_error": _STUMBLED,
        "temporarily_unavailable": _STUMBLED,
        "conflict": _STUMBLED,
        "ConnectionError": UNREACHABLE,
        "ChunkedEncodingError": UNREACHABLE,
        "Timeout": UNREACHABLE,
        "TransportError": UNREACHABLE,
        SESSION_LOST: Verdict(
            "transient",
            "Google lost the upload that was under way",
            "an upload's session ended on Google's side",
            "It is tried again from the start by itself; nothing to do",
        ),
        DAMAGED: Verdict(
            "transient",
            "the file was damaged on its way, and Google refused it",
            "a fault of the network",
            "It is tried again by itself; if it stays, look for a proxy that changes what passes through it",
        ),
        STORED_OTHERWISE: Verdict(
            "ours",
            "the answer names another checksum than that of the file we sent",
            "a proxy changed the file or the answer, or the service isn't Google's own",
            "Look at the object's CRC32C in the bucket. If it is wrong, delete the object and run the partition again",
        ),
        NO_KEY: Verdict(
            "customer",
            "the service account's key can't be read",
            "it is not the whole JSON file that Google gave when the key was created",
            "Put that file's whole text, from the first brace to the last, where key_json or key_file points",
        ),
        NO_CREDENTIALS: Verdict(
            "customer",
            "no Google credentials were found",
            "the destination's file has neither key_json nor key_file, and this machine has no credentials of its own",
            "Give key_json or key_file, or let the machine run as a service account",
        ),
        CLOCK: Verdict(
            "ours",
            "Google refused our request for being from another time",
            "this machine's clock is wrong by minutes",
            "Set the clock, and keep it set by NTP",
        ),
        KMS: Verdict(
            "customer",
            "the Cloud KMS key may not be used",
            "the bucket's service agent has no right to encrypt with it, or the key was disabled",
            "Grant roles/cloudkms.cryptoKeyEncrypterDecrypter on the key to the project's Cloud Storage service agent",
        ),
        UNTRUSTED: Verdict(
            "customer",
            "the service's certificate isn't trusted",
            "a proxy between this machine and Google shows a certificate of its own, or endpoint_url is wrong",
            "Let the machine trust the proxy's certificate (REQUESTS_CA_BUNDLE), or mend endpoint_url",
        ),
    },
    statuses={**HTTP_STATUSES, 401: _CREDENTIALS_INVALID, 403: _DISABLED, 404: _NO_BUCKET, 409: _STUMBLED},
)
"""A clock that is wrong is ours: the customer's key is good."""

TAKEN = Failure(
    whose="customer",
    code=f"412 {EXISTS}",
    happened="another file has this name",
    cause="something other than this export wrote it, or ctexport's state folder was lost",
    fix="Move it away, or choose another folder or name under files; ctexport never overwrites others' files",
)
NAME_TOO_LONG = Failure(
    whose="customer",
    code="nameTooLong",
    happened="the name is too long for Google Cloud Storage",
    cause="it allows 1,024 bytes for prefix, folder and name together",
    fix="Shorten prefix, or folder and name under files",
)
