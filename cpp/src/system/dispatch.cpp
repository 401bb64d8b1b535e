#include "gradstep/dispatch.hpp"

#include <stdexcept>
#include <type_traits>

namespace gradstep {

#define GRADSTEP_DECLARE_SET(isa)                     \
    namespace isa {                                   \
    const Kernels<float>& kernels_float() noexcept;   \
    const Kernels<double>& kernels_double() noexcept; \
    }
GRADSTEP_DECLARE_SET(baseline)
GRADSTEP_DECLARE_SET(avx2)
GRADSTEP_DECLARE_SET(avx512)
GRADSTEP_DECLARE_SET(avx512vnni)
GRADSTEP_DECLARE_SET(dotprod)
#undef GRADSTEP_DECLARE_SET

namespace {

struct Set {
    const char* name;
    const Kernels<float>& (*kernels_float)();
    const Kernels<double>& (*kernels_double)();
    bool (*usable)(const CpuFeatures&);
};

// Best first.
const Set kSets[] = {
#ifdef GRADSTEP_HAVE_AVX512VNNI
    {"avx512vnni", avx512vnni::kernels_float, avx512vnni::kernels_double,
     [](const CpuFeatures& cpu) { return cpu.avx512vnni; }},
#endif
#ifdef GRADSTEP_HAVE_AVX512
    {"avx512", avx512::kernels_float, avx512::kernels_double,
     [](const CpuFeatures& cpu) { return cpu.avx512; }},
#endif
#ifdef GRADSTEP_HAVE_AVX2
    {"avx2", avx2::kernels_float, avx2::kernels_double, [](const CpuFeatures& cpu) { return cpu.avx2; }},
#endif
#ifdef GRADSTEP_HAVE_DOTPROD
    {"dotprod", dotprod::kernels_float, dotprod::kernels_double,
     [](const CpuFeatures& cpu) { return cpu.dotprod; }},
#endif
    {"baseline", baseline::kernels_float, baseline::kernels_double, [](const CpuFeatures&) { return true; }},
};

// Asked once: in a virtual machine each question stops the guest for microseconds.
const CpuFeatures& cpu_features() {
    static const CpuFeatures features = probe_cpu();
    return features;
}

}  // namespace

std::vector<std::string> isas_built() {
    std::vector<std::string> names;
    for (const Set& set : kSets) names.emplace_back(set.name);
    return names;
}

std::vector<std::string> isas_usable() {
    const CpuFeatures& cpu = cpu_features();
    std::vector<std::string> names;
    for (const Set& set : kSets)
        if (set.usable(cpu)) names.emplace_back(set.name);
    return names;
}

template <class T>
const Kernels<T>& kernels_of(const std::string& isa) {
    const CpuFeatures& cpu = cpu_features();
    for (const Set& set : kSets) {
        if (isa != set.name || !set.usable(cpu)) continue;
        if constexpr (std::is_same_v<T, float>)
            return set.kernels_float();
        else
            return set.kernels_double();
    }
    throw std::invalid_argument("instruction set '" + isa + "' is not usable here");
}

template const Kernels<float>& kernels_of<float>(const std::string&);
template const Kernels<double>& kernels_of<double>(const std::string&);

}  // namespace gradstep
