// Numbers too small to be normal are zero while kernels work: a processor takes some hundred cycles for each
// operation on one, and weights that no row reaches any more become as small.
// Why so: docs/adr/0039.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

#include "gradstep/types.hpp"

namespace gradstep {

// Whether inputs are in units so large that even what is too small to be normal counts: those of float64 that
// vary by less than 1e-290, and those of float32 by less than 1e-30.
template <class T>
bool has_tiny_inputs(const Rows<T>& rows) {
    const double most = rows.type == RowType::float64 ? 1e290 : 1e30;
    return rows.inverse_scale && std::any_of(rows.inverse_scale, rows.inverse_scale + rows.d,
                                             [=](double scale) { return scale > most; });
}

// The mode of the calling thread for as long as this lives, unless it is not to flush; then it is what it
// was. Machines that are not named here stay as they are.
class FlushToZero {
public:
    static const bool kSupported;

    explicit FlushToZero(bool flush = true) : before_(mode()) { set(flush ? before_ | kFlush : before_); }
    ~FlushToZero() { set(before_); }
    FlushToZero(const FlushToZero&) = delete;
    FlushToZero& operator=(const FlushToZero&) = delete;

private:
#if defined(__SSE2__) || defined(_M_X64)
    using Mode = unsigned;
    static constexpr Mode kFlush = 0x8040;  // results, and operands
    static Mode mode() { return _mm_getcsr(); }
    static void set(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
    using Mode = std::uint64_t;
    static constexpr Mode kFlush = 1u << 24;  // both
    static Mode mode() {
        Mode mode;
        __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
        return mode;
    }
    static void set(Mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
    using Mode = unsigned;
    static constexpr Mode kFlush = 0;
    static Mode mode() { return 0; }
    static void set(Mode) {}
#endif

    Mode before_;
};

inline constexpr bool FlushToZero::kSupported = kFlush != 0;

}  // namespace gradstep
