"""The declared files: read with their lines, validated, checked against each other, told as JSON Schema."""
