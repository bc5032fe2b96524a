"""Google's credentials of a service account's key; imported on use alone, for it brings google-auth in."""

from google.oauth2 import service_account


class KeyCredentials(service_account.Credentials):
    """Google's credentials of a key, less their look for regions.

    With a token's first use google-auth asks iamcredentials.googleapis.com, in a thread of its own, which regions
    the account may use: a request to another host than the one that was declared, and of no use to an upload.
    """

    @classmethod
    def like(cls, other: service_account.Credentials) -> "KeyCredentials":
        """Those of the same key, wherever it was found."""
        mine = cls.__new__(cls)
        vars(mine).update(vars(other))
        return mine

    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False
