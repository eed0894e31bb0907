"""Fail unless every pure module has 100% branch coverage; run behind `pytest --cov`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PURE = (
    "svit_datasets/boxes.py",
    "svit_datasets/check.py",
    "svit_datasets/configs.py",
    "svit_datasets/findings.py",
    "svit_datasets/forward/seen.py",
    "svit_datasets/forward/standing.py",
    "svit_datasets/grounding.py",
    "svit_datasets/publish/card/text.py",
    "svit_datasets/publish/card/croissant.py",
    "svit_datasets/publish/card/croissant_fields.py",
    "svit_datasets/publish/card/features.py",
    "svit_datasets/publish/layout.py",
    "svit_datasets/publish/pushing/leaks.py",
    "svit_datasets/publish/building/plan.py",
    "svit_datasets/publish/pushing/pushed.py",
    "svit_datasets/publish/building/recipe.py",
    "svit_datasets/reading/runs.py",
    "svit_datasets/reading/split.py",
    "svit_datasets/reading/split_faults.py",
    "svit_datasets/reading/window.py",
    "svit_datasets/records.py",
    "svit_datasets/rules.py",
    "svit_datasets/sizes.py",
    "svit_datasets/table_inputs/records.py",
    "svit_datasets/tables/arrays.py",
    "svit_datasets/tables/columns.py",
    "svit_datasets/tables/objects.py",
    "svit_datasets/tables/parts.py",
    "svit_datasets/tally.py",
    "svit_datasets/validation/answers.py",
    "svit_datasets/validation/box_screen.py",
    "svit_datasets/validation/engine.py",
    "svit_datasets/validation/examples.py",
    "svit_datasets/validation/first_seen.py",
    "svit_datasets/validation/fixes.py",
    "svit_datasets/validation/grounded.py",
    "svit_datasets/validation/image_tokens.py",
    "svit_datasets/validation/layouts.py",
    "svit_datasets/validation/photo_rules.py",
    "svit_datasets/validation/quick.py",
    "svit_datasets/validation/record_rules.py",
    "svit_datasets/validation/results.py",
    "svit_datasets/validation/screen.py",
    "svit_datasets/validation/set_rules.py",
    "svit_datasets/validation/structure.py",
    "svit_datasets/validation/texts.py",
    "svit_datasets/validation/trainer.py",
    "svit_datasets/validation/training.py",
    "svit_datasets/viewer/filters.py",
    "svit_datasets/viewer/framing.py",
    "svit_datasets/viewer/segments.py",
    "svit_datasets/viewer/shapes.py",
    "converters/base.py",
    "converters/infer.py",
    "converters/llava.py",
    "converters/llava_back.py",
    "converters/llava_layout.py",
    "converters/llava_plain.py",
    "converters/provenance.py",
    "converters/sums.py",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(target)]
        subprocess.run(command, check=True)
        files = json.loads(target.read_text())["files"]
    wrong = []
    for module in PURE:
        found = [files[p] for p in files if p.endswith(module)]
        if not found:
            wrong.append(f"{module}: not measured")
        for file in found:
            missing = file["missing_lines"], file.get("missing_branches", [])
            if any(missing):
                wrong.append(f"{module}: lines {missing[0]}, branches {missing[1]}")
    if wrong:
        sys.exit("\n".join(["pure modules below 100% branch coverage:", *wrong]))
    print(f"{len(PURE)} pure modules at 100% branch coverage")


if __name__ == "__main__":
    main()
