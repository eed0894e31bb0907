"""Make svit_datasets/images/visual_genome.parquet from a CSV of all Visual Genome ids.

The CSV (plain or gzip) has the columns image_id, folder (VG_100K or VG_100K_2) and svit_test (0 or 1). Sources: the
id lists of public Visual Genome tools, and SVIT's own list of 10,808 held-out test ids.

    python scripts/make_visual_genome_index.py vg_index.csv.gz
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

TARGET = Path(__file__).parent.parent / "svit_datasets" / "images" / "visual_genome.parquet"


def main(source: str) -> None:
    rows = pyarrow.csv.read_csv(source).sort_by("image_id")
    if rows.num_rows != 108_077 or pc.sum(rows["svit_test"]).as_py() != 10_808:
        sys.exit(f"{source}: {rows.num_rows} ids; expected 108077, 10808 of them held out")
    table = pa.table(
        {
            "image_id": rows["image_id"].cast(pa.int32()),
            "second_folder": pc.equal(rows["folder"], "VG_100K_2"),
            "svit_test": rows["svit_test"].cast(pa.bool_()),
        }
    )
    pq.write_table(
        table,
        TARGET,
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
        column_encoding={"image_id": "DELTA_BINARY_PACKED", "second_folder": "RLE", "svit_test": "RLE"},
        data_page_version="2.0",
        store_schema=False,
    )
    print(f"{TARGET}: {table.num_rows} ids, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
