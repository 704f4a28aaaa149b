#include "format/out_buffer.h"

#include <algorithm>

namespace tailrace {
namespace {
constexpr size_t kFirstWindow = 640;
constexpr size_t kStep = 512;  // growing clears the new part, so known capacity is taken in steps
}  // namespace

OutBuffer::OutBuffer(std::string& out) : out_(out) {
  if (out_.size() < kFirstWindow) out_.resize(kFirstWindow);  // what stands there is overwritten
  at_ = out_.data();
  end_ = at_ + out_.size();
}

void OutBuffer::grow(size_t bytes) {
  size_t used = static_cast<size_t>(at_ - out_.data());
  size_t wanted = used + bytes;
  out_.resize(wanted <= out_.capacity() ? std::min(wanted + kStep, out_.capacity()) : std::max(out_.size() * 2, wanted));
  at_ = out_.data() + used;
  end_ = out_.data() + out_.size();
}

}  // namespace tailrace
