// Which instruction sets this build has and this machine runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gradstep/kernels.hpp"

namespace gradstep {

struct CpuFeatures {
    bool avx2 = false;    // with FMA, and the operating system saves 256-bit registers
    bool avx512 = false;  // F, BW, DQ and VL, and the operating system saves 512-bit registers
    bool avx512vnni = false;
    bool dotprod = false;  // of 64-bit Arm
};

CpuFeatures probe_cpu();

// Sets compiled into this build, and those of them that this machine runs; best first.
std::vector<std::string> isas_built();
std::vector<std::string> isas_usable();

// The table of a usable set; throws std::invalid_argument for any other name.
template <class T>
const Kernels<T>& kernels_of(const std::string& isa);

// The loss, activation or rule of a name, or null.
template <class Entry>
const Entry* find(List<Entry> list, std::string_view name) {
    for (const Entry& entry : list)
        if (entry.name == name) return &entry;
    return nullptr;
}

}  // namespace gradstep
