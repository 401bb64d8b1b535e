// How fast this machine is at most, with one set of kernels.
#pragma once

#include "gradstep/kernels.hpp"

namespace gradstep {

// Per second.
struct Speed {
    double operations = 0;  // of multiply-adds in registers, each counting as two
    double bytes = 0;       // read from memory
};

struct Speeds {
    int n_threads = 0;  // the team that the request got
    Speed all;          // its threads together
    Speed one;          // one thread alone
};

// Takes a second or less, and 256 MB or, where that is more, 16 MB a thread.
Speeds measure(const Kernels<float>& kernels, int n_threads);

}  // namespace gradstep
