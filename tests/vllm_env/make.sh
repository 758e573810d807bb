#!/bin/sh
# Builds the environment of the tests marked `vllm`: make.sh FOLDER (default .venv-vllm). About 3 GB.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-.venv-vllm}
uv=${UV:-uv}
command -v "$uv" >/dev/null || { echo "make.sh: no uv (remedy: pip install uv, or set UV=/path/to/uv)" >&2; exit 2; }
# uv does not read pip's variable for extra wheel folders
export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
[ -x "$folder/bin/python" ] || "$uv" venv --quiet --python 3.11 "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/shim/pyproject.toml" "$work/"  # setuptools writes beside what it builds
"$uv" pip install --quiet --python "$folder/bin/python" --overrides "$here/overrides.txt" \
  -r "$here/requirements.txt" "$work"
"$folder/bin/python" -c 'from importlib.metadata import version; print("vllm", version("vllm"))'
