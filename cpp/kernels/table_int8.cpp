// A set that is another one, GRADSTEP_BASE_ISA, and has products of bytes besides. Compiled as table.cpp is.
// Why so: docs/adr/0018.
#include "gradstep/kernels.hpp"

#include "products/int8.hpp"

namespace gradstep {

namespace GRADSTEP_BASE_ISA {
const Kernels<float>& kernels_float() noexcept;
const Kernels<double>& kernels_double() noexcept;
}  // namespace GRADSTEP_BASE_ISA

namespace GRADSTEP_ISA {
namespace {

template <class T>
Kernels<T> with_int8(Kernels<T> kernels, const Int8Products<T>* int8) noexcept {
    kernels.isa = GRADSTEP_ISA_NAME;
    kernels.int8 = int8;
    return kernels;
}

}  // namespace

const Kernels<float>& kernels_float() noexcept {
    static const Kernels<float> table = with_int8(GRADSTEP_BASE_ISA::kernels_float(), &kInt8Products);
    return table;
}

const Kernels<double>& kernels_double() noexcept {
    static const Kernels<double> table = with_int8<double>(GRADSTEP_BASE_ISA::kernels_double(), nullptr);
    return table;
}

}  // namespace GRADSTEP_ISA
}  // namespace gradstep
