// One instruction set's kernels. This file is compiled once per set, with that set's flags and with
// GRADSTEP_ISA as its name. Everything has internal linkage but the two tables at the end: were an
// inline function shared between sets, the linker would keep one set's copy for all of them.
#include "gradstep/kernels.hpp"

#include "activations.hpp"
#include "between.hpp"
#include "dropout.hpp"
#include "gradients.hpp"
#include "losses.hpp"
#include "peak.hpp"
#include "products/products.hpp"
#include "products/sparse.hpp"
#include "rows/augment.hpp"
#include "rules.hpp"
#include "squares.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T, class Kind>
constexpr Loss<T> loss_entry() {
    return {.name = Kind::name, .targets = Kind::targets, .numbers = Kind::numbers, .judge = judge<T, Kind>};
}

template <class T, class Function>
constexpr Activation<T> activation_entry() {
    return {
        .name = Function::name,
        .numbers = Function::numbers,
        .add_bias_activate = add_bias_activate<T, Function>,
        .times_slope = times_slope<T, Function>,
    };
}

template <class T, class Of>
constexpr Rule<T> rule_entry() {
    using Numbers = typename Of::template Numbers<T>;
    return {
        .name = Of::name,
        .slots = Of::slots,
        .numbers = static_cast<Index>(sizeof(Numbers) / sizeof(T)),
        .with_product = Of::with_product,
        .step = apply<T, Of>,
    };
}

// Arrays of entries, one for each type of a list.
template <class T, class... Kinds>
constexpr Loss<T> kLosses[] = {loss_entry<T, Kinds>()...};
template <class T, class... Functions>
constexpr Activation<T> kActivations[] = {activation_entry<T, Functions>()...};
template <class T, class... Of>
constexpr Rule<T> kRules[] = {rule_entry<T, Of>()...};

template <class T, class... Kinds>
constexpr List<Loss<T>> list_of_losses(TypeList<Kinds...>) {
    return {kLosses<T, Kinds...>, sizeof...(Kinds)};
}
template <class T, class... Functions>
constexpr List<Activation<T>> list_of_activations(TypeList<Functions...>) {
    return {kActivations<T, Functions...>, sizeof...(Functions)};
}
template <class T, class... Of>
constexpr List<Rule<T>> list_of_rules(TypeList<Of...>) {
    return {kRules<T, Of...>, sizeof...(Of)};
}

template <class T>
constexpr Kernels<T> kTable{
    .isa = GRADSTEP_ISA_NAME,
    .losses = list_of_losses<T>(Losses{}),
    .activations = list_of_activations<T>(Activations{}),
    .rules = list_of_rules<T>(Rules{}),
    .padded = padded<T>,
    .column_groups = column_groups<T>,
    .panel_size = panel_size<T>,
    .pack = pack<T>,
    .unpack = unpack<T>,
    .run = run<T>,
    .transposed_size = transposed_size<T>,
    .transpose = transpose<T>,
    .gather = gather<T>,
    .prefetch = prefetch<T>,
    .augment_rows = augment_rows<T>,
    .product = product<T>,
    .gather_product = gather_product<T>,
    .sparse_product = sparse_product<T>,
    .update = update<T>,
    .gradient = gradient<T>,
    .prefers_unscaled = prefers_unscaled<T>,
    .rescale = rescale<T>,
    .sum_of_squares = sum_of_squares<T>,
    .clip = clip<T>,
    .scale = scale<T>,
    .average = average<T>,
    .add = add<T>,
    .add_bias = add_bias<T>,
    .backward = backward<T>,
    .drop = drop<T>,
    .drop_elements = drop_elements<T>,
    .multiply_adds = multiply_adds<T>,
    .read = read<T>,
};

}  // namespace

const Kernels<float>& kernels_float() noexcept { return kTable<float>; }
const Kernels<double>& kernels_double() noexcept { return kTable<double>; }

}  // namespace gradstep::GRADSTEP_ISA
