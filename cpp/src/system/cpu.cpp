// Asks the processor and the operating system. Compiled for the baseline: it runs before any choice.
#include "gradstep/dispatch.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__aarch64__) && defined(_WIN32)
#include <windows.h>
#endif

namespace gradstep {

#if defined(__x86_64__)

namespace {

// Register sets that the operating system saves when it switches tasks (XCR0).
unsigned long long saved_registers() {
    unsigned eax = 0, edx = 0;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (static_cast<unsigned long long>(edx) << 32) | eax;
}

bool has(unsigned registers, int bit) { return (registers >> bit & 1u) != 0; }

}  // namespace

CpuFeatures probe_cpu() {
    constexpr unsigned long long kYmm = 0x06, kZmm = 0xe6;
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return {};
    const bool fma = has(ecx, 12), osxsave = has(ecx, 27), avx = has(ecx, 28);
    if (!fma || !osxsave || !avx || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return {};
    const unsigned long long saved = saved_registers();
    const bool avx2 = has(ebx, 5) && (saved & kYmm) == kYmm;
    const bool avx512 =
        avx2 && has(ebx, 16) && has(ebx, 17) && has(ebx, 30) && has(ebx, 31) && (saved & kZmm) == kZmm;
    return {.avx2 = avx2, .avx512 = avx512, .avx512vnni = avx512 && has(ecx, 11)};
}

#elif defined(__aarch64__) && defined(__linux__)

CpuFeatures probe_cpu() {
    constexpr unsigned long kDotProducts = 1ul << 20;  // ASIMDDP in the kernel's list
    return {.dotprod = (getauxval(AT_HWCAP) & kDotProducts) != 0};
}

#elif defined(__aarch64__) && defined(__APPLE__)

CpuFeatures probe_cpu() {
    int has = 0;
    std::size_t size = sizeof(has);
    const int error = sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0);
    return {.dotprod = error == 0 && has != 0};
}

#elif defined(__aarch64__) && defined(_WIN32)

CpuFeatures probe_cpu() {
    constexpr DWORD kDotProducts = 43;  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE, which older headers lack
    return {.dotprod = IsProcessorFeaturePresent(kDotProducts) != 0};
}

#else

CpuFeatures probe_cpu() { return {}; }

#endif

}  // namespace gradstep
