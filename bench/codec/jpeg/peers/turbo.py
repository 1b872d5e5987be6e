"""libjpeg-turbo (through imagecodecs) on frames in files, in this process.
Arguments: rounds, then for each frame its file, its bits and its decoded bytes.
Prints the least CPU time of a decode of each in nanoseconds."""
import sys
import time

import imagecodecs

rounds = int(sys.argv[1])
for path, bits, _ in zip(*[iter(sys.argv[2:])] * 3):
    src = open(path, "rb").read()
    best = 1 << 60
    for _ in range(rounds):
        begin = time.thread_time_ns()
        # As it is in the codestream: no colour conversion.
        a = imagecodecs.jpeg8_decode(src, colorspace=3, outcolorspace=3) if bits == "8c" else imagecodecs.jpeg8_decode(src)
        best = min(best, time.thread_time_ns() - begin)
    print(best)
