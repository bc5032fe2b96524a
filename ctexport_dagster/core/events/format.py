"""The declared file format of an events export."""

from pydantic import ValidationInfo, field_validator

from ctexport_dagster.core.export import Compression, Format


class EventFormat(Format):
    """The file format of events: `json` alone, or a mapping with its options."""

    compression: Compression | None = None
    """fast or small (both gzip) or none for csv, json and xml; zstd, snappy, gzip or none inside parquet."""
    header_line: bool = True
    """Whether a JSON file begins with a line that has the event's name; false for pure NDJSON."""

    @field_validator("compression")
    @classmethod
    def _compresses_the_type(cls, compression: Compression | None, info: ValidationInfo) -> Compression | None:
        """Text of events may go out as it is, unlike that of profiles. Source: REQUIREMENTS L6, P11."""
        type_ = info.data.get("type")
        if type_ is None or type_ == "parquet":
            return super()._compresses_the_type(compression, info)
        if compression not in (None, "fast", "small", "none"):
            raise ValueError(f"the compression of {type_} is one of fast, small, none")
        return compression

    @field_validator("header_line")
    @classmethod
    def _heads_json_alone(cls, header_line: bool, info: ValidationInfo) -> bool:
        if not header_line and info.data.get("type", "json") != "json":
            raise ValueError("header_line is for json alone: other formats have no such line")
        return header_line

    @property
    def extension(self) -> str:
        """`csv.gz`, `json.gz`, `xml.gz`, or without `.gz` where nothing compresses; `parquet` or `parquet.gz`."""
        is_plain_text = self.type != "parquet" and self.compression == "none"
        return self.type if is_plain_text else super().extension
