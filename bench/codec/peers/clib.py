"""C libraries for bench/codec: libjpeg-turbo, libdeflate, CharLS (imagecodecs; its encoder pyjpegls), zlib.

Reads a command per line and answers each with a line:

    decode LIBRARY FILE ROWS COLUMNS SAMPLES BITS MS        -> "ns crc32 bytes"
    encode LIBRARY FILE ROWS COLUMNS SAMPLES BITS UID SUB MS -> "ns 0 bytes"

FILE is a codestream, or plain samples. ns is the least CPU time of one call. No colour is
converted, as our codecs do not. SUB: see dcmtk.cc.
"""
import functools
import sys
import time
import zlib

import _CharLS
import imagecodecs
import numpy


@functools.cache
def read(path):
    with open(path, "rb") as f:
        return f.read()


def samples(path, rows, columns, count, bits):
    a = numpy.frombuffer(read(path), numpy.uint8 if bits <= 8 else numpy.uint16)
    return a.reshape((rows, columns) if count == 1 else (rows, columns, count))


def decoder(library, b, count, out):
    if library == "libjpeg-turbo":
        color = {} if count == 1 else {"colorspace": "YCBCR", "outcolorspace": "YCBCR"}
        return lambda: imagecodecs.jpeg8_decode(b, out=out, **color)
    if library == "CharLS":
        return lambda: imagecodecs.jpegls_decode(b, out=out)  # faster than pyjpegls, which makes a new buffer
    if library == "libdeflate":
        return lambda: imagecodecs.deflate_decode(b, raw=True, out=out.nbytes)
    if library == "zlib":
        return lambda: zlib.decompress(b, -15, out.nbytes)
    if library == "memcpy":
        a = numpy.frombuffer(b, numpy.uint8)
        return lambda: numpy.copyto(out.reshape(-1).view(numpy.uint8), a)
    raise ValueError(library)


def encoder(library, a, count, bits, uid, sub):
    if library == "libjpeg-turbo" and uid.endswith(".70"):
        color = {} if count == 1 else {"colorspace": "RGB", "outcolorspace": "RGB"}
        return lambda: imagecodecs.jpeg8_encode(a, lossless=True, predictor=1, bitspersample=bits, **color)
    if library == "libjpeg-turbo":
        color = {} if count == 1 else {"colorspace": "YCBCR", "outcolorspace": "YCBCR", "subsampling": sub if sub == "422" else "444"}
        return lambda: imagecodecs.jpeg8_encode(a, level=90, bitspersample=bits, **color)
    if library == "CharLS":
        b = a.tobytes()
        return lambda: _CharLS._encode(b, int(sub), 0 if count == 1 else 2, a.shape[0], a.shape[1], count, bits)
    if library == "libdeflate":
        return lambda: imagecodecs.deflate_encode(a, level=6, raw=True)
    if library == "zlib":
        z = zlib.compressobj
        return lambda: (lambda c: c.compress(a) + c.flush())(z(6, zlib.DEFLATED, -15))
    if library == "memcpy":
        out = numpy.empty_like(a)
        return lambda: numpy.copyto(out, a)
    raise ValueError(library)


def least(call, ms):
    best, end = 1 << 60, time.process_time_ns() + ms * 1_000_000
    while True:
        begin = time.process_time_ns()
        result = call()
        now = time.process_time_ns()
        best = min(best, now - begin)
        if now > end:
            return best, result


def answer(verb, library, path, *rest):
    if verb == "decode":
        rows, columns, count, bits, ms = map(int, rest)
        shape = (rows, columns) if count == 1 else (rows, columns, count)
        out = numpy.empty(shape, numpy.uint8 if bits <= 8 else numpy.uint16)
        best, result = least(decoder(library, read(path), count, out), ms)
        data = bytes(result if isinstance(result, (bytes, bytearray)) else out)
        return f"{best} {zlib.crc32(data)} {len(data)}"
    rows, columns, count, bits = map(int, rest[:4])
    uid, sub, ms = rest[4:]
    best, result = least(encoder(library, samples(path, rows, columns, count, bits), count, bits, uid, sub), int(ms))
    return f"{best} 0 {0 if result is None else len(result)}"


for line in sys.stdin:
    try:
        print(answer(*line.split()), flush=True)
    except Exception as e:  # noqa: BLE001: the benchmark says which peer could not do what
        print("error", type(e).__name__, str(e).replace("\n", " "), flush=True)
