"""What a service account needs to deliver to a bucket of Google Cloud Storage. Source: REQUIREMENTS S4, P2."""

YOUR_ACCOUNT = "SERVICE-ACCOUNT@PROJECT-ID.iam.gserviceaccount.com"
"""Stands in the commands until somebody puts the service account that ctexport writes as there."""
YOUR_PROJECT = "PROJECT-ID"
CREATOR = "roles/storage.objectCreator"
WRITING = ("storage.objects.create",)
REPLACING = ("storage.objects.create", "storage.objects.delete")


def policy(bucket: str, *, prefix: str = "", service_account: str = YOUR_ACCOUNT, project: str = YOUR_PROJECT) -> str:
    """The commands that give just enough, with the bucket's name filled in; `prefix` narrows them to one folder."""
    member = f"serviceAccount:{service_account}"
    return "\n".join(
        [
            "One of these is enough; none of them lets ctexport read or list. Run them as an owner of the bucket.",
            "",
            "1. Google's own role. It can't replace files: write on_rerun: new_names into the export's file.",
            "",
            _binding(bucket, prefix, member, CREATOR),
            "",
            f"2. A role of your own with {WRITING[0]} alone, for the same.",
            "",
            _role("ctexportWriter", project, WRITING),
            _binding(bucket, prefix, member, f"projects/{project}/roles/ctexportWriter"),
            "",
            "3. A role that also replaces, for on_rerun: overwrite. With Google, who may replace may delete too;",
            "   ctexport never deletes.",
            "",
            _role("ctexportReplacer", project, REPLACING),
            _binding(bucket, prefix, member, f"projects/{project}/roles/ctexportReplacer"),
            "",
            f"For `ctexport verify`, which reads files back, add roles/storage.objectViewer on gs://{bucket}.",
        ]
    )


def condition(bucket: str, prefix: str) -> str:
    """The IAM condition that holds for the objects of one folder alone; it takes uniform bucket-level access."""
    return f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/{prefix}/")'


def _binding(bucket: str, prefix: str, member: str, role: str) -> str:
    command = [f"gcloud storage buckets add-iam-policy-binding gs://{bucket}", f"--member={member}", f"--role={role}"]
    if prefix:
        command.append(f"--condition='title=ctexport,expression={condition(bucket, prefix)}'")
    return " \\\n    ".join(command)


def _role(name: str, project: str, permissions: tuple[str, ...]) -> str:
    command = [f"gcloud iam roles create {name}", f"--project={project}", f"--permissions={','.join(permissions)}"]
    return " \\\n    ".join(command)
