// DCMTK's codecs for bench/codec. Reads a command per line and answers each with a line:
//
//	make SOURCE UID SUB OUT         writes the native file SOURCE in transfer syntax UID -> "ok"
//	decode FILE MS                  decodes frame 1 for MS milliseconds of CPU  -> "ns crc32 bytes"
//	encode SOURCE UID SUB MS        encodes it                                  -> "ns 0 bytes"
//
// ns is the least CPU time of one call. SUB is 422 for subsampled colour, NEAR for JPEG-LS, 0
// otherwise. No colour conversion on decoding.
#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmdata/dcpixseq.h"
#include "dcmtk/dcmdata/dcpxitem.h"
#include "dcmtk/dcmdata/dcrledrg.h"
#include "dcmtk/dcmdata/dcrleerg.h"
#include "dcmtk/dcmdata/dcrlerp.h"
#include "dcmtk/dcmimage/diregist.h" // colour images are encoded through it
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/dcmjpeg/djencode.h"
#include "dcmtk/dcmjpeg/djrplol.h"
#include "dcmtk/dcmjpeg/djrploss.h"
#include "dcmtk/dcmjpls/djdecode.h"
#include "dcmtk/dcmjpls/djencode.h"
#include "dcmtk/dcmjpls/djrparam.h"

#include <time.h>
#include <zlib.h>

#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

static long long cpu() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void check(const OFCondition &c, const std::string &what) {
  if (c.bad()) throw std::runtime_error(what + ": " + c.text());
}

// Files stay loaded: the benchmark comes back to each.
static DcmFileFormat &load(const std::string &path) {
  static std::map<std::string, std::unique_ptr<DcmFileFormat>> files;
  auto &f = files[path];
  if (!f) {
    f.reset(new DcmFileFormat);
    check(f->loadFile(path.c_str()), path);
    f->loadAllDataIntoMemory();
  }
  return *f;
}

static void subsample(const std::string &sub) {
  static std::string now = "none";
  if (sub == now) return;
  if (now != "none") DJEncoderRegistration::cleanup();
  DJEncoderRegistration::registerCodecs(ECC_lossyYCbCr, EUC_never, OFFalse, 0, 0, 0, OFFalse,
                                        sub == "422" ? ESS_422 : ESS_444);
  now = sub;
}

static void represent(DcmDataset &ds, const std::string &uid, const std::string &sub) {
  E_TransferSyntax to = DcmXfer(uid.c_str()).getXfer();
  DcmRLERepresentationParameter rle;
  DJ_RPLossless lossless(1, 0);
  DJ_RPLossy lossy(90);
  DJLSRepresentationParameter jls(atoi(sub.c_str()), to == EXS_JPEGLSLossless);
  const DcmRepresentationParameter *p = nullptr;
  switch (to) {
    case EXS_RLELossless: p = &rle; break;
    case EXS_JPEGProcess14SV1: p = &lossless; break;
    case EXS_JPEGProcess1:
    case EXS_JPEGProcess2_4: p = &lossy; break;
    case EXS_JPEGLSLossless:
    case EXS_JPEGLSLossy: p = &jls; break;
    default: throw std::runtime_error("no codec for " + uid);
  }
  check(ds.chooseRepresentation(to, p), "encode");
  if (!ds.canWriteXfer(to)) throw std::runtime_error("cannot encode");
}

static size_t encodedSize(DcmDataset &ds, const std::string &uid) {
  DcmElement *e = nullptr;
  check(ds.findAndGetElement(DCM_PixelData, e), "pixel data");
  DcmPixelSequence *s = nullptr;
  E_TransferSyntax to = DcmXfer(uid.c_str()).getXfer();
  const DcmRepresentationParameter *any = nullptr;
  E_TransferSyntax is = to;
  static_cast<DcmPixelData *>(e)->getCurrentRepresentationKey(is, any);
  check(static_cast<DcmPixelData *>(e)->getEncapsulatedRepresentation(is, any, s), "fragments");
  DcmPixelItem *item = nullptr;
  check(s->getItem(item, 1), "fragment");
  return item->getLength();
}

static std::string decode(const std::string &path, long long ms) {
  DcmDataset &ds = *load(path).getDataset();
  DcmElement *e = nullptr;
  check(ds.findAndGetElement(DCM_PixelData, e), "pixel data");
  DcmPixelData *px = static_cast<DcmPixelData *>(e);
  Uint32 size = 0;
  check(px->getUncompressedFrameSize(&ds, size), "size");
  std::vector<char> buf(size + 1);
  OFString color;
  long long best = 1LL << 60, end = cpu() + ms * 1000000;
  do {
    Uint32 start = 0;
    long long begin = cpu();
    check(px->getUncompressedFrame(&ds, 0, start, buf.data(), size, color), "decode");
    best = std::min(best, cpu() - begin);
  } while (cpu() < end);
  std::ostringstream out;
  out << best << " " << crc32(0, reinterpret_cast<Bytef *>(buf.data()), size) << " " << size;
  return out.str();
}

static std::string encode(const std::string &path, const std::string &uid, const std::string &sub, long long ms) {
  subsample(sub);
  DcmDataset &source = *load(path).getDataset();
  long long best = 1LL << 60, end = cpu() + ms * 1000000;
  size_t size = 0;
  do {
    DcmDataset ds(source); // encoding changes it
    long long begin = cpu();
    represent(ds, uid, sub);
    best = std::min(best, cpu() - begin);
    size = encodedSize(ds, uid);
  } while (cpu() < end);
  std::ostringstream out;
  out << best << " 0 " << size;
  return out.str();
}

static std::string answer(std::istringstream &in) {
  std::string verb, source, uid, sub, path;
  long long ms = 0;
  in >> verb;
  if (verb == "decode") {
    in >> path >> ms;
    return decode(path, ms);
  }
  if (verb == "encode") {
    in >> source >> uid >> sub >> ms;
    return encode(source, uid, sub, ms);
  }
  if (verb == "make") {
    in >> source >> uid >> sub >> path;
    subsample(sub);
    DcmFileFormat f(load(source));
    represent(*f.getDataset(), uid, sub);
    check(f.saveFile(path.c_str(), DcmXfer(uid.c_str()).getXfer()), path);
    return "ok";
  }
  throw std::runtime_error("no such command: " + verb);
}

int main() {
  OFLog::configure(OFLogger::ERROR_LOG_LEVEL);
  DcmRLEDecoderRegistration::registerCodecs();
  DcmRLEEncoderRegistration::registerCodecs();
  DJDecoderRegistration::registerCodecs(EDC_never);
  DJLSDecoderRegistration::registerCodecs();
  DJLSEncoderRegistration::registerCodecs();
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    try {
      std::cout << answer(in) << std::endl;
    } catch (const std::exception &e) {
      std::cout << "error " << e.what() << std::endl;
    }
  }
}
