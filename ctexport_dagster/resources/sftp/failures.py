"""What goes wrong with an SFTP server: its status codes, and what can stand in the way of a login.

SFTP 3 knows eight status codes, and a full disk is none of them: all that has no code of its own comes as
SSH_FX_FAILURE, so what it means depends on the request. Codes here are `STATUS` or `STATUS on REQUEST`.
"""

from ctexport_dagster.core.failure import UNREACHABLE, Failure, FailureTable, Verdict
from ctexport_dagster.resources.sftp.protocol import Refused

_MAYBE_FULL = Verdict(
    "customer",
    "the server could not take the file's bytes",
    "most likely its disk is full or the user's quota is used up; SFTP has no code that says so",
    "Make room or raise the quota, then run the partition again: it goes on where it stopped",
)
_NO_FOLDER = Verdict(
    "customer",
    "the folder does not exist",
    "the destination's folder is misspelt or was deleted, or the login starts in another place than expected",
    "Create the folder on the server, and compare its path with the destination's file as the user's login sees it",
)
_NO_RIGHTS = Verdict(
    "customer",
    "writing is not allowed there",
    "the user has no right to write into the folder, or the server forbids a request that writing needs",
    "Give the user the right to write into the folder, and allow open, write, close, mkdir, rename and posix-rename",
)
_IN_THE_WAY = Verdict(
    "customer",
    "the file could not be created",
    "the server's disk is full, or a file has the name of a folder that the key needs",
    "Make room on the server, or move what is in the way; then run the partition again",
)
_NOT_RENAMED = Verdict(
    "customer",
    "the finished file could not be given its name",
    "a folder has that name, or the server's disk is full",
    "Move the folder away or make room, then run the partition again",
)
_CANNOT_REPLACE = Verdict(
    "customer",
    "the server can't replace a file",
    "it doesn't offer posix-rename@openssh.com, and a plain rename can't take the place of another file",
    "Set on_rerun: new_names in the export, or deliver to a server that offers it, as OpenSSH does",
)
_TAKEN = Verdict(
    "customer",
    "another file has this name",
    "something other than this export wrote it, or ctexport's state folder was lost",
    "Move it away, or choose another folder or name under files; ctexport never overwrites others' files",
)
_LOST = Verdict(
    "transient",
    "the temporary file vanished before it got its name",
    "an earlier try that was cut off ended after all, or something on the server moves files away",
    "It is tried again by itself; if it stays, keep other programs away from files that end in .part",
)
_SHORT = Verdict(
    "transient",
    "the server holds fewer or more bytes than were sent",
    "its disk lost data, or something else writes to the temporary file",
    "It is tried again by itself; if it stays, check the server's disk",
)
_TOO_LONG = Verdict(
    "customer",
    "the server does not take this name",
    "it is too long (most disks allow 255 bytes), or holds characters that the server forbids",
    "Shorten the name under files",
)
_UNSUPPORTED = Verdict(
    "customer",
    "the server lacks a request that writing needs",
    "it forbids or doesn't know open, write, close, mkdir or rename",
    "Allow these requests for the user, or deliver to another server",
)
_LOGIN = Verdict(
    "customer",
    "the login was refused",
    "the user, the key or the password is wrong, or the key is not among the user's authorized_keys",
    "Check user and key on the server, and the environment variables that the destination's file names",
)
_LOGIN_METHOD = Verdict(
    "customer",
    "the server does not accept this way to log in",
    "it wants a key where a password is declared, or a password where a key is",
    "Declare what the server accepts: key (or key_file), or password; or both, where it wants both",
)
_HOST_KEY_UNKNOWN = Verdict(
    "customer",
    "the server's host key is not known",
    "known_hosts has no line for this host and port; a key is never accepted on first sight",
    "Ask the server's owner for its host key, and add it to known_hosts or declare it as host_key",
)
_HOST_KEY_CHANGED = Verdict(
    "customer",
    "the server's host key is not the known one",
    "the server was set up anew, or somebody stands between us and it",
    "Ask the server's owner whether the key changed; only then replace it in known_hosts or host_key",
)
_HOST_KEY_REVOKED = Verdict(
    "customer",
    "the server's host key was revoked",
    "known_hosts marks it as @revoked",
    "Ask the server's owner for its new key; don't remove the mark",
)
_NO_COMMON_ALGORITHM = Verdict(
    "customer",
    "the server speaks no encryption that we accept",
    "it offers outdated algorithms alone",
    "Have the server updated: it needs one of the algorithms that paramiko takes for safe",
)
_NO_SUCH_HOST = Verdict(
    "customer",
    "the host's name is not known",
    "it is misspelt, or is known in another network only",
    "Compare host in the destination's file with the server's name",
)
_NO_SFTP = Verdict(
    "customer",
    "the login succeeded, but the server offers no SFTP to this user",
    "the subsystem sftp is off, or the user's login starts another program",
    "Switch SFTP on for the user: Subsystem sftp internal-sftp, and ForceCommand internal-sftp",
)
_KEY = Verdict(
    "customer",
    "the private key can't be read",
    "it is no private key in OpenSSH or PEM form (RSA, ECDSA, Ed25519), or was cut off, or its passphrase is wrong",
    "Put the whole text of the key, with its first and last line, where the destination's file points",
)
_KEY_PASSPHRASE = Verdict(
    "customer",
    "the private key is encrypted",
    "key_passphrase is not declared",
    "Declare key_passphrase: {env: NAME}",
)
_KEY_FILE = Verdict(
    "customer",
    "the private key's file can't be read",
    "key_file is misspelt, or the user that runs ctexport may not read it",
    "Compare key_file with the file's path; a relative one belongs to the home",
)
_KNOWN_HOSTS = Verdict(
    "customer",
    "the known_hosts file can't be read",
    "its path is misspelt, or the user that runs ctexport may not read it",
    "Compare known_hosts with the file's path; a relative one belongs to the home",
)
_HOST_KEY = Verdict(
    "customer",
    "the declared host_key is no public key",
    "it was cut off or misspelt",
    "Write it as in /etc/ssh/ssh_host_ed25519_key.pub on the server: ssh-ed25519 AAAA…",
)

SFTP = FailureTable(
    codes={
        "SSH_FX_NO_SUCH_FILE": _NO_FOLDER,
        "SSH_FX_NO_SUCH_FILE on rename": _LOST,
        "SSH_FX_NO_SUCH_FILE on posix-rename": _LOST,
        "SSH_FX_PERMISSION_DENIED": _NO_RIGHTS,
        "SSH_FX_FAILURE": _MAYBE_FULL,
        "SSH_FX_FAILURE on open": _IN_THE_WAY,
        "SSH_FX_FAILURE on rename": _NOT_RENAMED,
        "SSH_FX_FAILURE on posix-rename": _NOT_RENAMED,
        "SSH_FX_BAD_MESSAGE": _TOO_LONG,
        "SSH_FX_NO_CONNECTION": UNREACHABLE,
        "SSH_FX_CONNECTION_LOST": UNREACHABLE,
        "SSH_FX_OP_UNSUPPORTED": _UNSUPPORTED,
        "name taken": _TAKEN,
        "no posix-rename": _CANNOT_REPLACE,
        "size differs": _SHORT,
        "login refused": _LOGIN,
        "login method": _LOGIN_METHOD,
        "host key unknown": _HOST_KEY_UNKNOWN,
        "host key changed": _HOST_KEY_CHANGED,
        "host key revoked": _HOST_KEY_REVOKED,
        "no common algorithm": _NO_COMMON_ALGORITHM,
        "unknown host": _NO_SUCH_HOST,
        "no sftp": _NO_SFTP,
        "key": _KEY,
        "key_passphrase": _KEY_PASSPHRASE,
        "key_file": _KEY_FILE,
        "known_hosts": _KNOWN_HOSTS,
        "host_key": _HOST_KEY,
        "connection lost": UNREACHABLE,
        "timed out": UNREACHABLE,
    },
    statuses={},
)


class NoConnection(Exception):
    """No connection came about, or it broke; `failure` says why."""

    def __init__(self, code: str) -> None:
        self.failure = sftp_failure(code)
        super().__init__(code)


def sftp_failure(code: str) -> Failure:
    return SFTP.classify(code=code)


def refusal(refused: Refused) -> Failure:
    """What a server's refusal of one request means."""
    precise = f"{refused.status} on {refused.request}"
    return SFTP.classify(code=precise if precise in SFTP.codes else refused.status)


def breakdown(error: BaseException) -> Failure:
    """What a connection that broke means."""
    if isinstance(error, NoConnection):
        return error.failure
    return sftp_failure("timed out" if isinstance(error, TimeoutError) else "connection lost")
