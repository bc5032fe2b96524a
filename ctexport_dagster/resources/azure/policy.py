"""What suffices on Azure: a SAS token that may create and write, or a role; how to make each.

Source: REQUIREMENTS S4.
"""

import json

YOUR_ACCOUNT = "STORAGE-ACCOUNT"
"""Stands in the commands until somebody puts the account's name there."""
_STORAGE = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def policy(bucket: str, *, account: str = YOUR_ACCOUNT) -> str:
    """The commands and the role with the container's name filled in; `bucket` is the container."""
    return "\n".join(
        [
            "One of these is enough; none lets ctexport read, list or delete.",
            "",
            "1. A SAS token, for a year. In the portal: the container > Settings > Shared access tokens > Permissions:",
            "   Create and Write, nothing else. Put the token into the variable that sas_token names.",
            "",
            "   type: azure_blob",
            *_sas_command(bucket, account, "cw"),
            "",
            "   type: adls, which also moves a finished file to its name within the container",
            *_sas_command(bucket, account, "cwm"),
            "",
            "   With --policy-name of a stored access policy, instead of --permissions and --expiry, the token can be",
            "   revoked. With type: azure_blob, create and write are enough for a Data Lake as well.",
            "",
            "2. A role, where ctexport has an identity of its own and no secret is declared. Save this as role.json:",
            "",
            custom_role(),
            "",
            "   az role definition create --role-definition role.json",
            '   az role assignment create --role "ctexport writer" --assignee CLIENT-ID --scope "/subscriptions/'
            "SUBSCRIPTION-ID/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/"
            f'{account}/blobServices/default/containers/{bucket}"',
        ]
    )


def custom_role() -> str:
    """A role of the customer's own, as JSON: the built-in ones that can write can read and delete, too."""
    return json.dumps(
        {
            "Name": "ctexport writer",
            "Description": "Writes files into a container; neither reads nor deletes.",
            "Actions": [],
            "DataActions": [f"{_STORAGE}/write", f"{_STORAGE}/add/action", f"{_STORAGE}/move/action"],
            "AssignableScopes": ["/subscriptions/SUBSCRIPTION-ID"],
        },
        indent=4,
    )


def _sas_command(container: str, account: str, rights: str) -> list[str]:
    return [
        f"   az storage container generate-sas --account-name {account} --name {container} --permissions {rights} \\",
        '       --expiry "$(date -u -d "+1 year" +%Y-%m-%dT%H:%MZ)" --https-only --auth-mode key --output tsv',
    ]
