// One instruction set's kernels. This file is compiled once per set, with that set's flags and with
// GRADSTEP_ISA as its name. Everything has internal linkage but the two tables at the end: were an
// inline function shared between sets, the linker would keep one set's copy for all of them.
#include "gradstep/kernels.hpp"

#include "augment.hpp"
#include "layers.hpp"
#include "loss.hpp"
#include "measure.hpp"
#include "products.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T>
constexpr Kernels<T> kTable{
    GRADSTEP_ISA_NAME,  padded<T>,    column_groups<T>,  panel_size<T>,    pack<T>,  unpack<T>,
    transposed_size<T>, transpose<T>, gather<T>,         prefetch<T>,      stage<T>, product<T>,
    gather_product<T>,  update<T>,    takes_unscaled<T>, reread_update<T>, add<T>,   finish<T>,
    backward<T>,        loss<T>,      multiply_adds<T>,  read<T>,
};

}  // namespace

const Kernels<float>& kernels_float() noexcept { return kTable<float>; }
const Kernels<double>& kernels_double() noexcept { return kTable<double>; }

}  // namespace gradstep::GRADSTEP_ISA
