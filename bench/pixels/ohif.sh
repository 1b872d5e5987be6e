#!/usr/bin/env bash
# OHIF opens one study of each modality from us, in a headless Chromium: bench/pixels/ohif.sh AURELIUS SHARED OUT
# One line for each says whether an image came alive, and which requests failed; the screenshots are for people to look at.
set -euo pipefail
aurelius=$(realpath "$1"); shared=$(realpath "$2"); mkdir -p "$3"; out=$(realpath "$3")
dir=$(mktemp -d); export INSTANCE=aurelius-ohif SHOT_WAIT=${SHOT_WAIT:-60}
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
dimse=127.0.0.1:$(port); http=127.0.0.1:$(port)
"$aurelius" serve --data "$dir" --dimse "$dimse" --http "$http" 2>"$out/aurelius.log" & server=$!
trap '"$shared/parts/ohif" stop >/dev/null 2>&1 || true; kill $server; wait $server || true; rm -rf "$dir"' EXIT
until curl -fs "http://$http/readyz" >/dev/null; do kill -0 $server; sleep 0.2; done
# Some of the corpus are several forms of one image: the first stays, the others are refused.
"$aurelius" send "AURELIUS@$dimse" "$shared"/data/{ct-series,mr-series,modalities,derived,multiframe,wsi} >"$out/send.log" 2>&1 || true
DICOMWEB=http://$http/dicom-web "$shared/parts/ohif" start
curl -fs "http://$http/dicom-web/studies?limit=200&includefield=00201208" | python3 -c '
import json, sys
best = {}
for s in json.load(sys.stdin):  # of each modality the study with the most instances
    for m in s["00080061"].get("Value", []):
        best[m] = max(best.get(m, (0, "")), (s["00201208"]["Value"][0], s["0020000D"]["Value"][0]))
for m, (_, uid) in sorted(best.items()):
    print(m, uid)' >"$out/studies.txt"
sort -u -k2,2 "$out/studies.txt" | while read -r modality study; do
  mode=viewer; [ "$modality" = SM ] && mode=microscopy
  echo "$modality $("$shared/parts/ohif" shot "$study" "$out/$modality.png" $mode </dev/null 2>&1 | tail -1)"
done | tee "$out/report.txt"
