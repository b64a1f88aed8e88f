#!/bin/sh
# Builds classify from classify.cpp with the headers and libraries in the openvino package of $PYTHON.
#
#     PYTHON=.venv/bin/python examples/deploy/cpp/build.sh [OUTPUT]
set -e
here=$(dirname "$0")
openvino=$("${PYTHON:-python3}" -c 'import openvino, pathlib; print(pathlib.Path(openvino.__file__).parent)')
library=$(basename "$openvino"/libs/libopenvino.so.*)
"${CXX:-g++}" -std=c++17 -O2 -Wall "$here/classify.cpp" -isystem "$openvino/include" -L"$openvino/libs" \
    -l:"$library" -Wl,-rpath,"$openvino/libs" -o "${1:-$here/classify}"
