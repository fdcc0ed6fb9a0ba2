#!/usr/bin/env bash
# What is measured on a machine with a GPU, in about eight minutes on a large one: the tests that need it, throughput
# against a plain PyTorch loop, and a whole grid with its seeds side by side. All of it goes into the grid's results, to be
# committed.
#
#   benchmarks/gpu.sh [GRID] [METHOD:RECIPE …]
#
# GRID: a grid's file; by default the control on FERPlus, which needs data/raw/ferplus and weights/ (docs/data.md).
# STEPS: steps that throughput is the median of. Where there is no GPU everything runs on the processor.
set -euo pipefail
cd "$(dirname "$0")/.."
grid=${1:-grids/ferplus_control_gpu.yaml}
shift || true
recipes=("$@")
((${#recipes[@]})) || recipes=(convnext_full:paper conv_cut:paper poster:code_imagenet finetune:resnet18)

bench() { python -m fer_bench "$@" --params "$grid"; }
asked() {
  python - "$grid" "$1" <<'P'
import sys
from pathlib import Path
from fer_bench import params
found = params.read(Path(sys.argv[1]))
print(*{"results": [found.results], "datasets": found.prepare, "methods": found.methods, "seeds": found.run.seeds}[sys.argv[2]])
P
}

out=$(asked results)/machine
mkdir -p "$out"
{ date -u; nvidia-smi 2>/dev/null || echo "no NVIDIA driver"; bench doctor; } >"$out/machine.txt" 2>&1
python -m pytest -q -m gpu -p no:cacheprovider tests/unit/test_cell.py | tee "$out/tests.txt"
python benchmarks/throughput.py "${recipes[@]}" --steps "${STEPS:-20}" 2>/dev/null | tee "$out/throughput.csv"

for dataset in $(asked datasets); do
  bench data prepare "$dataset" >/dev/null
  bench data audit "$dataset" >/dev/null
  for method in $(asked methods); do
    running=()
    for seed in $(asked seeds); do
      bench run "$method" --dataset "$dataset" --seed "$seed" >"$out/$dataset-$method-seed$seed.txt" 2>&1 &
      running+=($!)
    done
    for process in "${running[@]}"; do wait "$process"; done
  done
done
for verb in score compare verdict report; do bench "$verb"; done
