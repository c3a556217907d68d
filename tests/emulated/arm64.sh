#!/bin/sh
# Train, evaluate, export and run live on an emulated 64-bit ARM processor, and compare its answers with this machine's.
#
#   tests/emulated/arm64.sh [--cache FOLDER] [--data FOLDER] [--learn FOLDER] [--most N] [--int8-most N]
#
#   --cache FOLDER   where the ARM system, its wheels and the last run's files are kept, 1 GB; it may be deleted
#                    (default: $XDG_CACHE_HOME/teach-camera-arm64)
#   --data FOLDER    real pictures that are asked about (default: ../shared/data/thumbs)
#   --learn FOLDER   what the models learn from, one folder a label (default: DATA/person_1, else DATA)
#   --most N         pictures asked in fp32, evenly over all, 2 to 6 seconds each; 0 asks all (default: 48)
#   --int8-most N    the same in int8, half a second each (default: 480)
#
# No privileges are needed. What is needed: Linux on x86 with Debian's packages qemu-user-static, proot and debootstrap,
# and this checkout's .venv. Debian 12 is the ARM system, as its Python is 3.11. It takes half an hour, and much longer
# where other work wants the processor. It prints a table, and ends with 1 where answers are not equal: labels on all
# but ties, probabilities to a thousandth.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/teach-camera-arm64
data=$here/../shared/data/thumbs
learn=
most=48
int8_most=480
usage() {
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0"
}
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --cache | --data | --learn | --most | --int8-most) ;;
        *) usage >&2; echo "there is no $1" >&2; exit 2 ;;
    esac
    [ $# -gt 1 ] || { echo "$1 wants a value" >&2; exit 2; }
    case $1 in
        --cache) cache=$2 ;;
        --data) data=$2 ;;
        --learn) learn=$2 ;;
        --most) most=$2 ;;
        --int8-most) int8_most=$2 ;;
    esac
    shift 2
done
for number in "$most" "$int8_most"; do
    case $number in
        '' | *[!0-9]*) echo "$number is not a number of pictures" >&2; exit 2 ;;
    esac
done
[ -n "$learn" ] || { learn=$data/person_1; [ -d "$learn" ] || learn=$data; }
[ -d "$data" ] || { echo "there is no folder $data: name one of pictures with --data" >&2; exit 2; }
[ -d "$learn" ] || { echo "there is no folder $learn: name one with a folder for each label with --learn" >&2; exit 2; }
python=$here/.venv/bin/python
[ -x "$python" ] || { echo "there is no $python: run make demo first" >&2; exit 2; }
packages="qemu-user-static proot debootstrap"
PATH=$PATH:/usr/sbin:/sbin
for program in qemu-aarch64-static proot debootstrap dpkg-deb; do
    command -v "$program" > /dev/null && continue
    if [ "$(id -u)" -ne 0 ]; then
        echo "$program is missing: sudo apt-get install $packages" >&2
        exit 2
    fi
    # shellcheck disable=SC2086
    apt-get install --yes $packages
done

# --- the ARM system, once. Its packages are only unpacked: nothing of Debian's own is run in it.
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
exec 9> "$cache/lock"
flock --nonblock 9 || { echo "another run uses $cache: wait for its end, or name another folder with --cache" >&2; exit 2; }
system=$cache/bookworm
wheels=$cache/wheels-$(cat "$here/requirements-live.txt" "$here/constraints.txt" | sha256sum | cut -c1-16)
work=$cache/work
if [ ! -e "$system/complete" ]; then
    echo "making a Debian for ARM in $system (some minutes, once)"
    rm -rf "$system"
    # What OpenCV's wheel wants of the system: libGL, libglib and libxcb.
    proot -0 debootstrap --foreign --arch=arm64 --variant=minbase \
        --include=python3,libgl1,libglib2.0-0,libxcb1 bookworm "$system" > "$cache/debootstrap.log" ||
        grep -q "Extracting zlib1g" "$cache/debootstrap.log" # making /dev/null is all that may fail
    for package in "$system"/var/cache/apt/archives/*.deb; do
        dpkg-deb --extract "$package" "$system"
    done
    rm -f "$system"/var/cache/apt/archives/*.deb
    # A Raspberry Pi 5 as Linux describes it, with as many cores as may be used here: the real /sys and /proc/cpuinfo
    # are of x86, and without them onnxruntime does not find the dot products.
    processors=$system/sys/devices/system/cpu
    count=$(nproc)
    mkdir -p "$processors"
    echo "0-$((count - 1))" | tee "$processors/possible" "$processors/present" > "$processors/online"
    : > "$system/cpuinfo"
    for number in $(seq 0 $((count - 1))); do
        mkdir -p "$processors/cpu$number/topology"
        echo 0 > "$processors/cpu$number/topology/physical_package_id"
        echo "$number" > "$processors/cpu$number/topology/core_id"
        echo "$number" > "$processors/cpu$number/topology/thread_siblings_list"
        cat >> "$system/cpuinfo" << END
processor	: $number
BogoMIPS	: 108.00
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x4
CPU part	: 0xd0b
CPU revision	: 1

END
    done
    touch "$system/complete"
fi
if [ ! -d "$wheels" ]; then
    echo "fetching wheels for ARM"
    platforms="--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64
        --platform manylinux2014_aarch64 --python-version 3.11 --implementation cp --only-binary=:all:"
    rm -rf "$cache"/wheels-* "$cache/downloads" # of an older checkout, or of a run that was stopped
    mkdir -p "$cache/downloads"
    # shellcheck disable=SC2086
    "$python" -m pip download --quiet --dest "$cache/downloads" $platforms \
        --constraint "$here/constraints.txt" --requirement "$here/requirements-live.txt"
    # shellcheck disable=SC2086
    "$python" -m pip install --quiet --no-index --find-links "$cache/downloads" --no-compile $platforms \
        --target "$wheels.partial" --constraint "$here/constraints.txt" --requirement "$here/requirements-live.txt"
    mv "$wheels.partial" "$wheels"
    rm -rf "$cache/downloads"
fi

# --- run something on either. /sys stays the made one, as the real one crashes onnxruntime there, and so does the
# default processor of Debian 12's qemu. Folders lie there where they lie here: proot does not know the newest form of
# access(), which goes on to this machine's own files.
rm -rf "$work"
mkdir -p "$work/pictures" "$work/home" "$work/tmp"
on_arm() {
    nice -n 10 env -i HOME="$work/home" TMPDIR="$work/tmp" PATH=/usr/bin:/bin LC_ALL=C.UTF-8 \
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$wheels:$here" proot -q "qemu-aarch64-static -cpu cortex-a76" \
        -r "$system" -b /proc -b /dev -b "$system/cpuinfo:/proc/cpuinfo" -b "$wheels" -b "$here" -b "$work" \
        -w "$work" /usr/bin/python3 "$@"
}
on_x86() {
    (cd "$work" && PYTHONPATH=$here nice -n 10 "$python" "$@")
}
# Run something, and show the last lines of what it says; all of them where it fails.
last_lines() {
    lines=$1
    shift
    "$@" > "$work/said" || { cat "$work/said"; exit 1; }
    tail -n "$lines" "$work/said"
}
step() {
    printf '\n%s  == %s\n' "$(date +%T)" "$*"
}

# Copy COUNT pictures of each label of $learn, evenly over all but beginning at the one numbered FIRST, to FOLDER.
pick() {
    for label in "$learn"/*/; do
        mkdir -p "$3/$(basename "$label")"
        find "$label" -maxdepth 1 -type f ! -name '.*' | sort > "$work/names"
        awk -v count="$1" -v first="$2" -v all="$(wc -l < "$work/names")" \
            'BEGIN { step = all / count; if (step < 1) step = 1 } NR >= next_one + first { next_one += step; print }' \
            "$work/names" | while read -r picture; do
            cp "$picture" "$3/$(basename "$label")/"
        done
    done
}

# Pictures are copied, since embeddings are kept beside them.
cp -r "$data/." "$work/pictures/"
chmod -R u+w "$work/pictures"
find "$work/pictures" -name '.embeddings*' -prune -exec rm -rf {} +
pick 1000000 1 "$work/learn"
pick 8 1 "$work/few"
pick 4 3 "$work/other"

step "x86: train, export to int8, answer"
last_lines 3 on_x86 -m webcam_classifier.cli train learn --mode head --output x86-model
last_lines 3 on_x86 -m webcam_classifier.cli export x86-model --precision int8
on_x86 -m tests.emulated.answers x86-model/model.onnx pictures x86-fp32.npz
on_x86 -m tests.emulated.answers x86-model/model.int8.onnx pictures x86-int8.npz
last_lines 3 on_x86 -m webcam_classifier.cli train few --mode head --input-size 96 --output x86-few

step "ARM: the device"
on_arm -m webcam_classifier.cli doctor
step "ARM: train a head with eight pictures of each label, at 96 pixels"
# x86 has just fetched the weights; the unpacked system has no pip.
cp "${XDG_CACHE_HOME:-$HOME/.cache}"/webcam-classifier/squeezenet1_1-*.safetensors "$work/weights.safetensors"
on_arm -m webcam_classifier.cli train few --mode head --input-size 96 --output arm-few \
    --weights weights.safetensors
step "ARM: evaluate it"
on_arm -m webcam_classifier.cli evaluate arm-few other
step "ARM: export it to int8"
on_arm -m webcam_classifier.cli export arm-few --precision int8 --keep-anyway
step "ARM: live on the simulated camera, with whatever runs fastest"
on_arm -m webcam_classifier.cli live arm-few --source demo --no-window --frames 10 --json-lines live.jsonl
[ "$(wc -l < "$work/live.jsonl")" -ge 10 ] || { echo "live told too little" >&2; exit 1; }

step "ARM: answers of x86's model"
on_arm -m tests.emulated.answers x86-model/model.int8.onnx pictures arm-int8.npz --most "$int8_most"
on_arm -m tests.emulated.answers x86-model/model.int8.onnx pictures arm-int8-optimised.npz --most 24 --optimised
on_arm -m tests.emulated.answers x86-model/model.onnx pictures arm-fp32.npz --most "$most"
on_arm -m tests.emulated.answers x86-model/model.onnx pictures arm-fp32-optimised.npz --most 12 --optimised
step "both: answers of the model that was trained and exported on ARM, and of the same trained on x86"
for model in arm-few/model arm-few/model.int8 x86-few/model; do
    name=$(echo "$model" | tr / -)
    on_x86 -m tests.emulated.answers "$model.onnx" few "x86-$name.npz"
    on_arm -m tests.emulated.answers "$model.onnx" few "arm-$name.npz"
done

step "ARM against x86"
are_equal=0
on_x86 -m tests.emulated.compare \
    "x86's model, fp32" x86-fp32.npz arm-fp32.npz \
    "the same, graph written for ARM" x86-fp32.npz arm-fp32-optimised.npz \
    "x86's model, int8" x86-int8.npz arm-int8.npz \
    "the same, graph written for ARM" x86-int8.npz arm-int8-optimised.npz \
    "ARM's model, fp32" x86-arm-few-model.npz arm-arm-few-model.npz \
    "ARM's model, int8" x86-arm-few-model.int8.npz arm-arm-few-model.int8.npz \
    "learnt on x86, on ARM, each asked there" x86-x86-few-model.npz arm-arm-few-model.npz || are_equal=$?
printf '\n%s  all files of this run, until the next one: %s\n' "$(date +%T)" "$work"
exit "$are_equal"
