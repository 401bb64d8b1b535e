// A set that is another one, GRADSTEP_BASE_ISA, and has products of bytes besides. Compiled as set.cpp is.
#include "gradstep/kernels.hpp"

#include "bytes.hpp"

namespace gradstep {

namespace GRADSTEP_BASE_ISA {
const Kernels<float>& kernels_float() noexcept;
const Kernels<double>& kernels_double() noexcept;
}  // namespace GRADSTEP_BASE_ISA

namespace GRADSTEP_ISA {
namespace {

template <class T>
Kernels<T> with_bytes(Kernels<T> kernels, const ByteProducts<T>* bytes) noexcept {
    kernels.isa = GRADSTEP_ISA_NAME;
    kernels.bytes = bytes;
    return kernels;
}

}  // namespace

const Kernels<float>& kernels_float() noexcept {
    static const Kernels<float> table = with_bytes(GRADSTEP_BASE_ISA::kernels_float(), &kByteProducts);
    return table;
}

const Kernels<double>& kernels_double() noexcept {
    static const Kernels<double> table = with_bytes<double>(GRADSTEP_BASE_ISA::kernels_double(), nullptr);
    return table;
}

}  // namespace GRADSTEP_ISA
}  // namespace gradstep
