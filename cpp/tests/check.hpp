// A check that counts, prints where it failed, and lets the others run.
#pragma once

#include <cstdio>

namespace gradstep::tests {

struct Tally {
    int checks = 0;
    int failures = 0;
};

inline Tally& tally() {
    static Tally the_tally;
    return the_tally;
}

}  // namespace gradstep::tests

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        ++gradstep::tests::tally().checks;                                               \
        if (!(condition)) {                                                              \
            ++gradstep::tests::tally().failures;                                         \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                                \
    } while (false)
