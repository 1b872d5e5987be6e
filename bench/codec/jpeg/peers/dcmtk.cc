// DCMTK's JPEG decoders on frames in files, in this process, without colour conversion.
// Arguments: rounds, then for each frame its file, its bits and its decoded bytes.
// Prints the least CPU time of a decode of each in nanoseconds.
#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmjpeg/djcparam.h"
#include "dcmtk/dcmjpeg/djdijg12.h"
#include "dcmtk/dcmjpeg/djdijg8.h"
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

static double cpu() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
    DJCodecParameter cp(ECC_lossyYCbCr, EDC_never, EUC_default, EPC_default);
    int rounds = atoi(argv[1]);
    for (int i = 2; i + 2 < argc; i += 3) {
        std::ifstream in(argv[i], std::ios::binary);
        std::vector<Uint8> src((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
        std::vector<Uint8> dst(atol(argv[i + 2]));
        double best = 1e18;
        for (int k = 0; k < rounds; k++) {
            DJDecoder *d;
            if (atoi(argv[i + 1]) > 8) d = new DJDecompressIJG12Bit(cp, OFFalse);
            else d = new DJDecompressIJG8Bit(cp, OFFalse);
            double begin = cpu();
            OFCondition r = d->init();
            if (r.good()) r = d->decode(src.data(), src.size(), dst.data(), dst.size(), OFFalse);
            double spent = cpu() - begin;
            if (r.bad()) { std::cerr << argv[i] << ": " << r.text() << std::endl; return 1; }
            if (spent < best) best = spent;
            delete d;
        }
        std::cout << (long)best << std::endl;
    }
}
