"""A lake: stored candles as Parquet files in a folder or an S3 bucket, kept equal to the database.

``rxcandles lake`` at a shell. Readers such as DuckDB, Polars, pandas and Dask read it without this library.
"""

from rxcandles.lake.checking import verify
from rxcandles.lake.reports import LakeFinding, LakeReport, Sealing, Synced, Unsealed
from rxcandles.lake.sealing import seal, unseal
from rxcandles.lake.syncing import sync

__all__ = ["LakeFinding", "LakeReport", "Sealing", "Synced", "Unsealed", "seal", "sync", "unseal", "verify"]
