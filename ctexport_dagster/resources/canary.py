"""The canary of `ctexport check --canary`: one tiny file under a marked key, put in the way of every other file."""

import hashlib
import tempfile
import uuid
from pathlib import Path

from ctexport_dagster.core.destination import Destination, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure

_FOLDER = ".ctexport-canary"
_CONTENT = b"Written by `ctexport check --canary`; it may be removed.\n"


def try_with_a_canary(destination: Destination) -> Failure | None:
    """Writes one, never the same twice; why it couldn't, else None.

    Raises:
        ConfigurationError: a secret's variable isn't set, or the extra isn't installed.
    """
    attempt = uuid.uuid4().hex
    sha256 = hashlib.sha256(_CONTENT).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder, "canary")
        staged.write_bytes(_CONTENT)
        upload = Upload(staged, f"{_FOLDER}/{attempt}", len(_CONTENT), sha256, attempt, overwrites=False)
        try:
            destination.put(upload)
        except DeliveryError as error:
            return error.failure
    return None
